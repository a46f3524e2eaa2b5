"""Backbones of each family: whole they are Hugging Face's own, truncated they hand over to the adapters, frozen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoBackbone, AutoConfig

from tests.training import tiny
from tests.training.tiny import FAMILIES, PVT, REPLACE, model, model_config, stir
from training.config import BackboneConfig
from training.errors import TrainingError
from training.fit import PhaseRun
from training.models.backbone import Backbone, load_backbone
from training.models.multitask import MultitaskModel
from training.models.stages import Tokens

IMAGES = torch.Generator().manual_seed(1)


KEPT = {"dinov2": [1, 2, 0, 0], "dinov2_with_registers": [1, 2, 0, 0]}
PLAIN = {"layer.3", "layer.4", "layer.5"}
GONE = {
    "dinov2": PLAIN,
    "dinov2_with_registers": PLAIN,
    "focalnet": {"2.layers.1", "3.layers.0", "3.layers.1"},
}
LAYER = re.compile(r"\d\.blocks\.\d|\d\.layers\.\d|layer\.\d")


def picture(height: int = 48, width: int = 64) -> Tensor:
    return torch.randn(2, height, width, 3, generator=IMAGES)


def features(backbone: Backbone, image: Tensor) -> list[Tensor]:
    """What a decoder reads, as (B, C, H, W) as Hugging Face gives it."""
    tokens, found = Tokens(image), []
    for stage in backbone.stages:
        tokens = stage.enter(tokens)
        for layer in stage.layers:
            tokens = layer(tokens)
        assert tokens.grid.shape[3] == stage.channels
        assert tokens.grid.shape[1:3] == (-(-image.shape[1] // stage.stride), -(-image.shape[2] // stage.stride))
        tokens = stage.leave(tokens)
        found.append(stage.feature(tokens.grid).permute(0, 3, 1, 2))
    return found


def merged(backbone: Backbone, features: list[Tensor]) -> list[Tensor]:
    """Each stage's feature as the next one begins with it, the last as it is: what FocalNet calls its features."""
    following = zip(backbone.stages[1:], features, strict=False)
    entered = [stage.enter(Tokens(x.permute(0, 2, 3, 1))).grid.permute(0, 3, 1, 2) for stage, x in following]
    return [*entered, features[-1]]


def reference(settings: dict[str, Any]) -> nn.Module:
    """The same architecture as Hugging Face builds it, giving all stages."""
    config = AutoConfig.for_model(**settings)
    names = [name for name in config.stage_names if name != "stem"]
    if "num_hidden_layers" in settings:  # a plain transformer, whose six layers make stages of one, two, one and two
        names = [names[i] for i in (0, 2, 3, 5)]
    config.out_features = names
    if isinstance(getattr(config, "hidden_sizes", None), tuple):  # Hugging Face's FocalNet stumbles over its default
        config.hidden_sizes = list(config.hidden_sizes)
    whole: nn.Module = AutoBackbone.from_config(config, attn_implementation="eager")
    return whole.eval()


@torch.no_grad()
@pytest.mark.parametrize("size", [(48, 64), (44, 60)], ids=["even", "odd-grids"])
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_replaced_it_gives_hugging_faces_own_features(family: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    theirs = reference(FAMILIES[family])
    stir(theirs, 0.05)
    ours = load_backbone(BackboneConfig(settings=FAMILIES[family])).eval()
    ours.load_state_dict(theirs.state_dict())
    image = picture(*size).double()
    expected = theirs.double()(image.permute(0, 3, 1, 2)).feature_maps
    backbone = Backbone(ours.double(), (0, 0, 0, 0))
    got = features(backbone, image)
    if family == "focalnet":
        got = merged(backbone, got)
    if family.startswith("dinov2"):  # whose last norm is left out, for one without scale and shift
        weight, bias = theirs.layernorm.weight, theirs.layernorm.bias
        expected = [((f.permute(0, 2, 3, 1) - bias) / weight).permute(0, 3, 1, 2) for f in expected]
    assert len(got) == len(expected) == 4
    for mine, yours in zip(got, expected, strict=True):  # convolutions round differently in other memory layouts
        torch.testing.assert_close(mine, yours, rtol=0, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layers_are_taken_out_and_the_rest_stays(family: str) -> None:
    torch.manual_seed(0)
    whole = load_backbone(BackboneConfig(settings=FAMILIES[family]))
    parameters = {name: p.clone() for name, p in whole.named_parameters()}
    truncated = Backbone(whole, REPLACE)
    assert [len(stage.layers) for stage in truncated.stages] == KEPT.get(family, [1, 1, 1, 0])
    left = {name.removeprefix("model."): p for name, p in truncated.named_parameters()}
    assert all(torch.equal(p, parameters[name]) for name, p in left.items())
    gone = {match.group() for name in parameters.keys() - left.keys() if (match := LAYER.search(name))}
    assert gone == GONE.get(family, {"2.blocks.1", "3.blocks.0", "3.blocks.1"})


@pytest.mark.parametrize("family", FAMILIES)
def test_pretrained_weights_come_from_a_local_folder(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = reference(FAMILIES[family])
    stir(theirs, 0.05)
    theirs.save_pretrained(tmp_path)
    ours = load_backbone(BackboneConfig(pretrained=str(tmp_path)))
    loaded = ours.state_dict()
    assert loaded.keys() == theirs.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in theirs.state_dict().items())
    assert len(Backbone(ours, REPLACE).stages) == 4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_phase_changes_adapters_decoder_heads_and_task_embeddings_alone(family: str, tmp_path: Path) -> None:
    phase = tiny.phase("adapters", steps=3, warmup_steps=1, learning_rate=1e-2)
    affinity = {"every": 1, "momentum": 0.5}
    config = tiny.config_on(FAMILIES[family], phases=[phase], affinity=affinity)
    run = PhaseRun(config, config.phases[0], tmp_path, None)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    for step in range(3):
        run.step = step
        run.train_step(tiny.batch())

    trained = {name: p for name, p in run.model.named_parameters() if p.requires_grad}
    assert {name.partition(".")[0] for name in trained} == {"adapters", "decoder", "heads", "task_embedding"}
    after = run.model.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    assert changed == {*trained, "task_embedding.affinity"}
    # After three steps even what starts behind a zero has moved: FiLM's and the norms' conditioning.
    assert not [name for name, p in trained.items() if p.grad is None or not p.grad.any()]
    assert all(p.grad is None for p in run.model.backbone.parameters())
    assert not any(module.training for module in run.model.backbone.modules())


def test_a_backbone_that_learns_does_train() -> None:
    config = model_config(PVT)
    backbone = Backbone(load_backbone(config.backbone), (0, 0, 0, 0))
    assert backbone.train().training
    backbone.freeze()
    assert not backbone.train().training


@pytest.mark.parametrize("replace", [(0, 0, 1, 3), (1, 2), (0, 0, 1, 2, 1)], ids=["larger", "fewer", "more"])
def test_replacing_what_is_not_there_names_the_key_and_the_stages(replace: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match=re.escape("stages of [1, 1, 2, 2] layers")) as error:
        Backbone(load_backbone(BackboneConfig(settings=PVT)), replace)
    assert str(error.value).startswith(f"model.replace is {list(replace)}")


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"settings": {"model_type": "swan"}}, ("model.backbone.settings", "swan")),
        ({"settings": {"model_type": "bert"}}, ("bert", "pvt_v2, swin, swinv2, dinov2")),
        ({"settings": PVT | {"depts": [1, 1, 1, 1]}}, ("model.backbone.settings", "depts")),
        ({"settings": PVT | {"num_attention_heads": [3, 3, 3, 3]}}, ("model.backbone.settings", "not a multiple")),
        ({"settings": PVT | {"depths": [1, 1]}}, ("model.backbone.settings",)),
        ({"settings": PVT | {"depths": "two"}}, ("model.backbone.settings", "field 'depths': TypeError: ")),
        ({"pretrained": "nobody/nothing-like-this"}, ("model.backbone.pretrained", "hub name")),
        ({"pretrained": "."}, ("model.backbone.pretrained", "folder '.'")),
    ],
    ids=["type", "family", "unknown-key", "heads", "lengths", "words", "hub", "folder"],
)
def test_an_impossible_backbone_is_refused_by_the_path_of_its_key(
    config: dict[str, Any], named: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError) as error:
        Backbone(load_backbone(BackboneConfig(**config)), (0, 0, 1, 2))
    assert all(text in str(error.value) for text in named), error.value


def test_a_backbone_in_half_a_folder_is_refused(tmp_path: Path) -> None:
    reference(PVT).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"model\.backbone\.pretrained: cannot load the folder"):
        load_backbone(BackboneConfig(pretrained=str(tmp_path)))


def test_weights_that_would_have_to_be_unpickled_are_refused_and_can_be_converted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = reference(PVT)
    theirs.save_pretrained(tmp_path)
    safe, pickled = tmp_path / "model.safetensors", tmp_path / "pytorch_model.bin"
    safe.unlink()
    torch.save(theirs.state_dict(), pickled)
    with pytest.raises(TrainingError, match=r"model\.backbone\.pretrained.*nothing is unpickled.*convert it: "):
        load_backbone(BackboneConfig(pretrained=str(tmp_path)))

    save_file(torch.load(pickled, weights_only=True), safe, {"format": "pt"})
    loaded = load_backbone(BackboneConfig(pretrained=str(tmp_path))).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in theirs.state_dict().items())


def test_heads_are_as_many_as_the_stage_has() -> None:
    network: MultitaskModel = model(PVT)
    assert [[layer.attention.heads for layer in stage] for stage in network.adapters] == [[], [], [3], [4, 4]]
