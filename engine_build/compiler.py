"""TensorRT's builder, step by step: the graph to a network, options to a configuration, both to a plan."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avtar_ros.engines.engine import INPUT
from avtar_ros.engines.sidecar import BuildOptions, TensorInfo, interface
from avtar_ros.engines.tensorrt import Messages, started
from engine_build.errors import BuildError
from engine_build.onnx_model import OnnxModel
from engine_build.progress import BuildProgress, monitor
from engine_build.timing_cache import load_timings, save_timings

MEBIBYTE = 1 << 20
NO_MEMORY = ("Could not find any implementation", "out of memory", "OutOfMemory")
TOO_LITTLE_MEMORY = ("Tactic Device request", "Device memory is insufficient")
"""In warnings about kernels that were not tried because there was too little memory for them."""
FREE_MEMORY = (
    "Close other programs, then free what the kernel caches: sudo sh -c 'sync; echo 3 > /proc/sys/vm/drop_caches' "
    "(on a Jetson the GPU cannot take that memory)."
)
MOST_WARNINGS = 3
MEANINGS = {
    "UNSUPPORTED_NODE": "TensorRT does not have this operator, or not with these inputs and attributes",
    "UNSUPPORTED_GRAPH": "TensorRT cannot take a graph of this form",
    "UNSUPPORTED_NODE_ATTR": "TensorRT does not have this operator with these attributes",
    "UNSUPPORTED_NODE_INPUT": "TensorRT does not have this operator with such inputs",
    "UNSUPPORTED_NODE_DATATYPE": "TensorRT does not have this operator for this type",
    "UNSUPPORTED_NODE_DYNAMIC": "TensorRT does not have this operator with shapes that vary",
    "UNSUPPORTED_NODE_SHAPE": "TensorRT does not have this operator with these shapes",
    "INVALID_NODE": "the operator does not fit what it is given",
}
"""The parser's error codes, for people."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compiled:
    """A plan, and what it takes and gives."""

    plan: bytes
    tensors: dict[str, TensorInfo]


def compile_model(
    trt: Any, model: OnnxModel, options: BuildOptions, workspace_mb: int, timings: Path, driver_cuda: str | None
) -> Compiled:
    """The plan of `model`; a progress bar shows how far it is, and Ctrl-C ends it. Raises BuildError.

    All of TensorRT runs in a thread of its own. Python tells only its main thread of Ctrl-C, wherever that is, and in
    one of TensorRT's calls back the exception would be swallowed; so the builder is asked to stop, and waited for.
    """
    with closing(BuildProgress()) as progress, ThreadPoolExecutor(1, "builder") as thread:
        compiled = thread.submit(
            lambda: _Compiler(trt, model, progress, driver_cuda).compile(options, workspace_mb, timings)
        )
        try:
            return compiled.result()
        except KeyboardInterrupt:
            progress.cancel()
            raise


class _Compiler:
    """One model on its way to a plan. TensorRT's objects depend on one another and are kept together here."""

    def __init__(self, trt: Any, model: OnnxModel, progress: BuildProgress, driver_cuda: str | None) -> None:
        self._trt = trt
        self._model = model
        self._messages = Messages(trt)
        self._monitor = monitor(trt, progress)
        self._builder = started(trt.Builder, self._messages, driver_cuda)
        self._network = self._parse()

    def _parse(self) -> Any:
        """A strongly typed network: every tensor has the type that the ONNX file gives it."""
        trt = self._trt
        network = self._builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        self._parser = trt.OnnxParser(network, self._messages.logger)  # holds the weights
        if not self._parser.parse(self._model.graph.SerializeToString(), str(self._model.path)):
            errors = [self._parser.get_error(i) for i in range(self._parser.num_errors)]
            lines = "".join(f"\n  {describe_error(error)}" for error in errors)
            raise BuildError(f"{self._model.path}: TensorRT {trt.__version__} cannot take this graph:{lines}")
        found = _tensors(trt, network)
        if found != interface(self._model.card):
            raise BuildError(
                f"{self._model.path}: TensorRT sees {found}, but the card promises {interface(self._model.card)}."
            )
        return network

    def compile(self, options: BuildOptions, workspace_mb: int, timings: Path) -> Compiled:
        config = self._configure(options, workspace_mb)
        load_timings(config, timings)
        self._messages.errors.clear()
        self._messages.warnings.clear()
        plan = self._builder.build_serialized_network(self._network, config)
        short = too_little_memory(self._messages.warnings)
        if plan is None:
            reason = " ".join([self._messages.reason(), *short])
            raise BuildError(
                f"{self._model.path}: TensorRT could not build it: {reason} {advice(reason, workspace_mb)}"
            )
        if short:
            log.warning(
                "%s: built, but kernels were left out for lack of memory, so it may be slower than it could be: %s %s",
                self._model.path, " ".join(short), FREE_MEMORY,
            )
        try:
            save_timings(config, timings)
        except OSError as error:
            log.warning("%s: cannot be written (%s); the next build measures again.", timings, error)
        return Compiled(bytes(plan), _tensors(self._trt, self._network))

    def _configure(self, options: BuildOptions, workspace_mb: int) -> Any:
        trt = self._trt
        config = self._builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mb * MEBIBYTE)
        config.builder_optimization_level = options.level
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # names of layers, for inspect and bench
        config.progress_monitor = self._monitor
        config.clear_flag(trt.BuilderFlag.TF32)  # float32 means float32: TF32 has the digits of float16
        profile = self._builder.create_optimization_profile()
        image = interface(self._model.card)[INPUT].shape[1:]
        profile.set_shape(INPUT, (1, *image), (options.batch, *image), (options.batch, *image))
        config.add_optimization_profile(profile)
        return config


def too_little_memory(warnings: Sequence[str]) -> list[str]:
    """The last few of TensorRT's warnings that memory is short, each once."""
    said = dict.fromkeys(text for text in warnings if any(sign in text for sign in TOO_LITTLE_MEMORY))
    return list(said)[-MOST_WARNINGS:]


def advice(reason: str, workspace_mb: int) -> str:
    """What to do about a build that failed for `reason`, which is TensorRT's."""
    if any(sign in reason for sign in (*NO_MEMORY, *TOO_LITTLE_MEMORY)):
        return (
            f"Most often memory has run out, which CPU and GPU share on a Jetson; {workspace_mb} MB of workspace were "
            f"allowed. {FREE_MEMORY} Or add swap, or try a smaller --workspace (such as {max(1, workspace_mb // 2)}) "
            "and --level 2."
        )
    return "If it names a node, the graph has something that this TensorRT cannot do; update TensorRT."


def describe_error(error: Any) -> str:
    """One of the parser's errors: at which node, what that means, and what TensorRT itself says."""
    where = f"node {error.node_name()!r} ({error.node_operator()})" if error.node_operator() else "the graph"
    meaning = MEANINGS.get(error.code().name, error.code().name.lower().replace("_", " "))
    if "UInt8" in error.desc():
        meaning = "uint8 may only be an input, an output, or what a Cast takes; the Cast must come first"
    return f"{where}: {meaning}.{_own_words(error.desc())}"


def _own_words(description: str) -> str:
    """What of TensorRT's description is of use to a reader; it comes with places in its source, and repeats itself."""
    said = re.findall(r"Error Code \d+: [\w ]+ \((.+?)(?:\. In \w+ at \S+)?\)$", description, re.MULTILINE)
    said = [words for words in said if "cudaError" not in words]
    return f" TensorRT: {'; '.join(said)}." if said else ""


def _tensors(trt: Any, network: Any) -> dict[str, TensorInfo]:
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    return {
        tensor.name: TensorInfo(np.dtype(trt.nptype(tensor.dtype)).name, tuple(tensor.shape))
        for tensor in (*inputs, *outputs)
    }
