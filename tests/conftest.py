"""What every test may rely on: a ROS domain of its own, no network, and the recordings if they are there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from avtar_ros.ros.isolation import claim_ros_domain

REPOSITORY = Path(__file__).resolve().parents[1]

# Read when the libraries are first imported, so set before any test file is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Several workers that each start a thread per core only wait for one another.
workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

# Where the tests are started in the background, Ctrl-C is ignored, and so it would be by every process they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure, and a failure is found again from the same examples everywhere.
settings.register_profile("avtar_ros", deadline=None, derandomize=True)
settings.load_profile("avtar_ros")


@pytest.fixture(scope="session", autouse=True)
def ros_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The ROS domain of this test process, set for it and for the processes it starts; loopback only."""
    domain, claim = claim_ros_domain()
    with claim, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        if os.environ.get("ROS_DISTRO") == "humble":  # older than the variable above; later ones warn of this
            patch.setenv("ROS_LOCALHOST_ONLY", "1")
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield domain


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that the tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real camera recordings: $AVTAR_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("AVTAR_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "rgbd_kitchen").is_dir():
        pytest.skip(f"no camera recordings in {folder}: set AVTAR_DATA to the folder that holds rgbd_kitchen")
    return folder
