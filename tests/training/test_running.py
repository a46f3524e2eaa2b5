"""What a run does beside learning: it stops when it gets no better, keeps its best, takes batches in parts, logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.training import tiny
from training.checkpoint import load_checkpoint
from training.data.batch import picked
from training.fit import PhaseRun, fit
from training.gains import relative_gain
from training.run_log import RunLog


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_phase_that_gets_no_better_ends_also_when_it_is_run_again(tmp_path: Path) -> None:
    still = tiny.phase("adapters", steps=6, evaluate_every=1, patience=2, learning_rate=1e-30, bfloat16=False)
    config = tiny.run_config(phases=[still], affinity={"every": 100, "momentum": 0.999999})
    for _ in range(2):
        assert load_checkpoint(fit(config, tmp_path)).step == 3, "the first evaluation and two no better"
    assert len((tmp_path / "adapters" / "log.jsonl").read_text().splitlines()) == 3
    assert load_checkpoint(tmp_path / "adapters" / "best.safetensors").step == 1


def test_the_best_evaluation_is_the_one_with_the_largest_gain_over_the_first(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    since = []
    for step, (miou, rmse) in enumerate([(0.5, 1.0), (0.6, 1.0), (0.55, 1.0), (0.55, 0.8)]):
        log.write({"step": step, "metrics": {"segmentation.miou": miou, "depth.rmse_m": rmse}})
        since.append(log.since_best)
    assert since == [0, 0, 1, 0]
    assert RunLog(tmp_path, 2).since_best == 1, "gone on with from step two"


def test_a_step_that_was_done_again_and_half_a_line_do_not_count(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "metrics": {"depth.rmse_m": 1.0}}) for step in (1, 2, 2)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"step": 3, "met']))
    assert [line["step"] for line in RunLog(tmp_path, 9).lines] == [1, 2]


def test_the_line_after_half_a_line_is_one_of_its_own(tmp_path: Path) -> None:
    lines = [{"step": step, "metrics": {"depth.rmse_m": 1.0 / step}} for step in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text(json.dumps(lines[0]) + "\n" + json.dumps(lines[1])[:20])
    log = RunLog(tmp_path, 1)
    for line in lines[1:]:
        log.write(line)
    assert RunLog(tmp_path, 9).lines == lines
    assert [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()] == lines
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_gains_are_signed_and_relative() -> None:
    before = {"segmentation.miou": 0.5, "depth.rmse_m": 2.0, "edges.f1": 0.5}
    after = {"segmentation.miou": 0.6, "depth.rmse_m": 2.2, "normals.mean_deg": 9.0}
    assert relative_gain(after, before) == pytest.approx((0.2 - 0.1) / 2)
    assert relative_gain({}, before) == 0


def test_a_batch_in_parts_gives_the_mean_of_the_parts_gradients(tmp_path: Path) -> None:
    config = tiny.run_config(phases=[tiny.phase("adapters", accumulate=2, bfloat16=False, clip_norm=1e9)])
    run = PhaseRun(config, config.phases[0], tmp_path, None)
    batch = tiny.batch(4)
    expected: dict[str, torch.Tensor] = {}
    for half in (picked(batch, torch.tensor([0, 1])), picked(batch, torch.tensor([2, 3]))):
        run.model.zero_grad()
        torch.stack(list(run.objective.losses(run.model.train()(half.image), half).values())).sum().backward()
        for name, parameter in run.model.named_parameters():
            if parameter.grad is not None:
                expected[name] = expected.get(name, 0) + parameter.grad / 2
    run.train_step(batch)
    assert expected
    for name, parameter in run.model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6)


def test_tensorboard_gets_every_evaluation(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fit(tiny.run_config(phases=[tiny.phase("adapters", steps=2, evaluate_every=1)]), tmp_path, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "adapters")).Reload()
    logged = [json.loads(line) for line in (tmp_path / "adapters" / "log.jsonl").read_text().splitlines()]
    for kind, key in (("losses", "depth"), ("metrics", "segmentation.miou")):
        shown = [(e.step, e.value) for e in events.Scalars(f"{kind}/{key}")]
        assert shown == [(line["step"], pytest.approx(line[kind][key], rel=1e-5)) for line in logged]


@pytest.mark.parametrize("asked", [None, True, False])
@pytest.mark.parametrize("able", [True, False])
def test_steps_are_in_bfloat16_where_the_device_computes_in_it_or_where_it_is_asked_for(
    asked: bool | None, able: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {"avx512_bf16": able, "avx2": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    config = tiny.run_config(phases=[tiny.phase("adapters", bfloat16=asked)])
    run = PhaseRun(config, config.phases[0], tmp_path, None)
    seen: list[torch.dtype] = []
    run.model.heads["depth"].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    run.train_step(tiny.batch(2))
    assert seen == [torch.bfloat16 if (able if asked is None else asked) else torch.float32]
