"""Reading bags: ROS 1, ROS 2 SQLite and MCAP, without a ROS installation, up to where a damaged one breaks.

    with open_bag(Path("recording")) as bag:
        for topic, log_ns, message in bag.messages(["/camera/image_raw"]):
            ...
    if bag.broken:
        print(bag.broken)
"""

from __future__ import annotations

from pathlib import Path

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.indexed import IndexedBag

SUFFIXES = (".mcap", ".db3", ".bag")
METADATA = "metadata.yaml"


def open_bag(path: Path) -> Bag:
    """Open a bag's folder or file. Raises BagError where it is missing, empty, or no bag."""
    files = _bag_files(path)
    try:
        return IndexedBag(path, files)
    except BagError as error:
        return _open_damaged(path, error)


def _open_damaged(path: Path, unreadable: BagError) -> Bag:
    """A bag of which some files cannot be read by their index; raises `unreadable` where nothing can be had."""
    from avtar_ros.bags.unfinished import SplitBag

    files = [path] if path.is_file() else [f for suffix in SUFFIXES for f in sorted(path.glob(f"*{suffix}"))]
    if len(files) == 1:
        return _unfinished(files[0], unreadable)
    parts, lost = [], []
    for file in files:
        part = _open_part(file)
        if isinstance(part, Bag):
            parts.append(part)
        else:
            lost.append(str(part))
    if not parts:
        raise unreadable
    return SplitBag(path, parts, "\n".join(lost) or None)


def _open_part(path: Path) -> Bag | BagError:
    """A file by its index or without; the error where not one message can be had from it."""
    try:
        return IndexedBag(path, [path])
    except BagError as error:
        try:
            return _unfinished(path, error)
        except BagError as nothing:
            return nothing


def _unfinished(path: Path, unreadable: BagError) -> Bag:
    """A file read without its index. Each kind's reader is imported when it is needed."""
    from avtar_ros.bags.unfinished_mcap import UnfinishedMcap
    from avtar_ros.bags.unfinished_ros1 import UnfinishedRos1
    from avtar_ros.bags.unfinished_sqlite import UnfinishedSqlite

    if path.suffix == ".mcap":
        return UnfinishedMcap(path, unreadable)
    return UnfinishedRos1(path, unreadable) if path.suffix == ".bag" else UnfinishedSqlite(path, unreadable)


def bag_files(folder: Path) -> list[Path]:
    """The files in a folder that belong to the bag there; others may come and go."""
    return sorted(f for f in folder.iterdir() if f.is_file() and (f.suffix in SUFFIXES or f.name == METADATA))


def _bag_files(path: Path) -> list[Path]:
    """What to open: a file, a folder with metadata, or the parts in a folder without."""
    if not path.exists():
        raise BagError(f"{path}: no such bag. Give a bag's folder, or a .mcap, .db3 or .bag file.")
    if path.is_dir():
        if (path / METADATA).is_file():
            return [path]
        for suffix in SUFFIXES:
            if parts := sorted(path.glob(f"*{suffix}")):
                return parts
        raise BagError(f"{path}: no bag in this folder: neither {METADATA} nor {', '.join(SUFFIXES)}.")
    if path.suffix not in SUFFIXES:
        raise BagError(f"{path}: not a bag by its name. Known: {', '.join(SUFFIXES)}, or a bag's folder.")
    if not path.stat().st_size:
        raise BagError(f"{path}: the file is empty. Copy or record it again.")
    return [path]
