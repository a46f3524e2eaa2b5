"""Whether the maps of one frame agree with each other, which they must where all are right.

    normals.from_depth_deg = mean angle between predicted normals and the normals of predicted depth, at every k-th
                             pixel of every k-th row, k the largest that leaves WIDTH pixels a row
    edges.on_boundaries    = share of pixels at a border between predicted classes that have a predicted edge,
                             e ≥ 0.5, within the edge metric's tolerance
"""

from __future__ import annotations

import cv2
import numpy as np

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import Window, normals_from_depth
from avtar_ros.replay.judging.meters import Meter, View
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from avtar_ros.tasks.edges import disc, edge_tolerance_px
from avtar_ros.tasks.metric import Figure, Sums
from avtar_ros.tasks.normals import angles_deg

EDGE = 0.5
WIDTH = 160


class DepthNormalsMeter(Meter):
    """Needs the focal length, for depth has no shape without it."""

    name = "depth and normals"
    figures_given = {  # noqa: RUF012, constant
        "normals.from_depth_deg": Figure(
            "Angle to the normals of predicted depth", "°", False, 0.2,
            "how far predicted normals contradict predicted depth",
        )
    }

    def measure(self, view: View) -> Sums | None:
        if view.focal_px is None or not {DEPTH.name, NORMALS.name} <= view.maps.keys():
            return None
        step = max(1, view.maps[DEPTH.name].shape[1] // WIDTH)
        depth, normals = (view.maps[task.name][::step, ::step] for task in (DEPTH, NORMALS))
        camera = Pinhole.centred(depth.shape[1], depth.shape[0], view.focal_px / step)
        angles = angles_deg(normals, normals_from_depth(depth, camera, Window(step=2)))
        return np.array([angles.size, angles.sum(dtype=np.float64)], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        return {"normals.from_depth_deg": float(sums[1] / sums[0])} if sums[0] else {}


class EdgesBoundariesMeter(Meter):
    """One way only: many edges, such as those between two walls, are no border between classes."""

    name = "edges and boundaries"
    figures_given = {  # noqa: RUF012, constant
        "edges.on_boundaries": Figure(
            "Class borders that have an edge", "", True, 0.005,
            "share of borders between predicted classes that have a predicted edge",
        )
    }

    def measure(self, view: View) -> Sums | None:
        if not {EDGES.name, SEGMENTATION.name} <= view.maps.keys():
            return None
        ids, edges = view.maps[SEGMENTATION.name], view.maps[EDGES.name] >= EDGE
        border = np.zeros(ids.shape, bool)
        border[:, 1:] |= ids[:, 1:] != ids[:, :-1]
        border[1:] |= ids[1:] != ids[:-1]
        # A tenth of the time of a distance transform.
        near = cv2.dilate(edges.view(np.uint8), disc(edge_tolerance_px(ids))).astype(bool)
        return np.array([np.count_nonzero(border), np.count_nonzero(border & near)], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        return {"edges.on_boundaries": float(sums[1] / sums[0])} if sums[0] else {}
