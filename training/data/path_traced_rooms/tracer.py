"""Mitsuba 3, the path tracer: found, started, and asked for by name."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from training.errors import TrainingError

LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
LLVM_VERSIONS = (19, 18, 17, 16)
"""LLVM 15 does not compile what Mitsuba 3.9 asks for."""
INSTALL_LLVM = "apt install libllvm19"


@lru_cache(maxsize=1)
def mitsuba(threads: int | None = None) -> Any:
    """The module, which compiles its code with LLVM; `threads` is how many it renders with.

    Raises ImportError if Mitsuba is missing, TrainingError where LLVM is.
    """
    if "DRJIT_LIBLLVM_PATH" not in os.environ and (found := find_llvm()):
        os.environ["DRJIT_LIBLLVM_PATH"] = str(found)
    import mitsuba

    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        raise TrainingError(f"Mitsuba needs LLVM {min(LLVM_VERSIONS)} to {max(LLVM_VERSIONS)}: {INSTALL_LLVM}")
    try:
        mitsuba.set_variant("llvm_ad_rgb")
    except (ImportError, RuntimeError) as error:
        llvm = os.environ["DRJIT_LIBLLVM_PATH"]
        raise TrainingError(f"Mitsuba cannot use {llvm} ({error}): {INSTALL_LLVM}") from error
    if threads:
        import drjit

        drjit.set_thread_count(threads)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def find_llvm() -> Path | None:
    """The newest LLVM library that works, as Debian and others install it."""
    for version in LLVM_VERSIONS:
        for folder in LIBRARY_FOLDERS:
            for pattern in (f"libLLVM.so.{version}*", f"libLLVM-{version}.so*"):
                found = sorted((*Path(folder).glob(pattern), *Path(folder).glob(f"*/{pattern}")))
                if found:
                    return found[0]
    return None
