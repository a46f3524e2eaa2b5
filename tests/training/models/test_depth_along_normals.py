"""Depth is bent to the normals within surfaces, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training import tiny
from training.build import build_model, new_card
from training.config import RunConfig
from training.models.depth_along_normals import DepthAlongNormals
from training.models.inference import InferenceModel

HEIGHT, WIDTH, FOCAL = 84, 112, 100.0


def rays() -> Tensor:
    """(H, W, 3), as the module's camera has them."""
    u = (torch.arange(WIDTH) - (WIDTH - 1) / 2) / FOCAL
    v = (torch.arange(HEIGHT) - (HEIGHT - 1) / 2) / FOCAL
    return torch.stack([u.expand(HEIGHT, -1), v[:, None].expand(-1, WIDTH), torch.ones(HEIGHT, WIDTH)], -1)


def plane(normal: tuple[float, float, float], distance: float) -> tuple[Tensor, Tensor]:
    """Depth (1, H, W) and normals (1, H, W, 3) of a plane so far from the camera."""
    n = torch.nn.functional.normalize(torch.tensor(normal), dim=0)
    return (-distance / (rays() @ n))[None], n.expand(1, HEIGHT, WIDTH, 3)


def off(depth: Tensor, truth: Tensor) -> float:
    return float((depth / truth).log().square().mean().sqrt())


FLOOR = (0.1, -0.9, -0.5)
NO_EDGES = torch.zeros(1, HEIGHT, WIDTH)
refine = DepthAlongNormals(HEIGHT, WIDTH, FOCAL)


def test_depth_that_agrees_with_its_normals_stays() -> None:
    for normal in (FLOOR, (0.0, 0.0, -1.0), (0.6, 0.1, -0.8)):
        depth, normals = plane(normal, 1.4)
        depth = depth.clamp(0.5, 8.0)  # beyond is horizon, where a slope is steeper than is believed
        inside = (depth > 0.5) & (depth < 6.0)
        assert ((refine(depth, normals, NO_EDGES) / depth).log().abs()[inside]).mean() < 0.02


def test_a_bump_that_the_normals_do_not_know_is_smoothed_away() -> None:
    depth, normals = plane((0.5, 0.2, -0.8), 2.0)
    u, v = torch.meshgrid(torch.arange(WIDTH), torch.arange(HEIGHT), indexing="xy")
    bumpy = depth * (1 + 0.2 * torch.exp(-((u - 50) ** 2 + (v - 40) ** 2) / 60.0))
    assert off(refine(bumpy, normals, NO_EDGES), depth) < 0.6 * off(bumpy, depth)
    peak = (40, 50)
    assert abs(refine(bumpy, normals, NO_EDGES)[0][peak] / depth[0][peak] - 1) < 0.1


def test_depth_jumps_at_edges_and_not_elsewhere() -> None:
    depth, normals = plane((0.0, 0.0, -1.0), 2.0)
    step = depth.clone()
    step[..., WIDTH // 2 :] = 3.0
    edges = NO_EDGES.clone()
    edges[..., WIDTH // 2 - 2 : WIDTH // 2 + 2] = 1.0

    def jump(z: Tensor) -> float:
        return float(z[0, 40, WIDTH // 2 + 4] - z[0, 40, WIDTH // 2 - 5])

    assert jump(refine(step, normals, edges)) > 0.9
    assert jump(refine(step, normals, NO_EDGES)) < 0.5


def test_metres_are_kept_and_other_metres_give_the_same_shape() -> None:
    depth, normals = plane(FLOOR, 1.4)
    depth = depth.clamp(0.5, 8.0) * (1 + 0.1 * torch.rand(1, HEIGHT, WIDTH, generator=torch.manual_seed(0)))
    found = refine(depth, normals, NO_EDGES)
    assert torch.allclose(refine(3 * depth, normals, NO_EDGES), 3 * found, rtol=1e-4)
    assert abs(float((found / depth).log().mean())) < 0.02


def test_every_image_of_a_batch_is_its_own() -> None:
    (a, n), (b, m) = plane(FLOOR, 1.4), plane((0.5, 0.2, -0.8), 2.0)
    both = refine(torch.cat([a, b]).clamp(0.5, 8), torch.cat([n, m]), NO_EDGES.expand(2, -1, -1))
    assert torch.allclose(both[1:], refine(b.clamp(0.5, 8), m, NO_EDGES), rtol=1e-5)


@pytest.mark.parametrize("size", [(48, 64), (50, 70), (34, 46)])
def test_any_even_size_will_do(size: tuple[int, int]) -> None:
    depth = torch.full((1, *size), 2.0)
    facing = torch.tensor([0.0, 0.0, -1.0]).expand(1, *size, 3)
    found = DepthAlongNormals(*size, 60.0)(depth, facing, torch.zeros(1, *size))
    assert torch.allclose(found, depth, rtol=1e-5)


def test_a_model_gives_such_depth_where_its_config_says_so_and_the_rest_as_before() -> None:
    changed = tiny.settings()["model"] | {"depth_along_normals": True}
    configs = tiny.run_config(), tiny.run_config(model=changed)
    image = tiny.batch(2).image
    found = []
    for config in configs:
        torch.manual_seed(0)
        network = build_model(config, "adapters", new_card(config))
        tiny.stir(network)
        with torch.no_grad():
            found.append(InferenceModel(network)(image))
    plain, along = found
    for task in ("segmentation", "normals", "edges"):
        assert torch.equal(plain[task], along[task])
    own = DepthAlongNormals(tiny.HEIGHT, tiny.WIDTH, configs[0].depth.focal_px)
    expected = own(plain["depth"], plain["normals"], plain["edges"])
    assert torch.allclose(along["depth"], expected.clamp(configs[0].depth.min_m, configs[0].depth.max_m))
    assert not torch.allclose(along["depth"], plain["depth"], rtol=1e-3)


def test_it_needs_the_tasks_that_it_takes() -> None:
    changed = tiny.settings()["model"] | {"depth_along_normals": True}
    with pytest.raises(ValueError, match="needs the tasks depth, normals, edges"):
        RunConfig.model_validate(tiny.settings(model=changed, tasks=["depth", "edges"]))
