"""The training loop."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from avtar_ros.tasks import DEPTH
from training.affinity import AffinityProbe
from training.build import build_model, check_buildable, new_card, parameter_table
from training.checkpoint import Checkpoint, load_checkpoint, model_tensors, optimiser_tensors, save_checkpoint
from training.config import PhaseConfig, RunConfig
from training.data.augment import augmented, downscaled
from training.data.batch import Batch
from training.data.dataset import Dataset
from training.data.datasets import open_dataset
from training.errors import TrainingError
from training.evaluate import evaluate, torch_infer
from training.models.inference import InferenceModel
from training.task_heads import TASK_HEADS


def fit(config: RunConfig, folder: Path) -> Path:
    """Run all phases, going on where an earlier run in `folder` stopped; gives the path of the last checkpoint.

    Every phase has a folder of its own with `last.safetensors` and `log.jsonl`, one line an evaluation.
    """
    before = load_checkpoint(config.start_from) if config.start_from else None
    check_buildable(config, before)
    training, validation = open_dataset(config.data, "train"), open_dataset(config.data, "validation")
    for phase in config.phases:
        if phase.batch_size > len(training):
            raise TrainingError(
                f"`batch_size` of phase {phase.name} is {phase.batch_size}, but `data` has {len(training)} images."
            )
    for phase in config.phases:
        run = PhaseRun(config, phase, folder / phase.name, before)
        run.go(training, validation)
        before = load_checkpoint(run.path)
    return run.path


class PhaseRun:
    """One phase of a run, begun anew or gone on with where `folder` holds a checkpoint."""

    def __init__(self, config: RunConfig, phase: PhaseConfig, folder: Path, before: Checkpoint | None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.phase, self.folder = config, phase, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "last.safetensors"
        self.card = new_card(config, before)
        self.model = build_model(config, phase.trains, self.card, before)
        self.probe = AffinityProbe(self.model.adapters, len(config.tasks)) if phase.trains == "adapters" else None
        trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        decayed = {name: p for name, p in trained.items() if p.dim() > 1}
        self.names = [*decayed, *(name for name in trained if name not in decayed)]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(decayed.values()), "weight_decay": phase.weight_decay},
                {"params": [p for name, p in trained.items() if name not in decayed], "weight_decay": 0.0},
            ],
            lr=phase.learning_rate,
            fused=True,
        )
        self.step = 0
        self.waited = 0.0
        if self.path.is_file():
            checkpoint = load_checkpoint(self.path)
            checkpoint.load_into(self.model)
            checkpoint.load_optimiser(self.optimiser, self.names)
            self.step = checkpoint.step

    def go(self, training: Dataset, validation: Dataset) -> None:
        """Train to the phase's last step, evaluating and saving on the way."""
        phase = self.phase
        print(f"phase {phase.name}\n{parameter_table(self.model)}")
        began = time.monotonic()
        with tqdm(total=phase.steps, initial=self.step, unit="step", desc=phase.name) as progress:
            for batch in self._batches(training):
                losses = self.train_step(batch)
                self.step += 1
                progress.update()
                progress.set_postfix({name[:3]: f"{loss:.3f}" for name, loss in losses.items()}, refresh=False)
                if self.step % phase.evaluate_every == 0 or self.step == phase.steps:
                    self._evaluate(validation, losses, time.monotonic() - began)
                    self._save()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch as step number `self.step`; gives the loss of each task."""
        phase = self.phase
        for group in self.optimiser.param_groups:
            group["lr"] = phase.learning_rate * learning_rate_factor(self.step, phase.warmup_steps, phase.steps)
        self.model.train()
        torch.manual_seed(self.config.seed + self.step)  # what drops out is a function of the step, also after resuming
        measure = self.probe is not None and self.step % self.config.affinity.every == 0
        with self.probe.record() if self.probe is not None and measure else nullcontext():
            with torch.autocast("cpu", torch.bfloat16, enabled=phase.bfloat16):
                raw = self.model(batch.image)
            losses = self._losses(raw, batch)
            if not losses:
                raise TrainingError(f"data: none of the images of step {self.step} has a map for any of `tasks`.")
            self.optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
        if self.probe is not None and measure:
            self._update_affinity(self.probe.affinity())
        nn.utils.clip_grad_norm_(self.model.parameters(), phase.clip_norm)
        self.optimiser.step()
        return {name: loss.item() for name, loss in losses.items()}

    def _losses(self, raw: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        weights = self.config.loss_weights | self.phase.loss_weights
        targets = {name: batch.maps[name] for name in self.card.tasks if name in batch.maps}
        if self.card.depth is not None and DEPTH.name in targets:  # as the card's camera would see it
            targets[DEPTH.name] = targets[DEPTH.name] * (self.card.depth.focal_px / batch.focal)[:, None, None]
        return {
            name: weights.get(name, 1.0) * TASK_HEADS[name].loss(raw[name].float(), target)
            for name, target in targets.items()
        }

    def _update_affinity(self, measured: Tensor) -> None:
        affinity = self.model.task_embedding.affinity
        measured = torch.where(measured.isnan(), affinity, measured)  # what this batch has no labels for stays
        affinity.lerp_(measured, 1 - self.config.affinity.momentum)

    def _batches(self, training: Dataset) -> Iterator[Batch]:
        """The batches of the steps still to do, each prepared while the one before is trained on."""
        with ThreadPoolExecutor(1) as background:
            ahead = background.submit(self._batch, training, self.step)
            for step in range(self.step, self.phase.steps):
                began = time.monotonic()
                batch = ahead.result()
                self.waited += time.monotonic() - began
                ahead = background.submit(self._batch, training, min(step + 1, self.phase.steps - 1))
                yield batch

    def _batch(self, training: Dataset, step: int) -> Batch:
        """The batch of a step: a function of seed and step alone, so that a resumed run sees the same ones."""
        size = self.phase.batch_size
        epoch, place = divmod(step, len(training) // size)
        order = torch.randperm(len(training), generator=torch.Generator().manual_seed(self.config.seed + epoch))
        batch = training.batch(order[place * size : (place + 1) * size].tolist())
        random = torch.Generator().manual_seed(self.config.seed + step)
        return downscaled(augmented(batch, self.config.augment, random), self.phase.downscale)

    def _evaluate(self, validation: Dataset, losses: dict[str, float], seconds: float) -> None:
        size = self.phase.batch_size
        batches = (
            downscaled(validation.batch(range(start, min(start + size, len(validation)))), self.phase.downscale)
            for start in range(0, len(validation), size)
        )
        model = InferenceModel(
            self.model, self.card.height // self.phase.downscale, self.card.width // self.phase.downscale
        )
        metrics = evaluate(torch_infer(model), self.card, batches)
        tqdm.write(f"step {self.step}: " + "  ".join(f"{key} {value:.3f}" for key, value in metrics.items()))
        line = {
            "step": self.step,
            "seconds": round(seconds, 1),
            "waiting": round(self.waited / seconds, 4),  # share of the time that no data was there
            "losses": losses,
            "metrics": metrics,
        }
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        affinity = self.model.task_embedding.affinity.tolist() if self.probe is not None else ()
        checkpoint = Checkpoint(
            self.config,
            self.card.replace(affinity=tuple(map(tuple, affinity))),
            self.phase.name,
            self.step,
            model_tensors(self.model) | optimiser_tensors(self.optimiser, self.names),
        )
        save_checkpoint(checkpoint, self.path)


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
