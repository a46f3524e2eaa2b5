"""avtar-replay info BAG: what there is in a bag to replay."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
from pathlib import Path

from avtar_ros.bags.info import BagInfo, ImageTopic, read_info
from avtar_ros.bags.reading import open_bag
from avtar_ros.terminal.command_line import DONE, FAILED, Command, show
from avtar_ros.terminal.names import printable

DESCRIPTION = "Show a bag's cameras and depth topics: encodings, sizes, rates, gaps; and the command to run."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="a bag's folder, or a .mcap, .db3 or .bag file")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace, command: str) -> int:
    """Print what there is; returns 1 where the bag is damaged."""
    with open_bag(options.bag) as bag:
        info = read_info(bag)
    show(json.dumps(dataclasses.asdict(info), indent=1) if options.json else "\n".join(_lines(options.bag, info)))
    return FAILED if info.broken else DONE


def _lines(path: Path, info: BagInfo) -> list[str]:
    lines = [f"{path}: {info.seconds:.1f} s, {info.messages} messages on {info.topics} topics"]
    for title, topics in (("Cameras", info.cameras), ("Depth", info.depths), ("Other images", info.others)):
        if topics:
            lines += ["", title, *(line for topic in topics for line in _topic_lines(topic))]
    lines += ["", *(f"Damaged: {text}" if text == info.broken else text for text in info.told)]
    if info.camera is None:
        return [*lines, "There is no camera to replay."]
    words = ["avtar-replay", str(path), "--out", "replay"]
    others = [word for topic in info.cameras[1:] for word in ("--topic", topic.name)]
    lines += ["Run", f"  {shlex.join(words)}"]
    if others:
        lines += ["or, for all cameras,", f"  {shlex.join([*words, '--topic', info.camera, *others])}"]
    return lines


def _topic_lines(topic: ImageTopic) -> list[str]:
    rate = f"{topic.rate_hz:.1f} Hz" if topic.rate_hz else "one image"
    what = f"{printable(topic.encoding)}, {topic.width} x {topic.height}, {topic.count} images, {rate}"
    lines = [f"  {printable(topic.name)}", f"      {what}"]
    if topic.gaps:
        gap = topic.longest_gap
        lines.append(f"      {topic.gaps} gaps, the longest {gap.seconds:.2f} s at {gap.at_s:.2f} s")
    if topic.focal_px is not None:
        lines.append(f"      fx = {topic.focal_px:g} px, from {topic.info_topic}")
    elif topic.is_camera:
        what = "no CameraInfo" if topic.info_topic is None else f"no focal length in {topic.info_topic}"
        lines.append(f"      {what}: depth will be right only for the focal length the model was trained for")
    return lines + [f"      {note}" for note in topic.notes]


INFO = Command("show a bag's cameras, and the command to run", DESCRIPTION, add_arguments, run)
