"""The runner of experiments, on tiny runs: which variants there are, that they differ, and the table's arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training import tiny
from tests.training.data import test_manifest
from training.build import build_model, new_card
from training.checkpoint import load_checkpoint
from training.cli import main
from training.config import BackboneConfig, RunConfig
from training.experiments import Row, Variant, report, run_experiments, table, variants
from training.fit import fit
from training.models.backbone import load_backbone


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def config(**changes: object) -> RunConfig:
    phases = [tiny.phase("adapters", steps=2, bfloat16=False)]
    return tiny.run_config(phases=phases, loss_weights={"depth": 2.0}, **changes)


def test_variants_are_single_tasks_growing_sets_and_the_method_without_its_parts() -> None:
    found = {variant.name: variant.config for variant in variants(config())}
    assert list(found) == ["segmentation", "depth", "normals", "edges", "S-D", "S-D-N", "S-D-N-E",
                           "all, no TROA", "all, no TAA", "all, no TSN"]
    assert found["S-D-N"].tasks == ("segmentation", "depth", "normals")
    assert found["normals"].loss_weights == {}
    assert found["all, no TROA"].affinity.every == 0
    assert (found["all, no TAA"].model.taa, found["all, no TSN"].model.tsn) == (False, False)
    for variant in found.values():
        assert RunConfig.model_validate(variant.model_dump()) == variant


def test_depth_takes_the_slopes_of_normals_only_where_there_are_normals() -> None:
    found = {v.name: v.config for v in variants(config(model=tiny.settings()["model"] | {"depth_along_normals": True}))}
    assert [name for name, of in found.items() if of.model.depth_along_normals] == [
        "S-D-N-E", "all, no TROA", "all, no TAA", "all, no TSN"
    ]
    for variant in found.values():
        assert RunConfig.model_validate(variant.model_dump()) == variant


@torch.no_grad()
@pytest.mark.parametrize("part", ["taa", "tsn"])
def test_without_a_part_tasks_do_not_differ_in_it(part: str) -> None:
    run = config(model=tiny.settings()["model"] | {part: False})
    model = build_model(run, "adapters", new_card(run))
    tiny.stir(model.task_embedding)
    for adapters in model.adapters:
        for adapter in adapters:
            tiny.stir(adapter.inner_norm)
            if part == "tsn":
                tiny.stir(adapter.attention.film)
    condition = model.conditions(tiny.HEIGHT, tiny.WIDTH)[3][1]
    attention = [bool((c != condition.attention[0]).any()) for c in condition.attention]
    scales = [bool((s != condition.inner.scale[0]).any()) for s in condition.inner.scale]
    assert any(attention) == (part == "tsn")
    assert any(scales) == (part == "taa")
    film = [p for adapters in model.adapters for a in adapters for p in a.attention.film.parameters()]
    assert all(p.requires_grad == (part == "tsn") for p in film)


def test_without_troa_each_task_keeps_to_itself(tmp_path: Path) -> None:
    never = config(affinity={"every": 0})
    checkpoint = load_checkpoint(fit(never, tmp_path))
    assert torch.equal(checkpoint.tensors["model.task_embedding.affinity"], torch.eye(4))


def row(name: str, rmse: tuple[float, float], gains: tuple[float, float], real: float | None = None) -> Row:
    """Of two seeds, whose depth at the first of two evaluations was 4 m off."""
    curves = [{10: {"depth.rmse_m": 4.0}, 20: {"depth.rmse_m": value}} for value in rmse]
    return Row(Variant(name, config()), curves, gains, [] if real is None else [{"depth.delta1": real}])


def test_the_table_has_means_spreads_and_gains() -> None:
    rows = [row("depth", (1.0, 2.0), (0.0, 0.0)), row("S-D", (0.5, 0.5), (0.5, 0.75))]
    lines = table(rows, ["segmentation", "depth"]).splitlines()
    assert lines[2] == "| depth |  | 1.500 ± 0.707 | 0.0 ± 0.0 |"
    assert lines[3] == "| S-D |  | 0.500 ± 0.000 | 62.5 ± 17.7 |"


def test_the_report_shows_how_tasks_alone_came_there_and_what_real_images_say() -> None:
    rows = [row("depth", (1.0, 2.0), (0.0, 0.0), 0.4), row("S-D", (0.5, 0.5), (0.5, 0.75), 0.6)]
    text = report(rows, ["depth"])
    assert "| step | 10 | 20 |\n|---|---|---|\n| depth.rmse_m | 4.000 | 1.500 |" in text
    assert "| tasks | δ<1.25 |" in text
    assert "| S-D | 0.600 |" in text
    assert "real" not in report([row("depth", (1.0, 2.0), (0.0, 0.0))], ["depth"])


def test_every_variant_is_trained_with_every_seed(tmp_path: Path) -> None:
    two = config(tasks=["depth", "edges"])
    rows = run_experiments(two, [0, 1], tmp_path)
    assert [row.variant.name for row in rows] == ["depth", "edges", "D-E", "all, no TROA", "all, no TAA", "all, no TSN"]
    assert len([path for path in tmp_path.iterdir() if "seed" in path.name]) == 12
    depth, edges, both, *_ = rows
    assert depth.gains == edges.gains == [0.0, 0.0]
    for i in range(2):
        rmse, f1 = (
            (a.figures[i][key], both.figures[i][key]) for a, key in ((depth, "depth.rmse_m"), (edges, "edges.f1"))
        )
        expected = ((rmse[0] - rmse[1]) / rmse[0] + (f1[1] - f1[0]) / max(f1[0], 1e-9)) / 2
        assert both.gains[i] == pytest.approx(expected)
    assert both.figures[0] != both.figures[1], "seeds differ"


def test_every_run_is_measured_on_a_manifest_and_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    tiny.write_config(path, tasks=["depth", "edges"], phases=[tiny.phase("adapters", steps=2, bfloat16=False)])
    manifest = test_manifest.write(tmp_path, [test_manifest.entry("wall")])
    command = ["experiments", str(path), "--seeds", "0", "--out", str(tmp_path / "out"), "--manifest", str(manifest)]
    assert main(command) == 0
    text = (tmp_path / "out/table.md").read_text()
    assert "| step | 2 |" in text
    real = text[text.index("On real images") :]
    assert [line for line in real.splitlines() if line.startswith("| D-E | 0.")]


def test_a_trained_backbone_is_written_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phases = [tiny.phase("backbone", steps=1), tiny.phase("adapters", steps=1)]
    fit(tiny.run_config(phases=phases), tmp_path / "run")
    first, second = (tmp_path / "run" / name / "last.safetensors" for name in ("backbone", "adapters"))
    assert main(["backbone", str(first), "--out", str(tmp_path / "hf")]) == 0
    state = load_backbone(BackboneConfig(pretrained=str(tmp_path / "hf"))).state_dict()
    trained = load_checkpoint(first).tensors
    assert state
    assert all(torch.equal(t, trained[f"model.backbone.model.{name}"]) for name, t in state.items())
    assert main(["backbone", str(first), "--out", str(tmp_path / "hf")]) == 0
    theirs = tmp_path / "theirs/config.json"
    theirs.parent.mkdir()
    theirs.write_text('{"of": "another model"}')
    assert main(["backbone", str(first), "--out", str(theirs.parent)]) == 1
    assert "config.json: is there already" in capsys.readouterr().err
    assert [path for path in theirs.parent.iterdir() if not path.name.startswith(".")] == [theirs]
    assert theirs.read_text() == '{"of": "another model"}'
    assert main(["backbone", str(second), "--out", str(tmp_path / "other")]) == 1
    assert "trains: backbone" in capsys.readouterr().err
