"""A training run as YAML, checked in full before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from avtar_ros.documents import NO_YAML
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, TASKS
from avtar_ros.terminal.names import file_name
from training.data.config import TAGS, AugmentConfig, DataConfig, MixedConfig
from training.data.own_config import PicturesConfig
from training.data.public_config import RoomsConfig
from training.errors import TrainingError
from training.overrides import OPTION, override
from training.section import Positive, PositiveReal, Real, Section, UserPath, Whole, fault
from training.target_config import WAYS, TargetConfig

CHANNELS_A_HEAD = 32
"""Of the authors' decoder, or a little more."""
ALONG_NORMALS = (DEPTH.name, NORMALS.name, EDGES.name)
"""The tasks whose maps `depth_along_normals` takes, in its order."""


class BackboneConfig(Section):
    """A Hugging Face backbone: `pretrained` is a hub name or a local folder; without it, `settings` is a config
    to start from scratch with (`model_type` and the keys of that architecture)."""

    pretrained: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _from_somewhere(self) -> BackboneConfig:
        if self.pretrained is None and "model_type" not in self.settings:
            raise ValueError("give either `pretrained` or `settings` with a `model_type`")
        return self


class ModelConfig(Section):
    """`replace[i]` of stage i's last layers become vision adapter layers; `window` is theirs, in tokens.

    `taa` and `tsn` off leave out what attention and norms learn of the task, to see what they are good for."""

    backbone: BackboneConfig
    replace: tuple[Annotated[Whole, Field(ge=0)], ...]
    window: Positive = 8
    decoder: Literal["light", "swin"] = "light"
    """Convolutions for small devices, or the authors' Swin blocks."""
    decoder_channels: Positive = 64
    detail: tuple[Positive, ...] = ()
    """Channels of a convolutional path from the image at a half, a quarter and so on of its size, which the heads then
    read beside the decoder's grid; without it every place of that grid makes a square of pixels."""
    depth_along_normals: bool = False
    """Depth that is given takes the slopes of the normals between edges; learning is as without it. It needs all three
    tasks."""
    taa: bool = True
    tsn: bool = True

    @model_validator(mode="after")
    def _adapters_at_the_end(self) -> ModelConfig:
        if not any(self.replace):
            raise fault("replace", "must replace at least one layer, or there are no adapters")
        return self

    @model_validator(mode="after")
    def _heads_of_the_decoder(self) -> ModelConfig:
        heads = max(1, self.decoder_channels // CHANNELS_A_HEAD)
        if self.decoder == "swin" and self.decoder_channels % heads:
            raise fault(
                "decoder_channels",
                f"{self.decoder_channels} of `decoder: swin` cannot be divided by its {heads} heads; "
                f"give a multiple of {CHANNELS_A_HEAD}",
            )
        return self


class DepthConfig(Section):
    """Metres the model may give, and the focal length (pixels at the input's width) that its depth is meant for."""

    min_m: PositiveReal = 0.1
    max_m: PositiveReal = 20.0
    focal_px: PositiveReal

    @model_validator(mode="after")
    def _ordered(self) -> DepthConfig:
        if self.min_m >= self.max_m:
            raise ValueError(f"min_m, {self.min_m:g}, must be less than max_m, {self.max_m:g}")
        return self


class AffinityConfig(Section):
    """How often TROA measures the affinities (in steps, 0 for never: each task then keeps to itself), and how much of
    the old ones stays."""

    every: Annotated[Whole, Field(ge=0)] = 10
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9


class PhaseConfig(Section):
    """A part of the run. `trains: backbone` trains everything but has no adapters, to make a backbone where none is
    to be had; `trains: adapters` is the method itself: the backbone is frozen."""

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    trains: Literal["backbone", "adapters"]
    steps: Positive
    downscale: Positive = 1
    """Train on images this many times smaller a side: a fraction of the time for the first, coarse lessons."""
    batch_size: Annotated[Whole, Field(ge=2)] = 16
    learning_rate: PositiveReal = 1e-3
    warmup_steps: Positive = 200
    weight_decay: Annotated[Real, Field(ge=0)] = 0.05
    clip_norm: PositiveReal = 1.0
    accumulate: Positive = 1
    """A step's batch is learnt from in this many parts, one after the other, which takes less memory."""
    evaluate_every: Positive = 500
    patience: Annotated[Whole, Field(ge=0)] = 0
    """Stop after so many evaluations that were no better than the best; 0 never does."""
    loss_weights: dict[str, PositiveReal] = Field(default_factory=dict)
    """Instead of the run's, for the tasks named."""
    balancing: Literal["fixed", "uncertainty", "pcgrad"] = "fixed"
    learns: tuple[str, ...] = ()
    """The tasks whose labels are used, all if none is named; the others' heads stay as they are."""
    bfloat16: bool | None = None
    """Matrix products in bfloat16, in half the memory; where nothing is said, on devices that compute in it: those that
    have to convert take ten times as long as with float32."""


class RunConfig(Section):
    """A whole run: what `avtar-train fit` does. `licence` is that of the model, as its data allows, for the card.

    `start_from` is a checkpoint of another run, of the same tasks, classes and model, that this one continues from. The
    heads of the tasks in `new_heads` start anew: with segmentation among them its classes may be others."""

    name: str
    licence: str = ""
    start_from: UserPath | None = None
    new_heads: tuple[str, ...] = ()
    seed: Whole = 0
    tasks: tuple[str, ...] = tuple(TASKS)
    loss_weights: dict[str, PositiveReal] = Field(default_factory=dict)
    edges_loss: Literal["bce", "l1"] = "bce"
    """Balanced binary cross-entropy, or the absolute error, for edges that are strengths (Taskonomy's of texture)."""
    depth_loss: Literal["berhu", "shape"] = "berhu"
    """Reverse Huber of log depth, or its shape, scale and slopes each by itself."""
    model: ModelConfig
    data: DataConfig = RoomsConfig()
    target: TargetConfig | None = None
    augment: AugmentConfig = AugmentConfig()
    depth: DepthConfig
    affinity: AffinityConfig = AffinityConfig()
    phases: tuple[PhaseConfig, ...]

    @property
    def file_name(self) -> str:
        """What a run's folder is called, and a model's file."""
        return file_name(self.name)

    @property
    def tasks_along_normals(self) -> bool:
        """Whether there is all that `model.depth_along_normals` takes."""
        return set(ALONG_NORMALS) <= set(self.tasks)

    @property
    def losses(self) -> dict[str, str]:
        """Which loss the tasks take that have more than one."""
        return {DEPTH.name: self.depth_loss, EDGES.name: self.edges_loss}

    def phase(self, name: str) -> PhaseConfig:
        """Raises ValueError if there is none of that name."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise ValueError(f"there is no phase {name!r}")

    @model_validator(mode="after")
    def _known_tasks(self) -> RunConfig:
        if unknown := [name for name in self.tasks if name not in TASKS]:
            raise fault("tasks", f"names unknown tasks {unknown}; known: {', '.join(TASKS)}")
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise fault("tasks", "must name at least one task, each once")
        if self.model.depth_along_normals and not self.tasks_along_normals:
            raise fault("model.depth_along_normals", f"needs the tasks {', '.join(ALONG_NORMALS)}")
        if absent := [name for name in self.new_heads if name not in self.tasks]:
            raise fault("new_heads", f"names {absent}, which `tasks` does not")
        for i, phase in enumerate(self.phases):
            if absent := [name for name in phase.learns if name not in self.tasks]:
                raise fault(f"phases.{i}.learns", f"names {absent}, which `tasks` does not")
        return self

    @model_validator(mode="after")
    def _possible_phases(self) -> RunConfig:
        if not self.phases or self.phases[-1].trains != "adapters":
            raise fault("phases", "the last must train the adapters; that model is what gets exported")
        trained = [phase.trains for phase in self.phases]
        if "backbone" in trained[trained.index("adapters") :]:
            raise fault("phases", "must train the backbone before the adapters, which take the place of its layers")
        if len({phase.name for phase in self.phases}) != len(self.phases):
            raise fault("phases", "must have different names; each has a folder of its own")
        data = self.data
        if self.target and (self.target.data.width, self.target.data.height) != (data.width, data.height):
            raise fault("target.data", "must have the width and height of `data`")
        for i, phase in enumerate(self.phases):
            if phase.balancing == "pcgrad" and phase.trains != "adapters":
                raise fault(f"phases.{i}.balancing", "pcgrad needs adapters, whose gradients it reads")
            if phase.batch_size % phase.accumulate or phase.batch_size < 2 * phase.accumulate:
                raise fault(
                    f"phases.{i}.accumulate",
                    f"{phase.accumulate} must cut `batch_size`, {phase.batch_size}, in equal parts of two or more",
                )
            if phase.balancing == "pcgrad" and phase.accumulate > 1:
                raise fault(f"phases.{i}.accumulate", "must be 1: `balancing: pcgrad` looks at a batch as a whole")
            if isinstance(data, RoomsConfig) and phase.batch_size > data.rooms:
                raise fault(f"phases.{i}.batch_size", f"{phase.batch_size} is more than `data.rooms`, {data.rooms}")
            if data.width % phase.downscale or data.height % phase.downscale:
                raise fault(f"phases.{i}.downscale", f"{phase.downscale} does not divide {data.width}x{data.height}")
        return self


def load_config(path: Path, start_from: Path | None = None, settings: Sequence[str] = ()) -> RunConfig:
    """The run that a YAML file describes, with `settings`, each KEY=VALUE; begun from a checkpoint where one is given.

    Raises TrainingError with the path of every key at fault.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such config. Ready ones lie in training/configs/.") from None
    except NO_YAML as error:
        raise TrainingError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise TrainingError(f"{path}: not a mapping of keys. Start from a config in training/configs/.")
    override(raw, settings)
    if start_from is not None:
        raw["start_from"] = str(start_from)
    try:
        config = RunConfig.model_validate(raw)
        faults = [f"{key}: {what}" for key, what in _pointless(config)]
    except ValidationError as error:
        faults = [_describe(details) for details in error.errors()]
    if faults:
        separator = "\n  " if len(faults) > 1 else " "
        raise TrainingError(separator.join([f"{path}:", *faults])) from None
    return config


def _pointless(config: RunConfig) -> Iterator[tuple[str, str]]:
    """The keys that a run would not heed or learn from, and why. Checkpoints of such runs can be read all the same."""
    for name in config.loss_weights:
        if name not in config.tasks:
            yield f"loss_weights.{name}", f"is not among `tasks`, {', '.join(config.tasks)}"
    for i, phase in enumerate(config.phases):
        learnt = phase.learns or config.tasks
        for name in phase.loss_weights:
            if name not in learnt:
                yield f"phases.{i}.loss_weights.{name}", f"is not a task that the phase learns, {', '.join(learnt)}"
        if phase.warmup_steps > phase.steps:
            yield f"phases.{i}.warmup_steps", f"{phase.warmup_steps} are more than `steps`, {phase.steps}"
    if isinstance(config.data, MixedConfig):
        try:
            config.data.check_classes()
        except TrainingError as error:
            yield "data.parts", str(error)
            return
    learnt_by_any = {name for phase in config.phases for name in phase.learns or config.tasks}
    if SEGMENTATION.name in learnt_by_any and not config.data.classes:
        yield "tasks", "names segmentation, but `data` has no labels: leave it out, or mix some in"
    if all(isinstance(data, PicturesConfig) for data in config.data.single):
        yield "data", "pictures have no maps to learn from; give them a teacher (`dataset: taught`)"


class Choice(NamedTuple):
    """A section of several kinds: the key that says which, and what it may say."""

    key: str
    kinds: tuple[str, ...]


CHOSEN: dict[int | str, Choice] = {"data": Choice("dataset", TAGS), "target": Choice("by", WAYS)}


def _describe(details: ErrorDetails) -> str:
    where, what = _key_path(details["loc"]), details["msg"].removeprefix("Value error, ")
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            what = f"{what}: write it in the file, or give {OPTION} {where}=VALUE"
        case "extra_forbidden":
            what = "there is no such key"
        case "union_tag_invalid":
            key = CHOSEN[where.rpartition(".")[2]].key
            where, what = f"{where}.{key}", f"there is no {context['tag']!r}; known: {context['expected_tags']}"
        case "union_tag_not_found":
            what = f"expected keys such as `dataset: nyud`, found {details['input']!r}"
        case "fault":
            where = f"{where}.{context['key']}" if where else context["key"]
    return f"{where}: {what}" if where else what


def _key_path(location: Sequence[int | str]) -> str:
    """The path of a key as it stands in the YAML, from pydantic's, which names the chosen kind of section as well."""
    pairs = zip(("", *location), location, strict=False)
    return ".".join(str(part) for before, part in pairs if before not in CHOSEN or part not in CHOSEN[before].kinds)
