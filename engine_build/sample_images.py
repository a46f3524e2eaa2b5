"""Images to compare and to measure engines on, at a model's size: made up, or from a bag, a video or pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.engine import Engine
from avtar_ros.imaging.images import ImageError, to_rgb
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame, Perception
from avtar_ros.source.frame_sources import open_source
from engine_build.errors import BuildError

Images = NDArray[np.uint8]


def made_up_images(card: ModelCard, count: int) -> Iterator[Images]:
    """`count` images (1, H, W, 3), always the same: smooth colours like light on walls, with things before them."""
    random = np.random.default_rng(0)
    for _ in range(count):
        corners = random.integers(0, 256, (3, 4, 3)).astype(np.float32)
        size = (card.width, card.height)
        image: NDArray[Any] = cv2.resize(corners, size, interpolation=cv2.INTER_CUBIC)
        for _ in range(8):
            x, y = random.integers(0, size)
            width, height = random.integers(2, (card.width // 2, card.height // 2))
            image[y : y + height, x : x + width] *= random.uniform(0.2, 1.5, 3)
        noisy = image + random.normal(0, 4, image.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)[None]


def recorded_images(source: str, engine: Engine, every: int) -> Iterator[Images]:
    """Every `every`-th image of a bag, a video or a folder, as the engine takes it; raises where there is none."""
    perception = Perception(engine)
    found = 0
    with open_source(source) as frames:
        for frame in itertools.islice(frames.frames(), 0, None, every):
            try:
                image = to_rgb(frame.image)
            except ImageError:
                continue  # one of a recording may be damaged
            found += 1
            yield perception.prepare([Frame(image, frame.stamp_ns)])
    if not found:
        raise BuildError(f"{source}: no image in it could be decoded. Give a bag, a video or a folder of pictures.")
