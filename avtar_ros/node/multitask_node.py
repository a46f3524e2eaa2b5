"""The ROS 2 node: camera images in, segmentation, depth, normals and edges out."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from lifecycle_msgs.msg import State
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump  # type: ignore[attr-defined]
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from avtar_ros.engines.engine import Engine
from avtar_ros.errors import AvtarError
from avtar_ros.imaging.decoding import allow_pixels
from avtar_ros.node.camera import CameraInput, NodeCamera
from avtar_ros.node.device_sensors import read_sensors
from avtar_ros.node.diagnostics import Diagnostics, Errors, Status, camera_status, engine_status
from avtar_ros.node.engine_loader import EngineLoader
from avtar_ros.node.outputs import CameraOutputs
from avtar_ros.node.parameters import NodeParameters
from avtar_ros.node.pipeline import Arrival, Pipeline, stamp_ns
from avtar_ros.node.statistics import RECENTLY_NS, NodeStatistics
from avtar_ros.perception import Perception
from avtar_ros.ros.edges import Edge
from avtar_ros.ros.events import PublisherEventCallbacks, publisher_events
from avtar_ros.ros.local_topics import LocalTopics
from avtar_ros.ros.parameters import (
    changed_parameters,
    declare_parameters,
    fixed_parameters,
    read_parameters,
    serve_set_parameters,
)
from avtar_ros.ros.process import run
from avtar_ros.terminal.names import printable, printable_lines

ADAPT_PERIOD_S = 0.1
"""How often to look who publishes and who subscribes."""

Transition = Callable[["MultitaskNode", LifecycleState], TransitionCallbackReturn]


def reported(transition: Transition) -> Transition:
    """Log why a transition fails, which rclpy keeps to itself; a user's fault leaves the state as it was."""

    @functools.wraps(transition)
    def wrapper(node: MultitaskNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except AvtarError as error:
            node.get_logger().error(printable_lines(f"{transition.__name__} failed: {error}"))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().error(printable_lines(f"{transition.__name__} went wrong:\n{traceback.format_exc()}"))
            raise

    return wrapper


class MultitaskNode(LifecycleNode):
    """Lifecycle node that turns each camera's newest image into task maps.

    Parameters: see NodeParameters; `ros2 param describe` shows them with type and range.

    Subscribers, for each camera, while active:
        image_topic (sensor_msgs/Image) or image_topic/compressed (sensor_msgs/CompressedImage)
        camera_info_topic (sensor_msgs/CameraInfo): makes depth metric for this camera
    An image topic is subscribed to only while somebody subscribes to the camera's maps.

    Publishers, for each camera, under the header of its image, only to subscribers:
        <camera>/<task>/image, <camera>/<task>/color, <camera>/depth/points, <camera>/overlay and more: the table in
        node/outputs.py, which docs/node.md shows
    and /diagnostics (diagnostic_msgs/DiagnosticArray), always

    Services:
        ~/stats (std_srvs/Trigger): what diagnostics tell, as JSON, see `_on_stats`

    configure loads and warms the model, activate subscribes and starts the inference thread; deactivate and
    cleanup undo these. Images of nodes of this process that share `local` come from there.
    """

    def __init__(self, local: LocalTopics | None = None) -> None:
        super().__init__("multitask_node")
        self._local = local or LocalTopics()
        self.edge = Edge(self.get_logger())
        self._engine: Engine | None = None
        self._loader = EngineLoader()
        self._cameras: dict[str, NodeCamera] = {}
        self._pipeline: Pipeline | None = None
        self._statistics = NodeStatistics(())
        declare_parameters(self, NodeParameters, self._accept)
        serve_set_parameters(self, self.edge, self._prepare)
        self.create_service(Trigger, "~/stats", self._on_stats)
        self.edge.guard_services(self)
        # It never stands still nor jumps: with use_sim_time the node's own waits for /clock.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(ADAPT_PERIOD_S, self._adapt, clock=steady)
        self._diagnostics = Diagnostics(self, self._statuses, steady)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def start(self, end: Callable[[int], None]) -> None:
        """Configure and activate if asked to; raises AvtarError if that fails."""
        if not read_parameters(self, NodeParameters).autostart:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise AvtarError("the node could not start, for the reason above. Fix it and start again.")

    def close(self) -> None:
        """Stop inference, then let go of the topics and the engine."""
        self._stop()
        self._release()

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._settings = p = read_parameters(self, NodeParameters)
        p.check()
        try:
            allow_pixels(p.max_pixels)
            self._engine = self._loader.open(p)
            self._perception = Perception(self._engine, p.chosen_tasks, p.map_size)
            for name in p.cameras:
                self._cameras[name] = self._create_camera(name)
        except AvtarError:
            self._release()
            raise
        self._statistics = NodeStatistics(self._cameras)
        self._tell(self._engine)
        return super().on_configure(state)

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._pipeline = Pipeline(
            self._perception, self._cameras, self._statistics, self._settings, self.get_logger()
        )
        self._pipeline.start()
        for camera in self._cameras.values():
            camera.start(self._on_image)
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return super().on_cleanup(state)

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close()
        return super().on_shutdown(state)

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close()
        return super().on_error(state)

    def _create_camera(self, name: str) -> NodeCamera:
        p = self._settings
        source = CameraInput.of(name, p.image_topic, p.camera_info_topic, p.transport, p.reliability)
        source.check(self)
        return NodeCamera(self, name, source, self._create_outputs(name), self._local)

    def _create_outputs(self, camera: str) -> CameraOutputs:
        def events(topic: str) -> PublisherEventCallbacks:
            return publisher_events(self.get_logger(), topic, self._adapt)

        return CameraOutputs(self, camera, self._perception.tasks, self._settings.depth_encoding, events)

    async def _prepare(self, parameter: Parameter[Any]) -> None:
        """Before a parameter is set: load another model while the executor goes on."""
        value, executor = parameter.value, self.executor
        if parameter.name != "model" or not isinstance(value, str):
            return
        if self._engine and executor and value != self._settings.model:
            await self._loader.load_ahead(dataclasses.replace(self._settings, model=value), executor)

    def _accept(self, new: NodeParameters) -> None:
        """Let changed parameters take effect between two frames, or raise AvtarError if that cannot be."""
        if self._engine is None:
            return  # they are checked when the node is configured
        if fixed := fixed_parameters(new, changed_parameters(self._settings, new)):
            raise AvtarError(
                f"{', '.join(fixed)} cannot change while the node is configured. Deactivate and clean it up, set it, "
                "then configure and activate again (ros2 lifecycle set)."
            )
        new.check()
        engine = self._engine if new.model == self._settings.model else self._loader.open(new)
        try:
            perception = Perception(engine, new.chosen_tasks, new.map_size)
        except AvtarError:
            if engine is not self._engine:
                engine.close()
            raise
        with self._pipeline.between_frames() if self._pipeline else nullcontext():
            self._replace(perception, new)

    def _replace(self, perception: Perception, new: NodeParameters) -> None:
        """Go on with these; no frame may be in work."""
        allow_pixels(new.max_pixels)
        old_engine, old_tasks, old = self._engine, self._perception.tasks, self._settings
        self._engine, self._perception, self._settings = perception.engine, perception, new
        if (perception.tasks, new.depth_encoding) != (old_tasks, old.depth_encoding):
            for camera in self._cameras.values():
                camera.outputs.destroy()
                camera.outputs = self._create_outputs(camera.name)
        if self._pipeline is not None:
            super().on_activate(LifecycleState("active", State.PRIMARY_STATE_ACTIVE))  # the new publishers
            self._pipeline.perception, self._pipeline.settings = perception, new
            self._pipeline.announce()
        if old_engine is not None and old_engine is not perception.engine:
            old_engine.close()
            self._tell(perception.engine)

    def _tell(self, engine: Engine) -> None:
        unsure = "" if engine.has_digest else "; its file has no digest, so damage to it would go unnoticed"
        self.get_logger().info(printable(f"{engine.card.name} on {engine.description}{unsure}"))

    def _adapt(self) -> None:
        for camera in self._cameras.values():
            camera.adapt()

    def _on_image(self, camera: str, message: Any) -> None:
        now_ns = self.get_clock().now().nanoseconds  # 0 while use_sim_time waits for the first /clock
        age_ns = now_ns - stamp_ns(message.header) if now_ns else 0
        if (pipeline := self._pipeline) is not None:  # of a camera in this process it is another thread that calls
            pipeline.put(camera, Arrival(message, age_ns, time.monotonic_ns()))

    def _on_jump(self, jump: TimeJump) -> None:
        """The clock of use_sim_time went back, as when a recording begins again, or became another."""
        self._statistics.forget_times()

    def _on_stats(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """What NodeStatistics reports, with "model", "engine", "state", "sensors" and "diagnostics", a list of {"name",
        "level", "message"}; counts begin anew when the node is configured."""
        engine = self._engine
        about = {"model": engine.card.name, "engine": engine.description} if engine else {}
        statuses = [{"name": s.name, "level": s.level.name, "message": s.message} for s in self._statuses()]
        report = {
            **about,
            "state": self._state,
            **self._statistics.report(),
            "errors": self.edge.count,
            "sensors": read_sensors(),
            "diagnostics": statuses,
        }
        response.success = engine is not None
        response.message = json.dumps(report)
        return response

    def _statuses(self) -> list[Status]:
        engine, statistics, now_ns = self._engine, self._statistics, time.monotonic_ns()
        about = {"model": "none", "engine": "none"}
        if engine:
            about = {"model": engine.card.name, "engine": engine.description, "self-test": engine.self_tested}
        return [
            engine_status(self._state, about, statistics.latency_ms(), read_sensors(), self._errors(now_ns)),
            *(
                camera_status(
                    name,
                    self.resolve_topic_name(camera.source.image_topic),
                    statistics.counts[name],
                    statistics.flow(name),
                    camera.wanted_since_ns,
                    now_ns,
                    self._settings,
                    camera.info_fault,
                )
                for name, camera in self._cameras.items()
            ),
        ]

    def _errors(self, now_ns: int) -> Errors:
        return Errors(self.edge.count, 0 < now_ns - self.edge.last_ns < RECENTLY_NS)

    @property
    def _state(self) -> str:
        return "active" if self._pipeline else "inactive" if self._engine else "unconfigured"

    def _stop(self) -> None:
        for camera in self._cameras.values():
            camera.stop()
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _release(self) -> None:
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras = {}
        self._loader.forget()
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def main() -> None:
    sys.exit(run(MultitaskNode))


if __name__ == "__main__":
    main()
