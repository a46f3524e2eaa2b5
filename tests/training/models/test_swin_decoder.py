"""The Swin decoder: its grids, what tasks share in it, and that a network with it trains and exports."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training import tiny
from training.build import build_model, new_card
from training.checkpoint import Checkpoint, model_tensors
from training.export import ExportOptions, export
from training.models.swin_decoder import SwinDecoder
from training.tasks import LEARNT

CHANNELS = (8, 12, 16)


@torch.no_grad()
@pytest.mark.parametrize("sizes", [((12, 16), (6, 8), (3, 4)), ((11, 15), (6, 8), (3, 4))])
def test_every_task_is_decoded_as_if_it_were_alone(sizes: tuple[tuple[int, int], ...]) -> None:
    torch.manual_seed(0)
    decoder = SwinDecoder([(channels, 1) for channels in CHANNELS], 8, window=4).double().eval()
    tiny.stir(decoder, 0.1)
    features = [
        torch.randn(images, *size, c, dtype=torch.float64)
        for images, size, c in zip((2, 6, 6), sizes, CHANNELS, strict=True)
    ]
    decoded = decoder(features)
    assert decoded.shape == (6, 8, *sizes[0])
    for task in range(3):
        own = [f[2 * task : 2 * task + 2] if len(f) == 6 else f for f in features]
        torch.testing.assert_close(decoded[2 * task : 2 * task + 2], decoder(own), rtol=0, atol=1e-10)


def test_a_stage_has_two_blocks_the_second_with_shifted_windows() -> None:
    decoder = SwinDecoder([(8, 1), (16, 2)], 64, window=6)
    assert [[(b.window_size, b.shift_size) for b in stage] for stage in decoder.blocks] == [[(6, 0), (6, 3)]] * 2
    assert decoder.blocks[0][0].attention.num_attention_heads == 2


@pytest.mark.slow
def test_a_network_with_it_learns_in_all_its_parts_and_exports(tmp_path: Path) -> None:
    config = tiny.run_config(model=tiny.settings()["model"] | {"decoder": "swin"})
    torch.manual_seed(0)
    model = build_model(config, "adapters", new_card(config))
    batch = tiny.batch(2)
    raw = model.train()(batch.image)
    torch.stack([LEARNT[name].loss(raw[name], batch.maps[name]) for name in raw]).sum().backward()
    unused = [name for name, p in model.decoder.named_parameters() if p.grad is None or not p.grad.any()]
    # Shifted windows leave every one of the coarsest stage's four tokens to itself: nothing is asked there.
    assert {name.rsplit(".", 2)[0] for name in unused} <= {"blocks.3.1.attention"}
    tiny.stir(model, 0.02)
    checkpoint = Checkpoint(config, model.card, "adapters", 0, model_tensors(model))
    export(checkpoint, tmp_path / "model.onnx", ExportOptions(rooms=0))  # which compares it with PyTorch
    assert (tmp_path / "model.onnx").stat().st_size > 0
