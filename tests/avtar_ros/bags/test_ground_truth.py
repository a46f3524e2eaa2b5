"""Ground truth survives being stored, and is understood in all the forms that recordings have it in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avtar_ros.bags.ground_truth import GroundTruthWriter, decode_map, encode_map, truth_topic
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from avtar_ros.imaging.images import ImageError, to_message_fields
from avtar_ros.tasks import TASKS
from tests.tiny_bags import K, truth

SHAPE = (4, 5)
# Half of what the stored integers can tell apart, and a little for rounding.
PRECISION = {"segmentation": 0, "depth": 0.0005001, "normals": 0.0069, "edges": 0.5001 / 255}


def picture(png: bytes) -> SimpleNamespace:
    return SimpleNamespace(format="png", data=np.frombuffer(png, np.uint8))


def raw(array: np.ndarray, encoding: str) -> SimpleNamespace:
    return SimpleNamespace(**vars(to_message_fields(array, encoding)))


depths = st.floats(0, 70, width=32) | st.sampled_from([np.nan, np.inf])


@given(arrays.arrays(np.float32, SHAPE, elements=depths))
def test_depth_is_kept_to_the_millimetre_and_what_does_not_fit_becomes_unknown(depth: np.ndarray) -> None:
    decoded = decode_map("depth", picture(encode_map("depth", depth)))
    known = (depth > 0.0005) & (depth < 65.5345)
    np.testing.assert_allclose(decoded[known], depth[known], atol=0.00051)
    assert np.isnan(decoded[~known]).all()


@given(arrays.arrays(np.uint8, SHAPE))
def test_class_ids_are_kept_exactly(ids: np.ndarray) -> None:
    decoded = decode_map("segmentation", picture(encode_map("segmentation", ids)))
    np.testing.assert_array_equal(decoded, ids)


@given(arrays.arrays(np.float32, (*SHAPE, 3), elements=st.floats(-1, 1, width=32)))
def test_normals_are_kept_to_half_a_degree_and_unknown_ones_stay_unknown(vectors: np.ndarray) -> None:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unknown = length[..., 0] < 1e-3
    normals = np.where(unknown[..., None], np.nan, vectors / np.maximum(length, 1e-3)).astype(np.float32)
    decoded = decode_map("normals", picture(encode_map("normals", normals)))
    assert np.isnan(decoded[unknown]).all()
    cosine = np.clip((decoded * normals).sum(-1)[~unknown], -1, 1)
    assert np.degrees(np.arccos(cosine)).max(initial=0) < 0.5


@pytest.mark.parametrize(("task", "encoding", "array"), [
    ("segmentation", "mono8", np.array([[1, 255]], np.uint8)),
    ("segmentation", "8UC1", np.array([[1, 255]], np.uint8)),
    ("depth", "16UC1", np.array([[1500, 0]], np.uint16)),
    ("depth", "32FC1", np.array([[1.5, 0]], np.float32)),
    ("normals", "rgb8", np.array([[[128, 128, 0], [0, 0, 0]]], np.uint8)),
    ("normals", "32FC3", np.array([[[0, 0, -1], [0, 0, 0]]], np.float32)),
    ("edges", "mono8", np.array([[255, 0]], np.uint8)),
    ("edges", "32FC1", np.array([[1, 0]], np.float32)),
])
def test_raw_images_are_understood(task: str, encoding: str, array: np.ndarray) -> None:
    nan = np.nan
    expected = {
        "segmentation": [[1, 255]],
        "depth": [[1.5, nan]],
        "normals": [[[0, 0, -1], [nan] * 3]],
        "edges": [[1, 0]],
    }
    decoded = decode_map(task, raw(array, encoding))
    assert decoded.dtype == TASKS[task].dtype
    np.testing.assert_allclose(decoded, expected[task], atol=0.008)


def test_compressed_depth_is_understood() -> None:
    _, png = cv2.imencode(".png", np.array([[1500, 0]], np.uint16))
    message = SimpleNamespace(format="16UC1; compressedDepth png", data=bytes(12) + png.tobytes())
    np.testing.assert_array_equal(decode_map("depth", message), np.array([[1.5, np.nan]], np.float32))


@pytest.mark.parametrize(("task", "message"), [
    ("depth", picture(b"no picture")),
    ("depth", picture(b"")),
    ("depth", picture(encode_map("segmentation", np.zeros(SHAPE, np.uint8)))),
    ("normals", picture(encode_map("segmentation", np.zeros(SHAPE, np.uint8)))),
    ("segmentation", picture(encode_map("depth", np.ones(SHAPE, np.float32)))),
    ("edges", raw(np.zeros((*SHAPE, 3), np.float32), "32FC3")),
])
def test_truth_of_another_kind_is_refused(task: str, message: SimpleNamespace) -> None:
    with pytest.raises(ImageError, match="ground truth"):
        decode_map(task, message)


def test_a_written_bag_gives_the_maps_back(tmp_path: Path) -> None:
    maps = truth(0)
    with BagWriter(tmp_path / "x.mcap") as bag:
        GroundTruthWriter(bag, K).write(10**18, np.zeros((48, 64, 3), np.uint8), maps)
    with open_bag(tmp_path / "x.mcap") as bag:
        for task, task_map in maps.items():
            (_, _, message), = bag.messages([truth_topic(task)])
            np.testing.assert_allclose(decode_map(task, message), task_map, atol=PRECISION[task])
