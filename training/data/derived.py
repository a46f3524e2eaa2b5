"""Maps that a data set does not have, from those that it has."""

from __future__ import annotations

from collections.abc import Collection

from avtar_ros.geometry.surface_normals import normals_from_depth
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from training.data.dataset import Sample
from training.data.edges import image_and_depth_edges, label_edges


def with_normals_and_edges(sample: Sample) -> Sample:
    """The sample with normals computed from its depth, and the borders of its classes as edges."""
    normals = normals_from_depth(sample.maps[DEPTH.name], sample.camera)
    edges = label_edges(sample.maps[SEGMENTATION.name])
    return sample.with_maps(**{NORMALS.name: normals, EDGES.name: edges})


def with_derived(sample: Sample, tasks: Collection[str]) -> Sample:
    """With those of `tasks` that the sample lacks: normals from its depth; edges from its classes, else its depth."""
    maps = sample.maps
    if NORMALS.name in tasks and NORMALS.name not in maps and DEPTH.name in maps:
        sample = sample.with_maps(**{NORMALS.name: normals_from_depth(maps[DEPTH.name], sample.camera)})
    if EDGES.name in tasks and EDGES.name not in maps and SEGMENTATION.name in maps:
        sample = sample.with_maps(**{EDGES.name: label_edges(maps[SEGMENTATION.name])})
    elif EDGES.name in tasks and EDGES.name not in maps and DEPTH.name in maps:
        sample = sample.with_maps(**{EDGES.name: image_and_depth_edges(sample.image, maps[DEPTH.name])})
    return sample
