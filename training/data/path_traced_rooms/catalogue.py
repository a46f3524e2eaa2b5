"""The furniture: which models there are, how large, made by whom, and what they are used as."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import yaml

from training.data.synthetic_rooms.classes import CLASSES
from training.errors import TrainingError

FURNITURE = Path("/usr/share/sweethome3d/furniture")
"""Where Debian's package puts the libraries."""
INSTALL = "apt install sweethome3d-furniture"
TABLE = Path(__file__).with_name("furniture.yaml")
PROPERTIES = "PluginFurnitureCatalog.properties"

ENTRY = re.compile(r"(\w+)#(\d+)=(.*)")
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Entry:
    """A model as its catalogue describes it.

    library: the .sh3f file; path: the .obj in it; size: metres, width, depth, height; elevation: metres above the floor
    at which it belongs; turn: rotation of the model's own axes, row by row, or None.
    """

    library: Path
    id: str
    name: str
    category: str
    path: str
    size: tuple[float, float, float]
    elevation: float
    turn: tuple[float, ...] | None
    creator: str


@dataclass(frozen=True)
class Use:
    """What a model is used as, and its class in the maps."""

    role: str
    class_id: int


@dataclass(frozen=True)
class UseTable:
    """furniture.yaml: from a model's id, "Category/Name", or name, the first that is there, to its use.

    A value of the type str says why the model is left out.
    """

    uses: dict[str, Use | str]
    categories: dict[str, str]

    def look_up(self, entry: Entry) -> Use | str | None:
        """The use, why it is left out, or None where the table has no word of it."""
        for key in (entry.id, f"{entry.category}/{entry.name}"):
            if key in self.uses:
                return self.uses[key]
        return self.categories.get(entry.category) or self.uses.get(entry.name)


class Catalogue:
    """The models of all libraries in a folder that have a use. Raises TrainingError if there are none."""

    def __init__(self, folder: Path = FURNITURE) -> None:
        libraries = sorted(folder.glob("*.sh3f"))
        if not libraries:
            raise TrainingError(
                f"{folder}: no furniture here (*.sh3f). Install Debian's package, `{INSTALL}`; or unpack it anywhere "
                "with `apt download sweethome3d-furniture && dpkg -x sweethome3d-furniture_*.deb FOLDER`, and name the "
                "folder of the .sh3f files with --furniture."
            )
        self.entries = [entry for library in libraries for entry in read_library(library)]
        self._table = load_table()

    @cached_property
    def by_role(self) -> dict[str, list[tuple[Entry, int]]]:
        """role -> (model, class id), in the order of the catalogues."""
        roles: dict[str, list[tuple[Entry, int]]] = defaultdict(list)
        for entry in self.entries:
            use = self._table.look_up(entry)
            if isinstance(use, Use):
                roles[use.role].append((entry, use.class_id))
        return dict(roles)

    def unmapped(self) -> list[Entry]:
        """Models that the table has no word of."""
        return [entry for entry in self.entries if self._table.look_up(entry) is None]

    def left_out(self) -> dict[str, list[Entry]]:
        """Why -> models that are not used."""
        reasons: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            reason = self._table.look_up(entry)
            if isinstance(reason, str):
                reasons[reason].append(entry)
        return dict(reasons)


def load_table(path: Path = TABLE) -> UseTable:
    """The table of uses."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    ids = {c.name: i for i, c in enumerate(CLASSES)}
    uses: dict[str, Use | str] = {}
    categories: dict[str, str] = {}
    for reason, what in raw["left_out"].items():
        uses |= dict.fromkeys(what.get("names", ()), reason)
        categories |= dict.fromkeys(what.get("categories", ()), reason)
    for role, what in raw["roles"].items():
        uses |= dict.fromkeys(what["names"], Use(role, ids[what["class"]]))
    return UseTable(uses, categories)


def read_library(path: Path) -> list[Entry]:
    """All models of a .sh3f file. Raises TrainingError if it is none."""
    try:
        with ZipFile(path) as archive:
            text = archive.read(PROPERTIES).decode("latin-1")
    except (BadZipFile, KeyError) as error:
        raise TrainingError(f"{path}: not a furniture library of Sweet Home 3D ({error}). {INSTALL}") from error
    items: dict[int, dict[str, str]] = defaultdict(dict)
    for line in text.splitlines():
        if match := ENTRY.match(line):
            key, number, value = match.groups()
            items[int(number)][key] = ESCAPE.sub(lambda m: chr(int(m[1], 16)), value.strip())
    return [_entry(path, item) for item in items.values()]


def _entry(library: Path, item: dict[str, str]) -> Entry:
    turn = item.get("modelRotation")
    return Entry(
        library=library,
        id=item["id"].split("#")[-1],
        name=item["name"],
        category=item["category"],
        path=item["model"].lstrip("/"),
        size=_metres([item["width"], item["depth"], item["height"]]),
        elevation=float(item.get("elevation", 0)) / 100,
        turn=tuple(float(value) for value in turn.split()) if turn else None,
        creator=item["creator"],
    )


def _metres(centimetres: Sequence[str]) -> tuple[float, float, float]:
    width, depth, height = (float(value) / 100 for value in centimetres)
    return width, depth, height
