"""Synthetic rooms as a data set: rendered once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avtar_ros.meaning import SemanticClass
from avtar_ros.terminal.progress import Progress
from training.data.batch import Batch
from training.data.packed import PackedDataset, default_cache, pack
from training.data.public_config import RoomViews
from training.data.synthetic_rooms import CLASSES, VERSION, render_rooms

CHUNK = 64


class RoomsDataset(PackedDataset):
    """Rooms of the seeds `first_seed` to `first_seed + count`, rendered at the first use."""

    def __init__(
        self,
        count: int,
        first_seed: int,
        width: int,
        height: int,
        cache: Path | None = None,
        views: RoomViews = "furniture",
    ) -> None:
        kind = "rooms" if views == "furniture" else f"rooms-{views}"
        folder = (cache or default_cache()) / f"{kind}-v{VERSION}-{width}x{height}-{first_seed}-{count}"
        if not folder.is_dir():
            pack(folder, count, _rendered(count, first_seed, width, height, views))
        super().__init__(folder, tuple(SemanticClass(*c) for c in CLASSES), 0, count)


def _rendered(count: int, first_seed: int, width: int, height: int, views: RoomViews) -> Iterator[Batch]:
    with Progress(total=count, unit="room", desc=f"rendering rooms {width}x{height}") as progress:
        for start in range(first_seed, first_seed + count, CHUNK):
            seeds = range(start, min(start + CHUNK, first_seed + count))
            batch = render_rooms(seeds, width, height, anywhere=views == "anywhere")
            yield batch
            progress.update(len(batch))
