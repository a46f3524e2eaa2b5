"""One bag through one model: what to replay and how, and the run that comes of it, with all its files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.reading import bag_files, open_bag
from avtar_ros.bags.recorded_frames import (
    Matching,
    RecordedCamera,
    RecordedFrame,
    Selection,
    TopicOptions,
    frames_of,
)
from avtar_ros.disk.files import make_folder
from avtar_ros.disk.outputs import OutputFolder, check_file
from avtar_ros.engines.engine import Engine
from avtar_ros.errors import AvtarError
from avtar_ros.memory import keep_freed_memory
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import MapSize, Perception
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.report.results import RUN_FILES, Run, describe_faults, describe_truth, recording_title
from avtar_ros.replay.running.frame_files import FrameFiles
from avtar_ros.replay.running.parts import PartedOutput
from avtar_ros.replay.running.perceiving import replay
from avtar_ros.terminal.extras import install_line
from avtar_ros.terminal.progress import Progress
from avtar_ros.version import VERSION

if TYPE_CHECKING:
    from avtar_ros.replay.running.rerun_log import RerunLog

OUTPUT = "output.mcap"
PARTS = "output.parts"
FRAMES = "frames"
RERUN_BEGINS = b"RRF2"
RERUN_APPLICATION = b"avtar_replay"


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay and how; see the command line's help."""

    bag: Path
    out: Path
    model: Path
    topics: tuple[str, ...] = ()
    named: TopicOptions = field(default_factory=TopicOptions)
    selection: Selection = field(default_factory=Selection)
    tasks: tuple[str, ...] | None = None
    map_size: MapSize | None = None
    """None: the camera's where `exact`, else the model's."""
    exact: bool = False
    """Whether maps are written as real numbers, rather than as pictures without loss but that of rounding."""
    passthrough: bool = False
    per_frame: str | None = None
    rerun: Path | None = None
    threads: int = 0
    max_depth_m: float | None = None
    tolerance_ms: float | None = None
    interpolate: bool = False

    @property
    def size(self) -> MapSize:
        return self.map_size or ("camera" if self.exact else "model")


@dataclass(frozen=True)
class Replayed:
    """A run whose results are written; whether the bag was damaged, and whether it was interrupted before its end."""

    run: Run
    damaged: bool
    interrupted: bool


def replay_bag(options: ReplayOptions, engine: Engine, command: str) -> Replayed:
    """Replay a bag through an open engine and write the results. Raises AvtarError, OSError."""
    keep_freed_memory()
    inputs = [options.bag, options.model]
    with open_bag(options.bag) as bag, ExitStack() as stack:
        perception = Perception(engine, options.tasks, options.size)
        cameras = _find_cameras(bag, perception, options)
        if options.rerun is not None:
            check_file(options.rerun, inputs, is_rerun_log)
        folder = stack.enter_context(OutputFolder(options.out, inputs))
        folder.claim(OUTPUT, PARTS, *RUN_FILES, *([FRAMES] if options.per_frame else []))
        judge = Judge(engine.card, options.max_depth_m, perception.tasks)
        begin = time.perf_counter()
        identity = _identity(options, engine)
        files = options.out / PARTS, options.out / OUTPUT
        with PartedOutput(*files, identity, cameras, perception.tasks, options.exact) as output:
            recalled = output.frames
            interrupted = _run(options, cameras, perception, output, judge)
        done = Run(
            kind="Replay",
            title=recording_title(options.bag, engine.card),
            judge=judge,
            counts={"frames": len(judge.times)},
            inferred=len(judge.times) - recalled,
            seconds=time.perf_counter() - begin,
            latency_title="From the decoded image to its maps: scaling, inference, scaling back.",
            notes=[
                *(note for camera in cameras for note in describe_faults(camera)),
                *bag.told(),
                *judge.problems,
                *(["Interrupted before the end. The same command continues."] if interrupted else []),
            ],
            provenance={
                "Command": command,
                "Bag": str(options.bag),
                "Camera": ", ".join(camera.topic for camera in cameras),
                **describe_truth(cameras, options.max_depth_m),
                "Model": str(options.model) + ("" if engine.has_digest else " (without a digest)"),
                "Engine": engine.description,
            },
        )
        done.write(options.out)
        if not interrupted:
            output.discard_parts()
            if not judge.times:
                raise BagError(
                    f"{options.bag}: not one image of {cameras[0].topic} could be decoded. "
                    + " ".join(note for camera in cameras for note in describe_faults(camera))
                )
    return Replayed(done, bag.broken is not None, interrupted)


def _find_cameras(bag: Bag, perception: Perception, options: ReplayOptions) -> list[RecordedCamera]:
    tolerance_ns = None if options.tolerance_ms is None else round(options.tolerance_ms * 1e6)
    matching = Matching(tolerance_ns, options.interpolate, options.passthrough)
    named = dataclasses.replace(options.named, classes=tuple(c.name for c in perception.engine.card.classes))
    return [
        RecordedCamera.find(bag, perception.tasks, topic, named, matching)
        for topic in dict.fromkeys(options.topics or (None,))
    ]


def _identity(options: ReplayOptions, engine: Engine) -> dict[str, str]:
    """Everything that the maps, and which frames there are, depend on."""
    return {
        "avtar_ros": VERSION,
        "bag": fingerprint(bag_files(options.bag)),
        "model": fingerprint([options.model]),
        "engine": engine.description,
        "selection": str(options.selection),
        "topics": str(options.topics),
        "lens": f"{options.named.info_topic} {options.named.rectified}",
        "tasks": str(options.tasks),
        "map_size": options.size,
        "exact": str(options.exact),
        "passthrough": str(options.passthrough),
    }


def is_rerun_log(path: Path) -> bool:
    """Whether a file is one that a replay has written for Rerun."""
    with path.open("rb") as file:
        head = file.read(1024)
    return head.startswith(RERUN_BEGINS) and RERUN_APPLICATION in head


def fingerprint(files: Sequence[Path]) -> str:
    """Files by name, size and time of change."""
    stats = [(str(file.resolve()), file.stat()) for file in files]
    return "; ".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)


def _run(
    options: ReplayOptions, cameras: list[RecordedCamera], perception: Perception, output: PartedOutput, judge: Judge
) -> bool:
    """Replay with a progress bar; returns whether it was interrupted, when all that was done is kept."""
    bag, selection = cameras[0].bag, options.selection
    start_ns, stop_ns = selection.window_ns(bag)
    share = (stop_ns - start_ns) / (bag.end_ns + 1 - bag.start_ns)
    total = sum(-(-round(bag.topics[camera.topic].count * share) // selection.every) for camera in cameras)
    files = FrameFiles(options.out / FRAMES, options.per_frame) if options.per_frame else None
    with Progress(total=total, unit="frame", disable=None) as bar, ExitStack() as stack:
        log = stack.enter_context(_rerun_log(options.rerun, judge.card)) if options.rerun else None
        try:
            for perceived in replay(_frames(cameras, selection), perception, output, judge):
                if files is not None:
                    files.write(perceived)
                if log is not None:
                    log.write(perceived, judge.table.last)
                bar.update()
        except KeyboardInterrupt:
            return True
    return False


def _rerun_log(path: Path, card: ModelCard) -> RerunLog:
    try:
        from avtar_ros.replay.running.rerun_log import RerunLog
    except ImportError as error:
        raise AvtarError(f"Rerun cannot be imported ({error}). Run: {install_line('rerun')}") from error
    make_folder(path.absolute().parent)
    return RerunLog(path, card)


def _frames(cameras: list[RecordedCamera], selection: Selection) -> Generator[RecordedFrame, None, None]:
    yield from frames_of(cameras, selection)
