"""The three ways of docs/own-data.md, command by command: each ends in a model that a node makes maps with.

Small models stand in for the demo model and for public teachers; all else is as people do it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests import tiny_bags
from tests.training import tiny
from tests.training.data.layouts import image, write_picture
from tests.training.shipped import CONFIGS
from tests.training.test_teach import write_config
from training.cli import main

pytest.importorskip("rclpy", reason="needs the extra `ros-wheels`, or a sourced ROS installation")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
STEPS = ["--set", "phases.0.steps=2", "--set", "phases.0.evaluate_every=2", "--set", "phases.0.batch_size=2"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(exported: Path) -> Path:
    """training/configs/own.yaml with the small model in the place of the demo model."""
    raw = yaml.safe_load((CONFIGS / "own.yaml").read_text())
    data = raw["data"] | {"data": raw["data"]["data"] | SIZE}
    data["teachers"] = [teacher | {"model": str(exported)} for teacher in data["teachers"]]
    kept = {key: raw[key] for key in ("name", "new_heads", "loss_weights", "augment")}
    phases = [tiny.phase("adapters", warmup_steps=1, bfloat16=False)]
    return tiny.write_config(Path("own.yaml"), **kept, data=data, phases=phases)


def trained(config: Path, checkpoint: Path, *settings: str) -> Path:
    """What `fit` and `export` make."""
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    assert main(["fit", str(config), "--from", str(checkpoint), *arguments, *STEPS]) == 0
    last = Path("runs", "own", "adapters", "last.safetensors")
    assert main(["export", str(last), "--out", "own.onnx", "--rooms", "2"]) == 0
    return Path("own.onnx").resolve()


def names_and_maps(model: Path) -> tuple[list[str], dict[str, Any]]:
    """The classes that a node with the model tells of, and the maps that it makes of an image."""
    from rclpy.qos import DurabilityPolicy, QoSProfile

    from avtar_ros.ros.messages import LABELS
    from tests.node_client import array_of, connect, map_inboxes, picture
    from tests.node_client import image as message
    from tests.ros_processes import Client, RosProcess

    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    settings = {"model": model, "threads": 1, "reliability": "reliable"}
    with Client() as client, RosProcess("avtar_ros.node.multitask_node", Path("node.log").resolve(), settings):
        labels = client.inbox(LABELS, "camera/segmentation/label_info", latched)
        inboxes = map_inboxes(client)
        images = connect(client, *inboxes.values())
        images.publish(message(picture(7), 7))
        client.wait_until(lambda: labels and all(inboxes.values()), "four maps and the names of classes")
        maps = {task: array_of(inbox[-1]) for task, inbox in inboxes.items()}
        told = labels[-1]
    found = told.class_map if hasattr(told, "class_map") else json.loads(told.data)["classes"]
    return [c["name"] if isinstance(c, dict) else c.class_name for c in found], maps


def check(model: Path, names: list[str]) -> None:
    told, maps = names_and_maps(model)
    assert told == names
    assert maps["segmentation"].max() < len(names)
    assert (maps["depth"] > 0).all() and np.isfinite(maps["depth"]).all()
    np.testing.assert_allclose(np.linalg.norm(maps["normals"], axis=-1), 1, atol=1e-3)
    assert 0 <= maps["edges"].min() <= maps["edges"].max() <= 1


def test_photos_with_masks(own: Path, checkpoint_path: Path) -> None:
    mask = np.tile(np.arange(80, dtype=np.uint8) // 27, (60, 1))
    for i in range(6):
        write_picture(Path("photos", "images", f"shot_{i:02}.png"), image(60, 80, i))
        write_picture(Path("photos", "segmentation", f"shot_{i:02}.png"), mask)
    Path("photos", "classes.yaml").write_text(
        "- {name: void, id: 0, ignored: true}\n- {name: seating, id: 1, colour: [200, 60, 60]}\n"
        "- {name: ground, id: 2}\n"
    )
    assert main(["preview", str(own), "--set", "data.data.root=photos", "--count", "2"]) == 0
    assert len(list(Path("previews").glob("*.png"))) == 2
    check(trained(own, checkpoint_path, "data.data.root=photos"), ["seating", "ground"])


def test_a_coco_file(own: Path, checkpoint_path: Path) -> None:
    listed, annotations = [], []
    for i in range(6):
        write_picture(Path("photos", f"{i}.png"), image(60, 80, i))
        listed.append({"id": i, "file_name": f"{i}.png", "width": 80, "height": 60})
        polygon = [[5, 5, 45, 5, 45, 50, 5, 50]]
        annotations.append({"id": i, "image_id": i, "category_id": 1 + i % 2, "segmentation": polygon, "area": 1800,
                            "iscrowd": 0, "bbox": [5, 5, 40, 45]})
    categories = [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}]
    Path("labels.json").write_text(
        json.dumps({"images": listed, "annotations": annotations, "categories": categories})
    )
    settings = ("data.data.dataset=coco", "data.data.images=photos", "data.data.annotations=labels.json")
    check(trained(own, checkpoint_path, *settings, "data.data.rest=sound"), ["dent", "scratch", "sound"])


def test_a_recording_and_teachers(tmp_path: Path) -> None:
    bag = tiny_bags.write_ros2_bag(tmp_path / "run", frames=8, camera_info=True)
    config = write_config(tmp_path)
    command = ["distill", str(bag), "--config", str(config), "--out", "taught", "--set",
               "data.data.validation_frames=2"]
    assert main(command) == 0
    told, maps = names_and_maps(tmp_path / "taught" / "taught.onnx")
    assert "chair" in told and set(maps) == {"segmentation", "depth", "normals", "edges"}
    assert (maps["depth"] > 0).all()
