"""The shipped configs, with a path for each that asks for one."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from avtar_ros.meaning import SemanticClass
from training.config import RunConfig, load_config
from training.data.class_files import write_classes
from training.data.classes import Classes
from training.data.synthetic_rooms import CLASSES

CONFIGS = Path(__file__).parents[2] / "training" / "configs"

ASKED_FOR = {
    "adaptation": ["data.root", "target.data.root"],
    "adaptation-target": ["data.root"],
    "avtar-indoor": ["data.parts.2.data.root"],
    "cityscapes": ["data.root"],
    "consistency": ["target.data.bag"],
    "distillation": ["data.data.folder"],
    "generalisation": ["data.root", "data.splits"],
    "kitchen-indoor": ["data.parts.1.data.bag"],
    "kitchen": ["data.parts.1.data.bag"],
    "nyud": ["data.root"],
    "own": ["data.data.root"],
    "taught": ["data.data.bag"],
    "taskonomy": ["data.root", "data.splits"],
    "zero-shot": ["data.bag"],
}
"""The keys, by the config's name, that say where a user's data is."""


def paths() -> list[Path]:
    return sorted(CONFIGS.glob("*.yaml"))


OWN = (SemanticClass("scratch", (255, 0, 0)), SemanticClass("dent", (0, 255, 0)))
ROOMS = tuple(SemanticClass(*c) for c in CLASSES)
LABELLED = {"own": OWN, "avtar-indoor": ROOMS}
"""The classes of the user's images in a config, by its name."""


@cache
def labelled_folder(classes: Classes) -> str:
    """A folder of images that has names for its classes and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="avtar-own-"))
    write_classes(folder / "classes.yaml", classes)
    return str(folder)


def asked_for(name: str) -> list[str]:
    """What `--set` gives for a config's data; classes of one's own are in it, all else may be nowhere."""
    value = labelled_folder(LABELLED[name]) if name in LABELLED else "nowhere"
    return [f"{key}={value}" for key in ASKED_FOR.get(name, ())]


def load_shipped(name: str) -> RunConfig:
    return load_config(CONFIGS / f"{name}.yaml", settings=asked_for(name))
