"""Sequences: a smooth path through one room that stays as it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.data.synthetic_rooms import Batch, render_sequence, sample_sequence

SEED, FRAMES, WIDTH, HEIGHT = 12, 45, 160, 120


@pytest.fixture(scope="module")
def sequence() -> Batch:
    batches = list(render_sequence(SEED, FRAMES, WIDTH, HEIGHT, rate_hz=15.0))
    maps = {task: torch.cat([batch.maps[task] for batch in batches]) for task in batches[0].maps}
    return Batch(torch.cat([b.image for b in batches]), maps, torch.cat([b.focal for b in batches]))


def test_all_frames_come_with_the_same_intrinsics(sequence: Batch) -> None:
    assert len(sequence) == FRAMES
    assert sequence.image.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert len(sequence.focal.unique()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_the_camera_moves_smoothly_and_keeps_its_distance(seed: int) -> None:
    rate = 30.0
    _, views = sample_sequence(seed, 600, rate)
    position = np.stack([view.position for view in views]).astype(float)
    forward = np.stack([view.rotation[:, 2] for view in views]).astype(float)
    speed = np.linalg.norm(np.diff(position, axis=0), axis=1) * rate
    turn = np.arccos(np.clip((forward[1:] * forward[:-1]).sum(axis=1), -1, 1)) * rate
    jerk = np.linalg.norm(np.diff(position, 2, axis=0), axis=1) * rate**2
    assert speed.max() < 1.0 and turn.max() < math.radians(70) and jerk.max() < 4
    assert np.ptp(position, axis=0).max() > 0.2 and turn.mean() > math.radians(1)


def test_the_world_stands_still(sequence: Batch) -> None:
    """Points of one frame are where the next frame's depth says, but for what becomes hidden."""
    _, views = sample_sequence(SEED, FRAMES, 15.0)
    depth, focal = sequence.maps["depth"], float(sequence.focal[0])
    v, u = torch.meshgrid(torch.arange(HEIGHT) - (HEIGHT - 1) / 2, torch.arange(WIDTH) - (WIDTH - 1) / 2, indexing="ij")
    rays = torch.stack((u / focal, v / focal, torch.ones_like(u)), dim=-1)
    for i in range(0, FRAMES - 1, 4):
        here, there = views[i], views[i + 1]
        world = (rays * depth[i][..., None]) @ torch.from_numpy(here.rotation).T + torch.from_numpy(here.position)
        point = (world - torch.from_numpy(there.position)) @ torch.from_numpy(there.rotation)
        grid = torch.stack((point[..., 0] / (WIDTH / 2), point[..., 1] / (HEIGHT / 2)), dim=-1) / point[..., 2:] * focal
        seen = torch.nn.functional.grid_sample(depth[i + 1][None, None], grid[None], align_corners=False)[0, 0]
        inside = (grid.abs() < 0.98).all(dim=-1)
        error = ((seen - point[..., 2]).abs() / point[..., 2])[inside]
        assert float(inside.float().mean()) > 0.7
        assert float((error < 0.01).float().mean()) > 0.93


def test_noise_is_new_in_every_frame_and_the_same_every_time(sequence: Batch) -> None:
    again = next(iter(render_sequence(SEED, FRAMES, WIDTH, HEIGHT, rate_hz=15.0)))
    assert torch.equal(again.image[:4], sequence.image[:4])
    _, views = sample_sequence(SEED, FRAMES, 15.0)
    assert len({view.noise for view in views}) == FRAMES
