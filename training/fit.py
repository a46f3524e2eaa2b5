"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.memory import keep_freed_memory
from avtar_ros.terminal.command_line import show
from avtar_ros.terminal.progress import Progress
from training import processes
from training.adaptation.adaptation import Adaptation
from training.adaptation.opening import open_adaptation
from training.affinity import AffinityProbe
from training.build import build_model, check_buildable, new_card, parameter_table, starting_point
from training.checkpoint import (
    Checkpoint,
    is_checkpoint,
    load_checkpoint,
    model_tensors,
    module_tensors,
    optimiser_tensors,
    save_checkpoint,
)
from training.config import PhaseConfig, RunConfig
from training.data.augment import augmented, downscaled
from training.data.batch import Batch, completed, picked
from training.data.config import AugmentConfig
from training.data.dataset import Dataset
from training.data.datasets import open_dataset
from training.errors import TrainingError
from training.evaluate import evaluate, torch_infer
from training.interruption import Interruption
from training.models.inference import InferenceModel
from training.objective import Objective
from training.run_log import RunLog
from training.step_options import follow_affinity, project_conflicts, watched

LAST = "last.safetensors"
OWN_SEEDS = 1_000_003
"""Between the seeds of processes, so that they do not change their images alike."""


@dataclass(frozen=True)
class Data:
    """What a run learns from and is watched by; `target` has images of another domain, for domain adaptation."""

    training: Dataset
    validation: Dataset
    target: Dataset | None = None


def fit(config: RunConfig, folder: Path, tensorboard: bool = False) -> Path:
    """Run all phases, going on where an earlier run in `folder` stopped; gives the path of the last checkpoint.

    Every phase has a folder of its own with `last.safetensors`, `best.safetensors` (the evaluation with the largest
    mean gain over the first), `log.jsonl`, one line an evaluation, `model.safetensors`, the last state without the
    optimiser's, and where adapters are trained `adapters.safetensors`, without the frozen backbone either.
    """
    keep_freed_memory()
    processes.join()
    if config.new_heads and config.start_from is None:
        raise TrainingError("new_heads: all heads are new: no `start_from`, or --from, says what to go on from.")
    before = starting_point(config)
    check_buildable(config, before)
    with processes.main_first():
        target = open_dataset(config.target.data, "train") if config.target else None
        data = Data(open_dataset(config.data, "train"), open_dataset(config.data, "validation"), target)
    fewest = min(len(images) for images in (data.training, target) if images is not None)
    for phase in config.phases:
        if phase.batch_size * processes.count() > fewest:
            raise TrainingError(
                f"`batch_size` of phase {phase.name} is {phase.batch_size}, but `data` has {len(data.training)} images"
                + (f" and `target` {len(target)}." if target is not None else ".")
            )
    with _reserved(folder, config):
        return _run_phases(config, folder, data, before, tensorboard)


@contextmanager
def _reserved(folder: Path, config: RunConfig) -> Iterator[None]:
    """Let no other run write to the folder; a phase's is ours where it was claimed, or has a checkpoint of ours."""
    with ExitStack() as stack:
        if processes.is_main():
            inputs = [config.start_from] if config.start_from else []
            output = stack.enter_context(OutputFolder(folder, inputs))
            output.claim(*(phase.name for phase in config.phases), ours=_is_of_a_phase)
        yield


def _is_of_a_phase(folder: Path) -> bool:
    return folder.is_dir() and (not any(folder.iterdir()) or is_checkpoint(folder / LAST))


def _run_phases(
    config: RunConfig, folder: Path, data: Data, before: Checkpoint | None, tensorboard: bool
) -> Path:
    for phase in config.phases:
        run = PhaseRun(config, phase, folder / phase.name, before, tensorboard)
        run.go(data)
        processes.wait()
        before = load_checkpoint(run.path)
    return run.path


class PhaseRun:
    """One phase of a run, begun anew, or continued if `folder` holds a checkpoint."""

    def __init__(
        self,
        config: RunConfig,
        phase: PhaseConfig,
        folder: Path,
        before: Checkpoint | None,
        tensorboard: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.phase, self.folder = config, phase, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / LAST
        self.card = new_card(config, before)
        self.device = processes.device()
        self.bfloat16 = processes.computes_bfloat16() if phase.bfloat16 is None else phase.bfloat16
        self.model = build_model(config, phase.trains, self.card, before).to(self.device)
        self.probe = AffinityProbe(self.model.adapters, len(config.tasks)) if phase.trains == "adapters" else None
        weights = config.loss_weights | phase.loss_weights
        self.objective = Objective(self.card, phase, weights, config.losses).to(self.device)
        self.adaptation: Adaptation | None = (
            open_adaptation(config.target, self.model, self.objective, self.bfloat16) if config.target else None
        )
        self.optimiser, self.names = _optimiser(self.model, self.objective, phase)
        self.step = 0
        self.waited = self.trained = 0.0  # seconds
        if self.path.is_file():
            self._resume(load_checkpoint(self.path))
        if processes.summed(torch.tensor(self.step, device=self.device)) != self.step * processes.count():
            raise TrainingError(
                f"{folder}: not every machine has the checkpoint of step {self.step} there. Put it on a shared disk."
            )
        self.log = RunLog(folder, self.step, tensorboard and processes.is_main())

    def go(self, data: Data) -> None:
        """Train to the phase's last step, or until it gets no better, evaluating and saving on the way.

        Interrupted with Ctrl-C it saves after the step it is at, to go on from there.
        """
        phase = self.phase
        if processes.is_main():
            precision = "bfloat16" if self.bfloat16 else "float32"
            show(f"phase {phase.name}, in {precision}\n{parameter_table(self.model)}")
        began = time.monotonic()
        hidden = not processes.is_main()
        bar = Progress(total=phase.steps, initial=self.step, unit="step", desc=phase.name, disable=hidden)
        with Interruption() as interruption, bar as progress:
            for batch, target in self._batches(data):
                step_began = time.monotonic()
                losses = self.train_step(batch, target)
                self.trained += time.monotonic() - step_began
                self.step += 1
                progress.update()
                progress.set_postfix({name[:3]: f"{loss:.3f}" for name, loss in losses.items()}, refresh=False)
                if self.step % phase.evaluate_every == 0 or self.step == phase.steps:
                    if processes.is_main():
                        self._evaluate(data.validation, losses, time.monotonic() - began)
                        self._save()
                    if self._gets_no_better():
                        Progress.remark(f"no better for {phase.patience} evaluations: phase {phase.name} ends here")
                        break
                if self._any(interruption.wanted):
                    if processes.is_main():
                        self._save_last()
                    raise KeyboardInterrupt

    def train_step(self, batch: Batch, target: Batch | None = None) -> dict[str, float]:
        """Learn from one batch as step number `self.step`; gives the loss of each task."""
        phase, options = self.phase, self.config
        for group in self.optimiser.param_groups:
            group["lr"] = phase.learning_rate * learning_rate_factor(self.step, phase.warmup_steps, phase.steps)
        self.model.train()
        torch.manual_seed(options.seed + self.step)  # what drops out is a function of the step, also after resuming
        self.optimiser.zero_grad()
        every = options.affinity.every
        measures = self.probe is not None and every > 0 and self.step % every == 0
        projects = phase.balancing == "pcgrad"
        total: dict[str, float] = {}
        for number, (part, its_target) in enumerate(_in_parts(batch, target, phase.accumulate)):
            with watched(self.probe, projects or (measures and number == 0)):
                raw = self._forward(part)
                losses = self.objective.losses(raw, part)
                minimised = {n: loss / phase.accumulate for n, loss in self.objective.balanced(losses).items()}
                if minimised:
                    torch.stack(list(minimised.values())).sum().backward(retain_graph=projects)
            if self.probe is not None and projects and minimised:
                project_conflicts(minimised, self.probe, self.model, self.card.tasks, options.seed + self.step)
            if self.adaptation is not None and its_target is not None:
                self.adaptation.adapt(self._forward, raw, its_target, 1 / phase.accumulate)
            for name, loss in losses.items():
                total[name] = total.get(name, 0.0) + processes.summed(loss).item() / phase.accumulate
        if not total:
            raise TrainingError(f"data: none of the images of step {self.step} has a map for any of `tasks`.")
        if self.probe is not None and measures:
            follow_affinity(self.model, self.probe.affinity(), options.affinity.momentum)
        processes.sum_gradients([*self.model.parameters(), *self.objective.parameters()])
        nn.utils.clip_grad_norm_(self.model.parameters(), phase.clip_norm)
        self.optimiser.step()
        if self.adaptation is not None:
            self.adaptation.follow()
        return total

    def _forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            raw: dict[str, Tensor] = self.model(batch.image)
        return raw

    def _gets_no_better(self) -> bool:
        """Whether the main process, which has the log, finds that it is time to stop."""
        return self._any(processes.is_main() and 0 < self.phase.patience <= self.log.since_best)

    def _any(self, true_here: bool) -> bool:
        """Whether this is true in any process."""
        if processes.count() == 1:
            return true_here
        return bool(processes.summed(torch.tensor(float(true_here), device=self.device)))

    def _batches(self, data: Data) -> Iterator[tuple[Batch, Batch | None]]:
        """The batches of the steps still to do, each prepared while the one before is trained on."""
        if self._gets_no_better():
            return
        with ThreadPoolExecutor(1) as background:

            changes, other = self.config.augment, self.config.target

            def prepare(step: int) -> tuple[Batch, Batch | None]:
                batch = self._batch(data.training, step, changes)
                if data.target is None or other is None:
                    return batch, None
                return batch, self._batch(data.target, step, other.augment(changes))

            ahead = background.submit(prepare, self.step)
            for step in range(self.step, self.phase.steps):
                began = time.monotonic()
                batch, target = ahead.result()
                self.waited += time.monotonic() - began
                ahead = background.submit(prepare, min(step + 1, self.phase.steps - 1))
                yield self._agreed(batch).to(self.device), target.to(self.device) if target is not None else None

    def _batch(self, images: Dataset, step: int, changes: AugmentConfig) -> Batch:
        """The batch of a step: a function of seed and step alone, so that a resumed run sees the same ones."""
        size = self.phase.batch_size
        epoch, place = divmod(step, len(images) // (size * processes.count()))
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(self.config.seed + epoch))
        begin = (place * processes.count() + processes.index()) * size
        batch = images.batch(order[begin : begin + size].tolist())
        random = torch.Generator().manual_seed(self.config.seed + step + OWN_SEEDS * processes.index())
        return downscaled(augmented(batch, changes, random), self.phase.downscale)

    def _agreed(self, batch: Batch) -> Batch:
        """With a map of each task that any process has one of, as all have to take the same steps."""
        if processes.count() == 1:
            return batch
        tasks = self.card.tasks
        known = processes.summed(torch.tensor([float(name in batch.maps) for name in tasks], device=self.device))
        return completed(batch, [name for name, by in zip(tasks, known.tolist(), strict=True) if by])

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
        Progress.remark(f"step {self.step}: " + "  ".join(f"{key} {value:.3f}" for key, value in metrics.items()))
        line: dict[str, Any] = {
            "step": self.step,
            "seconds": round(seconds, 1),
            "waiting": round(self.waited / (self.waited + self.trained), 4),  # share of the time that no data was there
            "losses": losses,
            "metrics": metrics,
        }
        if self.probe is not None:
            line["affinity"] = [[round(value, 4) for value in row] for row in self._affinity()]
        self.log.write(line)

    def _affinity(self) -> list[list[float]]:
        matrix: list[list[float]] = self.model.task_embedding.affinity.tolist() if self.probe is not None else []
        return matrix

    def _resume(self, checkpoint: Checkpoint) -> None:
        checkpoint.check_meaning(self.card)
        keys = [k for k in type(self.config).model_fields if getattr(self.config, k) != getattr(checkpoint.config, k)]
        if keys and processes.is_main():
            show(f"{self.path} was begun with another config, which differs in: {', '.join(keys)}")
        checkpoint.load_into(self.model)
        checkpoint.load_module("objective", self.objective)
        checkpoint.load_optimiser(self.optimiser, self.names)
        if self.adaptation is not None:
            self.adaptation.load(checkpoint)
        self.step = checkpoint.step

    def _checkpoint(self) -> Checkpoint:
        """All that the phase continues from."""
        tensors = model_tensors(self.model) | module_tensors("objective", self.objective)
        tensors |= optimiser_tensors(self.optimiser, self.names)
        if self.adaptation is not None:
            tensors |= self.adaptation.tensors()
        card = self.card.replace(affinity=tuple(map(tuple, self._affinity())))
        return Checkpoint(self.config, card, self.phase.name, self.step, tensors)

    def _save_last(self) -> None:
        """What is gone on from alone: the rest belongs to evaluations."""
        save_checkpoint(self._checkpoint(), self.path)
        Progress.remark(f"{self.path}: step {self.step}; the same command goes on from there")

    def _save(self) -> None:
        checkpoint = self._checkpoint()
        if self.log.since_best == 0:
            save_checkpoint(checkpoint, self.folder / "best.safetensors")
        save_checkpoint(checkpoint, self.path)
        save_checkpoint(checkpoint.model_alone(), self.folder / "model.safetensors")
        if self.phase.trains == "adapters":
            path = self.folder / "adapters.safetensors"
            save_checkpoint(checkpoint.adapters_alone(), path)
            Progress.remark(f"{path}: {path.stat().st_size / 1e6:.1f} MB without the backbone")


def _optimiser(
    model: nn.Module, objective: nn.Module, phase: PhaseConfig
) -> tuple[torch.optim.Optimizer, list[str]]:
    """AdamW for all that learns, with the names of its parameters in order; vectors and numbers do not decay."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    trained |= dict(objective.named_parameters(prefix="objective"))
    decayed = [name for name, p in trained.items() if p.dim() > 1]
    others = [name for name, p in trained.items() if p.dim() <= 1]
    groups = [
        {"params": [trained[name] for name in decayed], "weight_decay": phase.weight_decay},
        {"params": [trained[name] for name in others], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=phase.learning_rate, fused=True), [*decayed, *others]


def _in_parts(batch: Batch, target: Batch | None, count: int) -> Iterator[tuple[Batch, Batch | None]]:
    """A step's batch, and that of the target domain if there is one, in `count` equal parts."""
    targets = _parts(target, count) if target is not None else [None] * count
    return zip(_parts(batch, count), targets, strict=True)


def _parts(batch: Batch, count: int) -> list[Batch]:
    return [picked(batch, which) for which in torch.arange(len(batch)).chunk(count)] if count > 1 else [batch]


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
