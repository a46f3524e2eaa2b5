"""One odd frame, stamp or message never ends a replay: it is counted, named and gone past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from avtar_ros.bags.writing import BagWriter
from avtar_ros.replay.cli import main
from tests.tiny_bags import image, stamps

TOPIC = "/camera/image_raw"


def replay(bag: Path, model: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the figures."""
    out = bag.parent / "out"
    code = main([str(bag), "--out", str(out), "--model", str(model), "--threads", "1", *more])
    path = out / "metrics.json"
    return code, json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (11, 9), (4096, 1), (1, 20_000), (20_000, 1)])
def test_images_of_any_shape(tmp_path: Path, tiny_model: Path, size: tuple[int, int]) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(6)):
            width, height = size if i == 3 else (64, 48)
            bag.write_image(TOPIC, stamp, "lens", np.ascontiguousarray(image(i, width, height)), "rgb8")
    for more in ((), ("--per-frame", "png", "--map-size", "model")):
        code, figures = replay(tmp_path / "x.mcap", tiny_model, *more)
        assert code == 0
        assert figures["frames"] == 6


def messages(types: Any, headers: list[tuple[int, int, str]]) -> Iterator[tuple[int, Any]]:
    for i, (seconds, nanoseconds, frame_id) in enumerate(headers):
        stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)
        pixels = image(i).reshape(-1)
        yield stamps(len(headers))[i], types["sensor_msgs/msg/Image"](header, 48, 64, "rgb8", 0, 3 * 64, pixels)


def write(path: Path, headers: list[tuple[int, int, str]], storage: StoragePlugin) -> Path:
    types = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(path, version=9, storage_plugin=storage) as bag:
        connection = bag.add_connection(TOPIC, "sensor_msgs/msg/Image", typestore=types)
        for log_ns, message in messages(types.types, headers):
            bag.write(connection, log_ns, types.serialize_cdr(message, "sensor_msgs/msg/Image"))
    return path


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_stamps_of_any_kind_and_names_that_are_none(tmp_path: Path, tiny_model: Path, storage: StoragePlugin) -> None:
    headers = [
        (-1, 0, "lens"), (-(2**31), 2**32 - 1, "lens"), (2**31 - 1, 2**32 - 1, "lens"), (0, 0, "a\x00b"),
        (1, 0, "x" * 10_000), (1, 0, "\x1b[31m\n"), (1_700_000_000, 0, ""),
    ]
    bag = write(tmp_path / "bag", headers, storage)
    for more in ((), ("--per-frame", "npz", "--passthrough")):
        code, figures = replay(bag, tiny_model, *more)
        assert code == 0
        assert figures["frames"] == len(headers)


def test_a_message_whose_text_is_none_is_counted_and_gone_past(tmp_path: Path, tiny_model: Path, capsys) -> None:
    bag = write(tmp_path / "bag", [(i, 0, "lens") for i in range(1, 7)], StoragePlugin.MCAP)
    (path,) = bag.glob("*.mcap")
    path.write_bytes(path.read_bytes().replace(b"lens\x00", b"l\xe1\xffs\x00", 1))
    code, figures = replay(bag, tiny_model)
    assert figures["frames"] in (5, 6)
    assert "Traceback" not in capsys.readouterr().err
    assert code in (0, 1)


def test_a_bag_that_means_something_else_by_a_standard_type(tmp_path: Path, tiny_model: Path, capsys) -> None:
    other = "string nothing\nint64[] numbers"
    types = get_typestore(Stores.EMPTY)
    types.register(get_types_from_msg(other, "sensor_msgs/msg/Image"))
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection(TOPIC, "sensor_msgs/msg/Image", typestore=types, msgdef=other, rihs01="x")
        message = types.types["sensor_msgs/msg/Image"](nothing="here", numbers=np.arange(10))
        for stamp in stamps(4):
            bag.write(connection, stamp, types.serialize_cdr(message, "sensor_msgs/msg/Image"))
    code, _ = replay(tmp_path / "bag", tiny_model)
    error = capsys.readouterr().err
    assert code == 1
    assert "Traceback" not in error
    assert error.startswith("avtar-replay: ")


def test_a_topic_that_would_be_a_path_writes_nothing_outside(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    with BagWriter(tmp_path / "deep/er/x.mcap") as bag:
        for i, stamp in enumerate(stamps(3)):
            bag.write_image("/../../x/image_raw", stamp, "lens", image(i), "rgb8")
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    code, figures = replay(tmp_path / "deep/er/x.mcap", tiny_model, "--per-frame", "png")
    assert (code, figures["frames"]) == (0, 3)
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before


def test_names_that_a_terminal_would_obey_are_shown_harmless(tmp_path: Path, tiny_model: Path, capsys) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(3)):
            bag.write_image("/a\x1b]0;mine\x07b\r\n/image_raw", stamp, "lens", image(i), "rgb8")
    assert main(["info", str(tmp_path / "x.mcap")]) == 0
    replay(tmp_path / "x.mcap", tiny_model)
    assert main([str(tmp_path / "x.mcap"), "--topic", "/none", "--out", str(tmp_path / "no")]) == 1
    said = "".join(capsys.readouterr())
    assert not any(character in said.replace("\n", "") for character in map(chr, [*range(32), 127]))
