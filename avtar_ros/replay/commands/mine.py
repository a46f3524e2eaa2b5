"""avtar-replay mine BAG RUN --out FILE.mcap: the frames worth learning from, as a small bag."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.class_names import recorded_classes, write_classes
from avtar_ros.bags.mcap_file import maker_of
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import Matching, RecordedCamera, RecordedFrame, Selection, frames_of
from avtar_ros.bags.writing import CAMERA_INFO, BagWriter
from avtar_ros.disk.files import make_folder
from avtar_ros.disk.outputs import check_file
from avtar_ros.errors import AvtarError
from avtar_ros.metrics import needs_truth
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.judging.mining import choose, scores
from avtar_ros.replay.judging.saved_sums import load_sums
from avtar_ros.tasks import SEGMENTATION, TASKS
from avtar_ros.tasks.metric import Figure
from avtar_ros.terminal.command_line import DONE, Command, not_negative, positive_int, show

DESCRIPTION = (
    "Write the frames on which a model was least sure, or contradicted itself the most, into a small bag: "
    "images, CameraInfo, and the depth, ground truth and class names that were recorded with them. "
    "`avtar-train fit` reads it. RUN is the folder that avtar-replay has left for this bag."
)

MAKER = "avtar-replay mine"
"""What is written into its bags, to know them again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="the bag that was replayed")
    parser.add_argument("run", type=Path, help="the folder of its replay")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .mcap file to write")
    parser.add_argument(
        "--frames", type=positive_int, default=100, metavar="N", help="at most so many (default: %(default)s)"
    )
    parser.add_argument(
        "--apart", type=not_negative, default=0.5, metavar="S",
        help="seconds between two of a camera (default: %(default)s)",
    )
    parser.add_argument(
        "--by", action="append", default=[], metavar="KEY",
        help="score by this figure of frames.csv, such as depth.rmse_m; repeat for more "
        "(default: all that need no ground truth)",
    )


def run(options: argparse.Namespace, command: str) -> int:
    """Write the bag; returns the exit code. Raises AvtarError, OSError."""
    if options.out.suffix != ".mcap":
        raise AvtarError(f"{options.out}: must be named .mcap, which is what is written.")
    check_file(options.out, [options.bag, options.run], lambda path: maker_of(path) == MAKER)
    table = FrameTable.read(options.run / "frames.csv")
    score = scores(table, _figures(options.run, options.by))
    chosen = choose(table, score, options.frames, round(options.apart * 1e9))
    if not chosen:
        raise AvtarError(f"{options.run}: no frame stands out. Replay more of the bag, or mine --by another figure.")
    make_folder(options.out.parent)
    wanted = {(table.cameras[i], table.stamps_ns[i]) for i in chosen}
    with open_bag(options.bag) as bag:
        written, truth = _write(bag, sorted({camera for camera, _ in wanted}), wanted, options.out)
    start_ns = min(table.stamps_ns)
    for i in chosen[:5]:
        show(f"  {(table.stamps_ns[i] - start_ns) / 1e9:.2f} s  {table.cameras[i]}  score {score[i]:.1f}")
    show(f"{options.out}: {written} frames, with {', '.join(sorted(truth)) or 'no ground truth'}")
    return DONE


def _figures(run: Path, keys: list[str]) -> dict[str, Figure]:
    """What to score by: the figures of these keys, or all that need no truth and are of a task."""
    known = Judge(load_sums(run / "sums.npz").card).known
    if unknown := [key for key in keys if key not in known]:
        raise AvtarError(f"{', '.join(unknown)}: no such figure. There are: {', '.join(known)}.")
    if keys:
        return {key: known[key] for key in keys}
    of_tasks = {key: figure for key, figure in known.items() if key.partition(".")[0] in TASKS}
    return {key: figure for key, figure in of_tasks.items() if not needs_truth(key)}


def _write(bag: Bag, topics: list[str], wanted: set[tuple[str, int]], path: Path) -> tuple[int, set[str]]:
    """Write the frames wanted; returns how many there were, and for which tasks there is truth."""
    kept = Matching(keep_messages=True)
    cameras = [RecordedCamera.find(bag, list(TASKS), topic, matching=kept) for topic in topics]
    written, truth = 0, set[str]()
    with BagWriter(path, maker=MAKER) as output:
        for frame in _wanted_frames(cameras, wanted):
            if not written:
                _write_lenses(output, cameras, frame)
                _write_classes(output, cameras, frame)
            for topic, message in frame.messages:
                output.write_message(topic, frame.frame.stamp_ns, bag.topics[topic].msgtype, message)
            truth |= frame.truth.keys()
            written += 1
        if written < len(wanted):
            output.discard()
            raise AvtarError(f"{bag.path}: has {written} of the run's {len(wanted)} frames. Give the bag of this run.")
    return written, truth


def _wanted_frames(cameras: list[RecordedCamera], wanted: set[tuple[str, int]]) -> Iterator[RecordedFrame]:
    left = set(wanted)
    for frame in frames_of(cameras, Selection()):
        if (frame.topic, frame.frame.stamp_ns) in left:  # the first of a stamp that came twice
            left.discard((frame.topic, frame.frame.stamp_ns))
            yield frame
        if not left:
            return


def _write_lenses(output: BagWriter, cameras: list[RecordedCamera], first: RecordedFrame) -> None:
    """The CameraInfo that a camera may have sent only once, long before the first frame."""
    carried = {topic for topic, _ in first.messages}
    for camera in cameras:
        if camera.info_topic and camera.first_info is not None and camera.info_topic not in carried:
            output.write_message(camera.info_topic, first.frame.stamp_ns, CAMERA_INFO, camera.first_info)


def _write_classes(output: BagWriter, cameras: list[RecordedCamera], first: RecordedFrame) -> None:
    """What class ids mean, which is recorded once, before the first frame."""
    for camera in cameras:
        topic = camera.truth_topics.get(SEGMENTATION.name)
        classes = recorded_classes(camera.bag, topic) if topic is not None else None
        if classes is not None:
            write_classes(output, first.frame.stamp_ns, classes)


MINE = Command("write the frames worth learning from to a small bag", DESCRIPTION, add_arguments, run)
