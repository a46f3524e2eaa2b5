"""An attack on everything that takes something from outside, with fixed seeds: what was tried, and what failed.

    python -m tests.attack --scale 0.1        # a tenth of each part's full size
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import read_sidecar, sidecar_path
from avtar_ros.errors import AvtarError, ImageError
from avtar_ros.imaging.images import COLOR_LAYOUTS, depth_metres, to_rgb
from avtar_ros.model_card import ModelCard, read_onnx_card
from tests.attack.documents import documents
from tests.attack.mutations import ODD, damaged, odd_document, odd_text
from tests.attack.recordings import recordings
from tests.avtar_ros.engines.engine_files import CARD, sidecar
from tests.tiny_bags import write_ros1_bag, write_ros2_bag, write_truth_bag
from tests.tiny_models import write_tiny_model

SLOW_S = 10.0
"""What takes longer has failed."""


@dataclass
class Outcome:
    """What came of one part of the attack."""

    part: str
    seed: int
    tried: int = 0
    failed: int = 0
    longest_s: float = 0.0
    peak_mb: float = 0.0
    """By which the process's largest memory grew."""
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """A part of the attack: `full` tries in all, of which `attempts` gives so many as are asked for."""

    name: str
    full: int
    attempts: Callable[[random.Random, Path], Iterator[Callable[[], object]]]
    allowed: tuple[type[Exception], ...] = (AvtarError,)


def run_part(part: Part, scale: float, seed: int = 1) -> Outcome:
    """Try it; whatever ends in something else than an error of ours, or takes too long, has failed."""
    outcome = Outcome(part.name, seed)
    with tempfile.TemporaryDirectory() as folder:
        attempts = part.attempts(random.Random(seed), Path(folder))
        with suppress(Exception):  # libraries are imported by it
            next(attempts)()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(max(1, round(part.full * scale))):
            attempt, begin = next(attempts), time.monotonic()
            try:
                attempt()
            except part.allowed:
                pass
            except Exception:  # noqa: BLE001, this is what is looked for
                outcome.failed += 1
                outcome.faults.append(traceback.format_exc())
            took = time.monotonic() - begin
            outcome.tried += 1
            outcome.longest_s = max(outcome.longest_s, took)
            if took > SLOW_S:
                outcome.failed += 1
                outcome.faults.append(f"attempt {outcome.tried} took {took:.1f} s")
    outcome.peak_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return outcome


def images(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Damaged pictures and raw images under any format, of any shape."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    endings = [".jpg", ".png", ".webp", ".tiff", ".bmp", ".ppm"]
    files = [cv2.imencode(ending, picture)[1].tobytes() for ending in endings]
    depth = cv2.imencode(".png", np.full((24, 32), 1000, np.uint16))[1].tobytes()
    files += [bytes(12) + depth, cv2.imencode(".tiff", np.ones((9, 9), np.float32))[1].tobytes(), depth]
    formats = ["jpeg", "png", "rgb8; jpeg compressed bgr8", "bayer_rggb8; png compressed", "16UC1; compressedDepth png"]
    formats += ["32FC1; compressedDepth rvl", "zstd", "", "\udcff", "mono16; tiff compressed", "x" * 1000]
    while True:
        decode = rng.choice([to_rgb, depth_metres])
        if rng.random() < 0.6:
            message: Any = SimpleNamespace(format=rng.choice(formats), data=damaged(rng, rng.choice(files)))
        else:
            width, height = rng.choice([1, 2, 11, 4096]), rng.choice([1, 2, 12, 20_000])
            encoding = rng.choice([*COLOR_LAYOUTS, "32FC1", "16UC1", "", "none"])
            step = rng.choice([width, 2 * width, 3 * width, 4 * width, 0, 2**32 - 1])
            data = bytes(rng.choice([0, 1, min(step * height, 10**6)]))
            message = SimpleNamespace(
                width=rng.choice([width, 0, 2**32 - 1]), height=height, encoding=encoding, step=step, data=data,
                is_bigendian=rng.choice([0, 1, 255]),
            )
        yield lambda decode=decode, message=message: decode(message)


def bags(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Recordings of every kind with bytes damaged, read from beginning to end."""
    wholes = [write_truth_bag(folder / "whole.mcap", 3), write_ros1_bag(folder / "whole.bag", 3)]
    wholes += list(write_ros2_bag(folder / "sqlite", 3).glob("*.db3"))
    contents = [(path.suffix, path.read_bytes()) for path in wholes]

    def read(path: Path) -> None:
        with open_bag(path) as bag:
            camera = RecordedCamera.find(bag, ["depth", "segmentation"])
            for _ in camera.frames():
                pass

    while True:
        suffix, content = rng.choice(contents)
        path = folder / f"damaged{suffix}"
        path.write_bytes(damaged(rng, content))
        yield lambda path=path: read(path)


def models(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """ONNX files with bytes damaged, without a digest."""
    path = folder / "tiny.onnx"
    write_tiny_model(path)
    whole = path.read_bytes()

    def load() -> None:
        read_onnx_card(path)
        with open_engine(path) as engine:
            engine.infer(np.zeros((1, engine.card.height, engine.card.width, 3), np.uint8))

    while True:
        path.write_bytes(damaged(rng, whole))
        yield load


def cards(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Model cards and sidecars of engines that say odd things."""
    card, beside = json.loads(CARD.to_json()), json.loads(json.dumps(dataclasses.asdict(sidecar())))
    engine = folder / "x.engine"
    engine.write_bytes(b"a plan")

    def of_sidecar(text: str) -> None:
        sidecar_path(engine).write_text(text, errors="surrogateescape")
        read_sidecar(engine)

    while True:
        text = odd_text(rng, card)
        yield lambda text=text: ModelCard.from_json(text)
        text = odd_text(rng, beside)
        yield lambda text=text: of_sidecar(text)


def configs(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Training configs that say odd things, and texts that are no YAML."""
    from training.config import load_config

    document = yaml.safe_load((Path(__file__).parents[2] / "training/configs/avtar-demo.yaml").read_text())
    path = folder / "run.yaml"

    def load(text: str) -> None:
        path.write_text(text, errors="surrogateescape")
        load_config(path)

    while True:
        if rng.random() < 0.2:
            text = rng.choice(["[" * 5000, "&a [*a]", "{a: &x [1], b: *x}", "\x00", "!!python/object:os.x x", ": :"])
        else:
            text = json.dumps(odd_document(rng, document)) if rng.random() < 0.5 else _yaml(rng, document)
        yield lambda text=text: load(text)


def _yaml(rng: random.Random, document: Any) -> str:
    changed = odd_document(rng, document)
    try:
        return damaged(rng, yaml.safe_dump(changed).encode()).decode("utf-8", "surrogateescape")
    except (yaml.YAMLError, UnicodeEncodeError):
        return repr(rng.choice(ODD))


def checkpoints(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Files of weights with bytes damaged, mostly where they say what is in them."""
    from safetensors.numpy import save_file

    from training.checkpoint import load_checkpoint

    header = {"config": "{}", "card": CARD.to_json(), "phase": "adapters", "step": "1"}
    path = folder / "last.safetensors"
    save_file({"model.x": np.ones((4, 4), np.float32)}, path, metadata=header)
    whole = path.read_bytes()
    while True:
        if rng.random() < 0.3:
            said = odd_text(rng, [1]).encode("utf-8", "replace").decode()
            save_file({}, path, metadata=header | {rng.choice(list(header)): said})
        else:
            path.write_bytes(damaged(rng, whole))
        yield lambda: load_checkpoint(path)


PARTS = [
    Part("malformed images", 10_000, images, (ImageError,)),
    Part("broken bags", 1000, bags, (BagError,)),
    Part("damaged ONNX files", 1000, models),
    Part("odd cards and sidecars", 2000, cards),
    Part("odd configs", 500, configs),
    Part("other documents", 2000, documents),
    Part("odd recordings", 300, recordings),
    Part("damaged checkpoints", 500, checkpoints),
]
