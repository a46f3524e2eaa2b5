"""A network, runs and batches small enough to train in a second, made the way real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import TASKS
from training.checkpoint import Checkpoint, model_tensors
from training.config import BackboneConfig, ModelConfig, RunConfig
from training.data.batch import Batch
from training.data.synthetic_rooms import CLASSES
from training.fit import build_model, new_card
from training.models.backbone import Backbone, load_backbone
from training.models.multitask import MultitaskModel

WIDTH, HEIGHT = 64, 48

PVT = {
    "model_type": "pvt_v2",
    "hidden_sizes": [8, 16, 24, 32],
    "depths": [1, 1, 2, 2],
    "num_attention_heads": [1, 2, 3, 4],
    "mlp_ratios": [2, 2, 2, 2],
}
SWIN = {
    "model_type": "swin",
    "embed_dim": 8,
    "depths": [1, 1, 2, 2],
    "num_heads": [1, 2, 2, 4],
    "window_size": 3,
    "mlp_ratio": 2.0,
    "drop_path_rate": 0.1,
}
SWIN_V2 = SWIN | {"model_type": "swinv2", "image_size": 64}
DINO_V2 = {
    "model_type": "dinov2",
    "hidden_size": 16,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "image_size": 32,
    "patch_size": 4,
    "layerscale_value": 0.5,
}
DINO_V2_WITH_REGISTERS = DINO_V2 | {"model_type": "dinov2_with_registers", "num_register_tokens": 2}
FOCALNET = {
    "model_type": "focalnet",
    "embed_dim": 8,
    "depths": [1, 1, 2, 2],
    "mlp_ratio": 2.0,
    "use_conv_embed": True,
    "use_layerscale": True,
    "layerscale_value": 0.5,
}
FAMILIES = {
    "pvt_v2": PVT,
    "swin": SWIN,
    "swinv2": SWIN_V2,
    "dinov2": DINO_V2,
    "dinov2_with_registers": DINO_V2_WITH_REGISTERS,
    "focalnet": FOCALNET,
}
REPLACE = (0, 0, 1, 2)


def settings(**changes: Any) -> dict[str, Any]:
    """A run as its YAML says it; `changes` replace whole entries."""
    return {
        "name": "tiny",
        "model": {"backbone": {"settings": PVT}, "replace": list(REPLACE), "window": 2, "decoder_channels": 8},
        "data": {"width": WIDTH, "height": HEIGHT, "rooms": 12, "validation_rooms": 4},
        "depth": {"focal_px": 50.0},
        "affinity": {"every": 2, "momentum": 0.5},
        "phases": [phase("backbone", steps=4), phase("adapters", steps=6)],
        **changes,
    }


def phase(trains: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": trains, "trains": trains, "steps": 4, "batch_size": 4, "learning_rate": 2e-3, "warmup_steps": 2,
        "evaluate_every": 2, **changes,
    }


def run_config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate(settings(**changes))


def write_config(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump(settings(**changes)))
    return path


def model_config(backbone: dict[str, Any], window: int = 2, replace: tuple[int, ...] = REPLACE) -> ModelConfig:
    return ModelConfig(
        backbone=BackboneConfig(settings=backbone), replace=replace, window=window, decoder_channels=8
    )


def card(width: int = WIDTH, height: int = HEIGHT, tasks: tuple[str, ...] = tuple(TASKS)) -> ModelCard:
    data = {"width": width, "height": height}
    return new_card(run_config(tasks=tasks, data=data))


def model(
    backbone: dict[str, Any] = PVT,
    window: int = 2,
    replace: tuple[int, ...] = REPLACE,
    tasks: tuple[str, ...] = tuple(TASKS),
    seed: int = 0,
) -> MultitaskModel:
    """A new network as an adapter phase starts with it."""
    torch.manual_seed(seed)
    config = model_config(backbone, window, replace)
    network = MultitaskModel(Backbone(load_backbone(config.backbone), replace), config, card(tasks=tasks))
    network.backbone.freeze()
    return network


def config_on(backbone: dict[str, Any], **changes: Any) -> RunConfig:
    """`run_config()` with the adapters on another backbone."""
    return run_config(model=settings()["model"] | {"backbone": {"settings": backbone}}, **changes)


def adapted_model(seed: int = 0, backbone: dict[str, Any] = PVT) -> MultitaskModel:
    """The network of `config_on(backbone)`, with conditioning that makes every task its own."""
    torch.manual_seed(seed)
    config = config_on(backbone)
    network = build_model(config, "adapters", new_card(config))
    stir(network)
    return network.eval()


def adapted_checkpoint(backbone: dict[str, Any] = PVT) -> Checkpoint:
    """Of an adapter phase that ended with that network."""
    model = adapted_model(backbone=backbone)
    return Checkpoint(config_on(backbone), model.card, "adapters", 6, model_tensors(model))


def stir(module: nn.Module, amount: float = 0.2) -> None:
    """Move every parameter and the affinities away from where they start, so that none can be missed."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(amount * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("affinity"):
                buffer.copy_(torch.rand_like(buffer) * 0.8 + 0.1)


def batch(size: int = 4, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Batch:
    """Random images with random maps of every task; some of each map is unknown."""
    random = torch.Generator().manual_seed(seed)
    shape = (size, height, width)

    def uniform(*extra: int) -> torch.Tensor:
        return torch.rand(*shape, *extra, generator=random)

    unknown = uniform() < 0.1
    ids = torch.randint(0, len(CLASSES), shape, generator=random, dtype=torch.uint8)
    depth = 0.5 + 5 * uniform()
    normals = nn.functional.normalize(uniform(3) - torch.tensor([0.5, 0.5, 1.5]), dim=-1)
    return Batch(
        torch.randint(0, 256, (*shape, 3), generator=random, dtype=torch.uint8),
        {
            "segmentation": torch.where(unknown, 255, ids).to(torch.uint8),
            "depth": torch.where(unknown, torch.nan, depth),
            "normals": torch.where(unknown[..., None], torch.nan, normals),
            "edges": (uniform() < 0.2).float(),
        },
        40 + 20 * torch.rand(size, generator=random),
    )
