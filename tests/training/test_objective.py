"""How losses are balanced."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training import shipped, tiny
from training.checkpoint import load_checkpoint
from training.fit import PhaseRun, fit
from training.objective import Objective
from training.tasks.edges import absolute_error, balanced_binary_cross_entropy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def objective(balancing: str, weights: dict[str, float] | None = None, **losses: str) -> Objective:
    config = tiny.run_config(phases=[tiny.phase("adapters", balancing=balancing)])
    return Objective(tiny.card(), config.phases[0], weights or {}, losses)


def test_fixed_weights_multiply_the_losses() -> None:
    raw, batch = tiny.model()(tiny.batch().image), tiny.batch()
    plain, weighted = objective("fixed").losses(raw, batch), objective("fixed", {"depth": 3.0}).losses(raw, batch)
    assert torch.equal(weighted["depth"], 3 * plain["depth"])
    assert torch.equal(weighted["edges"], plain["edges"])


def test_edges_are_learnt_by_what_the_config_says() -> None:
    raw, batch = tiny.model()(tiny.batch().image), tiny.batch()
    usual, strengths = objective("fixed").losses(raw, batch), objective("fixed", edges="l1").losses(raw, batch)
    assert torch.equal(strengths["edges"], absolute_error(raw["edges"], batch.maps["edges"]))
    assert torch.equal(usual["edges"], balanced_binary_cross_entropy(raw["edges"], batch.maps["edges"]))
    assert torch.equal(usual["depth"], strengths["depth"])


def test_a_run_says_how_its_edges_are_learnt(tmp_path: Path) -> None:
    l1 = [path.stem for path in shipped.paths() if shipped.load_shipped(path.stem).edges_loss == "l1"]
    assert l1 == ["taskonomy"]
    config = tiny.run_config(edges_loss="l1")
    run = PhaseRun(config, config.phases[1], tmp_path, None)
    assert run.objective.unweighted["edges"] is absolute_error


def test_uncertainty_finds_the_weights_that_make_each_task_count_alike() -> None:
    """The minimum over s of e^{−s} L + s / 2 is at s = log 2L, where each task's weighted loss is a half."""
    balance = objective("uncertainty")
    losses = {"segmentation": torch.tensor(2.0), "depth": torch.tensor(0.1), "normals": torch.tensor(5.0)}
    optimiser = torch.optim.Adam(balance.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        torch.stack(list(balance.balanced(losses).values())).sum().backward()
        optimiser.step()
    for name, loss in losses.items():
        assert float((-balance.log_variance[name]).exp().detach() * loss) == pytest.approx(0.5, abs=0.02)
    assert float(balance.log_variance["edges"]) == 0, "a task without labels keeps its weight"


def test_learnt_weights_are_saved_and_resumed(tmp_path: Path) -> None:
    def config(steps: int) -> object:
        phase = tiny.phase("adapters", balancing="uncertainty", steps=4, evaluate_every=steps, bfloat16=False)
        return tiny.run_config(phases=[phase])

    path = fit(config(2), tmp_path)  # type: ignore[arg-type]
    checkpoint = load_checkpoint(path)
    learnt = {n: t for n, t in checkpoint.tensors.items() if n.startswith("objective.")}
    assert len(learnt) == 4
    assert all(t != 0 for t in learnt.values())
    run = PhaseRun(checkpoint.config, checkpoint.config.phases[0], path.parent, None)
    assert all(torch.equal(run.objective.state_dict()[n.removeprefix("objective.")], t) for n, t in learnt.items())
    moments = {n for n in checkpoint.tensors if n.startswith("optimiser.objective.")}
    assert len(moments) == 3 * 4
