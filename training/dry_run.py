"""A rehearsal: everything that a config describes is built, and each phase runs one step on random images."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from avtar_ros.model_card import ModelCard
from avtar_ros.terminal.command_line import show
from avtar_ros.terminal.progress import Progress
from training import processes
from training.build import check_buildable, parameter_table, starting_point
from training.config import PhaseConfig, RunConfig
from training.data.batch import Batch
from training.fit import PhaseRun
from training.tasks import LEARNT

CPU_PIXELS = 2**17
"""How many pixels are enough for a step on a CPU: an image of the whole size has been looked at by then."""
FEWEST_IMAGES = 2
SMALLEST_SIDE = 64
"""Pixels: smaller images may have none left in the coarsest features."""


@dataclass(frozen=True)
class Step:
    """The batch of a step."""

    images: int
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.images * self.width * self.height

    def smaller(self, stride: int) -> Step:
        """With images halved until they have CPU_PIXELS, as long as sides stay multiples of the backbone's stride."""
        halved = replace(self, width=self.width // 2, height=self.height // 2)
        fits = all(side % (2 * stride) == 0 and side >= 2 * SMALLEST_SIDE for side in (self.width, self.height))
        return halved.smaller(stride) if self.pixels > CPU_PIXELS and fits else self

    def __str__(self) -> str:
        return f"{self.images} images of {self.width}x{self.height}"


def dry_run(config: RunConfig) -> list[float]:
    """Print what each phase trains, and the losses, time and memory of a step with its batch; gives the times in s.

    A CPU takes the step with fewer and smaller images, which is said; the time that is given is then that of as many
    pixels as the phase's batch has. No data is read and nothing fetched: a pretrained backbone whose `settings` name
    its architecture has random weights here, unless the run starts from adapters alone, which fit no other backbone
    than their own. Raises TrainingError where the config cannot work.
    """
    before = starting_point(config)
    backbone = config.model.backbone
    if "model_type" in backbone.settings and not (before and before.backbone_digest):
        backbone = backbone.model_copy(update={"pretrained": None})
    config = config.model_copy(update={"model": config.model.model_copy(update={"backbone": backbone})})
    _say(f"building the network, to look at an image of {config.data.width}x{config.data.height} ...")
    check_buildable(config, before)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for phase in config.phases:
            _say(f"building phase {phase.name} as it starts ...")
            rehearsed = _rehearsed(phase, config)
            run = PhaseRun(config, rehearsed, Path(folder) / phase.name, before)
            show(f"phase {phase.name}\n{parameter_table(run.model)}", flush=True)
            whole = Step(phase.batch_size, config.data.width // phase.downscale, config.data.height // phase.downscale)
            step = replace(whole, images=rehearsed.batch_size)
            if run.device.type == "cpu":
                step = step.smaller(run.model.backbone.stages[0].stride)
            of_all = f", of the phase's {whole}" if step != whole else ""
            numbers = "bfloat16" if rehearsed.bfloat16 else "float32"
            _say(f"one step with {step}{of_all}, in {numbers} on the {run.device.type} ...")
            batch = random_batch(run.card, step.images, config.data.width // step.width).to(run.device)
            if run.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(run.device)
            began = time.monotonic()
            losses = run.train_step(batch, batch if config.target else None)
            seconds = time.monotonic() - began
            times.append(seconds * whole.pixels / step.pixels)
            show("  ".join(f"{name} {loss:.3f}" for name, loss in losses.items()))
            peak = _peak_gb(run.device)
            show(f"a step of {step}: {seconds:.1f} s on this machine, peak {peak:.1f} GB")
            if step != whole:
                show(f"a step of {whole} would take about {times[-1]:.0f} s")
    return times


def _rehearsed(phase: PhaseConfig, config: RunConfig) -> PhaseConfig:
    """The phase, on a CPU with few of its images and in numbers that it has units for: a step takes seconds then."""
    if processes.device().type != "cpu":
        return phase
    pixels = config.data.width * config.data.height // phase.downscale**2
    images = min(phase.batch_size, max(FEWEST_IMAGES, CPU_PIXELS // pixels))
    accumulate = phase.accumulate if images == phase.batch_size else 1
    return phase.model_copy(update={"batch_size": images, "accumulate": accumulate, "bfloat16": False})


def _say(what: str) -> None:
    Progress.remark(what, sys.stderr)


def random_batch(card: ModelCard, images: int, downscale: int = 1) -> Batch:
    """Images and maps of all the card's tasks in which there is nothing to be learnt."""
    shape = (images, card.height // downscale, card.width // downscale)
    maps = {name: LEARNT[name].random_map(shape, card) for name in card.tasks}
    image = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8)
    focal = card.depth.focal_px / downscale if card.depth is not None else 1.0
    return Batch(image, maps, torch.full((images,), focal))


def _peak_gb(device: torch.device) -> float:
    """The most memory of a GPU since it was last asked to forget, or that this process has had at all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
