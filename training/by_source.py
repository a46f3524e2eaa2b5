"""Figures of several sources of images: of each by itself, and the mean over a group, in which each counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

COLUMNS = {
    "depth.delta1": "δ<1.25",
    "depth.scaled_delta1": "δ<1.25 scaled",
    "depth.aligned_abs_rel": "AbsRel aligned",
    "normals.mean_deg": "normals",
}
"""The figures shown in a table, with short titles; others are in the JSON file."""


@dataclass(frozen=True)
class SourceFigures:
    """Figures of each source, with its group."""

    group: str
    figures: Mapping[str, float]


def group_means(sources: Mapping[str, SourceFigures]) -> dict[str, dict[str, float]]:
    """By group, the mean of every figure over those sources that have it."""
    groups = dict.fromkeys(source.group for source in sources.values())
    return {
        group: _means([source.figures for source in sources.values() if source.group == group]) for group in groups
    }


def _means(of: Sequence[Mapping[str, float]]) -> dict[str, float]:
    keys = dict.fromkeys(key for figures in of for key in figures)
    return {key: mean(figures[key] for figures in of if key in figures) for key in keys}


def table(sources: Mapping[str, SourceFigures]) -> str:
    """A line a source, then one a group."""
    width = max(map(len, sources))
    lines = [f"{'':{width}}  {'group':14}" + "".join(f"{title:>16}" for title in COLUMNS.values())]
    lines += [_line(name, source.group, source.figures, width) for name, source in sources.items()]
    for group, figures in group_means(sources).items():
        count = sum(source.group == group for source in sources.values())
        lines.append(_line(f"mean of {count}", group, figures, width))
    return "\n".join(lines)


def _line(name: str, group: str, figures: Mapping[str, float], width: int) -> str:
    cells = [f"{figures[key]:16.3f}" if key in figures else f"{'–':>16}" for key in COLUMNS]
    return f"{name:{width}}  {group:14}" + "".join(cells)
