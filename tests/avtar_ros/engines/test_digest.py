"""A model file that is not as it was written is not run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest

from avtar_ros.engines.digest import KEY, LENGTH, DigestError, append_digest, check_digest
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import read_onnx_card
from avtar_ros.resources import DEMO_MODEL, find_resource
from tests.tiny_models import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "tiny.onnx")
    append_digest(tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_it_is_one_more_entry_of_the_metadata(model: Path, tiny_model: Path) -> None:
    props = {prop.key: prop.value for prop in onnx.load(str(model)).metadata_props}
    assert len(props[KEY.decode()]) == 64
    assert read_onnx_card(model) == read_onnx_card(tiny_model)
    assert model.read_bytes()[:-LENGTH] == tiny_model.read_bytes()


def test_it_is_appended_once(model: Path) -> None:
    before = model.read_bytes()
    append_digest(model)
    assert model.read_bytes() == before
    assert check_digest(model)


def test_a_file_without_one_is_told_apart(tiny_model: Path, tmp_path: Path) -> None:
    assert not check_digest(tiny_model)
    (tmp_path / "short").write_bytes(b"x")
    assert not check_digest(tmp_path / "short")
    with open_engine(tiny_model) as engine:
        assert not engine.has_digest


def test_no_flipped_bit_gives_other_maps_without_a_word(model: Path) -> None:
    whole, rng = model.read_bytes(), random.Random(1)
    with open_engine(model) as engine:
        assert engine.has_digest
        images = np.random.default_rng(0).integers(0, 256, (1, engine.card.height, engine.card.width, 3), np.uint8)
        true = engine.infer(images)
    for _ in range(300):
        raw = bytearray(whole)
        raw[at := rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        model.write_bytes(raw)
        try:
            with open_engine(model) as engine:
                maps = engine.infer(images)
                assert not engine.has_digest
                assert at >= len(raw) - LENGTH  # in the digest's own entry, and the model is what it was
        except AvtarError:
            continue
        for task, expected in true.items():
            np.testing.assert_array_equal(maps[task], expected)


def test_a_changed_file_says_so(model: Path) -> None:
    raw = bytearray(model.read_bytes())
    raw[len(raw) // 2] ^= 4
    model.write_bytes(raw)
    with pytest.raises(DigestError, match=r"is not as it was written: its sha256 is .* copy or export it again"):
        open_engine(model)


@pytest.mark.parametrize("name", [DEMO_MODEL, "models/avtar-demo-fp16.onnx", "models/avtar-indoor-fp16.onnx"])
def test_shipped_models_have_one(name: str) -> None:
    assert check_digest(find_resource(name))
