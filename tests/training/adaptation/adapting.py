"""Tiny runs that learn from another domain as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.training import tiny
from tests.training.test_settings import pictures
from training.config import RunConfig

WAYS: list[dict[str, Any]] = [
    {"by": "discriminators", "weight": 0.1, "learning_rate": 1e-3},
    {"by": "consistency", "confidence": 0.0, "momentum": 0.5},
]


def adapting(folder: Path, **way: Any) -> RunConfig:
    """A run of four steps on segmentation and depth, with pictures without labels as its target."""
    phase = tiny.phase("adapters", steps=4, evaluate_every=2, bfloat16=False)
    target = {"data": pictures(folder / "target"), **way}
    return tiny.run_config(tasks=["segmentation", "depth"], phases=[phase], target=target)
