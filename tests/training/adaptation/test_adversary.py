"""Discriminators of the maps on two domains."""

from __future__ import annotations

from pathlib import Path

from tests.training import tiny
from tests.training.adaptation.adapting import WAYS, adapting
from training.adaptation.adversary import Adversary
from training.fit import PhaseRun


def test_discriminators_and_model_learn_from_each_other_without_mixing_gradients(tmp_path: Path) -> None:
    config = adapting(tmp_path, **WAYS[0])
    run = PhaseRun(config, config.phases[0], tmp_path / "run", None)
    adversary = run.adaptation
    assert isinstance(adversary, Adversary)
    source, target = tiny.batch(4, seed=0), tiny.batch(4, seed=1)
    raw, found = run.model(source.image), run.model(target.image)

    adversary.confusion(found).backward()
    assert all(p.grad is None for p in adversary.parameters()), "what confuses does not teach the discriminators"
    assert any(p.grad is not None and p.grad.any() for p in run.model.heads["depth"].parameters())

    run.model.zero_grad()
    raw, found = run.model(source.image), run.model(target.image)
    before = adversary.confusion(found).item()
    losses = [adversary.learn(raw, found) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert adversary.confusion(found).item() > before, "it is harder to be taken for the source"
    assert all(p.grad is None for p in run.model.parameters()), "telling domains apart changes no map"
