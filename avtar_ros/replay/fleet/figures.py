"""Figures over many bags: pooled over all their frames, by model, and within each model by group."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avtar_ros.errors import AvtarError
from avtar_ros.replay.fleet import places
from avtar_ros.replay.fleet.jobs import Outcome
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.judging.saved_sums import SavedSums, load_sums
from avtar_ros.replay.judging.tally import Tally
from avtar_ros.tasks.metric import Figure

ALL = "all"


@dataclass
class ModelFigures:
    """A model's figures over all bags, and by what these are grouped by: {"robot": {"r2": {key: value}}}."""

    known: Mapping[str, Figure]
    bags: int = 0
    frames: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    groups: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def pooled(outcomes: Sequence[Outcome]) -> dict[str, ModelFigures]:
    """By model, the figures of all that did not fail. They are functions of sums over all frames, never means of
    bags' figures. Raises AvtarError if results cannot be read."""
    found: dict[str, ModelFigures] = {}
    for model in dict.fromkeys(outcome.model for outcome in outcomes if not outcome.failed):
        of_model = [outcome for outcome in outcomes if outcome.model == model and not outcome.failed]
        found[model] = _of_model(of_model)
    return found


def _of_model(outcomes: Sequence[Outcome]) -> ModelFigures:
    tallies: dict[tuple[str, str], Tally] = {}
    meters = None
    for outcome in outcomes:
        saved = _sums_of(outcome)
        meters = meters or Judge(saved.card).meters
        summed = {name: sums.sum(axis=0) for name, sums in saved.sums.items() if len(sums)}
        for group in ((ALL, ALL), *outcome.groups.items()):
            tallies.setdefault(group, Tally()).add(summed)
    assert meters is not None
    result = ModelFigures({key: figure for meter in meters for key, figure in meter.figures_given.items()})
    result.bags = len(outcomes)
    result.frames = sum(int(outcome.figures["frames"]) for outcome in outcomes)
    for (kind, name), tally in sorted(tallies.items()):
        if kind == ALL:
            result.figures = tally.figures(meters)
        else:
            result.groups.setdefault(kind, {})[name] = tally.figures(meters)
    return result


def _sums_of(outcome: Outcome) -> SavedSums:
    address = places.below(outcome.out, "sums.npz")
    content = places.read(address)
    if content is None:
        raise AvtarError(f"{address}: is gone. Remove {places.below(outcome.out, 'outcome.json')}, and run again.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sums.npz"
        path.write_bytes(content)
        return load_sums(path)
