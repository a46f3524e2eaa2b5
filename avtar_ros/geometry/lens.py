"""What a sensor_msgs/CameraInfo says of the images beside it: one reading for all that use them. No ROS.

    lens = read_lens(info, width=640, height=480, rectified=is_rectified("/camera/image_rect"))
    lens.focal_px                # None where the images are no pinhole's, or not calibrated
    for note in lens.notes: ...  # what had to be assumed

CameraInfo is of the full sensor (REP 104): images may be cut out of it (roi), made smaller (binning) and sent at yet
another size. K is the lens of raw images, P that of rectified ones; drivers leave either at zero.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from avtar_ros.geometry.camera_model import FISHEYE, CameraModel, rays

PINHOLE = "plumb_bob"
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_SQUARE = 0.02
"""By how much two ratios of sides may differ and still be the same, as sizes are whole numbers."""
MOST_PIXELS = 2**16
"""Of a side of a sensor."""
LEAST_FOCAL, MOST_FOCAL = 1e-3, 1e4
"""In widths of the image: a fisheye has 0.3, a telescope 200."""
_OPENCV_COUNTS = (4, 5, 8, 12, 14)
"""How many coefficients OpenCV's model of a lens may have; those of shorter ones are the first of longer ones."""


@dataclass(frozen=True)
class Distortion:
    """A model of lenses: OpenCV's name for the kind, and how many coefficients drivers send."""

    kind: str
    counts: tuple[int, ...]


DISTORTIONS = {
    **dict.fromkeys(("", "none", "pinhole", "perspective"), Distortion(PINHOLE, (0, *_OPENCV_COUNTS))),
    **dict.fromkeys(("plumb_bob", "radtan", "brown_conrady"), Distortion(PINHOLE, (0, 4, 5))),
    **dict.fromkeys(("rational_polynomial", "opencv", "thin_prism"), Distortion(PINHOLE, (0, 8, 12, 14))),
    **dict.fromkeys(("equidistant", "fisheye", "kannala_brandt", "kannala_brandt4"), Distortion(FISHEYE, (0, 4))),
}
"""Those known by their names in CameraInfo. Of others, such as equirectangular, no pixel's direction is known."""


@dataclass(frozen=True)
class Lens:
    """The lens of images of one size; `model` is None where it is not known.

    `notes` say what was assumed or is not usable; `odd` is whether the images are of a kind of lens that is not known,
    so that they must not be taken for a pinhole's.
    """

    model: CameraModel | None
    notes: tuple[str, ...] = ()
    odd: bool = False

    @property
    def focal_px(self) -> float | None:
        """fx in pixels, where it is known."""
        return self.model.k[0] if self.model is not None else None


def is_rectified(topic: str) -> bool:
    """Whether an image topic says that its images are rectified: image_rect, rect/image, image_rect_color, ..."""
    parts = topic.lower().strip("/").split("/")[-3:]
    return any({"rect", "rectified"} & set(re.split(r"[_\d]+", part)) for part in parts)


def is_calibrated(info: Any) -> bool:
    """Whether a CameraInfo has a focal length in K or P."""
    try:
        model = CameraModel.of_message(info)
    except (TypeError, ValueError, AttributeError):
        return False
    return _usable(model.k, 9) or _usable(model.p, 12)


def read_lens(info: Any, width: int, height: int, rectified: bool = False) -> Lens:
    """The lens of images of this size by the CameraInfo beside them. `rectified` images are seen as P says."""
    notes: list[str] = []
    try:
        sensor = CameraModel.of_message(info)
    except (TypeError, ValueError, AttributeError) as error:
        return Lens(None, (f"CameraInfo cannot be read ({error}).",))
    model = _of_k_or_p(sensor, rectified, notes)
    if model is None:
        return Lens(None, tuple(notes))
    model = _undistortable(_with_fy(model, notes), notes)
    if model is None:
        return Lens(None, tuple(notes), odd=True)
    if model.width > MOST_PIXELS or model.height > MOST_PIXELS:
        return Lens(None, (f"CameraInfo is of {model.width}x{model.height} pixels, which no sensor has.",))
    part = _of_part(model, info, width, height, notes)
    if fault := _fault(part):
        return Lens(None, (*notes, f"CameraInfo is not used: {fault}."))
    return Lens(part, tuple(notes))


def own_lens(info: Any, rectified: bool = False) -> Lens:
    """The same of images of the size that CameraInfo gives them itself; one without notes where it gives none."""
    roi = getattr(info, "roi", None)
    try:
        width, height = (
            int(getattr(roi, side, 0) or getattr(info, side)) // max(1, int(getattr(info, f"binning_{axis}", 0) or 0))
            for side, axis in (("width", "x"), ("height", "y"))
        )
    except (TypeError, ValueError, AttributeError) as error:
        return Lens(None, (f"CameraInfo cannot be read ({error}).",))
    return read_lens(info, width, height, rectified) if width > 0 and height > 0 else Lens(None)


def _of_k_or_p(sensor: CameraModel, rectified: bool, notes: list[str]) -> CameraModel | None:
    """The sensor's lens by K, or by P for rectified images; by the other where that is not usable."""
    has_k, has_p = _usable(sensor.k, 9), _usable(sensor.p, 12)
    r = sensor.r if len(sensor.r) == 9 and any(sensor.r) else _IDENTITY
    if has_p and (rectified or not has_k):
        if not rectified:
            notes.append("CameraInfo has no usable K; the focal length is that of P.")
        return dataclasses.replace(sensor, k=_IDENTITY, distortion_model=PINHOLE).rectified()
    if not has_k:
        notes.append("CameraInfo has no focal length: neither K nor P is usable. The camera is not calibrated.")
        return None
    if rectified:
        notes.append("CameraInfo has no usable P, though images are rectified; the focal length is that of K.")
    p = sensor.p if has_p else tuple(np.hstack([np.reshape(sensor.k, (3, 3)), np.zeros((3, 1))]).ravel().tolist())
    if rectified:
        return dataclasses.replace(sensor, r=r, p=p, d=(), distortion_model=PINHOLE)
    return dataclasses.replace(sensor, r=r, p=p)


def _usable(matrix: tuple[float, ...], size: int) -> bool:
    """Whether a K or P of `size` numbers has a focal length that can be."""
    return len(matrix) == size and all(map(math.isfinite, matrix)) and matrix[0] > 0


def _with_fy(model: CameraModel, notes: list[str]) -> CameraModel:
    """With square pixels where there is no height of one."""
    if model.k[4] > 0:
        return model
    notes.append("CameraInfo has no usable fy; it was taken to be fx.")
    fx, skew, cx, _, _, cy, *_ = model.k
    return dataclasses.replace(model, k=(fx, skew, cx, 0.0, fx, cy, 0.0, 0.0, 1.0))


def _undistortable(model: CameraModel, notes: list[str]) -> CameraModel | None:
    """With a name and as many coefficients as OpenCV takes; None where its distortion is not known."""
    name = re.sub(r"[\s\-]+", "_", model.distortion_model.strip().lower())
    distortion, d = DISTORTIONS.get(name), model.d
    if distortion is None:
        notes.append(
            f"CameraInfo's distortion model {model.distortion_model!r} is not known, so no pixel's direction is: depth "
            f"is not scaled for the camera. Known: {', '.join(filter(None, DISTORTIONS))}."
        )
        return None
    needed = len(np.trim_zeros(np.array(d), "b"))
    allowed = (4,) if distortion.kind == FISHEYE else _OPENCV_COUNTS
    if not all(map(math.isfinite, d)) or needed > allowed[-1]:
        notes.append(
            f"CameraInfo has {len(d)} coefficients of distortion, {needed} of them in use, where "
            f"{name or 'its model'} has at most {allowed[-1]}: depth is not scaled for the camera."
        )
        return None
    if len(d) not in distortion.counts:
        counts = " or ".join(map(str, distortion.counts[1:]))
        notes.append(
            f"CameraInfo has {len(d)} coefficients of distortion where {name or 'its model'} has {counts}: the first "
            f"{max(needed, min(len(d), allowed[0]))} were used."
        )
    count = len(d) if len(d) in (0, *allowed) else next(count for count in allowed if count >= needed)
    kind = FISHEYE if distortion.kind == FISHEYE else model.distortion_model or PINHOLE
    return dataclasses.replace(model, d=(*d, *(0.0,) * count)[:count], distortion_model=kind)


def _fault(model: CameraModel) -> str | None:
    """Why this cannot be the lens of any images; None where it can."""
    fx, fy = model.k[0], model.k[4]
    if not all(map(math.isfinite, (*model.k, *model.p, *model.r))):
        return "not all of it are finite numbers"
    if not all(LEAST_FOCAL * model.width <= f <= MOST_FOCAL * model.width for f in (fx, fy)):
        return f"focal lengths of {fx:g} and {fy:g} px cannot be those of images {model.width} px wide"
    try:
        with np.errstate(over="ignore"):
            looks = rays(model, max(1, min(model.width, model.height) // 2))
    except cv2.error as error:
        return f"its distortion cannot be undone ({error.err})"
    return None if np.isfinite(looks).all() else "its distortion cannot be undone"


def _of_part(model: CameraModel, info: Any, width: int, height: int, notes: list[str]) -> CameraModel:
    """The lens of images that are cut out of the sensor and resized."""
    roi = getattr(info, "roi", None)
    left, top, columns, rows = (
        int(getattr(roi, field, 0) or 0) for field in ("x_offset", "y_offset", "width", "height")
    )
    full = dataclasses.replace(model, width=model.width or width, height=model.height or height)
    columns, rows = columns or full.width - left, rows or full.height - top
    x, y = (max(1, int(getattr(info, f"binning_{axis}", 0) or 0)) for axis in "xy")
    is_cut = (columns, rows) != (full.width, full.height)
    if is_cut and (full.width // x, full.height // y) == (width, height) != (columns // x, rows // y):
        notes.append(
            f"CameraInfo has a region of interest of {columns}x{rows}, but images have the size of the whole sensor: "
            "they were taken as not cut."
        )
        is_cut = False
    if is_cut and (left + columns > full.width or top + rows > full.height):
        notes.append(
            f"CameraInfo has a region of interest of {columns}x{rows} at {left}, {top}, which is not within its "
            f"{full.width}x{full.height} pixels: images were taken as not cut."
        )
        is_cut = False
    seen = full.cut(left, top, columns, rows) if is_cut and columns > 0 and rows > 0 else full
    if not math.isclose(seen.width * y / (seen.height * x), width / height, rel_tol=_SQUARE):
        notes.append(
            f"CameraInfo is of images of {seen.width // x}x{seen.height // y}, and these are {width}x{height}: they "
            "were taken as stretched to that size."
        )
    return seen.resized(width, height)
