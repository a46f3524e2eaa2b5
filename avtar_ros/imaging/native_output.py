"""What libraries below OpenCV write to standard error of each damaged picture, caught, so that it can be throttled."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NATIVE = re.compile(
    rb"libpng |Corrupt JPEG|Premature end of JPEG|Invalid JPEG|Invalid SOS|Unsupported marker|Warning: unknown JFIF"
    rb"|\[ ?(?:DEBUG|INFO|WARN|ERROR|FATAL):\d+@"
)
"""How lines of libpng, libjpeg and OpenCV begin; what others write meanwhile is let through."""
MOST_LINES = 5
_alone = threading.Lock()


@contextmanager
def native_output() -> Iterator[list[str]]:
    """A context at whose end the list has the lines that libraries wrote, MOST_LINES at most; one thread at a time."""
    said: list[str] = []
    with _alone:
        caught, stderr = os.memfd_create("stderr"), os.dup(2)
        try:
            os.dup2(caught, 2)
            try:
                yield said
            finally:
                os.dup2(stderr, 2)
                if size := os.lseek(caught, 0, os.SEEK_CUR):
                    _sort(os.pread(caught, size, 0), said, stderr)
        finally:
            os.close(caught)
            os.close(stderr)


def _sort(content: bytes, said: list[str], stderr: int) -> None:
    for line in content.splitlines(keepends=True):
        if NATIVE.match(line):
            said.append(line.decode(errors="replace").strip())
        elif line.strip():
            os.write(stderr, line)
    del said[MOST_LINES:]
