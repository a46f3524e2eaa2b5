"""avtar-replay: run a model over a recorded bag and judge it."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from avtar_ros.engines import Engine, EngineOptions, open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.perception import Perception
from avtar_ros.replay.bag_reader import BagError, open_bag
from avtar_ros.replay.bag_writer import BagWriter
from avtar_ros.replay.files import make_folder
from avtar_ros.replay.judge import Judge
from avtar_ros.replay.recorded_frames import RecordedCamera
from avtar_ros.replay.replaying import replay
from avtar_ros.replay.results import Run, describe_faults, describe_truth
from avtar_ros.resources import DEMO_MODEL, find_resource

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 after an error, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    try:
        return _replay(options, shlex.join(["avtar-replay", *arguments]))
    except AvtarError as error:
        print(f"avtar-replay: {error}", file=sys.stderr)
    except OSError as error:
        print(f"avtar-replay: {options.out}: cannot be written ({error}).", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="avtar-replay",
        description="Run a model over a bag (ROS 1, SQLite or MCAP). Writes the maps to OUT/output.mcap, and how "
        "good and how fast they were to OUT/report.html and OUT/metrics.json.",
    )
    parser.add_argument("bag", type=Path, help="a bag's folder, or a .mcap, .db3 or .bag file")
    parser.add_argument("--model", type=Path, help="model file (default: the demo model)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--topic", help="camera topic (default: the colour camera found)")
    parser.add_argument("--every", type=_positive, default=1, metavar="N", help="take every N-th frame only")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: one a core)")
    parser.add_argument(
        "--max-depth", type=float, metavar="M", help="judge depth only where it is truly below M metres"
    )
    return parser


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _replay(options: argparse.Namespace, command: str) -> int:
    model = options.model or find_resource(DEMO_MODEL)
    with open_bag(options.bag) as bag, open_engine(model, EngineOptions(threads=options.threads)) as engine:
        camera = RecordedCamera.find(bag, engine.card.tasks, options.topic)
        make_folder(options.out)
        judge = Judge(engine.card, options.max_depth)
        begin = time.perf_counter()
        interrupted = _run(options, camera, engine, judge)
        run = Run(
            kind="Replay",
            title=f"{options.bag.resolve().stem}",
            judge=judge,
            counts={"frames": len(judge.times)},
            seconds=time.perf_counter() - begin,
            latency_title="From the decoded image to its maps: scaling, inference, scaling back.",
            notes=[
                *describe_faults(camera),
                *judge.problems,
                *(["Interrupted before the end."] if interrupted else []),
            ],
            provenance={
                "Command": command,
                "Bag": str(options.bag),
                "Camera": camera.topic,
                **describe_truth(camera, options.max_depth),
                "Model": str(model),
                "Engine": engine.description,
            },
        )
    run.write(options.out)
    print(f"{run.table()}\n{options.out / 'report.html'}")
    for note in run.notes:
        print(f"avtar-replay: {note}", file=sys.stderr)
    if interrupted:
        return INTERRUPTED
    if not judge.times:
        raise BagError(f"{options.bag}: not one image of {camera.topic} could be decoded.")
    return 1 if bag.broken else 0


def _run(options: argparse.Namespace, camera: RecordedCamera, engine: Engine, judge: Judge) -> bool:
    """Replay with a progress bar; returns whether it was interrupted, when all that was done is kept."""
    total = -(-camera.bag.topics[camera.topic].count // options.every)
    with BagWriter(options.out / "output.mcap") as output, tqdm(total=total, unit="frame", disable=None) as bar:
        try:
            for _ in replay(camera, Perception(engine), output, judge, options.every):
                bar.update()
        except KeyboardInterrupt:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
