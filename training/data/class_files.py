"""`classes.yaml`: what the ids in masks mean.

    - {name: wall, id: 1, colour: [174, 199, 232]}
    - {name: floor, id: 2}                              # a colour of its own is found
    - {name: void, id: 0, ignored: true}                # unlabelled
    - table                                             # a name alone: its id is its place in the list, from 0 on
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from avtar_ros.disk.files import write_text
from avtar_ros.documents import NO_YAML
from avtar_ros.meaning import UNLABELLED, SemanticClass
from training.data.classes import Classes, numbered
from training.errors import TrainingError
from training.section import Section, Whole

CLASSES = "classes.yaml"
MOST_CLASSES = 255
LARGEST_ID = 65535

Level = Annotated[Whole, Field(ge=0, le=255)]


class _Entry(Section):
    name: Annotated[str, BeforeValidator(str)]
    id: Annotated[Whole, Field(ge=0, le=LARGEST_ID)] | None = None
    colour: tuple[Level, Level, Level] | None = None
    ignored: bool = False


@dataclass(frozen=True)
class StoredClasses:
    """The classes of a data set's masks; `ids` are those stored for each, `ignored` those of what is unlabelled.

    Likewise `colours`, (red, green, blue), for masks that are pictures.
    """

    classes: Classes
    ids: tuple[int, ...]
    ignored: tuple[int, ...] = ()
    ignored_colours: tuple[tuple[int, int, int], ...] = ()

    @cached_property
    def _of_id(self) -> NDArray[np.int16]:
        table = np.full(LARGEST_ID + 1, -1, np.int16)
        table[list(self.ignored)] = UNLABELLED
        table[list(self.ids)] = range(len(self.ids))
        return table

    @cached_property
    def _of_colour(self) -> dict[int, int]:
        named = {_packed(c.color): i for i, c in enumerate(self.classes)}
        return {_packed(colour): UNLABELLED for colour in self.ignored_colours} | named

    def of_ids(self, stored: NDArray[Any], unknown: Iterable[float] = ()) -> NDArray[np.uint8]:
        """Positions among `classes` (H, W) of stored ids, UNLABELLED where ignored or in `unknown`.

        Raises ValueError for an id that is of no class.
        """
        table = self._of_id
        for value in unknown:
            if 0 <= value <= LARGEST_ID and table[int(value)] < 0:
                table = table.copy()
                table[int(value)] = UNLABELLED
        found = table[stored.astype(np.intp)]
        if (strange := np.unique(stored[found < 0])).size:
            raise ValueError(f"the ids {_listed(strange.tolist())} are of no class")
        return found.astype(np.uint8)

    def of_colours(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same of colours (H, W, 3). Raises ValueError for a colour that is of no class."""
        values, places = np.unique(_packed(stored.astype(np.int64)), return_inverse=True)
        if strange := [int(value) for value in values if int(value) not in self._of_colour]:
            colours = [f"({value >> 16}, {value >> 8 & 255}, {value & 255})" for value in strange]
            raise ValueError(f"the colours {_listed(colours)} are of no class")
        ids = np.array([self._of_colour[int(value)] for value in values], np.uint8)
        return ids[places].reshape(stored.shape[:2])


def read_stored_classes(path: Path) -> StoredClasses:
    """A classes.yaml. Raises TrainingError if it is none, or two classes share a name, an id or a colour."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        listed = [entry if isinstance(entry, dict) else {"name": entry} for entry in raw if entry is not None]
        listed = [_american(entry) for entry in listed]
        entries = TypeAdapter(list[_Entry]).validate_python(listed)
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; it says what the ids in masks mean (docs/own-data.md).") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise TrainingError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    except NO_YAML as error:
        raise TrainingError(f"{path}: expected a list of classes, {{name, id, colour, ignored}} ({error}).") from error
    ids = [place if entry.id is None else entry.id for place, entry in enumerate(entries)]
    named = [(entry, number) for entry, number in zip(entries, ids, strict=True) if not entry.ignored]
    coloured = numbered(entry.name for entry, _ in named)
    classes = tuple(
        SemanticClass(entry.name, entry.colour or made.color)
        for (entry, _), made in zip(named, coloured, strict=True)
    )
    _check_apart(path, "name", [entry.name for entry in entries])
    _check_apart(path, "id", ids)
    _check_apart(path, "colour", [entry.colour for entry in entries if entry.colour])
    if not 0 < len(classes) <= MOST_CLASSES:
        raise TrainingError(f"{path}: has {len(classes)} classes that count; 1 to {MOST_CLASSES} are possible.")
    return StoredClasses(
        classes,
        tuple(number for _, number in named),
        tuple(number for entry, number in zip(entries, ids, strict=True) if entry.ignored),
        tuple(entry.colour for entry in entries if entry.ignored and entry.colour),
    )


def read_classes(path: Path) -> Classes:
    """The classes of a classes.yaml without their ids; none where there is no such file."""
    return read_stored_classes(path).classes if path.is_file() else ()


def write_classes(path: Path, classes: Classes) -> None:
    """A classes.yaml whose ids are the classes' positions."""
    lines = [f"- {{name: {c.name!r}, id: {i}, colour: {list(c.color)}}}\n" for i, c in enumerate(classes)]
    write_text(path, "".join(lines))


def _american(entry: dict[str, Any]) -> dict[str, Any]:
    """Both spellings of colour and both forms of ignored are read."""
    names = {"color": "colour", "ignore": "ignored"}
    return {names.get(key, key): value for key, value in entry.items()}


def _check_apart(path: Path, what: str, values: list[Any]) -> None:
    if twice := sorted({str(value) for value in values if values.count(value) > 1}):
        raise TrainingError(f"{path}: several classes have the {what} {', '.join(twice)}.")


def _packed(colour: Any) -> Any:
    """One number for a colour, or an array of them for a picture."""
    picture = np.asarray(colour, np.int64)
    packed = (picture[..., 0] << 16) | (picture[..., 1] << 8) | picture[..., 2]
    return packed if packed.ndim else int(packed)


def _listed(values: list[Any], most: int = 6) -> str:
    return ", ".join(map(str, values[:most])) + (f" and {len(values) - most} more" if len(values) > most else "")
