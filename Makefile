# `make demo` and `make test` are all that a newcomer needs; both set up .venv first and are quick the second time.
PYTHON ?= python3
OUT    ?= build/demo

MEASUREMENTS ?= docs/measurements
SCALE ?= 0.1
SERVICE ?= osv

VENV := .venv
GPU_VENV := .venv-gpu
JAZZY_VENV := .venv-jazzy
ROS_VENV := .venv-ros
COMPILE_VENV := .venv-compile
LOWEST_VENV := .venv-lowest
# Warnings of build tools to their own developers are left out.
PIP  := PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
DESCRIPTION := setup.py setup.cfg pyproject.toml package.xml constraints.txt

.DELETE_ON_ERROR:
.PHONY: help demo predict test test-jazzy test-humble test-lowest test-compile test-aarch64 test-ros lint docs test-gpu gpu-tests bindings chromium gcc clean
.PHONY: attack notice sbom audit lock

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## play a camera through the node: BAG=bag, picture, video, webcam... MODEL=model OUT=folder
	@$(VENV)/bin/python -m avtar_ros.demo $(if $(BAG),--bag '$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)') \
	    $(if $(MODEL),--model '$(MODEL)') $(if $(FOV),--fov '$(FOV)') $(if $(FOCAL_PX),--focal-px '$(FOCAL_PX)') \
	    $(if $(SECONDS),--seconds '$(SECONDS)') --out '$(OUT)'

predict: $(VENV)/predict.stamp  ## make maps of your pictures, video or camera: SOURCE=photo.jpg OUT=folder FOV=degrees
	@test -n '$(SOURCE)' || { echo 'say of what: make predict SOURCE=photo.jpg'; exit 2; }
	@$(VENV)/bin/avtar-predict $(SOURCE) $(if $(MODEL),--model '$(MODEL)') $(if $(FOV),--fov '$(FOV)') \
	    $(if $(FOCAL_PX),--focal-px '$(FOCAL_PX)') $(if $(filter command line,$(origin OUT)),--out '$(OUT)') \
	    $(if $(SHOW),--show)

test: lint bindings chromium gcc  ## check style, types and Dockerfiles, then run every test
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --durations 15
	@$(MAKE) --no-print-directory test-jazzy test-humble

# The pair of NVIDIA's libraries before the one that the suite compiles with: TensorRT 11.0, TensorRT for RTX 1.5.
test-compile: $(COMPILE_VENV)/stamp gcc  ## compile engines with an older pair of NVIDIA's libraries as well
	$(COMPILE_VENV)/bin/python -m pytest tests/engine_build/test_compile.py

# On an emulated ARM, Debian's qemu-user: minutes a model. ORT is a version of ONNX Runtime.
ORT ?= 1.23.2
test-aarch64: $(VENV)/test.stamp  ## run shipped models as ONNX Runtime computes on ARM, emulated: ORT=version
	$(VENV)/bin/python -m tests.aarch64 --onnxruntime $(ORT) models/avtar-demo.onnx models/avtar-demo-fp16.onnx

# What depends on the distribution of ROS. The suite runs on Kilted's wheels, Humble has none.
NODE_TESTS := tests/avtar_ros/node/test_lifecycle.py tests/avtar_ros/node/test_cameras.py tests/avtar_ros/ros \
    tests/avtar_ros/source/test_camera_source.py tests/avtar_ros/test_launch.py

test-jazzy: $(JAZZY_VENV)/stamp  ## run the tests of the nodes on ROS 2 Jazzy's wheels
	ROS_DISTRO=jazzy $(JAZZY_VENV)/bin/python -m pytest -n 2 --dist load $(NODE_TESTS)

test-humble: $(JAZZY_VENV)/stamp  ## run them with a stand-in for what differs on ROS 2 Humble
	ROS_DISTRO=humble PYTHONPATH=tests/humble $(JAZZY_VENV)/bin/python -m pytest -n 2 --dist load $(NODE_TESTS)

# On a robot: what setup.py admits there, at its oldest.
test-lowest:  ## run what runs on a robot with the oldest versions that setup.py admits: PYTHON=python3.10
	$(PYTHON) -m venv $(LOWEST_VENV)
	$(LOWEST_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --constraint constraints-lowest.txt \
	    '.[onnxruntime,ros-wheels]' onnx hypothesis pytest pytest-timeout pytest-xdist
	$(LOWEST_VENV)/bin/python -m pytest -n 2 --dist loadfile tests/avtar_ros/bags tests/avtar_ros/demo \
	    tests/avtar_ros/engines tests/avtar_ros/node tests/avtar_ros/source tests/avtar_ros/imaging/test_images.py \
	    tests/avtar_ros/test_model_card.py tests/avtar_ros/test_perception.py tests/avtar_ros/imaging/test_transports.py

# On a machine without ROS, ROS_SOURCES is a folder with checkouts of launch, launch_ros, ros2cli, rosidl_runtime_py.
test-ros: $(ROS_VENV)/stamp  ## run the launch files under ROS's own tools: those of this machine, or ROS_SOURCES=folder
	$(if $(ROS_SOURCES),$(ROS_VENV)/bin/python tests/install_ros_tools.py '$(ROS_SOURCES)')
	AMENT_PREFIX_PATH="$(if $(ROS_SOURCES),$(CURDIR)/$(ROS_VENV):)$$AMENT_PREFIX_PATH" \
	    $(ROS_VENV)/bin/python -m pytest tests/avtar_ros/test_launch.py tests/avtar_ros/test_ros_tools.py

docs: $(VENV)/docs.stamp  ## make the documentation as a site, in build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build

lint: $(VENV)/test.stamp  ## check style, types and Dockerfiles alone
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/hadolint docker/Dockerfile.*

test-gpu:  ## build, check, run and measure engines on this machine's GPU: MEASUREMENTS=folder to keep figures in
	@if $(PYTHON) -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null; then \
	    $(MAKE) --no-print-directory gpu-tests; \
	else \
	    echo "skipped: no driver of an NVIDIA GPU here (libcuda.so.1), so no engine can be run"; \
	fi

gpu-tests: $(GPU_VENV)/stamp
	AVTAR_MEASUREMENTS='$(MEASUREMENTS)' $(GPU_VENV)/bin/python -m pytest -p no:xdist --durations 10 tests/gpu

# TensorRT is JetPack's on a Jetson, which the system's Python sees; on a PC NVIDIA has it on PyPI.
$(GPU_VENV)/stamp: $(DESCRIPTION)
	$(PYTHON) -m venv --system-site-packages $(GPU_VENV)
	PATH="$$PATH:/usr/local/cuda/bin" $(GPU_VENV)/bin/python -m pip install --quiet --editable '.[tensorrt]' \
	    hypothesis pytest pytest-timeout
	@$(GPU_VENV)/bin/python -c 'import tensorrt' 2>/dev/null || test "$$(uname -m)" != x86_64 \
	    || $(GPU_VENV)/bin/python -m pip install --quiet tensorrt
	@touch $@

# These see what is installed in $(VENV), after what is their own: other versions of ROS, and its tools.
SEE_VENV = printf 'import site; site.addsitedir("%s")\n' \
    "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    > "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"

$(JAZZY_VENV)/stamp: constraints-jazzy.txt $(VENV)/test.stamp
	$(PYTHON) -m venv --clear $(JAZZY_VENV)
	$(JAZZY_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --constraint constraints-jazzy.txt \
	    'ros-jazzy-rclpy[fastrtps]' ros-jazzy-common-interfaces
	@$(call SEE_VENV,$(JAZZY_VENV))
	@touch $@

$(COMPILE_VENV)/stamp: $(VENV)/test.stamp
	$(PYTHON) -m venv --clear $(COMPILE_VENV)
	$(COMPILE_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --no-deps \
	    tensorrt-cu12-bindings==11.0.0.114 onnxruntime-ep-nv-tensorrt-rtx-cu12==0.3.0
	@$(call SEE_VENV,$(COMPILE_VENV))
	@touch $@

# Where a ROS installation is sourced, its rclpy goes before any other; else there is that of the wheels.
$(ROS_VENV)/stamp: $(VENV)/test.stamp
	$(PYTHON) -m venv --clear $(ROS_VENV)
	@$(PYTHON) -c 'import rclpy' 2>/dev/null || $(ROS_VENV)/bin/python -m pip --quiet --disable-pip-version-check \
	    install --constraint constraints.txt 'ros-rclpy[fastrtps]' ros-kilted-common-interfaces osrf-pycommon
	@$(call SEE_VENV,$(ROS_VENV))
	@touch $@

# NVIDIA's bindings of TensorRT, 1 MB each, and of CUDA, 12 MB, that tests hold the code against; they skip without.
BINDINGS := 10.3.0 10.7.0 10.13.3.9 10.16.1.11 11.0.0.114 11.4.0.106
CUDA_BINDINGS := cuda-bindings==12.9.0 cuda-bindings==13.0.1 cuda-pathfinder==1.3.0

bindings: $(VENV)/test.stamp
	@for version in $(BINDINGS); do \
	    ls $(VENV)/bindings/tensorrt_cu12_bindings-$$version-* >/dev/null 2>&1 \
	        || $(VENV)/bin/python -m pip --quiet --disable-pip-version-check download --no-deps \
	            --only-binary :all: --dest $(VENV)/bindings "tensorrt-cu12-bindings==$$version" 2>/dev/null \
	        || echo "bindings of TensorRT $$version could not be had: their test is skipped"; \
	done
	@for wheel in $(CUDA_BINDINGS); do \
	    ls $(VENV)/bindings/$$(echo $$wheel | tr - _ | sed 's/==/-/')-* >/dev/null 2>&1 \
	        || $(VENV)/bin/python -m pip --quiet --disable-pip-version-check download --no-deps \
	            --only-binary :all: --dest $(VENV)/bindings "$$wheel" 2>/dev/null \
	        || echo "$$wheel could not be had: its test is skipped"; \
	done

# What tests use and skip without, saying so: a browser to open the report, a compiler to link NVIDIA's builder.
chromium gcc:
	@if ! command -v $@ >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo 'installing $@'; \
	    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $@; } \
	        >/dev/null </dev/null || echo '$@ could not be installed: tests that need it are skipped'; \
	fi

notice: $(VENV)/test.stamp  ## list the licences of all that is installed in NOTICE
	$(VENV)/bin/python docs/supply.py

# Tools for what is installed, in an environment of their own: they are no part of it.
TOOLS := .venv-tools
$(TOOLS)/stamp:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.4' 'cyclonedx-bom>=4' 'pip-audit>=2.7'
	@touch $@

sbom: $(VENV)/test.stamp $(TOOLS)/stamp  ## a bill of materials of all that is installed: build/sbom.json (CycloneDX)
	@mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment $(VENV)/bin/python --output-format JSON --output-file build/sbom.json

# pip-audit asks a service, and passes what the service does not know; without a network a copy's advisories serve as well.
audit: $(VENV)/test.stamp $(if $(ADVISORIES),,$(TOOLS)/stamp)  ## known advisories: SERVICE=osv|pypi, or offline ADVISORIES=all.zip
	@mkdir -p build
	@rm -f build/audit.json
	$(if $(ADVISORIES),,-$(TOOLS)/bin/pip-audit --vulnerability-service $(SERVICE) --format json --output build/audit.json \
	    --path $(wildcard $(VENV)/lib/python3*/site-packages) 2>build/audit.log)
	$(VENV)/bin/python docs/advisories.py '$(or $(ADVISORIES),build/audit.json)'

lock: $(TOOLS)/stamp  ## hashes of all constraints for x86-64 and aarch64: build/lock.x86_64.txt, build/lock.aarch64.txt
	@mkdir -p build
	for machine in x86_64 aarch64; do \
	    $(TOOLS)/bin/uv pip compile --quiet --generate-hashes --python-platform $$machine-manylinux_2_28 \
	        --constraint constraints.txt --extra onnxruntime setup.py --output-file build/lock.$$machine.txt || exit 1; \
	done

attack: $(VENV)/test.stamp  ## attack all that takes something from outside: SCALE=share of the full size (20 minutes: 0.2)
	$(VENV)/bin/python -m tests.attack --scale $(SCALE) --out $(MEASUREMENTS)/reliability.md

clean:  ## remove everything that was made here
	rm -rf $(VENV) $(COMPILE_VENV) $(GPU_VENV) $(JAZZY_VENV) $(LOWEST_VENV) $(ROS_VENV) build dist install log *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A Python named on the command line is the one that is used, or it is said how.
$(VENV)/bin/python: FORCE
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo 'avtar_ros needs Python 3.10 or later: make PYTHON=/path/to/python3'; exit 1; }
	@test -x $@ || $(PYTHON) -m venv $(VENV)
ifeq ($(origin PYTHON),command line)
	@version='import sys; print(*sys.version_info[:3], sep=".")'; \
	wanted=$$($(PYTHON) -c "$$version"); found=$$($@ -c "$$version"); test "$$wanted" = "$$found" || { \
	    echo "$(VENV) was made with Python $$found, not with PYTHON=$(PYTHON), which is $$wanted: make clean, then again"; \
	    exit 1; }
endif

.PHONY: FORCE

$(VENV)/tools.stamp: constraints.txt | $(VENV)/bin/python
	@echo 'setting up $(VENV); this takes some minutes the first time'
	@$(PIP) --upgrade pip setuptools wheel
	@touch $@

# What maps of pictures take; the demo's has more.
$(VENV)/predict.stamp: $(DESCRIPTION) $(VENV)/tools.stamp
	@$(PIP) --no-build-isolation --editable '.[onnxruntime]'
	@touch $@

# The project is installed editable, with the setuptools of the constraints rather than whichever pip would fetch.
$(VENV)/demo.stamp: $(DESCRIPTION) $(VENV)/tools.stamp
	@$(PIP) --no-build-isolation --editable '.[onnxruntime,ros-wheels]'
	@touch $@

$(VENV)/docs.stamp: $(DESCRIPTION) $(VENV)/demo.stamp
	$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@

$(VENV)/test.stamp: $(DESCRIPTION) $(VENV)/tools.stamp
	$(PIP) --no-build-isolation --editable '.[compile-check,docs,fleet,onnxruntime,rerun,ros-wheels,test,train,video]'
	@touch $@ $(VENV)/demo.stamp $(VENV)/predict.stamp
