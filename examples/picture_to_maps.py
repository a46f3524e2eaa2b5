"""A picture to its maps: python examples/picture_to_maps.py office.jpg [out.png]"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

import avtar_ros


def main(picture: Path, out: Path) -> None:
    with avtar_ros.load("avtar-demo") as model:
        maps = model.predict(picture)
    names = [c.name for c in model.card.classes]
    middle = tuple(size // 2 for size in maps.depth.shape)
    print(f"in the middle: {names[maps.segmentation[middle]]}, {maps.depth[middle]:.2f} m away ({maps.lens.origin})")
    cv2.imwrite(str(out), cv2.cvtColor(maps.picture(), cv2.COLOR_RGB2BGR))
    print(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "maps.png"))
