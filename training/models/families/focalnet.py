"""The focal modulation network (Yang et al., NeurIPS 2022): it modulates where others attend, adapters attend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from training.models.families.vit import scaled
from training.models.stages import Family, Layers, ReplacedLayer, Stage, Step, embedded, identity, on_sequence, same

CHANNELS_A_HEAD = 32
"""Of the adapters' attention: as many as Swin transformers of the same widths have."""


def _layers(model: Any) -> Layers:
    return [list(stage.layers) for stage in model.focalnet.encoder.stages]


def _stages(model: Any, layers: Layers) -> list[Stage]:
    config, encoder = model.config, model.focalnet.encoder
    enters: list[Step] = [embedded(model.focalnet.embeddings)]
    enters += [embedded(stage.downsample) for stage in encoder.stages[:-1]]
    return [
        Stage(
            channels=config.embed_dim * 2**i,
            heads=max(1, config.embed_dim * 2**i // CHANNELS_A_HEAD),
            stride=config.patch_size * 2**i,
            enter=enters[i],
            layers=[on_sequence(partial(_run, layer)) for layer in layers[i]],
            leave=identity,
            feature=same,
        )
        for i in range(len(layers))
    ]


def _run(layer: Callable[[Tensor, tuple[int, int]], Tensor], tokens: Tensor, height: int, width: int) -> Tensor:
    return layer(tokens, (height, width))


def _replaced(layer: Any) -> ReplacedLayer:
    projection, contract = layer.modulation.projection_out, layer.mlp.fc2
    if isinstance(layer.gamma_1, nn.Parameter):
        projection, contract = scaled(projection, layer.gamma_1), scaled(contract, layer.gamma_2)
    return ReplacedLayer(None, projection, layer.norm1, layer.norm2, (layer.mlp.fc1, contract))


FOCALNET = Family(_layers, _stages, _replaced)
