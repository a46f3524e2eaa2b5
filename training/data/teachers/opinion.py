"""What a teacher says of pictures, before anyone believes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from training.data.classes import Classes
from training.data.teachers.config import DepthKind


@dataclass(frozen=True)
class Opinion:
    """Of pictures (B, H, W, 3), each absent where the teacher is not asked for it:

    probabilities: (B, K + 1, H, W) of the teacher's classes as mapped, the last of none of them.
    depth: (B, H, W), larger is farther or, of disparity, nearer; NaN where it says nothing.
    normals: (B, H, W, 3), unit, optical frame.
    edges: (B, H, W), probability.
    """

    probabilities: Tensor | None = None
    depth: Tensor | None = None
    normals: Tensor | None = None
    edges: Tensor | None = None


class Teacher(Protocol):
    """A model that looks at pictures."""

    @property
    def name(self) -> str: ...

    @property
    def licence(self) -> str: ...

    @property
    def gives(self) -> tuple[str, ...]: ...

    @property
    def classes(self) -> Classes:
        """Of its segmentation, after mapping; empty where it gives none."""

    @property
    def depth_kind(self) -> DepthKind: ...

    def look(self, images: Tensor, focal: Tensor) -> Opinion:
        """At uint8 RGB (B, H, W, 3) of cameras with fx `focal` (B,) pixels at this width."""


def resized(values: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, C, h, w) at another size."""
    if values.shape[-2:] == (height, width):
        return values
    return F.interpolate(values, size=(height, width), mode="bilinear", align_corners=False)
