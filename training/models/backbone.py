"""The backbone: a pretrained vision transformer from Hugging Face, seen as stages on a grid of tokens.

Families differ in where they keep their layers and norms; a `Family` record holds those differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoBackbone, AutoConfig

from training.config import BackboneConfig
from training.errors import TrainingError

Grid = Tensor
"""Tokens (B, H, W, C) on the grid of one stage."""


@dataclass(frozen=True)
class Stage:
    """One stage of a backbone.

    `enter` brings the image (B, H, W, 3) or the previous stage's grid to this stage's grid; `layers` keep its shape;
    `leave` gives what the next stage enters with; `feature` gives what a decoder reads from that.
    """

    channels: int
    heads: int
    stride: int
    enter: Callable[[Grid], Grid]
    layers: Sequence[Callable[[Grid], Grid]]
    leave: Callable[[Grid], Grid]
    feature: Callable[[Grid], Grid]


@dataclass(frozen=True)
class ReplacedLayer:
    """The parts of a transformer layer that an adapter layer starts from, and the number of its heads."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    projection: nn.Linear
    norm_before: nn.LayerNorm
    norm_after: nn.LayerNorm
    feed_forward: tuple[nn.Linear, nn.Linear]


@dataclass(frozen=True)
class Family:
    """How to find one's way in a Hugging Face backbone of one architecture."""

    blocks: Callable[[Any], list[nn.ModuleList]]
    """The lists of transformer layers, one a stage."""
    stages: Callable[[Any], list[Stage]]
    replaced: Callable[[Any], ReplacedLayer]
    """The parts of one of the layers in `blocks`."""


class Backbone(nn.Module):
    """A Hugging Face backbone without its last layers (`replace[i]` of them missing in stage i).

    `replaced[i]` holds the layers taken out of stage i, for adapter layers to start from; they are no
    parameters of this module.
    """

    def __init__(self, model: nn.Module, replace: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        family = _family(model.config)
        blocks = family.blocks(model)
        if len(replace) != len(blocks) or any(not 0 <= n <= len(b) for n, b in zip(replace, blocks, strict=True)):
            raise TrainingError(
                f"model.replace is {list(replace)}, but this backbone has stages of {[len(b) for b in blocks]} layers. "
                "Give one number a stage, none larger than the stage."
            )
        self._replaced: tuple[tuple[ReplacedLayer, ...], ...] = tuple(
            tuple(family.replaced(layer) for layer in list(block)[len(block) - n :])
            for n, block in zip(replace, blocks, strict=True)
        )
        for n, block in zip(replace, blocks, strict=True):
            del block[len(block) - n :]
        self._stages = tuple(family.stages(model))

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._stages

    @property
    def replaced(self) -> tuple[tuple[ReplacedLayer, ...], ...]:
        return self._replaced

    def freeze(self) -> None:
        """No gradients and no dropout from here on; `train()` leaves a frozen backbone in evaluation mode."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        frozen = not any(p.requires_grad for p in self.parameters())
        super().train(mode and not frozen)
        return self


def load_backbone(config: BackboneConfig) -> nn.Module:
    """The configured Hugging Face backbone, whole: pretrained (hub name or local folder) or from scratch (settings)."""
    if config.pretrained is None:
        where = "model.backbone.settings"
    else:
        kind = "folder" if Path(config.pretrained).exists() else "hub name"
        where = f"model.backbone.pretrained: cannot load the {kind} {config.pretrained!r}"
    try:
        return _load(config)
    except TrainingError:
        raise
    except Exception as error:  # settings that do not go together end in whatever they first break
        raise TrainingError(f"{where}: {type(error).__name__}: {error}") from error


def _load(config: BackboneConfig) -> nn.Module:
    if config.pretrained is None:
        hf_config = AutoConfig.for_model(**config.settings)
    else:
        hf_config = AutoConfig.from_pretrained(config.pretrained, **config.settings)
    _family(hf_config)
    defaults = type(hf_config)()
    if unknown := [key for key in config.settings if not hasattr(defaults, key)]:
        raise TrainingError(f"model.backbone.settings: {hf_config.model_type} has no {', '.join(unknown)}.")
    hf_config.out_features = [name for name in hf_config.stage_names if name != "stem"]
    if config.pretrained is None:
        from_scratch: nn.Module = AutoBackbone.from_config(hf_config, attn_implementation="eager")
        return from_scratch
    # Not AutoBackbone.from_pretrained: it asks the hub whether the name exists, even where that is a folder.
    model: Any = MODEL_FOR_BACKBONE_MAPPING[type(hf_config)]
    pretrained: nn.Module = model.from_pretrained(config.pretrained, config=hf_config, attn_implementation="eager")
    return pretrained


def _family(config: Any) -> Family:
    kind = str(config.model_type)
    if kind not in FAMILIES:
        raise TrainingError(f"model.backbone: type {kind!r} is not supported. Known: {', '.join(FAMILIES)}.")
    return FAMILIES[kind]


def _identity(grid: Grid) -> Grid:
    return grid


def _as_grid(tokens: Tensor, height: int, width: int) -> Grid:
    """A sequence of tokens (B, H·W, C) on its grid."""
    grid: Grid = tokens.unflatten(1, (height, width))
    return grid


def _on_sequence(layer: Callable[..., Any], call: Callable[[Any, Tensor, int, int], Tensor]) -> Callable[[Grid], Grid]:
    """`layer`, which works on a sequence of tokens (B, H·W, C), as a function of the grid."""

    def on_grid(grid: Grid) -> Grid:
        height, width = grid.shape[1:3]
        tokens = call(layer, grid.flatten(1, 2), height, width)
        return _as_grid(tokens, height, width)

    return on_grid


# --- Pyramid vision transformer, version 2


def _pvt_stages(model: Any) -> list[Stage]:
    config = model.config

    def enter(embedding: Callable[[Tensor], tuple[Tensor, int, int]]) -> Callable[[Grid], Grid]:
        def embed(grid: Grid) -> Grid:
            tokens, height, width = embedding(grid.permute(0, 3, 1, 2))
            return _as_grid(tokens, height, width)

        return embed

    strides = torch.tensor(config.strides).cumprod(0).tolist()
    return [
        Stage(
            channels=config.hidden_sizes[i],
            heads=config.num_attention_heads[i],
            stride=strides[i],
            enter=enter(layer.patch_embedding),
            layers=[_on_sequence(block, lambda f, x, h, w: f(x, h, w)[0]) for block in layer.blocks],
            leave=layer.layer_norm,
            feature=_identity,
        )
        for i, layer in enumerate(model.encoder.layers)
    ]


def _pvt_replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention
    return ReplacedLayer(
        attention.query, attention.key, attention.value, attention.proj,
        layer.layer_norm_1, layer.layer_norm_2, (layer.mlp.dense1, layer.mlp.dense2),
    )  # fmt: skip


# --- Swin transformer


def _swin_stages(model: Any) -> list[Stage]:
    config, swin = model.config, model.swin

    def embed(image: Grid) -> Grid:
        tokens, (height, width) = swin.embeddings(image.permute(0, 3, 1, 2))
        return _as_grid(tokens, height, width)

    def merge(downsample: Callable[[Tensor, tuple[int, int]], Tensor]) -> Callable[[Grid], Grid]:
        def enter(grid: Grid) -> Grid:
            height, width = grid.shape[1:3]
            tokens = downsample(grid.flatten(1, 2), (height, width))
            return _as_grid(tokens, (height + 1) // 2, (width + 1) // 2)

        return enter

    enters = [embed, *(merge(layer.downsample) for layer in swin.encoder.layers[:-1])]
    return [
        Stage(
            channels=config.embed_dim * 2**i,
            heads=config.num_heads[i],
            stride=config.patch_size * 2**i,
            enter=enters[i],
            layers=[
                _on_sequence(block, lambda f, x, h, w: f(x, (h, w), always_partition=True)[0]) for block in layer.blocks
            ],
            leave=_identity,
            feature=model.hidden_states_norms[f"stage{i + 1}"],
        )
        for i, layer in enumerate(swin.encoder.layers)
    ]


def _swin_replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention
    return ReplacedLayer(
        attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
        layer.layernorm_before, layer.layernorm_after, (layer.mlp.fc1, layer.mlp.fc2),
    )  # fmt: skip


FAMILIES = {
    "pvt_v2": Family(lambda model: [layer.blocks for layer in model.encoder.layers], _pvt_stages, _pvt_replaced),
    "swin": Family(lambda model: [layer.blocks for layer in model.swin.encoder.layers], _swin_stages, _swin_replaced),
}
