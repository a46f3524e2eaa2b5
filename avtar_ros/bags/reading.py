"""Reading bags: ROS 1, ROS 2 SQLite and MCAP, without a ROS installation, and what there is of damaged ones.

    with open_bag(Path("recording")) as bag:
        for topic, log_ns, message in bag.messages(["/camera/image_raw"]):
            ...
    if bag.broken:
        print(bag.broken)

A recording is a file, or a folder of files. What kind a file is, its first bytes say. Recorders that were killed leave
names such as x.bag.active, and files compressed as a whole are unpacked into a temporary folder.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import yaml
import zstandard

from avtar_ros.bags.bag import Bag, BagError, error_text, unopened
from avtar_ros.bags.names import COMPRESSED, METADATA, SUFFIXES, kind_of
from avtar_ros.bags.names import bag_files as bag_files
from avtar_ros.documents import NO_YAML, OTHER_FIELDS
from avtar_ros.imaging.pictures import in_order

_OPEN: dict[str, Callable[[Path], Any]] = {
    ".zstd": zstandard.open,
    ".zst": zstandard.open,
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lz4": lz4.frame.open,
}
_BLOCK = 2**24
_ROOM_LEFT = 2**30
"""Bytes that are left free on the disk when a file is unpacked."""
_MAGIC = {b"\x89MCAP": ".mcap", b"SQLite format 3\0": ".db3", b"#ROSBAG V": ".bag"}


def open_bag(path: Path) -> Bag:
    """Open a bag's folder or file. Raises BagError if it is missing, empty, or no bag."""
    if not path.exists():
        raise BagError(f"{path}: no such bag. Give a bag's folder, or a .mcap, .db3 or .bag file.")
    if path.is_dir():
        return _open_folder(path)
    if kind_of(path) is None:
        raise BagError(f"{path}: not a bag by its name. Known: {', '.join(SUFFIXES)}, or a bag's folder.")
    if not path.stat().st_size:
        raise BagError(f"{path}: the file is empty. Copy or record it again.")
    return _open_file(path)


def _open_folder(path: Path) -> Bag:
    from avtar_ros.bags.split_bag import SplitBag

    files = _folder_files(path)
    if not files:
        raise BagError(f"{path}: no bag in this folder: neither {METADATA} nor {', '.join(SUFFIXES)}.")
    parts: list[Bag] = []
    wrong: list[BagError] = []
    for file in files:
        opened = _open_part(file)
        if isinstance(opened, Bag):
            parts.append(opened)
        else:
            wrong.append(opened)
    if not parts:
        raise wrong[0]
    listed = _listed_files(path)
    missing = [
        f"{path / name}: this part of the recording is missing."
        for name in sorted(listed - {_uncompressed(file.name) for file in files})
    ]
    empty = [error for error in wrong if "the bag is empty" in str(error)]
    lost = [*(str(error) for error in wrong if error not in empty), *missing]
    if len(parts) == 1 and not lost:
        bag = parts[0]
    else:
        bag = SplitBag(path, parts, lost)
    if unlisted := [file.name for file in files if listed and _uncompressed(file.name) not in listed]:
        bag.notes.append(f"{path / METADATA} does not know of {', '.join(unlisted)}, which was read as well.")
    return bag


def _open_part(file: Path) -> Bag | BagError:
    try:
        return _open_file(file)
    except BagError as error:
        return error


def _folder_files(path: Path) -> list[Path]:
    """The recording's files: of one that is there twice, compressed too, the plain one, which is complete."""
    files = in_order(file for file in path.iterdir() if file.is_file() and kind_of(file) and file.stat().st_size)
    names = {file.name for file in files}

    def is_copy(file: Path) -> bool:
        reindexed = file.name.endswith(".orig.bag") and file.name.replace(".orig.bag", ".bag") in names
        return reindexed or (file.suffix in COMPRESSED and file.stem in names)

    return [file for file in files if not is_copy(file)]


def _listed_files(path: Path) -> set[str]:
    """The names of the files that are in the recording, as its metadata have them; none where that cannot be read."""
    try:
        information = yaml.safe_load((path / METADATA).read_text())["rosbag2_bagfile_information"]
        names = {Path(name).name for name in information["relative_file_paths"]}
    except (OSError, *NO_YAML, *OTHER_FIELDS):
        return set()
    return {_uncompressed(name) for name in names}


def _uncompressed(name: str) -> str:
    return Path(name).stem if Path(name).suffix in COMPRESSED else name


def _open_file(path: Path, unpacked: Path | None = None) -> Bag:
    """A file of a recording. Each kind's reader is imported when it is needed."""
    if (unpacked or path).suffix in COMPRESSED:
        return _open_compressed(path)
    with (unpacked or path).open("rb") as file:
        head = file.read(16)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), kind_of(path))
    if kind == ".mcap":
        from avtar_ros.bags.mcap_bag import McapBag

        return McapBag(path, unpacked)
    if kind == ".bag":
        from avtar_ros.bags.ros1_bag import Ros1Bag

        return Ros1Bag(path, unpacked)
    from avtar_ros.bags.sqlite_bag import SqliteBag

    return SqliteBag(path, unpacked)


def _open_compressed(path: Path) -> Bag:
    """A file that was compressed as a whole; of one that is cut off, what can be unpacked."""
    folder = tempfile.TemporaryDirectory(prefix="avtar-")
    plain, cut = Path(folder.name, path.stem), None
    try:
        with _OPEN[path.suffix](path) as source, plain.open("wb") as target:
            while block := source.read(_BLOCK):
                if shutil.disk_usage(folder.name).free < _ROOM_LEFT:
                    raise OSError("there is no room to unpack more of it")
                target.write(block)
    except (OSError, EOFError, RuntimeError, zstandard.ZstdError, lzma.LZMAError, zlib.error) as error:
        if not plain.exists() or not plain.stat().st_size:
            folder.cleanup()
            raise unopened(path, error) from error
        cut = error
    try:
        bag = _open_file(path, plain)
    except BagError:
        folder.cleanup()
        raise
    bag.on_close(folder.cleanup)
    if cut is not None:
        bag.broken = f"{path}: cannot be unpacked to its end ({error_text(cut)}). What could be was read."
    return bag
