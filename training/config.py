"""A training run as YAML, checked in full before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from avtar_ros.tasks import SEGMENTATION, TASKS
from training.data.config import AugmentConfig, DataConfig, RoomsConfig, key_path
from training.errors import TrainingError
from training.section import Positive, Rate, Section, UserPath


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
    replace: tuple[Annotated[int, Field(ge=0)], ...]
    window: Positive = 8
    decoder: Literal["light", "swin"] = "light"
    """Convolutions for small devices, or the authors' Swin blocks."""
    decoder_channels: Positive = 64
    taa: bool = True
    tsn: bool = True

    @model_validator(mode="after")
    def _adapters_at_the_end(self) -> ModelConfig:
        if not any(self.replace):
            raise ValueError("`replace` must replace at least one layer, or there are no adapters")
        return self


class DepthConfig(Section):
    """Metres the model may give, and the focal length (pixels at the input's width) that its depth is meant for."""

    min_m: Rate = 0.1
    max_m: Rate = 20.0
    focal_px: Rate

    @model_validator(mode="after")
    def _ordered(self) -> DepthConfig:
        if self.min_m >= self.max_m:
            raise ValueError(f"min_m, {self.min_m:g}, must be less than max_m, {self.max_m:g}")
        return self


class AffinityConfig(Section):
    """How often TROA measures the affinities (in steps, 0 for never: each task then keeps to itself), and how much of
    the old ones stays."""

    every: Annotated[int, Field(ge=0)] = 10
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


class PhaseConfig(Section):
    """A part of the run. `trains: backbone` trains everything but has no adapters, to make a backbone where none is
    to be had; `trains: adapters` is the method itself: the backbone is frozen."""

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    trains: Literal["backbone", "adapters"]
    steps: Positive
    downscale: Positive = 1
    """Train on images this many times smaller a side: a fraction of the time for the first, coarse lessons."""
    batch_size: Annotated[int, Field(ge=2)] = 16
    learning_rate: Rate = 1e-3
    warmup_steps: Positive = 200
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    clip_norm: Rate = 1.0
    accumulate: Positive = 1
    """A step's batch is learnt from in this many parts, one after the other, which takes less memory."""
    evaluate_every: Positive = 500
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many evaluations that were no better than the best; 0 never does."""
    loss_weights: dict[str, Rate] = Field(default_factory=dict)
    """Instead of the run's, for the tasks named."""
    balancing: Literal["fixed", "uncertainty", "pcgrad"] = "fixed"
    learns: tuple[str, ...] = ()
    """The tasks whose labels are used, all if none is named; the others' heads stay as they are."""
    bfloat16: bool = True


class TargetConfig(Section):
    """Unsupervised domain adaptation: images of another domain, whose labels are never looked at. A discriminator a
    task learns to tell the domains' maps apart; the adapters learn, by `weight`, to make that impossible."""

    data: DataConfig
    weight: Rate = 0.005
    learning_rate: Rate = 1e-4


class RunConfig(Section):
    """A whole run: what `avtar-train fit` does. `licence` is that of the model, as its data allows, for the card.

    `start_from` is a checkpoint of another run, of the same tasks, classes and model, that this one goes on from."""

    name: str
    licence: str = ""
    start_from: UserPath | None = None
    seed: int = 0
    tasks: tuple[str, ...] = tuple(TASKS)
    loss_weights: dict[str, Rate] = Field(default_factory=dict)
    model: ModelConfig
    data: DataConfig = RoomsConfig()
    target: TargetConfig | None = None
    augment: AugmentConfig = AugmentConfig()
    depth: DepthConfig
    affinity: AffinityConfig = AffinityConfig()
    phases: tuple[PhaseConfig, ...]

    def phase(self, name: str) -> PhaseConfig:
        """Raises ValueError where there is none of that name."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise ValueError(f"there is no phase {name!r}")

    @model_validator(mode="after")
    def _known_tasks(self) -> RunConfig:
        weighted = set(self.loss_weights).union(*(phase.loss_weights for phase in self.phases))
        for key, names in (("tasks", self.tasks), ("loss_weights", sorted(weighted))):
            if unknown := [name for name in names if name not in TASKS]:
                raise ValueError(f"`{key}` names unknown tasks {unknown}; known: {', '.join(TASKS)}")
        for phase in self.phases:
            if absent := [name for name in phase.learns if name not in self.tasks]:
                raise ValueError(f"`learns` of phase {phase.name} names {absent}, which `tasks` does not")
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ValueError("`tasks` must name at least one task, each once")
        learnt = {name for phase in self.phases for name in phase.learns or self.tasks}
        if SEGMENTATION.name in learnt and not self.data.classes:
            raise ValueError("`tasks` names segmentation, but `data` has no labels: leave it out, or mix some in")
        return self

    @model_validator(mode="after")
    def _possible_phases(self) -> RunConfig:
        if not self.phases or self.phases[-1].trains != "adapters":
            raise ValueError("the last of `phases` must train the adapters; that model is what gets exported")
        trained = [phase.trains for phase in self.phases]
        if "backbone" in trained[trained.index("adapters") :]:
            raise ValueError("`phases` must train the backbone before the adapters, which take the place of its layers")
        if len({phase.name for phase in self.phases}) != len(self.phases):
            raise ValueError("`phases` must have different names; each has a folder of its own")
        data = self.data
        if self.target and (self.target.data.width, self.target.data.height) != (data.width, data.height):
            raise ValueError("`target.data` must have the width and height of `data`")
        for phase in self.phases:
            if phase.balancing == "pcgrad" and phase.trains != "adapters":
                raise ValueError(f"`balancing: pcgrad` of phase {phase.name} needs adapters, whose gradients it reads")
            if phase.batch_size % phase.accumulate or phase.batch_size < 2 * phase.accumulate:
                raise ValueError(
                    f"`accumulate` of phase {phase.name}, {phase.accumulate}, must cut its `batch_size`, "
                    f"{phase.batch_size}, in equal parts of two or more images"
                )
            if phase.balancing == "pcgrad" and phase.accumulate > 1:
                raise ValueError(f"`accumulate` of phase {phase.name} must be 1: `pcgrad` looks at a batch as a whole")
            if isinstance(data, RoomsConfig) and phase.batch_size > data.rooms:
                raise ValueError(f"`batch_size` of phase {phase.name} is {phase.batch_size}, more than `data.rooms`")
            if data.width % phase.downscale or data.height % phase.downscale:
                raise ValueError(f"`downscale` of phase {phase.name} does not divide {data.width}x{data.height}")
        return self


def load_config(path: Path, start_from: Path | None = None) -> RunConfig:
    """The run described in a YAML file, begun from the checkpoint `start_from` if given.

    Raises TrainingError with the path of every key at fault.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such config. Ready ones lie in training/configs/.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise TrainingError(f"{path}: not a mapping of keys. Start from a config in training/configs/.")
    if start_from is not None:
        raw["start_from"] = str(start_from)
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors()]
        separator = "\n  " if len(faults) > 1 else " "
        raise TrainingError(separator.join([f"{path}:", *faults])) from None


def _describe(fault: ErrorDetails) -> str:
    where = key_path(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key"
    what = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
