"""Real nodes and a client of theirs, for the tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tiny_models import write_tiny_model

if TYPE_CHECKING:
    from tests.node_client import StartNode
    from tests.ros_processes import Client, RosProcess


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file as `write_tiny_model` makes it."""
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    """A ROS node in this process."""
    from tests.ros_processes import Client

    with Client() as client:
        yield client


@pytest.fixture
def start(tiny_model: Path, tmp_path: Path) -> Iterator[StartNode]:
    """Starts the node with the tiny model, in a process that ends with the test."""
    from tests.ros_processes import RosProcess

    started: list[RosProcess] = []

    def start(*arguments: str, **parameters: object) -> RosProcess:
        log = tmp_path / f"node{len(started)}.log"
        settings = {"model": tiny_model, "threads": 1, "reliability": "reliable"} | parameters
        started.append(RosProcess("avtar_ros.node.multitask_node", log, settings, arguments))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()
