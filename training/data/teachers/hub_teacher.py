"""Teachers of the `transformers` library: loaded by its classes for each task, between their own processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor

from avtar_ros.tasks import DEPTH, NORMALS, SEGMENTATION
from training.data.classes import Classes, numbered
from training.data.teachers.config import FRAMES, DepthKind, TeacherConfig
from training.data.teachers.mapping import ClassMixer
from training.data.teachers.opinion import Opinion, resized
from training.errors import TrainingError
from training.hub import licence_of

AUTO = {
    DEPTH.name: ("AutoModelForDepthEstimation",),
    SEGMENTATION.name: ("AutoModelForSemanticSegmentation", "AutoModelForUniversalSegmentation"),
    NORMALS.name: ("AutoModelForNormalEstimation",),
}
"""The library's classes by task; where there are several, the first that knows the architecture."""

METRES = ("glpn", "zoedepth", "depth_pro", "tipsv2_dpt")
"""Architectures whose depth is metric, whatever they were trained on."""
NEEDS_MORE = {"prompt_depth_anything": "a sensor's depth", "oneformer": "a text", "chmv2": "pictures from the air"}
"""Architectures that look at more than a picture, and at what."""


@dataclass(frozen=True)
class Head:
    """A model for one task with its processor."""

    model: Any
    processor: Any
    universal: bool = False


class HubTeacher:
    """A folder of the hub's layout; `width` is that of the pictures that `focal_px` of its config is for.

    Raises TrainingError if it cannot do what it is asked for.
    """

    def __init__(self, config: TeacherConfig, folder: Path, width: int, device: torch.device) -> None:
        self.name, self.gives = config.model, config.gives
        self.licence = config.licence or licence_of(config.model, folder)
        self._given, self._width, self._device = config, width, device
        architecture = read_config(config.model, folder)
        if architecture.model_type in NEEDS_MORE:
            raise TrainingError(f"{config.model}: looks at {NEEDS_MORE[architecture.model_type]}, and gets none here.")
        self._heads = {task: _head(config.model, folder, architecture, task, device) for task in config.gives}
        self.depth_kind: DepthKind = _depth_kind(config, architecture) if DEPTH.name in config.gives else "metres"
        self._mixer = None
        if SEGMENTATION.name in config.gives:
            self._mixer = ClassMixer(classes_of(architecture), config.class_map)
        if NORMALS.name in config.gives and config.frame is None:
            raise TrainingError(
                f"{config.model}: nothing says in which frame its normals are; give `frame`: {', '.join(FRAMES)}. "
                "Look at a few with `avtar-train preview`: a floor's must look up."
            )

    @property
    def classes(self) -> Classes:
        return self._mixer.classes if self._mixer is not None else ()

    def look(self, images: Tensor, focal: Tensor) -> Opinion:
        looks: dict[str, Callable[[Head, Tensor, Tensor], Tensor]] = {
            DEPTH.name: self._depth, SEGMENTATION.name: self._probabilities, NORMALS.name: self._normals,
        }
        found = {task: looks[task](head, images, focal) for task, head in self._heads.items()}
        return Opinion(found.get(SEGMENTATION.name), found.get(DEPTH.name), found.get(NORMALS.name))

    def _outputs(self, head: Head, images: Tensor) -> Any:
        pictures = list(images.cpu().numpy())
        inputs = head.processor(images=pictures, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            return head.model(**inputs)

    def _depth(self, head: Head, images: Tensor, focal: Tensor) -> Tensor:
        sizes = [tuple(images.shape[1:3])] * len(images)
        given: dict[str, Any] = {"target_sizes": sizes}
        if head.model.config.model_type == "zoedepth":  # its processor pads, and must know what
            given["source_sizes"] = sizes
        found = head.processor.post_process_depth_estimation(self._outputs(head, images), **given)
        depth = torch.stack([entry["predicted_depth"] for entry in found]).float()
        guessed = [entry.get("focal_length") for entry in found]
        if all(length is not None for length in guessed):  # it guessed the lens, which is known here
            lens = torch.stack([torch.as_tensor(length) for length in guessed]).to(depth)
            depth = depth * (focal.to(depth) / lens)[:, None, None]
        elif self._given.focal_px is not None and self.depth_kind == "metres":
            at_width = focal.to(depth) * self._width / images.shape[2]
            depth = depth * (at_width / self._given.focal_px)[:, None, None]
        return torch.where(torch.isfinite(depth) & (depth > 0), depth, torch.nan)

    def _probabilities(self, head: Head, images: Tensor, focal: Tensor) -> Tensor:
        assert self._mixer is not None
        outputs, (height, width) = self._outputs(head, images), images.shape[1:3]
        if not head.universal:
            return self._mixer.mixed(resized(outputs.logits.float(), height, width).softmax(1))
        sizes = [(height, width)] * len(images)
        ids = head.processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
        return self._mixer.of_ids(torch.stack(list(ids)))

    def _normals(self, head: Head, images: Tensor, focal: Tensor) -> Tensor:
        normals = resized(self._outputs(head, images).normals.float(), *images.shape[1:3])
        signs = torch.tensor(FRAMES[self._given.frame or "optical"], dtype=normals.dtype, device=normals.device)
        return F.normalize(normals.permute(0, 2, 3, 1) * signs, dim=-1)


def read_config(name: str, folder: Path) -> Any:
    """A model's own configuration. Raises TrainingError if the folder has none that is known."""
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{name}: not a model that transformers {transformers.__version__} knows: {' '.join(str(error).split())}"
        ) from error


def classes_of(architecture: Any) -> Classes:
    """The classes of a segmentation model, by their ids."""
    names = {int(number): str(name).strip() for number, name in architecture.id2label.items()}
    return numbered(names.get(i, f"LABEL_{i}") for i in range(max(names) + 1))


def _head(name: str, folder: Path, architecture: Any, task: str, device: torch.device) -> Head:
    if task not in AUTO:
        raise TrainingError(f"{name}: transformers has no models for {task}; known: {', '.join(AUTO)}.")
    known = [getattr(transformers, auto, None) for auto in AUTO[task]]
    fitting = [auto for auto in known if auto is not None and type(architecture) in auto._model_mapping]
    if not fitting:
        raise TrainingError(
            f"{name}: is a {architecture.model_type}, which gives no {task} in transformers {transformers.__version__}."
        )
    processor = _processor(name, folder)
    try:
        model, report = fitting[0].from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{name}: its weights cannot be loaded: {' '.join(str(error).split())} Only safetensors are read: nothing "
            "is unpickled."
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise TrainingError(
            f"{name}: has no weights for {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}: it is no "
            f"model for {task}."
        )
    universal = fitting[0].__name__ == "AutoModelForUniversalSegmentation"
    return Head(model.eval().to(device), processor, universal)


def _processor(name: str, folder: Path) -> Any:
    try:
        return AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (ImportError, OSError, ValueError) as error:
        raise TrainingError(
            f"{name}: its image processor cannot be loaded: {' '.join(str(error).split())} Some need torchvision: "
            "pip install torchvision, of the release that fits this torch."
        ) from error


def _depth_kind(config: TeacherConfig, architecture: Any) -> DepthKind:
    if config.depth is not None:
        return config.depth
    kind = getattr(architecture, "depth_estimation_type", None)
    if kind is not None:
        return "metres" if kind == "metric" else "disparity"
    if architecture.model_type in METRES:
        return "metres"
    raise TrainingError(
        f"{config.model}: nothing says what the depth of a {architecture.model_type} is; give `depth`: metres, "
        "relative_depth or disparity (that of MiDaS and DPT-Large)."
    )
