"""The Swin transformer and its second version (Liu et al., ICCV 2021 and CVPR 2022)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from training.models.stages import (
    Family,
    Layers,
    ReplacedLayer,
    Stage,
    Step,
    as_grid,
    embedded,
    half,
    identity,
    on_grid,
    on_sequence,
    same,
)


def _layers(model: Any) -> Layers:
    return [list(stage.blocks) for stage in model.encoder.layers]


def _stages(
    model: Any, config: Any, layers: Layers, run: Callable[..., Tensor], features: list[Callable[[Tensor], Tensor]]
) -> list[Stage]:
    enters = [embedded(model.embeddings), *(_merge(stage.downsample) for stage in model.encoder.layers[:-1])]
    return [
        Stage(
            channels=config.embed_dim * 2**i,
            heads=config.num_heads[i],
            stride=config.patch_size * 2**i,
            enter=enters[i],
            layers=[on_sequence(partial(run, layer)) for layer in layers[i]],
            leave=identity,
            feature=features[i],
            shifted=len(layers[i]) % 2 == 1,  # every second layer, from the second on, is
        )
        for i in range(len(layers))
    ]


def _merge(downsample: Callable[[Tensor, tuple[int, int]], Tensor]) -> Step:
    def merge(grid: Tensor) -> Tensor:
        height, width = grid.shape[1:3]
        return as_grid(downsample(grid.flatten(1, 2), (height, width)), half(height), half(width))

    return on_grid(merge)


# --- The first version


def _swin_stages(model: Any, layers: Layers) -> list[Stage]:
    norms = [model.hidden_states_norms[f"stage{i + 1}"] for i in range(len(layers))]
    return _stages(model.swin, model.config, layers, _run_swin, norms)


def _run_swin(layer: Any, tokens: Tensor, height: int, width: int) -> Tensor:
    changed: Tensor = layer(tokens, (height, width), always_partition=True)[0]
    return changed


def _swin_replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention
    return ReplacedLayer(
        (attention.q_proj, attention.k_proj, attention.v_proj), attention.o_proj,
        layer.layernorm_before, layer.layernorm_after, (layer.mlp.fc1, layer.mlp.fc2),
        attention.relative_position_bias.relative_position_bias_table,
    )


SWIN = Family(lambda model: _layers(model.swin), _swin_stages, _swin_replaced)

# --- The second: its norms come after attention and feed-forward, and its attention is a scaled cosine; adapter layers
# have their norms before and dot products, so that all they can take over is the weights, not what the layer does


def _swin_v2_stages(model: Any, layers: Layers) -> list[Stage]:
    return _stages(model, model.config, layers, _run_swin_v2, [same] * len(layers))


def _run_swin_v2(layer: Any, tokens: Tensor, height: int, width: int) -> Tensor:
    changed: Tensor = layer(tokens, (height, width))[0]
    return changed


def _swin_v2_replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention.self
    return ReplacedLayer(
        (attention.query, attention.key, attention.value), layer.attention.output.dense,
        layer.layernorm_before, layer.layernorm_after, (layer.intermediate.dense, layer.output.dense),
    )


SWIN_V2 = Family(_layers, _swin_v2_stages, _swin_v2_replaced)
