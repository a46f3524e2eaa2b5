"""Checkpoints come back as they were, hold no code, and refuse to be read when damaged."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from tests.training import tiny
from training.checkpoint import Checkpoint, load_checkpoint, model_tensors, optimiser_tensors, save_checkpoint
from training.errors import TrainingError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))


def trained() -> tuple[nn.Module, torch.optim.Optimizer, list[str]]:
    """A network after two steps of an optimiser that never saw the last layer's bias used."""
    model = network()
    names = [name for name, _ in model.named_parameters()]
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        hidden = model[1](model[0](torch.randn(5, 3)))
        (hidden @ model[2].weight).square().sum().backward()
        optimiser.step()
    return model, optimiser, names


def write(path: Path) -> Checkpoint:
    model, optimiser, names = trained()
    tensors = model_tensors(model) | optimiser_tensors(optimiser, names)
    checkpoint = Checkpoint(tiny.run_config(), tiny.card(), "adapters", 2, tensors)
    save_checkpoint(checkpoint, path)
    return checkpoint


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    written = write(tmp_path / "new" / "last.safetensors")
    read = load_checkpoint(tmp_path / "new" / "last.safetensors")
    assert (read.config, read.card, read.phase, read.step) == (written.config, written.card, "adapters", 2)
    assert read.tensors.keys() == written.tensors.keys()
    assert all(torch.equal(read.tensors[name], tensor) for name, tensor in written.tensors.items())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["last.safetensors"]


def test_training_goes_on_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    write(tmp_path / "last.safetensors")
    read = load_checkpoint(tmp_path / "last.safetensors")
    model, optimiser, names = trained()
    again = network()
    optimiser_again = torch.optim.AdamW(again.parameters(), lr=0.1)
    read.load_into(again)
    read.load_optimiser(optimiser_again, names)
    for net, opt in ((model, optimiser), (again, optimiser_again)):
        net.zero_grad()
        net(torch.ones(1, 3)).sum().backward()
        opt.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_nothing_in_the_file_is_code(tmp_path: Path) -> None:
    """A safetensors file is a JSON header and numbers, whatever it is named."""
    path = tmp_path / "last.safetensors"
    write(path)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert {"config", "card", "phase", "step"} == header.pop("__metadata__").keys()
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(data) - 8 - length
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == header.keys()


@pytest.mark.parametrize("kept", [0, 4, 100, 2000, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "last.safetensors"
    write(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TrainingError, match="damaged"):
        load_checkpoint(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(TrainingError, match="its header lacks card, config, phase, step"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [{"config": "{"}, {"config": "{}"}, {"config": "[1]"}, {"phase": "lunch"}, {"step": "two"}],
    ids=lambda changes: "-".join(changes),
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    path = tmp_path / "last.safetensors"
    write(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata() | changes
    save_file({"a": torch.zeros(2)}, path, metadata=header)
    with pytest.raises(TrainingError, match="its header is damaged, or of another version"):
        load_checkpoint(path)


def test_a_missing_checkpoint_says_where_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="avtar-train fit"):
        load_checkpoint(tmp_path / "last.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "last.safetensors")
    with pytest.raises(TrainingError, match="does not fit this config's model") as refused:
        load_checkpoint(tmp_path / "last.safetensors").load_into(nn.Linear(3, 4))
    assert "only the model has" in str(refused.value) or "of another size are" in str(refused.value)
    assert "size mismatch for" not in str(refused.value)  # torch's list, which is as long as the network


def test_an_interrupted_write_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    before = write(path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space"):
        write(path)
    assert load_checkpoint(path).step == before.step


def test_adapters_alone_go_back_on_the_backbone_that_they_were_trained_on(
    checkpoint_path: Path, tmp_path: Path
) -> None:
    whole = load_checkpoint(checkpoint_path)
    path = tmp_path / "adapters.safetensors"
    save_checkpoint(whole.adapters_alone(), path)
    assert path.stat().st_size < checkpoint_path.stat().st_size
    alone = load_checkpoint(path)
    assert alone.tensors
    assert not [name for name in alone.tensors if "backbone" in name]

    network = tiny.adapted_model()  # of the checkpoint's seed, so its backbone is the same
    network.heads.requires_grad_(False)
    for parameter in network.heads.parameters():
        parameter.zero_()
    alone.load_into(network)
    assert all(torch.equal(t, whole.tensors[name]) for name, t in model_tensors(network).items())
    with pytest.raises(TrainingError, match="trained on another backbone"):
        alone.load_into(tiny.adapted_model(seed=1))
