"""Whatever is asked of the node, and whatever cameras say of themselves: it answers, and goes on with its maps."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from tests.node_client import NODE, StartNode, connect, counts, image, numbers, picture, set_parameters, stats
from tests.ros_processes import Client

NAMES = ["model", "max_rate", "max_age", "min_rate", "tasks", "cameras", "threads", "depth_encoding", "map_size"]
NAMES += ["jpeg_quality", "use_sim_time", "start_type_description_service", "nothing", "", "x" * 10_000, "a\nb\x1b[31m"]
TEXTS = ["", "x" * 10_000, "~no-such-user/model.onnx", "/", "/dev/null", "~", "a\x00b", "../" * 99, "\u202e\x1b]0;\x07"]
NUMBERS = [0.0, -0.0, 1e-300, 1e300, -1.0, 5e-324, float("nan"), float("inf"), float("-inf")]
WHOLE = [0, -1, 2**63 - 1, -(2**63)]


def value(rng: random.Random, kind: int) -> ParameterValue:
    """A value of any type, known or not, of any size."""
    size = rng.choice([0, 1, 3, 1000])
    return ParameterValue(
        type=kind,
        bool_value=rng.random() < 0.5,
        integer_value=rng.choice(WHOLE),
        double_value=rng.choice(NUMBERS),
        string_value=rng.choice(TEXTS),
        byte_array_value=[b"\xff"] * size,
        bool_array_value=[True] * size,
        integer_array_value=[rng.choice(WHOLE)] * size,
        double_array_value=[rng.choice(NUMBERS)] * size,
        string_array_value=[rng.choice(TEXTS)] * min(size, 3),
    )


def parameters(rng: random.Random) -> list[Parameter]:
    kinds = [*range(11), 200]
    return [
        Parameter(name=rng.choice(NAMES), value=value(rng, rng.choice(kinds))) for _ in range(rng.choice([0, 1, 1, 4]))
    ]


def requests(rng: random.Random) -> list[tuple[Any, str, Any]]:
    names = [rng.choice(NAMES) for _ in range(rng.choice([0, 1, 5]))]
    transition = Transition(id=rng.choice([0, 60, 61, 62, 255]), label=rng.choice(["", "x" * 10_000, "no\x1b[31m"]))
    return [
        (SetParameters, "set_parameters", SetParameters.Request(parameters=parameters(rng))),
        (
            SetParametersAtomically,
            "set_parameters_atomically",
            SetParametersAtomically.Request(parameters=parameters(rng)),
        ),
        (GetParameters, "get_parameters", GetParameters.Request(names=names)),
        (GetParameterTypes, "get_parameter_types", GetParameterTypes.Request(names=names)),
        (DescribeParameters, "describe_parameters", DescribeParameters.Request(names=names)),
        (ListParameters, "list_parameters", ListParameters.Request(prefixes=names, depth=rng.choice([0, 2**64 - 1]))),
        (ChangeState, "change_state", ChangeState.Request(transition=transition)),
        (GetState, "get_state", GetState.Request()),
    ]


def ask(client: Client, seed: int, rounds: int) -> int:
    """Ask all that comes to mind; returns how many requests were answered, which is every one."""
    rng, asked = random.Random(seed), 0
    for _ in range(rounds):
        for kind, name, request in requests(rng):
            answer = client.call(kind, f"{NODE}/{name}", request)
            asked += 1
            if kind is SetParameters:
                assert len(answer.results) == len(request.parameters)
    return asked


def test_every_request_is_answered_and_maps_go_on(client: Client, start: StartNode) -> None:
    node = start()
    maps = client.inbox(Image, "camera/depth/image")
    images = connect(client, maps)
    assert ask(client, seed=1, rounds=25) == 200
    assert node.running
    defaults = {"max_rate": [0.0], "max_age": 0.0, "tasks": ["all"], "map_size": "camera", "use_sim_time": False}
    assert set_parameters(client, **defaults) == []
    maps.clear()
    client.wait_until(lambda: images.publish(image(picture(), 7)) or client.spin(0.1) or 7 in numbers(maps), "a map")


@pytest.mark.parametrize("name", ["max_rate", "min_rate"])
def test_numbers_that_mean_nothing_are_refused(client: Client, start: StartNode, name: str) -> None:
    start()
    for number in (-1.0, float("nan"), float("inf")):
        (reason,) = set_parameters(client, **{name: [number]})
        assert "out of range: each must be from 0 to 1000" in reason
    for number in (1e-300, 5e-324, 0.0009):
        (reason,) = set_parameters(client, **{name: [number]})
        assert "each must be 0, or at least 0.001" in reason
    (reason,) = set_parameters(client, max_age=float("nan"))
    assert "out of range" in reason


def lens(**changes: Any) -> CameraInfo:
    k, p = [60.0, 0, 48, 0, 60, 36, 0, 0, 1], [60.0, 0, 48, 0, 0, 60, 36, 0, 0, 0, 1, 0]
    fields = {"width": 96, "height": 72, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k, "p": p}
    return CameraInfo(**{**fields, **changes})


def impossible() -> list[CameraInfo]:
    inf, nan = float("inf"), float("nan")
    return [
        lens(d=[0.1] * 16), lens(d=[nan] * 5), lens(k=[inf, 0, 48, 0, 60, 36, 0, 0, 1], p=[0.0] * 12),
        lens(k=[1e300, 0, 48, 0, 1e300, 36, 0, 0, 1]), lens(k=[-60.0, *[0.0] * 8], p=[nan] * 12),
        lens(k=[1e-9, 0, 48, 0, 60, 36, 0, 0, 1]), lens(width=2**32 - 1),
    ]


def test_a_camera_info_that_cannot_be_true_is_told_when_it_comes_before_any_image(
    client: Client, start: StartNode
) -> None:
    start()
    infos = client.publisher(CameraInfo, "camera/camera_info")
    client.await_subscriber(infos)

    def status() -> str:
        return next(s["message"] for s in stats(client)["diagnostics"] if s["name"] == "camera camera")

    for info in impossible():
        infos.publish(info)
        client.wait_until(lambda: "CameraInfo" in status(), "the fault in diagnostics")
        infos.publish(lens())
        client.wait_until(lambda: "CameraInfo" not in status(), "the fault to go")


def test_a_camera_info_that_cannot_be_true_stops_no_map_and_diagnostics_say_why(
    client: Client, start: StartNode
) -> None:
    start()
    client.inbox(PointCloud2, "camera/depth/points")  # which are left out where no pixel's direction is known
    depth = client.inbox(Image, "camera/depth/image")
    segmentation = client.inbox(Image, "camera/segmentation/image")
    infos = client.publisher(CameraInfo, "camera/camera_info")
    images = connect(client, depth, segmentation)
    client.await_subscriber(infos)

    number = 0

    def status() -> str:
        """Diagnostics after a frame, of which the maps have come."""
        nonlocal number
        number += 1
        images.publish(image(picture(), number))
        for inbox in (depth, segmentation):
            client.wait_until(lambda inbox=inbox: number in numbers(inbox), f"maps of frame {number}")
        assert np.isfinite(np.frombuffer(depth[-1].data, np.float32)).all()
        return next(s["message"] for s in stats(client)["diagnostics"] if s["name"] == "camera camera")

    for info in impossible():
        infos.publish(info)
        client.wait_until(lambda: "CameraInfo" in status(), "the fault in diagnostics")
        infos.publish(lens())
        client.wait_until(lambda: "CameraInfo" not in status(), "the fault to go")
    assert counts(client)["failed"] == 0
