"""What people look at shows what the maps say."""

from __future__ import annotations

import numpy as np
import pytest

from avtar_ros import rendering
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import TASKS
from tests.tiny_models import CLASSES, DEPTH


@pytest.fixture
def card() -> ModelCard:
    return ModelCard("tiny", tuple(TASKS), 64, 48, CLASSES, DEPTH)


def test_classes_have_the_colours_of_the_card_and_others_are_black(card: ModelCard) -> None:
    colors = TASKS["segmentation"].colorize(np.array([[0, 2, 3, 255]], np.uint8), card)
    assert colors.tolist() == [[list(CLASSES[0].color), list(CLASSES[2].color), [0, 0, 0], [0, 0, 0]]]


def test_near_is_red_far_is_blue_and_unknown_is_black(card: ModelCard) -> None:
    near, far, beyond, unknown = TASKS["depth"].colorize(
        np.array([[0.7, 9.0, np.inf, np.nan]], np.float32), card
    )[0].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0]
    assert beyond.any()
    assert not unknown.any()


def test_a_wall_seen_frontally_is_bluish_and_unknown_normals_are_black(card: ModelCard) -> None:
    normals = np.array([[[0, 0, -1], [np.nan] * 3]], np.float32)
    assert TASKS["normals"].colorize(normals, card).tolist() == [[[127, 127, 255], [0, 0, 0]]]


def test_edges_are_white_on_black(card: ModelCard) -> None:
    edges = np.array([[0, 1, np.nan]], np.float32)
    assert TASKS["edges"].colorize(edges, card)[0, :, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_makes_an_rgb_picture_of_its_map(task: str, card: ModelCard) -> None:
    record = TASKS[task]
    picture = record.colorize(np.ones(record.shape(4, 6), record.dtype), card)
    assert picture.shape == (4, 6, 3)
    assert picture.dtype == np.uint8


def test_an_overlay_mixes_image_and_colours_at_the_size_of_the_colours() -> None:
    image = np.full((8, 12, 3), 100, np.uint8)
    colors = np.full((4, 6, 3), 200, np.uint8)
    mixed = rendering.overlay(image, colors, opacity=0.25)
    assert mixed.shape == colors.shape
    assert np.unique(mixed).tolist() == [125]
    np.testing.assert_array_equal(rendering.overlay(image[:4, :6], colors, opacity=0), image[:4, :6])


def test_pictures_side_by_side_keep_their_order_and_share_their_height() -> None:
    red, green = np.zeros((60, 80, 3), np.uint8), np.zeros((120, 160, 3), np.uint8)
    red[..., 0], green[..., 1] = 255, 255
    row = rendering.side_by_side({"red": red, "green": green})
    middle = row[row.shape[0] // 2]
    reds, greens = (np.flatnonzero((middle == color).all(-1)) for color in ([255, 0, 0], [0, 255, 0]))
    assert len(reds) == len(greens) == 80
    assert reds.max() < greens.min()


def test_the_legend_has_a_swatch_for_every_class_and_breaks_into_rows(card: ModelCard) -> None:
    wide, narrow = rendering.legend(card, 600), rendering.legend(card, 100)
    for picture in (wide, narrow):
        found = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
        assert {c.color for c in CLASSES} <= found
    assert narrow.shape[0] == 3 * wide.shape[0]
