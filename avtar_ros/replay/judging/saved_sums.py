"""sums.npz: what was measured of blocks of frames, from which figures of any choice of frames can be had again."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avtar_ros.disk.files import write_bytes
from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks.metric import Sums

if TYPE_CHECKING:
    from avtar_ros.replay.judging.judge import Judge

ABOUT = "about"


@dataclass(frozen=True)
class SavedSums:
    """By meter, the sums of every block (blocks, size); how many frames a block has; and the model's card."""

    sums: dict[str, Sums]
    frames_each: int
    card: ModelCard


def save_sums(path: Path, judge: Judge) -> None:
    about = {"card": judge.card.to_json(), "frames_each": judge.blocks.frames_each}
    content = io.BytesIO()
    arrays: dict[str, Any] = {**judge.blocks.arrays(), ABOUT: np.array(json.dumps(about))}
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getvalue())


def load_sums(path: Path) -> SavedSums:
    """Sums written by `save_sums`; raises AvtarError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored[ABOUT]))
            sums = {name: stored[name] for name in stored.files if name != ABOUT}
            return SavedSums(sums, int(about["frames_each"]), ModelCard.from_json(about["card"], str(path)))
    except (OSError, EOFError, *OTHER_FIELDS, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise AvtarError(f"{path}: cannot be read as a run's sums ({error}). Replay the bag again.") from error
