"""Task embeddings, against the sum written out."""

from __future__ import annotations

import torch

from training.models.task_embedding import TaskEmbedding


@torch.no_grad()
def test_embeddings_are_mixed_by_the_column_of_the_task() -> None:
    torch.manual_seed(0)
    mixing = TaskEmbedding(3, 5).double()
    mixing.affinity.copy_(torch.rand(3, 3))
    mixed = mixing()
    for t in range(3):
        for d in range(5):
            weighted = sum(float(mixing.affinity[s, t] * mixing.embedding[s, d]) for s in range(3))
            total = sum(float(mixing.affinity[s, t]) for s in range(3))
            assert abs(float(mixed[t, d]) - weighted / total) < 1e-12


def test_before_affinities_are_measured_each_task_is_itself() -> None:
    mixing = TaskEmbedding(4, 7)
    assert torch.equal(mixing(), mixing.embedding)


def test_a_task_without_any_affinity_keeps_its_embedding_finite() -> None:
    """A task that never had a label has no gradient, and its column decays to nothing."""
    mixing = TaskEmbedding(2, 3)
    mixing.affinity.zero_()
    assert torch.isfinite(mixing()).all()


def test_affinities_are_saved_but_not_learnt() -> None:
    mixing = TaskEmbedding(2, 3)
    assert [name for name, _ in mixing.named_parameters()] == ["embedding"]
    assert set(mixing.state_dict()) == {"embedding", "affinity"}
