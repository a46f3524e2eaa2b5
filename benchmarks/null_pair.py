"""`camera_to_maps` with an engine that does nothing, for `benchmarks/one_process.py`."""

from __future__ import annotations

import sys

from avtar_ros.node import engine_loader as node_engines
from avtar_ros.source.camera_to_maps import main
from benchmarks.null_engine import NullEngine

if __name__ == "__main__":
    node_engines.open_engine = NullEngine
    sys.exit(main())
