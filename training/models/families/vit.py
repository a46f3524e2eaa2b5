"""The plain vision transformer as DINOv2 trains it (Oquab et al., TMLR 2024), with or without registers.

It has one grid all along. Its layers are taken as four stages of equal depth, of which a decoder makes a pyramid
(Ranftl et al., Vision Transformers for Dense Prediction, ICCV 2021).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.stages import Family, Layers, ReplacedLayer, Stage, Tokens, as_grid, identity

STAGES = 4


def _layers(model: Any) -> Layers:
    layers = list(model.encoder.layer)
    stages = min(STAGES, len(layers))
    ends = [len(layers) * (i + 1) // stages for i in range(stages)]
    return [layers[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _stages(model: Any, layers: Layers) -> list[Stage]:
    config = model.config
    finest = next(factor for factor in (4, 2, 1) if config.patch_size % factor == 0)
    return [
        Stage(
            channels=config.hidden_size,
            heads=config.num_attention_heads,
            stride=config.patch_size,
            enter=identity if i else partial(_embed, model.embeddings),
            layers=[partial(_run, layer) for layer in layers[i]],
            leave=identity,
            feature=partial(_standardised, config.layer_norm_eps),
            upscale=max(1, finest >> i),
        )
        for i in range(len(layers))
    ]


def _standardised(eps: float, grid: Tensor) -> Tensor:
    """Every token with mean 0 and spread 1 over its channels.

    The backbone's own last norm is made for its last layer: after it, what earlier layers give has four to five times
    that spread and single channels thirty times, beside which a decoder does not hear the detail path.
    """
    return F.layer_norm(grid, grid.shape[-1:], eps=eps)


def _embed(embeddings: Any, tokens: Tokens) -> Tokens:
    height, width = (side // embeddings.config.patch_size for side in tokens.grid.shape[1:3])
    sequence: Tensor = embeddings(tokens.grid.permute(0, 3, 1, 2))
    extra = sequence.shape[1] - height * width
    return Tokens(as_grid(sequence[:, extra:], height, width), sequence[:, :extra])


def _run(layer: Any, tokens: Tokens) -> Tokens:
    assert tokens.extra is not None
    height, width = tokens.grid.shape[1:3]
    sequence: Tensor = layer(torch.cat([tokens.extra, tokens.grid.flatten(1, 2)], dim=1))
    extra = tokens.extra.shape[1]
    return Tokens(as_grid(sequence[:, extra:], height, width), sequence[:, :extra])


def _replaced(layer: Any) -> ReplacedLayer:
    attention = layer.attention
    return ReplacedLayer(
        (attention.q_proj, attention.k_proj, attention.v_proj),
        scaled(attention.o_proj, layer.layer_scale1.lambda1),
        layer.norm1,
        layer.norm2,
        _feed_forward(layer),
    )


def _feed_forward(layer: Any) -> tuple[nn.Linear, nn.Linear]:
    """The layer's own, or new ones in place of the gated feed-forward of the largest models."""
    if hasattr(layer.mlp, "fc1"):
        return layer.mlp.fc1, scaled(layer.mlp.fc2, layer.layer_scale2.lambda1)
    channels, hidden = layer.mlp.down_proj.out_features, layer.mlp.down_proj.in_features
    return nn.Linear(channels, hidden), nn.Linear(hidden, channels)


def scaled(linear: nn.Linear, scale: Tensor) -> nn.Linear:
    """`linear` with its outputs multiplied by `scale` (C), a layer scale that adapter layers do not have."""
    with torch.no_grad():
        product = nn.Linear(linear.in_features, linear.out_features, linear.bias is not None)
        product.weight.copy_(linear.weight * scale[:, None])
        if linear.bias is not None:
            product.bias.copy_(linear.bias * scale)
    return product


DINO_V2 = Family(_layers, _stages, _replaced)
