"""Measure four tasks in one network against four: our own networks of one task, and what a user would pick instead.

python -m benchmarks.peers --backbone swin-s --json build/peers.json

All have random weights, are exported to ONNX, take the same uint8 images one at a time, and give maps at their size.
They run in ONNX Runtime in turns, so that ratios compare like with like. The peers, from their public configurations:

depth         Depth Anything Small (DINOv2-S and its DPT head), at the next multiple of 14
segmentation  SegFormer-B0
normals       an encoder and decoder as DSINE has: EfficientNet-B5, light decoder; without DSINE's iterations, so faster
edges         HED: VGG-16 with an output of each of its five stages

Figures:

ms                       median of a query, by network
four_networks            our four networks of one task, one after the other, over the one of four tasks; by round
peers                    the same of the four peers
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    EfficientNetConfig,
    EfficientNetModel,
    SegformerConfig,
    SegformerForSemanticSegmentation,
)

from avtar_ros.disk.files import write_text
from avtar_ros.engines.engine import INPUT
from avtar_ros.tasks import TASKS
from benchmarks.training_step import BACKBONES, summary
from training.build import build_model, new_card
from training.config import RunConfig
from training.export import write_graph
from training.models.inference import InferenceModel

OPSET = 18
PATCH = 14
CLASSES = 13
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Peer(nn.Module):
    """uint8 (B, H, W, 3) through a network, at the multiple of `multiple` that comes next, and its map at H, W."""

    def __init__(self, network: nn.Module, multiple: int = 1) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[1:3]
        pixels = (image.float().permute(0, 3, 1, 2) - self.mean) / self.std
        size = [-(-side // self.multiple) * self.multiple for side in (height, width)]
        if size != [height, width]:
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        found = self.network(pixels)
        return functional.interpolate(found, size=[height, width], mode="bilinear", align_corners=False)


class Depth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = DepthAnythingForDepthEstimation(DepthAnythingConfig(attn_implementation="eager"))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels).predicted_depth[:, None]  # type: ignore[no-any-return]


class Segmentation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=CLASSES))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixels).logits  # type: ignore[no-any-return]


class Normals(nn.Module):
    """EfficientNet-B5, and a decoder that goes from 1/32 to 1/8 with the encoder's features beside it."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        b5 = EfficientNetConfig(width_coefficient=1.6, depth_coefficient=2.2, hidden_dim=2048, image_size=456)
        self.encoder = EfficientNetModel(b5)
        with torch.no_grad():
            features = self._features(torch.zeros(1, 3, 64, 64))
        self.into = nn.ModuleList(nn.Conv2d(feature.shape[1], width, 1) for feature in features)
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in features)
        self.head = nn.Conv2d(width, 3, 3, padding=1)

    def _features(self, pixels: Tensor) -> list[Tensor]:
        """The last of the encoder's features of each size, from 1/32 to 1/8."""
        states = self.encoder(pixels, output_hidden_states=True).hidden_states
        last = {state.shape[-1]: state for state in states}
        return [last[side] for side in sorted(last)[:3]]

    def forward(self, pixels: Tensor) -> Tensor:
        decoded: Tensor | None = None
        for feature, into, mix in zip(self._features(pixels), self.into, self.mix, strict=True):
            found = into(feature)
            if decoded is not None:
                found = found + functional.interpolate(decoded, size=found.shape[-2:], mode="bilinear")
            decoded = functional.relu(mix(found))
        assert decoded is not None
        return functional.normalize(self.head(decoded), dim=1)


class Edges(nn.Module):
    STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

    def __init__(self) -> None:
        super().__init__()
        channels, stages, sides = 3, [], []
        for width, count in self.STAGES:
            layers: list[nn.Module] = []
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            stages.append(nn.Sequential(*layers))
            sides.append(nn.Conv2d(width, 1, 1))
        self.stages, self.sides = nn.ModuleList(stages), nn.ModuleList(sides)
        self.fuse = nn.Conv2d(len(self.STAGES), 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        size, found = pixels.shape[-2:], []
        for number, (stage, side) in enumerate(zip(self.stages, self.sides, strict=True)):
            pixels = stage(functional.max_pool2d(pixels, 2) if number else pixels)
            found.append(functional.interpolate(side(pixels), size=size, mode="bilinear"))
        return torch.sigmoid(self.fuse(torch.cat(found, 1)))


PEERS: dict[str, Callable[[], Peer]] = {
    "segmentation": lambda: Peer(Segmentation()),
    "depth": lambda: Peer(Depth(), PATCH),
    "normals": lambda: Peer(Normals()),
    "edges": lambda: Peer(Edges()),
}


def write_ours(path: Path, backbone: str, tasks: Sequence[str], width: int, height: int) -> Path:
    """Our network of these tasks, as it is exported."""
    config = RunConfig.model_validate(
        {
            "name": "benchmark",
            "tasks": tasks,
            "model": BACKBONES[backbone](),
            "data": {"width": width, "height": height},
            "depth": {"focal_px": 0.8 * width},
            "phases": [{"name": "adapters", "trains": "adapters", "steps": 1}],
        }
    )
    write_graph(InferenceModel(build_model(config, "adapters", new_card(config))), path)
    return path


def write_peer(path: Path, task: str, width: int, height: int) -> Path:
    image = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        PEERS[task]().eval(), (image,), dynamo=True, opset_version=OPSET, input_names=[INPUT], verbose=False
    )
    assert program is not None
    program.save(str(path))
    return path


class Network:
    """A model in ONNX Runtime, and how long its queries took, by round."""

    def __init__(self, path: Path, threads: int, image: np.ndarray[Any, Any]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._image = image
        self.rounds: list[float] = []

    def measure(self, queries: int) -> None:
        taken = []
        for _ in range(queries):
            begun = time.perf_counter()
            self._session.run(None, {INPUT: self._image})
            taken.append(1000 * (time.perf_counter() - begun))
        self.rounds.append(statistics.median(taken))


def ratios(parts: Sequence[Network], whole: Network) -> list[float]:
    """How many times as long the parts take one after the other, by round."""
    sums = map(sum, zip(*(part.rounds for part in parts), strict=True))
    return [together / one for together, one in zip(sums, whole.rounds, strict=True)]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    width, height = map(int, options.size.split("x"))
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    torch.manual_seed(0)
    files = {"four tasks": write_ours(folder / "four.onnx", options.backbone, tuple(TASKS), width, height)}
    for task in TASKS:
        files[f"ours, {task}"] = write_ours(folder / f"{task}.onnx", options.backbone, (task,), width, height)
        files[f"peer, {task}"] = write_peer(folder / f"peer-{task}.onnx", task, width, height)
    networks = {name: Network(path, options.threads, image) for name, path in files.items()}
    for number in range(options.rounds + 1):
        for network in networks.values():
            network.measure(options.queries)
            if not number:  # the first round warms up
                network.rounds.clear()
        print(f"round {number} of {options.rounds}", flush=True)
    whole = networks.pop("four tasks")
    ours, peers = ([n for name, n in networks.items() if name.startswith(kind)] for kind in ("ours", "peer"))
    return {
        "four_networks": summary(ratios(ours, whole), 3),
        "peers": summary(ratios(peers, whole), 3),
        "ms": {name: summary(network.rounds, 2) for name, network in {"four tasks": whole, **networks}.items()},
        "backbone": options.backbone,
        "size": options.size,
        "threads": options.threads,
        "rounds": options.rounds,
        "processor": platform.processor() or platform.machine(),
        "onnxruntime": onnxruntime.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=BACKBONES, default="swin-s")
    parser.add_argument("--size", default="256x192", help="of the images (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="after one that warms up (%(default)s)")
    parser.add_argument("--queries", type=int, default=5, help="of each network in a round (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures, indent=2))
    if options.json is not None:
        write_text(options.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
