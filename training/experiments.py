"""Do more tasks help? One budget for many variants of a run, with several seeds each, and a table of what came out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avtar_ros.tasks import TASKS
from training.config import RunConfig
from training.fit import fit
from training.gains import relative_gain


@dataclass(frozen=True)
class Variant:
    """A run that differs from the others in its tasks, or in a part of the method that it does without."""

    name: str
    config: RunConfig


@dataclass(frozen=True)
class Row:
    """What a variant came to: figures and Δm, one a seed."""

    variant: Variant
    figures: Sequence[dict[str, float]]
    gains: Sequence[float]


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


def run_experiments(config: RunConfig, seeds: Sequence[int], folder: Path) -> list[Row]:
    """Train every variant with every seed, going on where an earlier call stopped.

    Δm is relative to each task alone with the same seed, whose own Δm is 0 therefore.
    """
    found: dict[str, list[dict[str, float]]] = {}
    chosen = list(variants(config))
    for seed in seeds:
        for variant in chosen:
            named = variant.name.replace(", ", "-").replace(" ", "-")
            path = fit(variant.config.model_copy(update={"seed": seed}), folder / f"{named}-seed-{seed}")
            last = json.loads((path.parent / "log.jsonl").read_text().splitlines()[-1])
            found.setdefault(variant.name, []).append(last["metrics"])
    keys = {task: TASKS[task].main_figure for task in config.tasks}
    alone = [{key: found[task][i][key] for task, key in keys.items()} for i in range(len(seeds))]
    return [
        Row(v, found[v.name], [relative_gain(f, a) for f, a in zip(found[v.name], alone, strict=True)]) for v in chosen
    ]


def table(rows: Sequence[Row], tasks: Sequence[str]) -> str:
    """Markdown: mean ± spread over seeds of each task's main figure, and of Δm in percent."""
    keys = [TASKS[task].main_figure for task in tasks]
    lines = [f"| tasks | {' | '.join(keys)} | Δm, % |", "|---" * (len(keys) + 2) + "|"]
    for row in rows:
        cells = [_mean_and_spread([f[key] for f in row.figures if key in f], 3) for key in keys]
        gains = _mean_and_spread([100 * gain for gain in row.gains], 1)
        lines.append(f"| {row.variant.name} | {' | '.join(cells)} | {gains} |")
    return "\n".join(lines)


def _mean_and_spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def _with_tasks(config: RunConfig, tasks: tuple[str, ...]) -> RunConfig:
    weights = {name: weight for name, weight in config.loss_weights.items() if name in tasks}
    return config.model_copy(update={"tasks": tasks, "loss_weights": weights})
