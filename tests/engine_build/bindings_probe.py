"""Run in a process of its own: whether TensorRT's bindings have all that the project asks of them.

Every attribute of the module that the sources name must be there, and what Python subclasses must be constructible.
Prints one line of JSON: the version, and what is missing.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import tensorrt_bindings as trt

ENGINE = ("num_io_tensors", "get_tensor_name", "get_tensor_dtype", "get_tensor_shape", "create_execution_context")
CONTEXT = ("set_input_shape", "set_tensor_address", "execute_async_v3", "profiler")
BUILDER = ("create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network")
CONFIG = (
    "set_memory_pool_limit", "builder_optimization_level", "profiling_verbosity", "progress_monitor", "clear_flag",
    "add_optimization_profile", "create_timing_cache", "set_timing_cache", "get_timing_cache",
)
MEMBERS = {
    "ICudaEngine": ENGINE,
    "IExecutionContext": CONTEXT,
    "Runtime": ("deserialize_cuda_engine",),
    "Builder": BUILDER,
    "IBuilderConfig": CONFIG,
    "ITimingCache": ("combine", "serialize"),
    "IOptimizationProfile": ("set_shape",),
    "INetworkDefinition": ("num_inputs", "num_outputs", "get_input", "get_output"),
    "OnnxParser": ("parse", "num_errors", "get_error"),
    "ParserError": ("code", "desc", "node_name", "node_operator"),
}


def named(source: Path) -> set[str]:
    """Dotted names below `trt` or `self._trt` in a source, such as "ILogger.Severity.ERROR"."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and parts:
            chain = [node.id, *parts]
            if chain[0] == "trt" or chain[:2] == ["self", "_trt"]:
                found.add(".".join(chain[1 if chain[0] == "trt" else 2 :]))
    return found - {"", "cuda"}


def has(name: str) -> bool:
    thing = trt
    for part in name.split("."):
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


def wrong_starts() -> list[str]:
    """What of Builder and Runtime does not fail as expected; raises where a derived class cannot be made."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: object, message: str) -> None: ...

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None: ...

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None: ...

    class Profiler(trt.IProfiler):
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None: ...

    Logger(), Monitor(), Profiler()  # or this process ends with the error
    # Over a library that gives nothing these fail, in the way that `started` expects.
    said = {make.__name__: refusal(make, Logger()) for make in (trt.Builder, trt.Runtime)}
    return [f"{name}: {error}" for name, error in said.items() if "factory function returned nullptr" not in error]


def refusal(make: type, logger: object) -> str:
    try:
        make(logger)
    except TypeError as error:
        return str(error)
    return "it starts without a library"


sources = map(Path, sys.argv[1:])
names = {name for source in sources for name in named(source)} | {f"{k}.{m}" for k, ms in MEMBERS.items() for m in ms}
missing = sorted(name for name in names if not has(name))
print(json.dumps({"version": trt.__version__, "asked": len(names), "missing": missing, "failed": wrong_starts()}))
