"""Synthetic rooms to look at: previews, and bags that any reader opens."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from avtar_ros.bags.ground_truth import CAMERA_INFO_TOPIC, CAMERA_TOPIC, FRAME_ID, decode_map, truth_topic
from avtar_ros.errors import AvtarError
from avtar_ros.tasks import TASKS
from training.data.synthetic_rooms import render_sequence
from training.scenes import FIRST_STAMP_NS, write_bag, write_previews

WIDTH, HEIGHT, SEED, FRAMES, RATE = 64, 48, 11, 5, 10.0


def test_a_preview_a_room(tmp_path: Path) -> None:
    write_previews(tmp_path / "new" / "folder", [3, 4], WIDTH, HEIGHT)
    pictures = {path.name: cv2.imread(str(path)) for path in (tmp_path / "new" / "folder").glob("[!.]*")}
    assert pictures.keys() == {"room_3.png", "room_4.png"}
    for picture in pictures.values():
        assert picture.shape[0] >= HEIGHT
        assert picture.shape[1] * picture.shape[0] >= 5 * WIDTH * HEIGHT, "the image and four maps"
        assert picture.std() > 10
    assert not np.array_equal(*pictures.values())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/room_4.png").write_bytes(b"a photo")
    with pytest.raises(AvtarError, match=r"room_4\.png: is there already"):
        write_previews(tmp_path / "photos", [3, 4], WIDTH, HEIGHT)
    assert [path.name for path in (tmp_path / "photos").glob("[!.]*")] == ["room_4.png"]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The messages of a bag by topic."""
    path = tmp_path_factory.mktemp("bag") / "new" / "room.mcap"
    write_bag(path, SEED, FRAMES, RATE, WIDTH, HEIGHT)
    assert [p.name for p in path.parent.iterdir()] == ["room.mcap"]
    found = defaultdict(list)
    with AnyReader([path]) as reader:
        for connection, _, raw in reader.messages():
            found[connection.topic].append(reader.deserialize(raw, connection.msgtype))
    return found


def test_a_bag_has_camera_camera_info_and_the_truth_of_every_task(messages: dict[str, list[Any]]) -> None:
    assert messages.keys() == {CAMERA_TOPIC, CAMERA_INFO_TOPIC, *map(truth_topic, TASKS)}
    for topic, of_topic in messages.items():
        stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in of_topic]
        assert stamps == [FIRST_STAMP_NS + i * 100_000_000 for i in range(FRAMES)], topic
        assert {m.header.frame_id for m in of_topic} == {FRAME_ID}


def test_a_bag_holds_the_walk_that_was_rendered(messages: dict[str, list[Any]]) -> None:
    rendered = [
        (batch, i) for batch in render_sequence(SEED, FRAMES, WIDTH, HEIGHT, RATE) for i in range(len(batch))
    ]
    for number, (batch, i) in enumerate(rendered):
        picture = cv2.imdecode(messages[CAMERA_TOPIC][number].data, cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(picture.astype(int) - batch.image[i].numpy().astype(int)).mean() < 8, "JPEG"
        truth = {name: decode_map(name, messages[truth_topic(name)][number]) for name in TASKS}
        assert np.array_equal(truth["segmentation"], batch.maps["segmentation"][i].numpy())
        np.testing.assert_allclose(truth["depth"], batch.maps["depth"][i].numpy(), atol=0.00051)
        assert (truth["normals"] * batch.maps["normals"][i].numpy()).sum(-1).min() > np.cos(np.radians(1))
        np.testing.assert_allclose(truth["edges"], batch.maps["edges"][i].numpy(), atol=0.003)
        info = messages[CAMERA_INFO_TOPIC][number]
        focal = float(batch.focal[i])
        assert (info.width, info.height) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(info.k, [focal, 0, (WIDTH - 1) / 2, 0, focal, (HEIGHT - 1) / 2, 0, 0, 1], rtol=1e-6)


def test_the_same_seed_gives_the_same_bag(tmp_path: Path) -> None:
    bags = [tmp_path / "a.mcap", tmp_path / "b.mcap"]
    for path in bags:
        write_bag(path, SEED, 2, RATE, WIDTH, HEIGHT)
    assert bags[0].read_bytes() == bags[1].read_bytes()
