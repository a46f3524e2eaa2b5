"""From pictures to labels: what all teachers together are believed to say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import normals_from_depth
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, TASKS
from training.data.batch import Batch
from training.data.edges import depth_jumps, image_and_depth_edges, label_edges
from training.data.teachers.alignment import Fit, fit_depth
from training.data.teachers.config import TeacherConfig, TrustConfig
from training.data.teachers.opinion import Opinion, Teacher
from training.data.teachers.trust import (
    Believed,
    alike,
    believed_classes,
    believed_depth,
    believed_edges,
    believed_normals,
    views_of,
    within,
)

Map = NDArray[np.float32]

DISPARITY_RANGE = (1.0, 10.0)
"""What disparity of unknown scale is brought to, in each picture, to be kept as finely as depth is."""
WEIGHED = " weighed"
"""In the tally, of a task: the sum of the weights of its pixels."""


@dataclass(frozen=True)
class Share:
    """Of all pixels those that were believed, and how far these were on average."""

    believed: float
    weight: float


@dataclass
class Labeller:
    """Teachers, how far they are believed, and what is made of that.

    `derive` names the tasks that are computed of depth and classes where no teacher gives them; `keeps` those whose
    maps in the data go before the teachers'. `bag_fits` has for each teacher that is aligned once for all the fit.
    `tally` counts what was believed, of how much.
    """

    teachers: Sequence[tuple[Teacher, TeacherConfig]]
    trust: TrustConfig
    derive: Sequence[str] = ()
    keeps: Sequence[str] = ()
    bag_fits: dict[str, Fit] = field(default_factory=dict)
    tally: Counter[str] = field(default_factory=Counter)

    def labelled(self, batch: Batch) -> Batch:
        """The pictures with the teachers' maps; the data's own depth is what relative depth is aligned to."""
        views = [(t, c, views_of(t, batch.image, batch.focal, self.trust)) for t, c in self.teachers]
        found: dict[str, Believed] = {}
        relative = torch.zeros(len(batch), dtype=torch.bool)
        every = [opinion for _, _, opinions in views for opinion in opinions]
        if probabilities := [o.probabilities for o in every if o.probabilities is not None]:
            found[SEGMENTATION.name] = believed_classes(probabilities, self.trust)
        if normals := [o.normals for o in every if o.normals is not None]:
            found[NORMALS.name] = believed_normals(normals, self.trust)
        if edges := [o.edges for o in every if o.edges is not None]:
            found[EDGES.name] = believed_edges(edges, self.trust)
        if any(DEPTH.name in teacher.gives for teacher, _ in self.teachers):
            found[DEPTH.name], relative = self._depth(views, batch)
        self._count(found, batch)
        self._derive(found, relative, batch)
        self._keep(found, relative, batch)
        maps = {task: believed.values.cpu() for task, believed in found.items()}
        weights = {task: believed.weight.cpu() for task, believed in found.items()}
        return Batch(batch.image, maps, batch.focal, relative if bool(relative.any()) else None, weights)

    def shares(self) -> dict[str, Share]:
        """For each task that a teacher gives, how much of it was believed."""
        pixels = self.tally["pixels"]
        return {
            name: Share(self.tally[name] / pixels, self.tally[name + WEIGHED] / max(1, self.tally[name]))
            for name in TASKS
            if name in self.tally and pixels
        }

    def _count(self, found: Mapping[str, Believed], batch: Batch) -> None:
        self.tally["images"] += len(batch)
        self.tally["pixels"] += batch.image[..., 0].numel()
        for task, believed in found.items():
            self.tally[task] += int((believed.weight > 0).sum())
            self.tally[task + WEIGHED] += round(float(believed.weight.sum()))

    def _depth(
        self, views: Sequence[tuple[Teacher, TeacherConfig, list[Opinion]]], batch: Batch
    ) -> tuple[Believed, Tensor]:
        """Metres, and which pictures have disparity of unknown scale instead, for nothing tells theirs."""
        sensor = batch.maps[DEPTH.name].numpy() if DEPTH.name in batch.maps else None
        metres: list[Tensor] = []
        unscaled: list[tuple[Teacher, TeacherConfig, list[Tensor]]] = []
        for teacher, config, opinions in views:
            depths = [o.depth.cpu() for o in opinions if o.depth is not None]
            align = config.align or ("none" if teacher.depth_kind == "metres" else "frame")
            if depths and teacher.depth_kind == "metres" and align == "none":
                metres += depths
            elif depths:
                unscaled.append((teacher, config, alike(depths, teacher)))
        reference = _reference(sensor, metres)
        for teacher, config, depths in unscaled:
            fits = self._fits(teacher, config, depths[0], reference)
            metres += [torch.stack([_scaled(d, fit) for d, fit in zip(depth, fits, strict=True)]) for depth in depths]
        if reference is None and not self.bag_fits:
            disparities = [d for t, _, depths in unscaled if t.depth_kind == "disparity" for d in depths]
            if disparities and not any(bool(m.isfinite().any()) for m in metres):
                self.tally["frames of unknown scale"] += len(batch)
                return _disparity(disparities, self.trust), torch.ones(len(batch), dtype=torch.bool)
        return believed_depth(metres, self.trust), torch.zeros(len(batch), dtype=torch.bool)

    def _fits(self, teacher: Teacher, config: TeacherConfig, seen: Tensor, reference: Map | None) -> list[Fit | None]:
        if teacher.name in self.bag_fits:
            return [self.bag_fits[teacher.name]] * len(seen)
        if reference is None:
            return [None] * len(seen)
        pairs = zip(seen.numpy(), reference, strict=True)
        fits = [fit_depth(one, known, teacher.depth_kind) for one, known in pairs]
        self.tally["frames that could not be aligned"] += sum(fit is None for fit in fits)
        return fits

    def _derive(self, found: dict[str, Believed], relative: Tensor, batch: Batch) -> None:
        """Normals and edges by the code that makes them of sensors' depth and of labels, believed as far as those."""
        depth = None if bool(relative.any()) else found.get(DEPTH.name)
        if NORMALS.name in self.derive and NORMALS.name not in found and depth is not None:
            normals = [
                _surface(d, Pinhole.centred(d.shape[1], d.shape[0], float(f)), self.trust.border)
                for d, f in zip(depth.values.cpu().numpy(), batch.focal, strict=True)
            ]
            found[NORMALS.name] = Believed(torch.from_numpy(np.stack(normals)), depth.weight)
        if EDGES.name in self.derive and EDGES.name not in found:
            edges = _edges(batch, found.get(SEGMENTATION.name), depth)
            if edges is not None:
                found[EDGES.name] = edges

    def _keep(self, found: dict[str, Believed], relative: Tensor, batch: Batch) -> None:
        """What the data itself says is beyond doubt."""
        for task in self.keeps:
            if task not in batch.maps or (task == DEPTH.name and bool(relative.any())):
                continue
            own, taught = batch.maps[task], found.get(task)
            known = own != UNLABELLED if task == SEGMENTATION.name else torch.isfinite(own)
            pixels = known.flatten(3).all(-1) if known.dim() > 3 else known
            if taught is None:
                found[task] = Believed(own, torch.ones(pixels.shape))
            else:
                weight = torch.where(pixels, 1.0, taught.weight.cpu())
                found[task] = Believed(torch.where(known, own, taught.values.cpu()), weight)


def fit_once(labeller: Labeller, teacher: Teacher, config: TeacherConfig, samples: Sequence[Batch]) -> Fit | None:
    """One fit of a teacher's depth to the data's over all samples; None where that has none."""
    seen, known = [], []
    for batch in samples:
        if DEPTH.name in batch.maps:
            depth = teacher.look(batch.image, batch.focal).depth
            assert depth is not None
            seen.append(depth.cpu().numpy())
            known.append(batch.maps[DEPTH.name].numpy())
    if not seen:
        return None
    return fit_depth(np.concatenate(seen).reshape(-1), np.concatenate(known).reshape(-1), teacher.depth_kind)


def _reference(sensor: Map | None, metres: Sequence[Tensor]) -> Map | None:
    """What relative depth is aligned to: the sensor's depth, in a picture without any what metric teachers say."""
    seen = torch.stack(list(metres)).mean(0).numpy() if metres else None
    if sensor is None:
        return seen
    if seen is None:
        return sensor if bool(np.isfinite(sensor).any()) else None
    known = np.isfinite(sensor).any(axis=(1, 2), keepdims=True)
    return np.where(known, sensor, seen)


def _scaled(seen: Tensor, fit: Fit | None) -> Tensor:
    return torch.full_like(seen, torch.nan) if fit is None else torch.from_numpy(fit.metres(seen.numpy()))


def _disparity(views: Sequence[Tensor], trust: TrustConfig) -> Believed:
    """The mean of disparities, each picture from 1 to 10, where views differ by less than a share of that range."""
    low, high = DISPARITY_RANGE
    flat = [view.flatten(1) for view in views]
    least = [f.nan_to_num(torch.inf).amin(1)[:, None, None] for f in flat]
    most = [f.nan_to_num(-torch.inf).amax(1)[:, None, None] for f in flat]
    brought = [
        low + (high - low) * (view - a) / (b - a).clamp(min=1e-6) for view, a, b in zip(views, least, most, strict=True)
    ]
    stacked = torch.stack(brought)
    return within(stacked, lambda mean: torch.full_like(mean, trust.depth * (high - low)))


def _edges(batch: Batch, classes: Believed | None, depth: Believed | None) -> Believed | None:
    """Of classes and depth, of either, or None of neither.

    Views of depth differ most where it jumps, which mostly is a border of classes: so these decide how far edges are
    believed. Without them, of depth and lines in the picture, an edge is one, and none is as sure as the depth is.
    """
    metres = None if depth is None else depth.values.cpu().numpy()
    if classes is not None:
        edges = [label_edges(ids) for ids in classes.values.cpu().numpy()]
        if metres is not None:
            edges = [_with_jumps(e, d) for e, d in zip(edges, metres, strict=True)]
        return Believed(torch.from_numpy(np.stack(edges)), classes.weight)
    if depth is None or metres is None:
        return None
    lines = [image_and_depth_edges(i, d) for i, d in zip(batch.image.numpy(), metres, strict=True)]
    found = torch.from_numpy(np.stack(lines))
    return Believed(found, torch.where(found > 0, 1.0, depth.weight.cpu()))


def _jumps(depth: Map) -> NDArray[np.bool_]:
    jumps = np.zeros(depth.shape, np.bool_)
    across, down = depth_jumps(depth[:, :-1], depth[:, 1:]), depth_jumps(depth[:-1], depth[1:])
    jumps[:, :-1] |= across
    jumps[:-1] |= down
    return jumps


def _surface(depth: Map, camera: Pinhole, border: int) -> Map:
    """Normals of a teacher's depth, which is soft where the real one jumps: unknown beside that."""
    normals = normals_from_depth(depth, camera)
    beside = cv2.dilate(_jumps(depth).astype(np.uint8), np.ones((2 * border + 1, 2 * border + 1), np.uint8)) > 0
    return np.where(beside[..., None], np.float32(np.nan), normals).astype(np.float32)


def _with_jumps(edges: Map, depth: Map) -> Map:
    return np.where(_jumps(depth), np.float32(1), edges).astype(np.float32)
