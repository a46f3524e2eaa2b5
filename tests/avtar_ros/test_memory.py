"""Freed memory is kept where that is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

MAP_BYTES = 640 * 480 * 12
PAGE_BYTES = 4096
BLOCKS = 5
SCRIPT = f"""
import resource
from avtar_ros.memory import keep_freed_memory
keep_freed_memory()
blocks = [bytearray({MAP_BYTES}) for _ in range({BLOCKS})]
del blocks
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    blocks = [bytearray({MAP_BYTES}) for _ in range({BLOCKS})]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the page faults of glibc's allocator")
def test_blocks_freed_and_taken_again_cost_no_page_faults() -> None:
    """In a process of its own, for it changes the whole process. Without, each time costs one a page."""
    faults = int(subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout)
    assert faults < MAP_BYTES / PAGE_BYTES
