"""The classes of the public data sets; a class's id is its position."""

from __future__ import annotations

from collections.abc import Iterable

from avtar_ros.meaning import SemanticClass

Classes = tuple[SemanticClass, ...]


def _color(number: int) -> tuple[int, int, int]:
    """A colour of its own for each number: bit 3k, 3k + 1, 3k + 2 into bit 7 − k of red, green, blue (PASCAL VOC)."""
    red, green, blue = (sum(((number >> (3 * k + channel)) & 1) << (7 - k) for k in range(8)) for channel in range(3))
    return red, green, blue


def numbered(names: Iterable[str]) -> Classes:
    """Classes from their names alone, for data sets that publish no colours."""
    return tuple(SemanticClass(name, _color(i + 1)) for i, name in enumerate(names))


def _numbered(names: str) -> Classes:
    return numbered(name.strip() for name in names.split(","))


NYUD_40 = _numbered(
    "wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, blinds, desk, shelves, "
    "curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, refrigerator, television, paper, towel, "
    "shower curtain, box, whiteboard, person, night stand, toilet, sink, lamp, bathtub, bag, other structure, "
    "other furniture, other prop"
)
NYUD_13 = _numbered(
    "bed, books, ceiling, chair, floor, furniture, objects, picture, sofa, table, television, wall, window"
)

_BED, _BOOKS, _CEILING, _CHAIR, _FLOOR, _FURNITURE, _OBJECTS, _PICTURE, _SOFA, _TABLE, _TV, _WALL, _WINDOW = range(13)
_EXCEPTIONS = {
    "wall": _WALL, "door": _WALL, "floor": _FLOOR, "floor mat": _FLOOR, "bed": _BED, "chair": _CHAIR, "sofa": _SOFA,
    "table": _TABLE, "desk": _TABLE, "window": _WINDOW, "blinds": _WINDOW, "curtain": _WINDOW, "picture": _PICTURE,
    "ceiling": _CEILING, "books": _BOOKS, "television": _TV, "cabinet": _FURNITURE, "bookshelf": _FURNITURE,
    "counter": _FURNITURE, "shelves": _FURNITURE, "dresser": _FURNITURE, "refrigerator": _FURNITURE,
    "night stand": _FURNITURE, "other furniture": _FURNITURE,
}
NYUD_13_OF_40 = tuple(_EXCEPTIONS.get(c.name, _OBJECTS) for c in NYUD_40)
"""For each of the 40 classes its id among the 13 (Couprie et al., ICLR 2013)."""

CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The id of each of the 19 classes in the `labelIds` pictures."""
CITYSCAPES_19: Classes = (
    SemanticClass("road", (128, 64, 128)),
    SemanticClass("sidewalk", (244, 35, 232)),
    SemanticClass("building", (70, 70, 70)),
    SemanticClass("wall", (102, 102, 156)),
    SemanticClass("fence", (190, 153, 153)),
    SemanticClass("pole", (153, 153, 153)),
    SemanticClass("traffic light", (250, 170, 30)),
    SemanticClass("traffic sign", (220, 220, 0)),
    SemanticClass("vegetation", (107, 142, 35)),
    SemanticClass("terrain", (152, 251, 152)),
    SemanticClass("sky", (70, 130, 180)),
    SemanticClass("person", (220, 20, 60)),
    SemanticClass("rider", (255, 0, 0)),
    SemanticClass("car", (0, 0, 142)),
    SemanticClass("truck", (0, 0, 70)),
    SemanticClass("bus", (0, 60, 100)),
    SemanticClass("train", (0, 80, 100)),
    SemanticClass("motorcycle", (0, 0, 230)),
    SemanticClass("bicycle", (119, 11, 32)),
)
CITYSCAPES_16: Classes = tuple(c for c in CITYSCAPES_19 if c.name not in ("terrain", "truck", "train"))
"""Those that SYNTHIA-RAND-CITYSCAPES has too."""

SYNTHIA_IDS = {
    "sky": 1, "building": 2, "road": 3, "sidewalk": 4, "fence": 5, "vegetation": 6, "pole": 7, "car": 8,
    "traffic sign": 9, "person": 10, "bicycle": 11, "motorcycle": 12, "traffic light": 15, "rider": 17, "bus": 19,
    "wall": 21,
}
"""SYNTHIA's ids of the 16 classes."""

TASKONOMY = _numbered(
    "background, bottle, chair, couch, potted plant, bed, dining table, toilet, tv, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase"
)
