"""Figures as people read them on a terminal: under the task's title, with unit, direction and meaning, without keys."""

from __future__ import annotations

from collections.abc import Mapping

from avtar_ros.tasks import TASKS
from avtar_ros.tasks.metric import Figure

OTHERS = {"image": "The images themselves"}
"""Titles of what is measured beside the tasks."""


def arrow(figure: Figure) -> str:
    """Which way is better."""
    return "↑" if figure.higher_is_better else "↓"


def figures_text(figures: Mapping[str, float], known: Mapping[str, Figure]) -> str:
    """The figures that are `known`, in groups, a line each; others are left out."""
    keys = [key for key in known if key in figures]
    if not keys:
        return ""
    width = max(len(known[key].title) for key in keys)
    groups: dict[str, list[str]] = {}
    for key in keys:
        figure = known[key]
        line = f"  {figure.title:<{width}}  {figure.text(figures[key]):>9} {arrow(figure)}  {figure.meaning}"
        groups.setdefault(group_title(key), []).append(line.rstrip())
    lines = [line for title, own in groups.items() for line in (title, *own)]
    return "\n".join([*lines, "↑ higher is better, ↓ lower is better"])


def group_title(key: str) -> str:
    """What the figure is of: the title of a task, or what else there is."""
    group = key.partition(".")[0]
    return TASKS[group].title if group in TASKS else OTHERS.get(group, group.capitalize())
