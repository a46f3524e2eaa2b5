"""Libraries' own complaints are caught, and nobody else's."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.imaging.native_output import MOST_LINES, native_output


def warning_png() -> np.ndarray:
    """A PNG that is whole, and of which libpng complains."""
    png = cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes()
    profile = b"iCCP" + b"x\0\0junk"
    chunk = struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile))
    return np.frombuffer(png[:33] + chunk + png[33:], np.uint8)


def test_what_libpng_says_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    with native_output() as said:
        assert cv2.imdecode(warning_png(), cv2.IMREAD_COLOR) is not None
    assert said == ["libpng warning: iCCP: too short"]
    assert capfd.readouterr().err == ""


def test_what_others_write_meanwhile_is_let_through(capfd: pytest.CaptureFixture[str]) -> None:
    with native_output() as said:
        os.write(2, b"[WARN] [123.4] [node]: a word\n\nanother line\n" + b"libpng warning: x\n" * 20)
    assert len(said) == MOST_LINES
    assert capfd.readouterr().err == "[WARN] [123.4] [node]: a word\nanother line\n"


def test_errors_pass_and_standard_error_is_back(capfd: pytest.CaptureFixture[str]) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        with pytest.raises(ValueError, match="x"), native_output():
            raise ValueError("x")
    os.write(2, b"back\n")
    assert capfd.readouterr().err == "back\n"
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
