"""Make the moving picture at the top of the README: a recording beside the maps that a model sees in it.

python docs/animate.py models/demo.mcap docs/images/demo.webp
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import avtar_ros
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera

WIDTH = 960
QUALITY = 60
"""Of WebP: text stays sharp, and the whole stays below three megabytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="avtar-demo")
    parser.add_argument("--every", type=int, default=2, help="frames from one picture to the next (default: 2)")
    options = parser.parse_args()
    model = avtar_ros.load(options.model)
    with open_bag(options.bag) as bag:
        frames = [recorded.frame for recorded in RecordedCamera.find(bag, []).frames(options.every)]
    seen = [model.predict(frame.image, focal_px=frame.focal_px) for frame in frames]
    nearest, farthest = zip(*(maps.depth_range() for maps in seen), strict=True)
    pictures = [_picture(maps.picture(near_m=min(nearest), far_m=max(farthest))) for maps in seen]
    stamps = [frame.stamp_ns for frame in frames]
    each_ms = round((stamps[-1] - stamps[0]) / 1e6 / (len(stamps) - 1))
    first, *others = pictures
    first.save(options.out, save_all=True, append_images=others, duration=each_ms, loop=0, quality=QUALITY, method=3)
    print(f"{options.out}: {len(pictures)} pictures, {options.out.stat().st_size / 1e6:.1f} MB")


def _picture(sheet: NDArray[np.uint8]) -> Image.Image:
    height = round(sheet.shape[0] * WIDTH / sheet.shape[1])
    return Image.fromarray(cv2.resize(sheet, (WIDTH, height), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main()
