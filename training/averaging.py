"""The mean of several checkpoints' weights: of points of one run, or of a model and what was fine-tuned from it.

Wortsman et al., Model soups (ICML 2022) and Robust fine-tuning of zero-shot models (CVPR 2022): models that started
from the same weights can be averaged, and what a fine-tuned one forgot comes back sooner than what it learnt goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.checkpoint import Checkpoint, backbone_digest, is_checkpoint, load_checkpoint
from training.config import ModelConfig
from training.errors import TrainingError

AVERAGED = "averaged"
"""In a card's provenance: how much of which checkpoints."""


def is_average(path: Path) -> bool:
    """Whether a file is a mean of checkpoints, which can be made again, and not a run's own."""
    return is_checkpoint(path) and AVERAGED in load_checkpoint(path).card.provenance


def average(checkpoints: Sequence[Checkpoint], weights: Sequence[float]) -> Checkpoint:
    """The model of the last, with the weighted mean of all their weights; frozen backbones are left as they are.

    `weights` are of any positive sum. Raises TrainingError where the checkpoints are not of the same network on the
    same backbone, or do not mean the same by their outputs.
    """
    if len(checkpoints) < 2:
        raise TrainingError("a mean is of two checkpoints or more.")
    if len(weights) != len(checkpoints) or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise TrainingError(f"weights: {len(checkpoints)} checkpoints need as many, none negative and not all 0.")
    models = [checkpoint.model_alone() for checkpoint in checkpoints]
    if any(model.backbone_digest for model in models):
        models = [model if model.backbone_digest else model.adapters_alone() for model in models]
    last = models[-1]
    for model in models[:-1]:
        _check_same(model, last)
    total = sum(weights)
    shares = [weight / total for weight in weights]
    tensors = {name: _mean([model.tensors[name] for model in models], shares) for name in last.tensors}
    affinities = [torch.tensor(model.card.affinity, dtype=torch.float64) for model in models]
    affinity = _mean(affinities, shares) if all(a.shape == affinities[-1].shape for a in affinities) else affinities[-1]
    card = last.card.replace(
        affinity=tuple(map(tuple, affinity.tolist())),
        training_data=_joined([model.card.training_data for model in models], "; averaged with: "),
        licence=_joined([model.card.licence for model in models], "; "),
    )
    return Checkpoint(last.config, card, last.phase, last.step, tensors, last.backbone_digest)


def _check_same(model: Checkpoint, last: Checkpoint) -> None:
    """Raises TrainingError unless the mean of the two would mean something."""
    model.check_meaning(last.card)
    if model.card.depth != last.card.depth:
        raise TrainingError(
            f"the checkpoints' depth is of another range or focal length: {model.card.depth} and {last.card.depth}."
        )
    shapes, others = ({name: t.shape for name, t in it.tensors.items()} for it in (model, last))
    if shapes != others or _network(model) != _network(last):
        differing = sorted(n for n in shapes.keys() | others.keys() if shapes.get(n) != others.get(n))
        what = f"{len(differing)} tensors differ, such as {differing[0]}" if differing else "their `model` differs"
        raise TrainingError(
            f"the checkpoints are of different networks: {what}. "
            "Only models that started from the same weights can be averaged."
        )
    if last.trains == "adapters" and _backbone(model) != _backbone(last):
        raise TrainingError(
            "the checkpoints' adapters were trained on different backbones, so their mean would belong on neither."
        )


def _network(checkpoint: Checkpoint) -> ModelConfig:
    """What makes weights mean what they do, but for the backbone, wherever it was read from."""
    model = checkpoint.config.model
    return model.model_copy(update={"backbone": None, "depth_along_normals": False})


def _backbone(checkpoint: Checkpoint) -> str:
    return checkpoint.backbone_digest or backbone_digest(checkpoint.tensors)


def _mean(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """In float64, as the last is kept; numbers that are no weights are the last's."""
    last = tensors[-1]
    if not last.is_floating_point():
        return last
    return torch.stack([share * t.double() for share, t in zip(shares, tensors, strict=True)]).sum(0).to(last.dtype)


def _joined(texts: Sequence[str], between: str) -> str:
    """All that none of the others begins with: a run that went on says all that it had said before."""
    said = [t for t in dict.fromkeys(texts) if t and not any(o != t and o.startswith(t) for o in texts)]
    return between.join(said)
