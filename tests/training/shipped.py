"""The shipped configs, with a path for each that asks for one."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from training.config import RunConfig, load_config

CONFIGS = Path(__file__).parents[2] / "training" / "configs"

ASKED_FOR = {
    "adaptation": ["data.root", "target.data.root"],
    "adaptation-target": ["data.root"],
    "cityscapes": ["data.root"],
    "distillation": ["data.data.folder"],
    "generalisation": ["data.root", "data.splits"],
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


@cache
def labelled_folder() -> str:
    """A folder of images that has names for its classes and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="avtar-own-"))
    (folder / "classes.yaml").write_text("[scratch, dent]")
    return str(folder)


def asked_for(name: str) -> list[str]:
    """What `--set` gives for a config's data; classes of one's own are in it, all else may be nowhere."""
    value = labelled_folder() if name == "own" else "nowhere"
    return [f"{key}={value}" for key in ASKED_FOR.get(name, ())]


def load_shipped(name: str) -> RunConfig:
    return load_config(CONFIGS / f"{name}.yaml", settings=asked_for(name))
