"""The way to learn from another domain that a config names."""

from __future__ import annotations

from training.adaptation.adaptation import Adaptation
from training.adaptation.adversary import Adversary
from training.adaptation.mean_teacher import MeanTeacher
from training.models.multitask import MultitaskModel
from training.objective import Objective
from training.target_config import ConsistencyConfig, TargetConfig


def open_adaptation(
    config: TargetConfig, model: MultitaskModel, objective: Objective, bfloat16: bool
) -> Adaptation:
    if isinstance(config, ConsistencyConfig):
        return MeanTeacher(config, model, objective, bfloat16)
    return Adversary(config, objective.card, objective.tasks, model.mean.device)
