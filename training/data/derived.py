"""Maps that a data set does not have, from those that it has."""

from __future__ import annotations

from avtar_ros.geometry.surface import normals_from_depth
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from training.data.dataset import Sample
from training.data.edges import label_edges


def with_normals_and_edges(sample: Sample) -> Sample:
    """The sample with normals computed from its depth, and the borders of its classes as edges."""
    normals = normals_from_depth(sample.maps[DEPTH.name], sample.camera)
    edges = label_edges(sample.maps[SEGMENTATION.name])
    return sample.with_maps(**{NORMALS.name: normals, EDGES.name: edges})
