"""Teachers in .onnx files: our own models with a card, and any other graph with a few lines that describe it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.engines.opening import open_engine
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, TASKS
from training.data.classes import Classes, numbered
from training.data.teachers.config import FRAMES, DepthKind, OnnxConfig, OnnxOutputConfig, TeacherConfig
from training.data.teachers.mapping import ClassMixer
from training.data.teachers.opinion import Opinion, resized
from training.data.vocabulary import vocabulary
from training.errors import TrainingError
from training.hub import UNKNOWN_LICENCE


class OwnTeacher:
    """A model of ours, exported with its card; it is sure of what it says. Raises AvtarError if it is none."""

    depth_kind: DepthKind = "metres"

    def __init__(self, config: TeacherConfig, path: Path) -> None:
        self.name, self.gives = config.model, config.gives
        self._engine = open_engine(path)
        card = self._engine.card
        if missing := [task for task in config.gives if task not in card.tasks]:
            raise TrainingError(f"{config.model}: gives no {', '.join(missing)}; its tasks: {', '.join(card.tasks)}.")
        self.licence = config.licence or card.licence or UNKNOWN_LICENCE
        self._mixer = ClassMixer(card.classes, config.class_map) if SEGMENTATION.name in config.gives else None

    @property
    def classes(self) -> Classes:
        return self._mixer.classes if self._mixer is not None else ()

    def look(self, images: Tensor, focal: Tensor) -> Opinion:
        card, (height, width) = self._engine.card, images.shape[1:3]
        small = resized(images.permute(0, 3, 1, 2).float(), card.height, card.width).round().to(torch.uint8)
        maps = self._engine.infer(np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy()))
        found = {
            name: torch.from_numpy(np.stack([TASKS[name].resize(one, width, height) for one in np.array(maps[name])]))
            for name in self.gives
        }
        if DEPTH.name in found and card.depth is not None:
            found[DEPTH.name] = found[DEPTH.name] * card.depth.scale(focal * card.width / width)[:, None, None]
        probabilities = self._mixer.of_ids(found[SEGMENTATION.name]) if self._mixer is not None else None
        return Opinion(probabilities, found.get(DEPTH.name), found.get(NORMALS.name), found.get(EDGES.name))


class DescribedTeacher:
    """Any other graph of ONNX, as `onnx` of its config describes it; `width` is that of pictures here.

    Raises TrainingError if the graph is another.
    """

    def __init__(self, config: TeacherConfig, path: Path, described: OnnxConfig, width: int) -> None:
        import onnxruntime

        self.name, self.gives = config.model, config.gives
        self.licence = config.licence or UNKNOWN_LICENCE
        self._given, self._described, self._width = config, described, width
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
        except Exception as error:  # it has no exception of its own
            raise TrainingError(f"{config.model}: ONNX Runtime cannot load it ({error}).") from error
        names = [node.name for node in self._session.get_outputs()]
        if missing := [described.outputs[t].name for t in config.gives if described.outputs[t].name not in names]:
            raise TrainingError(f"{config.model}: has no output {', '.join(missing)}; it has {', '.join(names)}.")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise TrainingError(f"{config.model}: takes {', '.join(i.name for i in inputs)}; expected one picture.")
        self._input = inputs[0]
        self._mixer = None
        if SEGMENTATION.name in config.gives and described.labels is not None:
            labels = described.labels
            own = vocabulary(labels) if isinstance(labels, str) else numbered(labels)
            self._mixer = ClassMixer(own, config.class_map)
        depth: Any = described.outputs[DEPTH.name].holds if DEPTH.name in config.gives else "metres"
        self.depth_kind: DepthKind = depth

    @property
    def classes(self) -> Classes:
        return self._mixer.classes if self._mixer is not None else ()

    def look(self, images: Tensor, focal: Tensor) -> Opinion:
        size = tuple(images.shape[1:3])
        found = self._run(images)
        maps = {task: self._map(task, found[self._described.outputs[task].name], size) for task in self.gives}
        depth = maps.get(DEPTH.name)
        if depth is not None:
            depth = depth[:, 0]
            if self.depth_kind == "metres" and self._given.focal_px is not None:
                depth = depth * (focal * self._width / size[1] / self._given.focal_px)[:, None, None]
            depth = torch.where(torch.isfinite(depth) & (depth > 0), depth, torch.nan)
        probabilities = None
        if self._mixer is not None:
            probabilities = self._mixer.mixed(maps[SEGMENTATION.name].softmax(1))
        normals, edges = maps.get(NORMALS.name), maps.get(EDGES.name)
        if normals is not None:
            signs = torch.tensor(FRAMES[self._described.outputs[NORMALS.name].frame], dtype=normals.dtype)
            normals = F.normalize(normals.permute(0, 2, 3, 1) * signs, dim=-1)
        return Opinion(probabilities, depth, normals, None if edges is None else edges[:, 0].clamp(0, 1))

    def _run(self, images: Tensor) -> dict[str, Tensor]:
        given = self._described
        pixels = resized(images.permute(0, 3, 1, 2).float(), given.height, given.width) * given.scale
        mean, std = (torch.tensor(values)[:, None, None] for values in (given.mean, given.std))
        pixels = (pixels - mean) / std
        if given.layout == "nhwc":
            pixels = pixels.permute(0, 2, 3, 1)
        dtype = np.float16 if "float16" in self._input.type else np.float32
        array = np.ascontiguousarray(pixels.numpy().astype(dtype))
        wanted = [given.outputs[task].name for task in self.gives]
        one_by_one = isinstance(self._input.shape[0], int) and self._input.shape[0] != len(array)
        parts = [array[i : i + 1] for i in range(len(array))] if one_by_one else [array]
        try:
            runs = [self._session.run(wanted, {self._input.name: part}) for part in parts]
        except Exception as error:  # it has no exception of its own
            what = " ".join(str(error).split())
            raise TrainingError(f"{self.name}: inference failed ({what}); is the input as `onnx` says?") from error
        return {
            name: torch.from_numpy(np.concatenate([run[i] for run in runs]).astype(np.float32))
            for i, name in enumerate(wanted)
        }

    def _map(self, task: str, values: Tensor, size: tuple[int, ...]) -> Tensor:
        """The output of a task as (B, C, H, W). Raises TrainingError if it has other channels."""
        output: OnnxOutputConfig = self._described.outputs[task]
        if values.dim() == 3:
            values = values[:, None]
        elif values.dim() == 4 and output.layout == "nhwc":
            values = values.permute(0, 3, 1, 2)
        channels = {"logits": len(self._mixer.table.ids) if self._mixer else 0, "unit_normals": 3}.get(output.holds, 1)
        if values.dim() != 4 or values.shape[1] != channels:
            raise TrainingError(
                f"{self.name}: output {output.name} is of shape {tuple(values.shape)}, but as {output.holds} it should "
                f"have {channels} channels ({output.layout})."
            )
        return resized(values, *size)
