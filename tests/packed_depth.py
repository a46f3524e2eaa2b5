"""Packing depth images as recorders do, for tests of unpacking them: written from the formats' descriptions."""

from __future__ import annotations

import struct

import cv2
import numpy as np

HEADER = struct.pack("<iff", 0, 0, 0)


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def rvl(pixels: np.ndarray) -> bytes:
    """Width, height and the RVL stream of a (H, W) uint16 image."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while number >= 8:
            nibbles.append(number % 8 + 8)
            number //= 8
        nibbles.append(number)

    values = pixels.ravel().tolist()
    at = previous = 0
    while at < len(values):
        for empty in (True, False):
            start = at
            while at < len(values) and (values[at] == 0) == empty:
                at += 1
            put(at - start)
        for value in values[start:at]:
            step = value - previous
            put(2 * step if step >= 0 else -2 * step - 1)
            previous = value
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack(f"<II{len(words)}I", pixels.shape[1], pixels.shape[0], *words)


def zstd_image(encoding: str, array: np.ndarray, compress) -> bytes:
    """What zstd_image_transport makes of an image: sizes and encoding, then the pixels through `compress`."""
    height, width = array.shape[:2]
    head = struct.pack("<IIBII", height, width, 0, array.nbytes // height, len(encoding))
    return head + encoding.encode() + compress(array.tobytes())
