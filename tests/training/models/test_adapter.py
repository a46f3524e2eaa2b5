"""The vision adapter layer, against its diagram; and where it starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig
from transformers.models.swin.modeling_swin import SwinLayer

from tests.training.tiny import FAMILIES, model, model_config, stir
from training.models.adapter import VisionAdapterLayer
from training.models.backbone import Backbone, load_backbone
from training.models.families.swin import SWIN, SWIN_V2
from training.models.stages import Family, ReplacedLayer

TASKS, IMAGES, HEIGHT, WIDTH, CHANNELS, EMBEDDING = 3, 2, 4, 6, 8, 8


@dataclass(frozen=True)
class Names:
    """How a family calls the parts of its layers: where the last of stage three and the first of stage four are, then
    below those."""

    layers: tuple[str, str]
    attention: tuple[str, ...]
    projection: str
    norms: tuple[str, str]
    feed_forward: tuple[str, str]
    scales: tuple[str, str] = ("", "")


def _stages(pattern: str) -> tuple[str, str]:
    return pattern.format(2, 1), pattern.format(3, 0)


PROJECTIONS = ("attention.q_proj", "attention.k_proj", "attention.v_proj")
PLAIN = Names(
    ("encoder.layer.3", "encoder.layer.4"), PROJECTIONS, "attention.o_proj", ("norm1", "norm2"), ("mlp.fc1", "mlp.fc2"),
    ("layer_scale1.lambda1", "layer_scale2.lambda1"),
)
NAMES = {
    "pvt_v2": Names(
        _stages("encoder.layers.{}.blocks.{}"), ("attention.query", "attention.key", "attention.value"),
        "attention.proj", ("layer_norm_1", "layer_norm_2"), ("mlp.dense1", "mlp.dense2"),
    ),
    "swin": Names(
        _stages("swin.encoder.layers.{}.blocks.{}"), PROJECTIONS,
        "attention.o_proj", ("layernorm_before", "layernorm_after"), ("mlp.fc1", "mlp.fc2"),
    ),
    "swinv2": Names(
        _stages("encoder.layers.{}.blocks.{}"), ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.output.dense", ("layernorm_before", "layernorm_after"), ("intermediate.dense", "output.dense"),
    ),
    "dinov2": PLAIN,
    "dinov2_with_registers": PLAIN,
    "focalnet": Names(
        _stages("focalnet.encoder.stages.{}.layers.{}"), (),
        "modulation.projection_out", ("norm1", "norm2"), ("mlp.fc1", "mlp.fc2"), ("gamma_1", "gamma_2"),
    ),
}


def replaced_layer() -> ReplacedLayer:
    torch.manual_seed(0)

    def norm() -> nn.LayerNorm:
        return nn.LayerNorm(CHANNELS, eps=1e-6)

    def square() -> nn.Linear:
        return nn.Linear(CHANNELS, CHANNELS)

    feed_forward = (nn.Linear(CHANNELS, 2 * CHANNELS), nn.Linear(2 * CHANNELS, CHANNELS))
    return ReplacedLayer((square(), square(), square()), square(), norm(), norm(), feed_forward)


def layer_norm(x: Tensor, eps: float) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(-1, keepdim=True) + eps).sqrt()


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def linear(module: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(module, nn.Linear)
    return x @ module.weight.T + module.bias


@torch.no_grad()
@pytest.mark.parametrize("with_skip", [False, True])
def test_it_is_the_diagram(with_skip: bool) -> None:
    layer = VisionAdapterLayer(replaced_layer(), heads=2, window=2, shift=1, embedding_width=EMBEDDING).double()
    stir(layer)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    x = torch.randn(TASKS, IMAGES, HEIGHT, WIDTH, CHANNELS, dtype=torch.float64)
    skip = torch.randn_like(x) if with_skip else None
    condition = layer.condition(embedding, embedding, HEIGHT, WIDTH)

    output, passed_on = layer(x, condition, skip)

    def tsn(norm: nn.Module, y: Tensor) -> Tensor:
        scale = norm.gamma * linear(norm.task_scale, embedding) + norm.beta
        shift = linear(norm.task_shift, embedding)
        return torch.stack([layer_norm(y[t], 1e-6) * scale[t] + shift[t] for t in range(TASKS)])

    before, after = layer.norm_before, layer.norm_after
    normed = layer_norm(x, 1e-6) * before.weight + before.bias
    attended = layer.attention(normed, condition.attention) + x
    a = layer_norm(attended, 1e-6) * after.weight + after.bias
    expand, contract = layer.feed_forward
    s = tsn(layer.inner_norm, linear(contract, gelu(linear(expand, a))) + a)
    bottleneck = s if skip is None else s + skip
    expected = tsn(layer.outer_norm, linear(layer.up, gelu(linear(layer.down, bottleneck))) + a)
    torch.testing.assert_close(passed_on, s, rtol=0, atol=1e-10)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_it_starts_from_the_layer_that_it_replaces(family: str) -> None:
    torch.manual_seed(0)
    whole = load_backbone(model_config(FAMILIES[family]).backbone)
    stir(whole)
    kept = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    replaced = Backbone(whole, (0, 0, 1, 2)).replaced
    names = NAMES[family]
    assert [len(layers) for layers in replaced] == [0, 0, 1, 2]
    for place, source in ((names.layers[0], replaced[2][0]), (names.layers[1], replaced[3][0])):
        layer = VisionAdapterLayer(source, heads=2, window=2, shift=0, embedding_width=EMBEDDING)

        def of(name: str, kind: str, scale: str = "") -> Tensor:
            tensor = kept.get(f"{place}.{name}.{kind}")  # noqa: B023
            if tensor is None:  # a key without bias
                return torch.zeros(source.projection.out_features)  # noqa: B023
            factor = kept[f"{place}.{scale}"] if scale else torch.ones(len(tensor))  # noqa: B023
            return tensor * (factor[:, None] if tensor.dim() == 2 else factor)

        for kind in ("weight", "bias"):
            if names.attention:
                parts = torch.cat([of(name, kind) for name in names.attention])
                assert torch.equal(getattr(layer.attention.qkv, kind), parts)
            first, second = names.scales
            for module, name, scale in (
                (layer.attention.projection, names.projection, first),
                (layer.norm_before, names.norms[0], ""), (layer.norm_after, names.norms[1], ""),
                (layer.feed_forward[0], names.feed_forward[0], ""),
                (layer.feed_forward[1], names.feed_forward[1], second),
            ):
                assert torch.equal(getattr(module, kind), of(name, kind, scale)), name
        for norm in (layer.inner_norm, layer.outer_norm):
            assert torch.equal(norm.gamma, of(names.norms[1], "weight"))
            assert torch.equal(norm.task_shift.bias, of(names.norms[1], "bias"))
        assert layer.norm_before.eps == source.norm_before.eps


@torch.no_grad()
@pytest.mark.parametrize("shift", [0, 1])
def test_it_starts_with_the_attention_and_feed_forward_of_the_layer_that_it_replaces(shift: int) -> None:
    """The same for every task, to the last bit; what follows, the diagram's norms, the layer does not have."""
    torch.manual_seed(0)
    config = AutoConfig.for_model("swin", window_size=2, attn_implementation="eager")
    replaced = SwinLayer(config, CHANNELS, (HEIGHT, WIDTH), 2, shift_size=shift).eval()
    stir(replaced)
    layer = VisionAdapterLayer(SWIN.replaced(replaced), heads=2, window=2, shift=shift, embedding_width=EMBEDDING)
    replaced.double(), layer.double()
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    x = torch.randn(1, IMAGES, HEIGHT, WIDTH, CHANNELS, dtype=torch.float64)
    seen: list[Tensor] = []
    for norm, feed_forward in (
        (replaced.layernorm_after, replaced.mlp.fc2),
        (layer.norm_after, layer.feed_forward[1]),
    ):
        norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        feed_forward.register_forward_hook(lambda _, __, output: seen.append(output))

    replaced(x[0].flatten(1, 2), (HEIGHT, WIDTH), always_partition=True)
    layer(x, layer.condition(embedding, embedding, HEIGHT, WIDTH), None)

    attended, fed_forward, *of_tasks = seen
    for expected, got in zip((attended, fed_forward), of_tasks, strict=True):
        for of_task in got:
            assert torch.equal(of_task, got[0])
            torch.testing.assert_close(of_task.flatten(1, 2), expected, rtol=1e-5, atol=1e-6)  # of a float32 softmax


@torch.no_grad()
@pytest.mark.parametrize("window", [2, 3])
def test_biases_of_other_windows_are_no_use_to_it(window: int) -> None:
    config = AutoConfig.for_model("swin", window_size=3, attn_implementation="eager")
    replaced = SwinLayer(config, CHANNELS, (HEIGHT, WIDTH), 2)
    stir(replaced)
    layer = VisionAdapterLayer(SWIN.replaced(replaced), heads=2, window=window, shift=0, embedding_width=EMBEDDING)
    assert bool(layer.attention.position_bias.any()) == (window == 3)


@torch.no_grad()
def test_the_skip_reaches_the_next_adapter_layer_of_the_same_stage() -> None:
    """What the network hands from layer to layer, seen by hooks."""
    network = model()
    seen: list[tuple[Tensor | None, Tensor]] = []
    for stage in network.adapters:
        for layer in stage:
            layer.register_forward_hook(lambda _, inputs, outputs: seen.append((inputs[2], outputs[1])))
    network(torch.zeros(1, 48, 64, 3, dtype=torch.uint8))
    (third, _), (first_of_fourth, s), (second_of_fourth, _) = seen
    assert third is None
    assert first_of_fourth is None
    assert second_of_fourth is s


def test_every_second_layer_of_a_stage_is_shifted_by_half_a_window() -> None:
    network = model(window=4)
    assert [[layer.attention.shift for layer in stage] for stage in network.adapters] == [[], [], [0], [0, 2]]


@pytest.mark.parametrize(("family", "known"), [("swin", SWIN), ("swinv2", SWIN_V2)])
@pytest.mark.parametrize("replace", [(0, 0, 0, 1), (0, 0, 1, 2), (0, 0, 2, 1)])
def test_windows_are_shifted_where_those_of_the_replaced_layers_are(
    family: str, known: Family, replace: tuple[int, ...]
) -> None:
    backbone = FAMILIES[family] | {"image_size": 224}  # whose last grid is larger than one window
    whole = load_backbone(model_config(backbone).backbone)
    network = model(backbone, replace=replace)
    for stage, count, adapters in zip(known.layers(whole), replace, network.adapters, strict=True):
        replaced = stage[len(stage) - count :]
        assert [layer.attention.shift > 0 for layer in adapters] == [layer.shift_size > 0 for layer in replaced]
