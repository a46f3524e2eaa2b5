"""The figures of a replay are those that anyone can compute from its output bag: here in plain NumPy.

Nothing of the package's own is used but the reading of bags: not its metrics, and not its decoding of truth.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.reading import open_bag
from avtar_ros.replay.cli import main
from avtar_ros.tasks import TASKS
from tests.tiny_bags import write_truth_bag

FRAMES = 6
TYPES = {"segmentation": np.uint8, "depth": np.float32, "normals": np.float32, "edges": np.float32}
Maps = dict[str, np.ndarray]


def predicted_maps(path: Path) -> Maps:
    """All maps of the output bag, {task: (frames, H, W[, 3])}."""
    with open_bag(path) as bag:
        found = {}
        for task, dtype in TYPES.items():
            messages = [m.message for m in bag.messages([f"/camera/{task}/image"])]
            maps = [np.frombuffer(m.data, dtype).reshape(m.height, m.width, -1).squeeze() for m in messages]
            found[task] = np.stack(maps).astype(np.float64)
        return found


def true_maps(path: Path) -> Maps:
    """All ground truth of the recording; NaN where it is not known."""
    pictures: dict[str, list[np.ndarray]] = {}
    with open_bag(path) as bag:
        for task in TYPES:
            for m in bag.messages([f"/ground_truth/{task}/image"]):
                picture = cv2.imdecode(m.message.data, cv2.IMREAD_UNCHANGED).astype(np.float64)
                pictures.setdefault(task, []).append(picture)
    stored = {task: np.stack(found) for task, found in pictures.items()}
    vectors = stored["normals"][..., ::-1] / 127.5 - 1
    vectors[~stored["normals"].any(axis=-1)] = np.nan
    return {
        "segmentation": np.where(stored["segmentation"] == 255, np.nan, stored["segmentation"]),
        "depth": np.where(stored["depth"] == 0, np.nan, stored["depth"] / 1000),
        "normals": vectors / np.linalg.norm(vectors, axis=-1, keepdims=True),
        "edges": stored["edges"] / 255,
    }


def mean_iou(p: np.ndarray, g: np.ndarray) -> float:
    known = np.isfinite(g)
    ious = []
    for c in np.unique(np.concatenate([p[known], g[known]])):
        both = ((p == c) & (g == c))[known].sum()
        either = ((p == c) | (g == c))[known].sum()
        ious.append(both / either)
    return float(np.mean(ious))


def depth_figures(p: np.ndarray, g: np.ndarray) -> dict[str, float]:
    known = np.isfinite(g)
    p, g = p[known], g[known]
    ratio = np.maximum(p / g, g / p)
    within = {f"depth.delta{k}": float((ratio < 1.25**k).mean()) for k in (1, 2, 3)}
    rmse, relative = float(np.sqrt(np.mean((p - g) ** 2))), float(np.mean(np.abs(p - g) / g))
    return {"depth.rmse_m": rmse, "depth.abs_rel": relative, **within}


def normals_figures(p: np.ndarray, g: np.ndarray) -> dict[str, float]:
    known = np.isfinite(g).all(axis=-1)
    p, g = p[known] / np.linalg.norm(p[known], axis=-1, keepdims=True), g[known]
    angle = np.degrees(2 * np.arctan2(np.linalg.norm(p - g, axis=-1), np.linalg.norm(p + g, axis=-1)))
    middle = np.sort(angle)[(angle.size - 1) // 2]
    return {
        "normals.mean_deg": float(angle.mean()),
        "normals.median_deg": float((np.floor(middle / 0.01) + 0.5) * 0.01),  # the middle of its hundredth of a degree
        **{f"normals.within_{name}": float((angle < limit).mean())
           for name, limit in (("11_25", 11.25), ("22_5", 22.5), ("30", 30))},
    }


def crests(edges: np.ndarray) -> np.ndarray:
    """Where an edge map is highest across its line, pixel by pixel: only there predictions count."""
    height, width = edges.shape
    smooth = cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 1.0)
    found = np.zeros(edges.shape, bool)
    for y in range(height):
        for x in range(width):
            bends = []
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                here = smooth[y, x]
                before, after = (
                    smooth[min(max(y + s * dy, 0), height - 1), min(max(x + s * dx, 0), width - 1)] for s in (-1, 1)
                )
                bend = (before + after - 2 * here) / np.float32(dy * dy + dx * dx)
                bends.append((bend, here > before, here >= after))
            bend, above, not_below = min(bends, key=lambda item: item[0])
            found[y, x] = bend < 0 and above and not_below
    return found


def edges_figures(p: np.ndarray, g: np.ndarray) -> dict[str, float]:
    """Of a map this small, 0.75 % of the diagonal is less than a pixel: an edge is matched by the same pixel alone."""
    assert 0.0075 * np.hypot(*g.shape[1:]) < 1
    thin = np.stack([np.where(crests(image), image, 0) for image in p])
    true, best = g >= 0.5, 0.0
    for threshold in np.linspace(0.01, 0.99, 99, dtype=np.float32):
        found = thin >= threshold
        hits = (found & true).sum()
        precision, recall = hits / max(found.sum(), 1), hits / true.sum()
        best = max(best, 2 * precision * recall / max(precision + recall, 1e-12))
    return {"edges.f1": float(best), "edges.l1": float(np.abs(p - g).mean())}


def test_all_figures_equal_an_independent_computation_from_the_output_bag(tmp_path: Path, tiny_model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", FRAMES)
    arguments = [str(bag), "--model", str(tiny_model), "--out", str(tmp_path / "out"), "--threads", "1", "--exact"]
    assert main(arguments) == 0
    found = json.loads((tmp_path / "out/metrics.json").read_text())
    predicted, true = predicted_maps(tmp_path / "out/output.mcap"), true_maps(bag)
    expected = {
        "segmentation.miou": mean_iou(predicted["segmentation"], true["segmentation"]),
        **depth_figures(predicted["depth"], true["depth"]),
        **normals_figures(predicted["normals"], true["normals"]),
        **edges_figures(predicted["edges"], true["edges"]),
    }
    assert expected.keys() == {key for task in TASKS.values() for key in task.metrics[0].FIGURES}
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-6, abs=1e-6)

    for band, low, high in (("0–2 m", 0, 2), ("2–5 m", 2, 5)):
        inside = np.where((true["depth"] >= low) & (true["depth"] < high), 0.0, np.nan)
        for key, value in depth_figures(predicted["depth"], true["depth"] + inside).items():
            assert found[f"{key}[{band}]"] == pytest.approx(value, rel=1e-6, abs=1e-6)
        of_band = mean_iou(predicted["segmentation"], true["segmentation"] + inside)
        assert found[f"segmentation.miou[{band}]"] == pytest.approx(of_band, abs=1e-6)
    assert "depth.rmse_m[5–10 m]" not in found  # nothing is so far

    known = np.isfinite(true["depth"])
    triples = zip(predicted["depth"], true["depth"], known, strict=True)
    factors = [np.median(g[k]) / np.median(p[k]) for p, g, k in triples]
    scaled = depth_figures(predicted["depth"] * np.array(factors)[:, None, None], true["depth"])
    assert found["depth.scaled_rmse_m"] == pytest.approx(scaled["depth.rmse_m"], rel=1e-6)
    assert found["depth.scaled_abs_rel"] == pytest.approx(scaled["depth.abs_rel"], rel=1e-6)
