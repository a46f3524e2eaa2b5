"""How sure the model is of itself, as far as its maps say: edges are probabilities, the other maps are answers.

    edges.unsure = mean of 4 e (1 − e) over all pixels: 0 where every e is 0 or 1, 1 where every e is ½
"""

from __future__ import annotations

import numpy as np

from avtar_ros.replay.judging.meters import Meter, View
from avtar_ros.tasks import EDGES
from avtar_ros.tasks.metric import Figure, Sums


class UnsureEdgesMeter(Meter):
    """The variance of a pixel that is an edge with the probability predicted, four times, so that 1 is the most."""

    name = "unsure edges"
    figures_given = {  # noqa: RUF012, constant
        "edges.unsure": Figure(
            "Unsure of edges", "", False, 0.005, "0 where it is sure of every pixel, 1 where of none"
        )
    }

    def measure(self, view: View) -> Sums | None:
        if EDGES.name not in view.maps:
            return None
        edges = view.maps[EDGES.name]
        return np.array([edges.size, 4 * np.sum(edges * (1 - edges), dtype=np.float64)], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        return {"edges.unsure": float(sums[1] / sums[0])} if sums[0] else {}
