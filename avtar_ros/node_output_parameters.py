"""The parameters of what the node publishes."""

from __future__ import annotations

from dataclasses import dataclass

from avtar_ros.node_outputs import DEPTH_ENCODINGS
from avtar_ros.node_parameters import parameter


@dataclass(frozen=True)
class OutputParameters:
    """Parameters of the maps' topics. All take effect with the next frame."""

    depth_encoding: str = parameter(
        "32FC1",
        "Encoding of depth/image: 32FC1 in metres, or 16UC1 in millimetres, which is smaller and has a lossless "
        "compressed variant.",
        choices=DEPTH_ENCODINGS,
        dynamic=True,
    )
    overlay_opacity: float = parameter(
        0.5, "How much of the overlay is colour of the map.", limits=(0.0, 1.0), dynamic=True
    )
    jpeg_quality: int = parameter(90, "Quality of compressed images in colour.", limits=(1, 100), dynamic=True)
    points_stride: int = parameter(
        2, "Points are made of each n-th pixel of each n-th row of the depth map.", limits=(1, 64), dynamic=True
    )
    points_min_m: float = parameter(0.0, "Nearer points are left out.", limits=(0.0, 1000.0), dynamic=True)
    points_max_m: float = parameter(1000.0, "Farther points are left out.", limits=(0.0, 1000.0), dynamic=True)
