"""How the node is, in the form of diagnostic_updater: a status for the engine and one for each camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from avtar_ros.node.statistics import RECENTLY_NS, Flow, FrameCounts

if TYPE_CHECKING:
    from rclpy.clock import Clock
    from rclpy.node import Node

    from avtar_ros.node.parameters import NodeParameters

PERIOD_S = 1.0
DROPS = {
    "dropped": "a newer came first",
    "over_rate": "over max_rate",
    "too_old": "older than max_age",
    "unwanted": "nobody subscribed",
}


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Status:
    """One line of diagnostics: of what, how it is and why, and figures."""

    name: str
    level: Level
    message: str
    hardware_id: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Errors:
    """How many callbacks went wrong, and whether one did of late."""

    count: int = 0
    recently: bool = False


def engine_status(
    state: str,
    about: Mapping[str, str],
    latency_ms: Mapping[str, Mapping[str, float]],
    sensors: Mapping[str, float],
    errors: Errors = Errors(),
) -> Status:
    """The engine, `about` which at least "engine" is told, and the machine; `latency_ms` as NodeStatistics gives it."""
    values: dict[str, object] = {"state": state, **about}
    engine = about["engine"]
    for step, figures in latency_ms.items():
        values |= {f"{step} {percentile} (ms)": figure for percentile, figure in figures.items()}
    values |= {f"{name} ({'W' if name.startswith('power') else '°C'})": round(x, 2) for name, x in sensors.items()}
    if errors.count:
        values["callbacks that went wrong"] = errors.count
    if errors.recently:
        message = f"{state}; a callback went wrong of late: the log says how"
        return Status("engine", Level.ERROR, message, engine, values)
    return Status("engine", Level.OK, state, engine, values)


def camera_status(
    camera: str,
    topic: str,
    counts: FrameCounts,
    flow: Flow,
    wanted_since_ns: int,
    now_ns: int,
    settings: NodeParameters,
    info_fault: str | None = None,
) -> Status:
    """A camera whose images come on `topic`, wanted since a moment of the monotonic clock (0: not wanted)."""
    age_s = flow.age_ns / 1e9
    values: dict[str, object] = {
        "rate in (Hz)": flow.per_second("received"),
        "rate out (Hz)": flow.per_second("published"),
        "age on arrival (ms)": round(flow.age_ns / 1e6, 1),
        "received": counts.received,
        "published": counts.published,
        **{f"dropped, {reason}": getattr(counts, count) for count, reason in DROPS.items()},
        "malformed": counts.malformed,
        "failed": counts.failed,
    }
    if not wanted_since_ns:
        level, message = Level.OK, "idle: nobody subscribes to its maps"
        if info_fault:
            level, message = Level.WARN, f"{message}; {info_fault}"
        return Status(f"camera {camera}", level, message, camera, values)

    min_rate = settings.for_camera(settings.min_rate, camera)
    silent_s = (now_ns - max(wanted_since_ns, flow.newest_ns)) / 1e9
    settled = now_ns - wanted_since_ns > RECENTLY_NS
    faults: list[tuple[Level, str]] = []
    if silent_s > settings.camera_timeout:
        faults += [(Level.ERROR, f"no image on {topic} for {silent_s:.1f} s: does the camera run, and publish there?")]
    elif settled and flow.per_second("published") < min_rate:
        rate = flow.per_second("published")
        faults += [(Level.WARN, f"{rate:.1f} frames per second published, fewer than min_rate {min_rate:g}")]
    if info_fault:
        faults += [(Level.WARN, info_fault)]
    if failed := flow.recently["failed"]:
        faults += [(Level.ERROR, f"{failed} frames failed of late: the log says why")]
    if malformed := flow.recently["malformed"]:
        faults += [(Level.WARN, f"{malformed} images were malformed of late: the log says how")]
    if too_old := flow.recently["too_old"]:
        faults += [(Level.WARN, f"{too_old} frames were older than max_age {settings.max_age:g} s of late")]
    if flow.recently["received"] and abs(age_s) > settings.camera_timeout:
        when = f"{age_s:.1f} s old when they come" if age_s > 0 else f"stamped {-age_s:.1f} s in the future"
        faults += [(Level.WARN, f"images are {when}: see the clocks, or set use_sim_time if this is a recording")]
    level = max((level for level, _ in faults), default=Level.OK)
    message = "; ".join(text for _, text in faults) or f"{flow.per_second('published'):.1f} frames per second"
    return Status(f"camera {camera}", level, message, camera, values)


class Diagnostics:
    """Publishes what `statuses` gives on /diagnostics every second of the clock given."""

    def __init__(self, node: Node, statuses: Callable[[], list[Status]], clock: Clock) -> None:
        self._node = node
        self._statuses = statuses
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        node.create_timer(PERIOD_S, self._publish, clock=clock)

    def _publish(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._message(status) for status in self._statuses()]
        self._publisher.publish(message)

    def _message(self, status: Status) -> Any:
        return DiagnosticStatus(
            level=bytes([status.level]),
            name=f"{self._node.get_name()}: {status.name}",
            message=status.message,
            hardware_id=status.hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in status.values.items()],
        )
