"""A rehearsal: everything that a config describes is built, and each phase runs one step on random images."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from avtar_ros.command_line import show
from avtar_ros.model_card import ModelCard
from avtar_ros.progress import Progress
from training import processes
from training.build import check_buildable, parameter_table, starting_point
from training.config import PhaseConfig, RunConfig
from training.data.batch import Batch
from training.fit import PhaseRun
from training.tasks import LEARNT

CPU_PIXELS = 2**19
"""How many pixels are enough for a step on a CPU, beside the two images that are the least."""


def dry_run(config: RunConfig) -> list[float]:
    """Print what each phase trains, and the losses, time and memory of a step with its batch; gives the times in s.

    No data is read and nothing fetched: a pretrained backbone whose `settings` name its architecture has random
    weights here, unless the run starts from adapters alone, which fit no other backbone than their own. Raises
    TrainingError where the config cannot work.
    """
    before = starting_point(config)
    backbone = config.model.backbone
    if "model_type" in backbone.settings and not (before and before.backbone_digest):
        backbone = backbone.model_copy(update={"pretrained": None})
    config = config.model_copy(update={"model": config.model.model_copy(update={"backbone": backbone})})
    check_buildable(config, before)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for phase in config.phases:
            whole, phase = phase, _rehearsed(phase, config)
            run = PhaseRun(config, phase, Path(folder) / phase.name, before)
            show(f"phase {phase.name}\n{parameter_table(run.model)}", flush=True)
            images = phase.batch_size
            of_all = f" of the phase's {whole.batch_size}" if images < whole.batch_size else ""
            Progress.remark(f"one step with {images}{of_all} images, on the {run.device.type} ...", sys.stderr)
            batch = random_batch(run.card, images, phase.downscale).to(run.device)
            if run.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(run.device)
            began = time.monotonic()
            losses = run.train_step(batch, batch if config.target else None)
            times.append(seconds := time.monotonic() - began)
            show("  ".join(f"{name} {loss:.3f}" for name, loss in losses.items()))
            peak = _peak_gb(run.device)
            show(f"a step of {images} images: {seconds:.1f} s on this machine, peak {peak:.1f} GB")
    return times


def _rehearsed(phase: PhaseConfig, config: RunConfig) -> PhaseConfig:
    """The phase, on a CPU with so much of its batch that a step does not take minutes."""
    if processes.device().type != "cpu":
        return phase
    pixels = config.data.width * config.data.height // phase.downscale**2
    images = min(phase.batch_size, max(2, CPU_PIXELS // pixels))
    return phase.model_copy(update={"batch_size": images, "accumulate": min(phase.accumulate, images)})


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
