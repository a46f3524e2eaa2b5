"""Edges made from other maps: where they are, how thick, and where nothing can be said."""

from __future__ import annotations

import numpy as np

from training.data.edges import image_and_depth_edges, label_edges

HEIGHT, WIDTH = 24, 32


def test_borders_of_classes_are_marked_once_on_their_left_and_upper_side() -> None:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[10:, 20:] = 4
    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    expected[10:, 19] = 1
    expected[9, 20:] = 1
    np.testing.assert_array_equal(label_edges(ids), expected)


def test_unlabelled_pixels_have_no_edges() -> None:
    ids = np.full((HEIGHT, WIDTH), 2, np.uint8)
    ids[:, 16:] = 255
    edges = label_edges(ids)
    assert np.isnan(edges[:, 16:]).all()
    assert (edges[:, 15] == 1).all() and (edges[:, :15] == 0).all()


def test_depth_jumps_are_edges_and_slopes_are_not() -> None:
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    slope = np.linspace(1, 2, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, 1)
    assert not image_and_depth_edges(grey, slope).any()
    step = slope + np.float32(0.5) * (np.arange(WIDTH) >= 12)
    edges = image_and_depth_edges(grey, step.astype(np.float32))
    assert (edges[:, 11] == 1).all() and edges.sum() == HEIGHT


def test_unknown_depth_is_no_edge() -> None:
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    depth = np.full((HEIGHT, WIDTH), 2, np.float32)
    depth[5:10, 5:20] = np.nan
    assert not image_and_depth_edges(grey, depth).any()


def test_strong_lines_in_the_image_are_edges_and_noise_is_not() -> None:
    depth = np.full((HEIGHT, WIDTH), 2, np.float32)
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    image[:, 16:] = 200
    edges = image_and_depth_edges(image, depth)
    assert (edges[:, 14:18].max(axis=1) == 1).all()
    assert not edges[:, :13].any() and not edges[:, 19:].any()
    noisy = np.random.default_rng(0).normal(128, 6, image.shape).astype(np.uint8)
    assert not image_and_depth_edges(noisy, depth).any()
