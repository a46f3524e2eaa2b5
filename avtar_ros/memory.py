"""Memory that a process frees and soon needs again, as one does that works on image after image."""

from __future__ import annotations

import ctypes

MMAP_THRESHOLD_BYTES = 32 * 2**20
"""The most that glibc takes."""
KEPT_BYTES = 256 * 2**20

# Names and numbers out of malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to MMAP_THRESHOLD_BYTES for reuse, KEPT_BYTES at most in one heap.

    By itself it gives blocks as large as a map back to the kernel, and fetching them anew costs a page fault for every
    4 kB: several times what is then done with the memory. Holds for the whole process. Other C libraries take no
    notice.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
