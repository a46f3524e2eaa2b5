"""The pyramid vision transformer, version 2 (Wang et al., Computational Visual Media 2022)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from training.models.stages import Family, Layers, ReplacedLayer, Stage, Step, embedded, on_grid, on_sequence, same


def _layers(model: Any) -> Layers:
    return [list(stage.blocks) for stage in model.encoder.layers]


def _stages(model: Any, layers: Layers) -> list[Stage]:
    config = model.config
    strides = torch.tensor(config.strides).cumprod(0).tolist()
    return [
        Stage(
            channels=config.hidden_sizes[i],
            heads=config.num_attention_heads[i],
            stride=strides[i],
            enter=_enter(stage.patch_embedding),
            layers=[on_sequence(partial(_run, layer)) for layer in layers[i]],
            leave=on_grid(stage.layer_norm),
            feature=same,
        )
        for i, stage in enumerate(model.encoder.layers)
    ]


def _enter(embedding: Callable[[Tensor], tuple[Tensor, int, int]]) -> Step:
    def embed(image: Tensor) -> tuple[Tensor, tuple[int, int]]:
        tokens, height, width = embedding(image)
        return tokens, (height, width)

    return embedded(embed)


def _run(layer: Any, tokens: Tensor, height: int, width: int) -> Tensor:
    changed: Tensor = layer(tokens, height, width)[0]
    return changed


def _replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention
    return ReplacedLayer(
        (attention.query, attention.key, attention.value), attention.proj,
        layer.layer_norm_1, layer.layer_norm_2, (layer.mlp.dense1, layer.mlp.dense2),
    )


PVT_V2 = Family(_layers, _stages, _replaced)
