"""The convolutional path from the image: what it sees, what it costs, and that its maps have no pattern of a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avtar_ros.engines.opening import open_engine
from tests.training import tiny
from training.build import build_model, new_card
from training.checkpoint import Checkpoint, load_checkpoint, model_tensors
from training.config import RunConfig
from training.export import ExportOptions, export
from training.fit import fit
from training.models.detail import DetailFusion, DetailStem
from training.models.multitask import MultitaskModel

DETAIL = [6, 8]


def config(backbone: dict[str, object] = tiny.DINO_V2, **changes: object) -> RunConfig:
    model = tiny.settings()["model"] | {"backbone": {"settings": backbone}, "detail": DETAIL}
    return tiny.run_config(model=model, **changes)


def network(backbone: dict[str, object] = tiny.DINO_V2) -> MultitaskModel:
    torch.manual_seed(0)
    return build_model(config(backbone), "adapters", new_card(config(backbone)))


@torch.no_grad()
@pytest.mark.parametrize("size", [(48, 64), (44, 60)], ids=["even", "odd-grids"])
@pytest.mark.parametrize("family", ["pvt_v2", "dinov2", "swin"])
def test_raw_outputs_have_the_images_size(family: str, size: tuple[int, int]) -> None:
    raw = network(tiny.FAMILIES[family])(tiny.batch(2, size[1], size[0]).image)
    assert all(values.shape[2:] == size and values.isfinite().all() for values in raw.values())


def test_levels_are_halves_of_the_image_rounded_up() -> None:
    levels = DetailStem([4, 5, 6])(torch.zeros(2, 3, 44, 60))
    assert [tuple(level.shape) for level in levels] == [(2, 4, 22, 30), (2, 5, 11, 15), (2, 6, 6, 8)]


@torch.no_grad()
def test_every_level_begins_with_as_much_of_the_image() -> None:
    """Else tokens, whose features are many times as large, leave what lies between them unheard."""
    torch.manual_seed(0)
    levels = DetailStem([32, 48, 64])(torch.randn(2, 3, 96, 128))
    assert all(0.3 < level.std() < 3 for level in levels)


def test_every_task_gets_the_same_details() -> None:
    stem, fusion = DetailStem(DETAIL), DetailFusion(8, DETAIL)
    details = stem(torch.randn(3, 3, 32, 48))
    per_task = torch.randn(2 * 3, 8, 8, 12)
    together = fusion(per_task, details)
    apart = torch.cat([fusion(own, details) for own in per_task.chunk(2)])
    torch.testing.assert_close(together, apart)


@torch.no_grad()
def test_what_lies_within_a_token_shows() -> None:
    """A single pixel changes its own surroundings more than it would by a token's 4 × 4 pixels alone."""
    model = network().eval()
    tiny.stir(model)
    image = torch.full((1, 48, 64, 3), 90, dtype=torch.uint8)
    dotted = image.clone()
    dotted[0, 21, 31] = 255
    change = (model(dotted)["depth"] - model(image)["depth"])[0, 0].abs()
    assert change[19:24, 29:34].max() > 3 * change[10:12, 10:12].max()


@torch.no_grad()
def test_a_flat_feature_gives_a_flat_map() -> None:
    """No pattern of the grid: what a pixel shuffle leaves where its weights differ from place to place."""
    model = network()
    tiny.stir(model)
    detail = torch.randn(1, DETAIL[0], 1, 1).expand(4, DETAIL[0], 24, 32)
    width = model.heads["depth"].coarse.in_channels
    decoded = torch.randn(1, width, 1, 1).expand(4, width, 12, 16)
    model.decoder.forward = lambda *_: decoded
    model.detail_fusion.forward = lambda *_: detail
    for raw in model(tiny.batch(1).image).values():
        torch.testing.assert_close(raw[..., 4:-4, 4:-4], raw[..., 24:25, 32:33].expand_as(raw[..., 4:-4, 4:-4]))


def test_all_of_it_learns_in_every_kind_of_phase(tmp_path: Path) -> None:
    run = config(tiny.PVT, phases=[tiny.phase("backbone"), tiny.phase("adapters", steps=2)])
    path = fit(run, tmp_path)
    before, after = (load_checkpoint(p).tensors for p in (tmp_path / "backbone" / "last.safetensors", path))
    names = [name for name in after if name.startswith(("model.detail_stem.", "model.detail_fusion."))]
    assert len(names) == 4 * len(DETAIL) + 4 * len(DETAIL)
    assert all(not torch.equal(before[name], after[name]) for name in names)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_it_is_exported(tmp_path: Path, precision: str) -> None:
    run = config()
    model = network().eval()
    checkpoint = Checkpoint(run, model.card, "adapters", 6, model_tensors(model))
    path = tmp_path / "model.onnx"
    export(checkpoint, path, ExportOptions(rooms=0, precision=precision))
    with open_engine(path) as engine:
        maps = engine.infer(np.zeros((3, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8))
    assert all(values.shape[:3] == (3, tiny.HEIGHT, tiny.WIDTH) for values in maps.values())
