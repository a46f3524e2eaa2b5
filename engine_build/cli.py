"""avtar-engine: from an ONNX model to a TensorRT engine for the device at hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from avtar_ros.terminal.command_line import Program
from engine_build.commands.bench import BENCH
from engine_build.commands.build import BUILD
from engine_build.commands.devices import DEVICES
from engine_build.commands.inspect import INSPECT
from engine_build.commands.verify import VERIFY

PROGRAM = Program(
    name="avtar-engine",
    description="Build TensorRT engines from ONNX models, check them and measure them.",
    commands={"devices": DEVICES, "build": BUILD, "verify": VERIFY, "bench": BENCH, "inspect": INSPECT},
    kept="nothing unfinished is left.",
    told=("avtar_ros.engines.tensorrt",),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return PROGRAM.main(argv)


if __name__ == "__main__":
    sys.exit(main())
