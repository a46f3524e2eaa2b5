"""The demo: a recorded camera, played at its own rate through the real node, recorded, judged and shown.

    python -m avtar_ros.demo --bag recording.mcap --out build/demo

Camera source and node run as processes of their own on a ROS domain of their own, as they would on a robot.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera, TopicOptions
from avtar_ros.bags.writing import BagWriter
from avtar_ros.demo.recording import LIVE_S, is_bag, record
from avtar_ros.disk.files import expanded
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.engines.engine import EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import ModelCard
from avtar_ros.predict.lens import LensOptions, add_lens
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.report.results import RUN_FILES, Run, describe_faults, describe_truth, recording_title
from avtar_ros.resources import DEMO_BAG, find_model, find_resource
from avtar_ros.ros.child_process import NodeProcess
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from avtar_ros.source.frame_sources import without_password
from avtar_ros.tasks import Maps
from avtar_ros.terminal.command_line import DONE, FAILED, INTERRUPTED, Command, Program, positive, show
from avtar_ros.terminal.progress import Progress

if TYPE_CHECKING:
    from avtar_ros.demo.map_recorder import MapRecorder

CAMERA = "camera"
OUTPUT = "output.mcap"
INPUT = "input.mcap"
START_S = 60.0
"""How long the node may take to load its model, and the camera to begin."""
SILENCE_S = 2.0
"""After the last image, how long without a map until no more is expected."""
TICK_S = 0.05
LATENCY = "From the camera's stamp to the arrival of the last of its maps in another process."


@dataclass(frozen=True)
class Recording:
    """What came of playing a bag.

    `published` maps original stamps to those the images were played under, `latencies` the latter to
    nanoseconds until all maps had come; `seconds` is from the first of these stamps to the last arrival.
    """

    published: dict[int, int]
    latencies: dict[int, int]
    seconds: float
    interrupted: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bag", metavar="SOURCE",
        help="a bag, a picture, a folder of pictures, a video, a webcam's number, or an rtsp:// or http:// address "
        "(default: the demo bag)",
    )
    parser.add_argument(
        "--seconds", type=positive, metavar="S",
        help=f"how much of what is not a bag (default: all, {LIVE_S:g} of a camera)",
    )
    add_lens(parser, "what is not a bag")
    parser.add_argument("--topic", help="camera topic (default: the colour camera found)")
    parser.add_argument("--model", help="model file, or the name of one that ships (default: the demo model)")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for the results (%(default)s)")


def run(options: argparse.Namespace, command: str) -> int:
    """Run the demo; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # ended from outside, it ends its children too
        signal.signal(number, signal.default_int_handler)
    words = map(without_password, shlex.split(command)[1:])
    return _demo(options, shlex.join(["python", "-m", "avtar_ros.demo", *words]))


def _demo(options: argparse.Namespace, command: str) -> int:
    model = find_model(options.model).resolve()
    source = options.bag or str(find_resource(DEMO_BAG))
    with ExitStack() as stack:
        with open_engine(model, EngineOptions(threads=1)) as engine:
            card, description = engine.card, engine.description
        path, recorded = _bag_of(source, options, model)
        bag = stack.enter_context(open_bag(path))
        named = TopicOptions(classes=tuple(c.name for c in card.classes))
        camera = RecordedCamera.find(bag, card.tasks, options.topic, named)
        folder = stack.enter_context(OutputFolder(options.out, [Path(source), model]))
        folder.claim(OUTPUT, *RUN_FILES)
        recording = play(camera, model, card, options.out)
        judge = Judge(card)
        with open_bag(options.out / OUTPUT) as output:
            judge_recording(recording, camera, output, judge)
        interrupted = ["Interrupted before the end."] if recording.interrupted else []
        notes = [*recorded, *describe_faults(camera), *bag.told(), *judge.problems, *interrupted]
        frames_in, frames_out = len(recording.published), len(judge.times)
        run = Run(
            kind="Demo",
            title=_title(source, card),
            judge=judge,
            counts={"frames_in": frames_in, "frames_out": frames_out, "frames_dropped": frames_in - frames_out},
            seconds=recording.seconds,
            latency_title=LATENCY,
            notes=notes,
            provenance={
                "Command": command,
                "Bag": f"{path}, recorded from {without_password(source)}" if recorded else source,
                "Camera": camera.topic,
                **describe_truth([camera], None),
                "Model": str(model),
                "Engine": description,
                "Maps": f"{card.width} × {card.height}, the model's own size",
            },
        )
        run.write(options.out)
        _print_results(run, bool(camera.truth_topics), options.out)
        return INTERRUPTED if recording.interrupted else FAILED if bag.broken else DONE


def _bag_of(source: str, options: argparse.Namespace, model: Path) -> tuple[Path, list[str]]:
    """The bag to play: the source itself, or what is recorded of it now, and notes on that."""
    lens = LensOptions(options.focal_px, options.fov)
    if is_bag(source):
        if (options.focal_px, options.fov, options.seconds) != (None, None, None):
            raise AvtarError(f"{source}: is a bag, which is played as it is, without --fov, --focal-px and --seconds.")
        return expanded(source), []
    with OutputFolder(options.out, [Path(source), model]) as folder:
        folder.claim(INPUT)
        return folder.path / INPUT, [record(source, folder.path / INPUT, lens, options.seconds)]


def _title(source: str, card: ModelCard) -> str:
    path = expanded(source)
    return recording_title(path, card) if path.exists() else f"{card.name} on {without_password(source)}"


def _print_results(run: Run, has_truth: bool, out: Path) -> None:
    show(run.table())
    if not has_truth:
        show("  The bag has no ground truth, so there are no metrics.")
    show(out / "report.html")
    for note in run.notes:
        show(f"demo: {note}", sys.stderr)


def play(camera: RecordedCamera, model: Path, card: ModelCard, out: Path) -> Recording:
    """Play the camera's bag through the node and record all maps into `out`/output.mcap.

    Interrupted, it ends early with what has been recorded. Raises AvtarError if a process fails.
    """
    domain, claim = claim_ros_domain()
    with claim, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=temporary)
        from avtar_ros.demo.map_recorder import MapRecorder  # ROS reads the environment when it is first used

        # Maps at the model's size: at the camera's, writing them would take the cores that inference needs.
        node_parameters = {"model": str(model), "cameras": [CAMERA], "map_size": "model"}
        source_parameters = {
            "source": str(camera.bag.path.resolve()),
            "topics": [camera.topic],
            "cameras": [CAMERA],
            "stamp_log": str(folder / "stamps.jsonl"),
            "wait_for_subscriber": START_S,
        }
        topics = [f"/{CAMERA}/{task}/image" for task in card.tasks]
        interrupted = False
        with (
            BagWriter(out / OUTPUT) as output,
            MapRecorder(topics, output) as recorder,
            NodeProcess("avtar_ros.node.multitask_node", node_parameters, folder) as node,
        ):
            _await_node(recorder, node)
            with NodeProcess("avtar_ros.source.camera_source", source_parameters, folder) as source:
                try:
                    _follow(recorder, node, source, (camera.bag.end_ns - camera.bag.start_ns) / 1e9)
                except KeyboardInterrupt:
                    interrupted = True
            if not recorder.latencies and interrupted:
                raise KeyboardInterrupt  # there is nothing yet to be judged
            if not recorder.latencies:
                raise AvtarError(f"the node has given no maps. It said:\n{node.last_words()}")
        published = _read_stamps(folder / "stamps.jsonl")
        return Recording(published, recorder.latencies, recorder.seconds, interrupted)


def _await_node(recorder: MapRecorder, node: NodeProcess) -> None:
    """Wait until the node has loaded its model."""
    deadline = time.monotonic() + START_S
    while not recorder.publishers_found():
        recorder.spin(TICK_S)
        node.check_running()
        if time.monotonic() > deadline:
            raise AvtarError(f"the node was not ready after {START_S:.0f} s. It said:\n{node.last_words()}")


def _follow(recorder: MapRecorder, node: NodeProcess, source: NodeProcess, seconds: float) -> None:
    """Record until the source has ended and nothing more comes, showing how far it is."""
    quiet_since = time.monotonic()
    style = "playing {l_bar}{bar}| {n:.1f}/{total:.1f} s"
    with Progress(total=max(round(seconds, 1), 0.1), bar_format=style, disable=None) as bar:
        while time.monotonic() - quiet_since < SILENCE_S:
            before = len(recorder.latencies)
            recorder.spin(TICK_S)
            node.check_running()
            if source.running() or len(recorder.latencies) > before:
                quiet_since = time.monotonic()
            bar.n = min(recorder.seconds, seconds)
            bar.refresh()


def _read_stamps(path: Path) -> dict[int, int]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {line["original_ns"]: line["published_ns"] for line in lines}


def judge_recording(recording: Recording, camera: RecordedCamera, output: Bag, judge: Judge) -> None:
    """Judge the maps in the bag `output` against what the camera's own bag knows to be true."""
    maps = complete_maps(output, judge.card.tasks)
    count = camera.bag.topics[camera.topic].count
    for recorded in Progress(camera.frames(), "judging", total=count, unit="frame", disable=None):
        stamp_ns = recording.published.get(recorded.frame.stamp_ns)
        if stamp_ns in recording.latencies:
            # Both bags are in the same order, so what is passed over here belongs to no later frame.
            predicted = next(found for found_ns, found in maps if found_ns == stamp_ns)
            judge.add(recorded.frame, predicted, recorded.truth, recording.latencies[stamp_ns])


def complete_maps(output: Bag, tasks: Sequence[str]) -> Iterator[tuple[int, Maps]]:
    """(stamp, maps) of each frame in the bag of which there are all maps."""
    topics = {f"/{CAMERA}/{task}/image": task for task in tasks}
    for log_ns, messages in itertools.groupby(output.messages(topics), key=lambda message: message.log_ns):
        maps = {topics[m.topic]: decode_map(topics[m.topic], m.message) for m in messages}
        if len(maps) == len(tasks):
            yield log_ns, {task: maps[task] for task in tasks}  # not in the order in which they came


DESCRIPTION = (
    "Play a camera's images through the node and show what it makes of them: OUT/output.mcap, "
    "OUT/report.html and OUT/metrics.json. What is not a bag is recorded to OUT/input.mcap first."
)
PROGRAM = Program("demo", DESCRIPTION, commands={}, usual=Command("the demo", DESCRIPTION, add_arguments, run))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    return PROGRAM.main(argv)
