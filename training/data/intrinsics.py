"""`intrinsics.json`: the cameras of a folder of images, in pixels.

    {"fx": 585.0, "fy": 585.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480}     one for all
    {"front": {"fx": …}, "rear": {…}}                                                     one a folder of images/
    {"front/0001": [585.0, 585.0, 320.0, 240.0], …}                                       one an image

`width` and `height` are those of the images that the numbers are for; without them it is every image's own size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from avtar_ros.documents import NO_JSON
from avtar_ros.geometry.pinhole import Pinhole
from training.errors import TrainingError
from training.section import Positive, PositiveReal, Real, Section

INTRINSICS = "intrinsics.json"
SAME_ASPECT = 0.01
"""Share by which the sides' scales may differ where an image has another size than its camera's numbers."""


class _Camera(Section):
    fx: PositiveReal
    fy: PositiveReal
    cx: Real
    cy: Real
    width: Positive | None = None
    height: Positive | None = None


_Listed = Annotated[list[float], Field(min_length=4, max_length=4)]
_Cameras = TypeAdapter(dict[str, _Camera | _Listed])


@dataclass(frozen=True)
class Intrinsics:
    """The cameras of a folder by the name of an image or of a folder above it; "" is for all."""

    path: Path
    cameras: dict[str, _Camera]

    def knows(self, name: str) -> bool:
        """Whether there is a camera for the image `name`, its path below images/ without the ending."""
        return self._find(name) is not None

    def camera(self, name: str, width: int, height: int) -> Pinhole:
        """The camera of an image of this size. Raises TrainingError if there is none, or it is of another shape."""
        found = self._find(name)
        if found is None:
            raise TrainingError(f"{self.path}: has no camera for the image {name}, nor for a folder that it is in.")
        across, down = width / (found.width or width), height / (found.height or height)
        if abs(across / down - 1) > SAME_ASPECT:
            raise TrainingError(
                f"{self.path}: the camera of {name} is for images of {found.width}x{found.height}, "
                f"but this one is {width}x{height}, of another shape."
            )
        return Pinhole(found.fx, found.fy, found.cx, found.cy).scaled(across, down)

    def _find(self, name: str) -> _Camera | None:
        path = PurePosixPath(name)
        places = ["" if str(part) == "." else str(part) for part in (path, *path.parents)]
        return next((self.cameras[place] for place in places if place in self.cameras), None)


def read_intrinsics(path: Path) -> Intrinsics:
    """Raises TrainingError if the file is none."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        cameras = _Cameras.validate_python({"": raw} if isinstance(raw, dict) and "fx" in raw else raw)
        listed = {name: _of_list(camera) if isinstance(camera, list) else camera for name, camera in cameras.items()}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("_Camera", "list[float]"))
        expected = '{"fx", "fy", "cx", "cy"} in pixels, or such a camera for each folder or image of images/'
        raise TrainingError(f"{path}: {where}: {first['msg']}; expected {expected}.") from error
    except NO_JSON as error:
        raise TrainingError(f"{path}: not JSON ({error}).") from error
    return Intrinsics(path, listed)


def _of_list(values: list[float]) -> _Camera:
    fx, fy, cx, cy = values
    return _Camera(fx=fx, fy=fy, cx=cx, cy=cy)
