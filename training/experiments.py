"""Do more tasks help? One budget for many variants of a run, with several seeds each, and a table of what came out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avtar_ros.tasks import TASKS
from training.by_source import COLUMNS, group_means
from training.checkpoint import load_checkpoint
from training.config import RunConfig
from training.data.manifest import Source
from training.evaluate import evaluate_sources, torch_infer
from training.export import load_model
from training.fit import fit
from training.gains import relative_gain

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Variant:
    """A run that differs from the others in its tasks, or in a part of the method that it does without."""

    name: str
    config: RunConfig


@dataclass(frozen=True)
class Row:
    """What a variant came to, one of each a seed: `curves` are the figures of every evaluation by its step, of which
    the last is the end's; `real` those on a manifest's images, the mean over the sources of its first group."""

    variant: Variant
    curves: Sequence[Mapping[int, Figures]]
    gains: Sequence[float]
    real: Sequence[Figures] = ()

    @property
    def figures(self) -> Sequence[Figures]:
        return [curve[max(curve)] for curve in self.curves]


def variants(config: RunConfig) -> Iterator[Variant]:
    """Each task alone; the first two, three, ... of `tasks` together; all of them without TROA, TAA and TSN."""
    for task in config.tasks:
        yield Variant(task, _with_tasks(config, (task,)))
    for count in range(2, len(config.tasks) + 1):
        tasks = config.tasks[:count]
        yield Variant("-".join(name[0].upper() for name in tasks), _with_tasks(config, tasks))
    never = config.affinity.model_copy(update={"every": 0})
    yield Variant("all, no TROA", config.model_copy(update={"affinity": never}))
    for part in ("taa", "tsn"):
        without = config.model.model_copy(update={part: False})
        yield Variant(f"all, no {part.upper()}", config.model_copy(update={"model": without}))


def run_experiments(
    config: RunConfig, seeds: Sequence[int], folder: Path, sources: Sequence[Source] = ()
) -> list[Row]:
    """Train every variant with every seed, going on where an earlier call stopped, and measure it on real images.

    Δm is relative to each task alone with the same seed, whose own Δm is 0 therefore.
    """
    curves: dict[str, list[Mapping[int, Figures]]] = {}
    real: dict[str, list[Figures]] = {}
    chosen = list(variants(config))
    for seed in seeds:
        for variant in chosen:
            named = variant.name.replace(", ", "-").replace(" ", "-")
            path = fit(variant.config.model_copy(update={"seed": seed}), folder / f"{named}-seed-{seed}")
            lines = map(json.loads, (path.parent / "log.jsonl").read_text().splitlines())
            curves.setdefault(variant.name, []).append({line["step"]: line["metrics"] for line in lines})
            if sources:
                real.setdefault(variant.name, []).append(_on_real_images(path, sources))
    keys = {task: TASKS[task].main_figure for task in config.tasks}
    rows = [Row(v, curves[v.name], [], real.get(v.name, ())) for v in chosen]
    alone = [{keys[t]: row.figures[i][keys[t]] for t, row in zip(config.tasks, rows, strict=False)}
             for i in range(len(seeds))]
    return [replace(row, gains=[relative_gain(f, a) for f, a in zip(row.figures, alone, strict=True)]) for row in rows]


def report(rows: Sequence[Row], tasks: Sequence[str]) -> str:
    """Markdown: the figures at the end, those on real images if there are any, and how each task alone came there."""
    parts = [table(rows, tasks)]
    if any(row.real for row in rows):
        parts.append(f"On real images:\n\n{real_table(rows)}")
    parts.append(f"Each task alone, by step:\n\n{curves_table(rows[: len(tasks)])}")
    return "\n\n".join(parts)


def table(rows: Sequence[Row], tasks: Sequence[str]) -> str:
    """Markdown: mean ± spread over seeds of each task's main figure, and of Δm in percent."""
    keys = [TASKS[task].main_figure for task in tasks]
    lines = []
    for row in rows:
        figures = (_mean_and_spread(row.figures, key) for key in keys)
        lines.append([row.variant.name, *figures, _spread([100 * gain for gain in row.gains], 1)])
    return _markdown(["tasks", *keys, "Δm, %"], lines)


def real_table(rows: Sequence[Row]) -> str:
    """Markdown: mean ± spread over seeds of the figures on real images."""
    lines = [[row.variant.name, *(_mean_and_spread(row.real, key) for key in COLUMNS)] for row in rows]
    return _markdown(["tasks", *COLUMNS.values()], lines)


def curves_table(alone: Sequence[Row]) -> str:
    """Markdown: each task's main figure, the mean over seeds, at every evaluation: whether it has gone flat."""
    steps = sorted({step for row in alone for curve in row.curves for step in curve})
    lines = []
    for row in alone:
        key = TASKS[row.variant.name].main_figure
        at = ([curve[step][key] for curve in row.curves if step in curve] for step in steps)
        lines.append([key, *(f"{statistics.fmean(values):.3f}" if values else "" for values in at)])
    return _markdown(["step", *map(str, steps)], lines)


def _on_real_images(checkpoint: Path, sources: Sequence[Source]) -> Figures:
    """The mean over the sources of the first group."""
    model = load_model(load_checkpoint(checkpoint))
    means = group_means(evaluate_sources(torch_infer(model), model.card, sources))
    return next(iter(means.values()))


def _markdown(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = "|---" * len(titles) + "|"
    return "\n".join([f"| {' | '.join(titles)} |", rule, *(f"| {' | '.join(cells)} |" for cells in lines)])


def _mean_and_spread(figures: Sequence[Figures], key: str) -> str:
    return _spread([of[key] for of in figures if key in of], 3)


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def _with_tasks(config: RunConfig, tasks: tuple[str, ...]) -> RunConfig:
    weights = {name: weight for name, weight in config.loss_weights.items() if name in tasks}
    changed = config.model_copy(update={"tasks": tasks, "loss_weights": weights})
    if config.model.depth_along_normals and not changed.tasks_along_normals:
        without = config.model.model_copy(update={"depth_along_normals": False})
        changed = changed.model_copy(update={"model": without})
    return changed
