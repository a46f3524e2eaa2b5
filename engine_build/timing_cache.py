"""The timings of kernels that TensorRT has measured on a GPU, kept so that the next build need not measure again."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avtar_ros.disk.files import partial_path
from avtar_ros.engines.sidecar import Gpu

log = logging.getLogger(__name__)


def cache_path(tensorrt: str, gpu: Gpu | None) -> Path:
    """The file for one TensorRT on one kind of GPU, below the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = f"tensorrt-{tensorrt} {gpu.name} {gpu.sm_count}sm" if gpu else f"tensorrt-{tensorrt} no-gpu"
    return home / "avtar_ros" / "timing" / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', key)}.cache"


def load_timings(config: Any, path: Path) -> None:
    """Give the builder's configuration what was measured before; an unusable file only costs time."""
    known = path.read_bytes() if path.is_file() else b""
    log.info("%s: %d bytes of timings", path, len(known))
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        log.warning("%s: not timings of this TensorRT on this GPU; measuring anew.", path)
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def save_timings(config: Any, path: Path) -> None:
    """Add what was measured to the file, and to what other builds have put there in the meantime."""
    merged = config.get_timing_cache()
    if merged is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        if path.is_file() and (there := config.create_timing_cache(path.read_bytes())) is not None:
            merged.combine(there, ignore_mismatch=False)
        with partial_path(path) as partial:
            partial.write_bytes(memoryview(merged.serialize()))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
