"""Data sets with different maps in one run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tests.training import tiny
from training.data.batch import Batch, concatenated, picked
from training.data.mixed import MixedDataset


class Counted:
    """A data set whose image i is all of the grey first + i, with some maps only."""

    classes = ()

    def __init__(self, count: int, first: int, *tasks: str) -> None:
        self.count, self.first, self.tasks = count, first, tasks

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int]) -> Batch:
        assert all(0 <= index < self.count for index in indices)
        whole = tiny.batch(len(indices))
        greys = torch.tensor([self.first + index for index in indices])
        whole.image[:] = greys.view(-1, 1, 1, 1)
        return Batch(whole.image, {task: whole.maps[task] for task in self.tasks}, greys.float())


LABELLED, RECORDED = Counted(3, 0, "segmentation", "depth"), Counted(2, 100, "depth", "normals", "edges")


def greys(batch: Batch) -> list[int]:
    return batch.image[:, 0, 0, 0].tolist()


def test_every_image_counts_as_often_as_asked() -> None:
    mixed = MixedDataset([(LABELLED, 1), (RECORDED, 3)], ())
    assert len(mixed) == 3 + 2 * 3
    assert greys(mixed.batch(range(9))) == [0, 1, 2, 100, 101, 100, 101, 100, 101]


def test_images_come_in_the_order_asked_for_with_what_is_known_of_each() -> None:
    mixed = MixedDataset([(LABELLED, 1), (RECORDED, 2)], ())
    batch = mixed.batch([6, 0, 3, 2])
    assert greys(batch) == [101, 0, 100, 2]
    assert batch.focal.tolist() == [101, 0, 100, 2]
    recorded, labelled = torch.tensor([0, 2]), torch.tensor([1, 3])
    assert (batch.maps["segmentation"][recorded] == 255).all() and batch.maps["segmentation"].dtype == torch.uint8
    assert (batch.maps["segmentation"][labelled] != 255).any()
    for task in ("normals", "edges"):
        assert batch.maps[task][labelled].isnan().all() and not batch.maps[task][recorded].isnan().all()
    assert not batch.maps["depth"].flatten(1).isnan().all(1).any()


def test_a_batch_of_one_part_has_that_parts_maps_alone() -> None:
    mixed = MixedDataset([(LABELLED, 1), (RECORDED, 1)], ())
    assert set(mixed.batch([4, 3]).maps) == {"depth", "normals", "edges"}


def test_batches_put_together_and_taken_apart_are_what_they_were() -> None:
    first, second = tiny.batch(2, seed=1), tiny.batch(3, seed=2)
    both = concatenated([first, second])
    assert len(both) == 5
    for part, which in ((first, [0, 1]), (second, [2, 3, 4])):
        back = picked(both, torch.tensor(which))
        assert torch.equal(back.image, part.image) and torch.equal(back.focal, part.focal)
        for name, values in part.maps.items():
            torch.testing.assert_close(back.maps[name], values, rtol=0, atol=0, equal_nan=True)
            assert back.maps[name].dtype == values.dtype
