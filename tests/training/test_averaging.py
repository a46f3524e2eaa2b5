"""Checkpoints of one origin are averaged; what has no meaning together is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training import tiny
from training.averaging import average
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.cli import main
from training.errors import TrainingError


def other(checkpoint: Checkpoint, by: float = 1.0) -> Checkpoint:
    """A later point of the same run: what learns moved by so much, and the card says more."""
    tensors = {
        name: t if not t.is_floating_point() or ".backbone." in name else t + by
        for name, t in checkpoint.tensors.items()
    }
    card = checkpoint.card.replace(training_data=checkpoint.card.training_data + "; then a kitchen")
    return replace(checkpoint, tensors=tensors, card=card)


def test_weights_are_averaged_by_their_share_and_the_backbone_stays() -> None:
    first = tiny.adapted_checkpoint()
    first = replace(first, card=first.card.replace(affinity=((1.0, 0.2, 0.2, 0.2),) * 4))
    later = other(first)
    later = replace(later, card=later.card.replace(affinity=((1.0, 0.6, 0.2, 0.2),) * 4))
    mean = average([first, later], [3.0, 1.0])
    for name, tensor in mean.tensors.items():
        moved = 0.0 if ".backbone." in name or not tensor.is_floating_point() else 0.25
        assert torch.allclose(tensor, first.tensors[name] + moved), name
    assert mean.card.training_data == other(first).card.training_data, "said once, not twice"
    assert mean.card.affinity == (pytest.approx((1.0, 0.3, 0.2, 0.2)),) * 4


def test_all_weight_on_one_gives_that_one_to_the_bit() -> None:
    first = tiny.adapted_checkpoint()
    mean = average([first, other(first)], [1.0, 0.0])
    assert all(torch.equal(tensor, first.tensors[name]) for name, tensor in mean.tensors.items())


def test_adapters_alone_and_a_whole_model_on_the_same_backbone_give_adapters_alone(tmp_path: Path) -> None:
    whole = tiny.adapted_checkpoint()
    mean = average([other(whole).adapters_alone(), whole], [1.0, 1.0])
    assert mean.backbone_digest == whole.adapters_alone().backbone_digest
    assert not [name for name in mean.tensors if ".backbone." in name]
    network = tiny.adapted_model()
    mean.load_into(network)


def test_different_backbones_networks_and_meanings_are_refused() -> None:
    first = tiny.adapted_checkpoint()
    strange = {n: t + 1 if ".backbone." in n and t.is_floating_point() else t for n, t in first.tensors.items()}
    with pytest.raises(TrainingError, match="different backbones"):
        average([first, replace(first, tensors=strange)], [1, 1])
    with pytest.raises(TrainingError, match="different networks"):
        average([first, tiny.adapted_checkpoint(tiny.DINO_V2)], [1, 1])
    without = first.config.model_copy(update={"model": first.config.model.model_copy(update={"tsn": False})})
    with pytest.raises(TrainingError, match="their `model` differs"):
        average([first, replace(first, config=without)], [1, 1])
    with pytest.raises(TrainingError, match="has the tasks"):
        average(
            [first, replace(first, card=first.card.replace(tasks=("depth", "segmentation", "normals", "edges")))],
            [1, 1],
        )
    assert first.card.depth is not None
    with pytest.raises(TrainingError, match="focal length"):
        average([first, replace(first, card=first.card.replace(depth=replace(first.card.depth, max_m=7.0)))], [1, 1])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -0.5], [0.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_have_no_mean_are_refused(weights: list[float]) -> None:
    first = tiny.adapted_checkpoint()
    with pytest.raises(TrainingError, match="weights"):
        average([first, first], weights)


def test_one_checkpoint_has_no_mean() -> None:
    with pytest.raises(TrainingError, match="two checkpoints or more"):
        average([tiny.adapted_checkpoint()], [1.0])


def test_the_command_writes_what_it_is_made_of_and_spares_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, out = tmp_path / "first.safetensors", tmp_path / "second.safetensors", tmp_path / "mean.safetensors"
    save_checkpoint(tiny.adapted_checkpoint(), first)
    save_checkpoint(other(tiny.adapted_checkpoint()), second)
    command = ["average", str(first), str(second), "--weights", "0.2", "0.8", "--out"]
    assert main([*command, str(out)]) == 0
    assert main([*command, str(out)]) == 0, "a mean can be made again"
    made = load_checkpoint(out).card.provenance["averaged"]
    assert made == f"0.2 of {first}, 0.8 of {second}"
    kept = second.read_bytes()
    assert main([*command, str(second)]) == 1
    third = tmp_path / "third.safetensors"
    third.write_bytes(kept)
    assert main([*command, str(third)]) == 1
    assert second.read_bytes() == third.read_bytes() == kept
