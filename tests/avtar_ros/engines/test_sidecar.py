"""Sidecars say all that they must, survive a round trip, and are not believed otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.agreement import Agreement
from avtar_ros.engines.sidecar import BuildOptions, Gpu, Sidecar, SidecarError, faults, read_sidecar, write_sidecar
from avtar_ros.engines.sidecar import sidecar_path as beside
from tests.avtar_ros.engines.engine_files import sidecar

FIGURES = st.floats(0, 1e6)
NAMES = st.text(max_size=20)


@given(
    gpu=st.none() | st.builds(Gpu, NAMES, NAMES, st.integers(1, 1000)),
    options=st.builds(BuildOptions, NAMES, st.integers(1, 64), keep_fp32=st.lists(NAMES, max_size=3).map(tuple)),
    agreement=st.dictionaries(NAMES, st.builds(Agreement, NAMES, FIGURES, FIGURES, NAMES), max_size=3),
    verified=st.booleans(),
)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, **changes: Any) -> None:
    engine = tmp_path_factory.mktemp("sidecar") / "model.engine"
    write_sidecar(engine, sidecar(**changes))
    assert read_sidecar(engine) == sidecar(**changes)
    assert [path.name for path in engine.parent.iterdir()] == ["model.engine.json"]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        (("verified",), "yes", "sidecar.verified"),
        (("verified",), 1, "sidecar.verified"),
        (("gpu", "sm_count"), "8", "sidecar.gpu.sm_count"),
        (("gpu", "sm_count"), True, "sidecar.gpu.sm_count"),
        (("gpu", "clock"), 1, "clock"),
        (("options", "keep_fp32"), [1], "sidecar.options.keep_fp32"),
        (("options",), [], "sidecar.options has the wrong type: []; it must be an object"),
        (("tensors", "image", "shape"), 3, "sidecar.tensors.image.shape"),
        (("card", "tasks"), ["smell"], "smell"),
        (("build_seconds",), None, "sidecar.build_seconds"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: tuple[str, ...], value: Any, named: str) -> None:
    engine = tmp_path / "model.engine"
    write_sidecar(engine, sidecar())
    raw = json.loads(beside(engine).read_text())
    at = raw
    for name in field[:-1]:
        at = at[name]
    at[field[-1]] = value
    beside(engine).write_text(json.dumps(raw))
    with pytest.raises(SidecarError) as caught:
        read_sidecar(engine)
    assert named in str(caught.value)
    assert str(beside(engine)) in str(caught.value)


def test_an_engine_fits_the_tensorrt_and_the_kind_of_gpu_that_built_it() -> None:
    known: Sidecar = sidecar()
    assert known.gpu is not None
    assert faults(known, known.tensorrt, known.gpu) == []
    assert faults(known, known.tensorrt, Gpu("another name", "8.7", 8)) == []
    assert len(faults(known, None, None)) == 2
    assert len(faults(known, "11.0.0", Gpu("Orin", "8.7", 16))) == 2
