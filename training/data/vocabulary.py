"""Class vocabularies: lists of classes with a name, and what the classes of one are among those of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from avtar_ros.meaning import UNLABELLED, SemanticClass, plain_name
from training.data import classes
from training.data.classes import Classes
from training.errors import TrainingError

FOLDER = Path(__file__).parent / "vocabularies"
TO = "_to_"
NOTHING = "unlabelled"
"""Where a table has what the other vocabulary has no class for."""


@dataclass(frozen=True)
class ClassTable:
    """What classes are in another vocabulary: `ids[i]` is the position of class i in `classes`, or UNLABELLED."""

    classes: Classes
    ids: tuple[int, ...]

    @property
    def lookup(self) -> NDArray[np.uint8]:
        """For each stored id (256,) its new one; whatever has no class is unlabelled."""
        table = np.full(256, UNLABELLED, np.uint8)
        table[: min(len(self.ids), 255)] = self.ids[:255]
        return table

    def without_counterpart(self, own: Classes) -> list[str]:
        """The names of the classes that become unlabelled."""
        return [c.name for c, new in zip(own, self.ids, strict=True) if new == UNLABELLED]


@cache
def vocabularies() -> dict[str, Classes]:
    """All that are known by name."""
    from training.data.synthetic_rooms import CLASSES

    files = {path.stem: path for path in sorted(FOLDER.glob("*.yaml")) if TO not in path.stem}
    return {
        "rooms13": tuple(SemanticClass(*c) for c in CLASSES),
        "nyu40": classes.NYUD_40,
        "nyu13": classes.NYUD_13,
        "cityscapes": classes.CITYSCAPES_19,
        "taskonomy": classes.TASKONOMY,
        **{name: classes.numbered(yaml.safe_load(path.read_text())) for name, path in files.items()},
    }


def tables() -> list[str]:
    """The names of the tables that ship, each FROM_to_TO."""
    return sorted(path.stem for path in FOLDER.glob(f"*{TO}*.yaml"))


def vocabulary(name: str) -> Classes:
    """Raises TrainingError if there is none of that name."""
    if name not in vocabularies():
        raise TrainingError(f"there are no classes called {name!r}; known: {', '.join(vocabularies())}.")
    return vocabularies()[name]


def table(name: str, own: Classes) -> ClassTable:
    """A table that ships, such as `ade20k_to_rooms13`, for classes `own`.

    Its rows are found by the names of the classes, or by their positions where they are nameless (LABEL_0, …) and as
    many as the table's vocabulary has. Raises TrainingError if there is no such table, or it is one of others.
    """
    if name not in tables():
        raise TrainingError(f"there is no table of classes {name!r}; known: {', '.join(tables())}.")
    source, _, target = name.partition(TO)
    theirs, ours = vocabulary(source), vocabulary(target)
    ids = dict(zip((plain_name(c.name) for c in theirs), _table_ids(name, theirs, ours), strict=True))
    found = [plain_name(c.name) for c in own]
    if not ids.keys() & set(found) and len(own) == len(theirs):
        return ClassTable(ours, tuple(ids.values()))
    if unknown := [c.name for c, plain in zip(own, found, strict=True) if plain not in ids]:
        raise TrainingError(
            f"the table {name} does not know {_some(unknown)}, of {len(own)} classes; it is of the {len(theirs)} of "
            f"{source}. Give a mapping of names instead."
        )
    return ClassTable(ours, tuple(ids[plain] for plain in found))


def onto(own: Classes, target: Classes) -> ClassTable:
    """What `own` classes are among `target`: by the table between the two vocabularies that ships, else by name.

    A class without a counterpart is unlabelled.
    """
    if own == target:
        return ClassTable(target, tuple(range(len(target))))
    names = {known: name for name, known in vocabularies().items()}
    if (name := f"{names.get(own)}{TO}{names.get(target)}") in tables():
        return table(name, own)
    places = {plain_name(c.name): i for i, c in enumerate(target)}
    return ClassTable(target, tuple(places.get(plain_name(c.name), UNLABELLED) for c in own))


def renamed(own: Classes, names: Mapping[str, str | None], target: Classes | None = None) -> ClassTable:
    """`own` classes by a mapping of their names to others, none for unlabelled.

    With a `target`, those that the mapping leaves out go by `onto`; without one, the classes are the mapping's, in its
    order, and all else is unlabelled. Raises TrainingError for a name on either side that there is none of.
    """
    places = {plain_name(c.name): i for i, c in enumerate(own)}
    if unknown := [name for name in names if plain_name(name) not in places]:
        raise TrainingError(f"there is no class {_some(unknown)}; known: {_some([c.name for c in own], 40)}.")
    if target is None:
        target = classes.numbered(dict.fromkeys(name for name in names.values() if name is not None))
        ids = [UNLABELLED] * len(own)
    else:
        ids = list(onto(own, target).ids)
    positions = {plain_name(c.name): i for i, c in enumerate(target)}
    if absent := [name for name in names.values() if name is not None and plain_name(name) not in positions]:
        raise TrainingError(f"there is no class {_some(absent)} to map onto; known: {', '.join(positions)}.")
    for name, new in names.items():
        ids[places[plain_name(name)]] = UNLABELLED if new is None else positions[plain_name(new)]
    return ClassTable(target, tuple(ids))


def _table_ids(name: str, theirs: Classes, ours: Classes) -> list[int]:
    rows: dict[str, list[str]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    places = {c.name: i for i, c in enumerate(ours)} | {NOTHING: UNLABELLED}
    ids = {source: places[target] for target, sources in rows.items() for source in sources}
    return [ids[c.name] for c in theirs]


def _some(names: Sequence[Any] | Iterable[Any], most: int = 8) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
