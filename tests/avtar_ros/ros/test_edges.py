"""What goes wrong in a callback ends there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from rcl_interfaces.srv import SetParametersAtomically
from std_srvs.srv import Trigger

from avtar_ros.node.outputs import CameraOutputs
from avtar_ros.ros.edges import MOST_IN_A_ROW, Edge


class Log:
    """A logger that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def error(self, text: str, **_: object) -> None:
        self.said.append(text)


def test_an_error_is_logged_and_counted_and_the_next_one_too() -> None:
    edge = Edge(log := Log())
    for _ in range(3):
        with edge.contained("a callback"):
            raise OverflowError("too much")
    assert edge.count == 3
    assert "a callback went wrong" in log.said[0]
    assert "OverflowError: too much" in log.said[0]


def test_when_nothing_goes_well_any_more_the_process_ends() -> None:
    edge = Edge(Log())

    def fail_until_the_last() -> None:
        for _ in range(MOST_IN_A_ROW):
            with edge.contained("a callback"):
                raise ValueError

    fail_until_the_last()
    with edge.contained("a callback"):
        pass
    fail_until_the_last()
    with pytest.raises(ValueError), edge.contained("a callback"):
        raise ValueError


def test_services_answer_whatever_their_callbacks_do() -> None:
    def fail(request: object, response: object) -> None:
        raise ValueError("no such\ntype")

    async def fail_later(request: object, response: object) -> None:
        raise ValueError("later")

    services = [
        SimpleNamespace(callback=fail, srv_name="a"),
        SimpleNamespace(callback=fail, srv_name="b"),
        SimpleNamespace(callback=fail_later, srv_name="c"),
    ]
    edge = Edge(Log())
    node: Any = SimpleNamespace(services=services)
    edge.guard_services(node)
    answer = services[0].callback(None, SetParametersAtomically.Response())
    assert (answer.result.successful, answer.result.reason) == (False, r"no such\ntype")
    answer = services[1].callback(None, Trigger.Response(success=True))
    assert (answer.success, answer.message) == (False, r"no such\ntype")
    answer = asyncio.run(services[2].callback(None, Trigger.Response()))
    assert answer.message == "later"
    assert edge.count == 3


class StandInTopic:
    """In place of a publisher: `fails` at making a message, or at publishing it."""

    nbytes = 1

    def __init__(self, fails: str = "") -> None:
        self.fails, self.published = fails, 0

    def fill(self, maps: object) -> bool:
        assert self.fails != "fill"
        return True

    def publish(self, header: object) -> None:
        assert self.fails != "publish"
        self.published += 1


def test_outputs_stand_alone() -> None:
    outputs: Any = CameraOutputs.__new__(CameraOutputs)
    topics = {"depth/points": StandInTopic("fill"), "overlay": StandInTopic("publish"), "depth/image": StandInTopic()}
    outputs._frame_topics = topics
    edge = Edge(log := Log())
    assert outputs.publish(set(topics), None, None, edge.contained)
    assert topics["depth/image"].published == 1
    assert [line.split("\n")[0] for line in log.said] == ["depth/points went wrong:", "overlay went wrong:"]
