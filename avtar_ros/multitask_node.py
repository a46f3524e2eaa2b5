"""The ROS 2 node: camera images in, segmentation, depth, normals and edges out."""

from __future__ import annotations

import functools
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from avtar_ros.engines import Engine, EngineOptions, open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.multitask_parameters import ALL, NodeParameters
from avtar_ros.node_camera import CameraInput, NodeCamera
from avtar_ros.node_outputs import CameraOutputs
from avtar_ros.node_parameters import declare_parameters, read_parameters
from avtar_ros.node_pipeline import Arrival, Pipeline, stamp_ns
from avtar_ros.node_process import run
from avtar_ros.node_statistics import NodeStatistics
from avtar_ros.perception import Perception
from avtar_ros.resources import DEMO_MODEL, find_resource

Transition = Callable[["MultitaskNode", LifecycleState], TransitionCallbackReturn]


def reported(transition: Transition) -> Transition:
    """Log why a transition fails, which rclpy keeps to itself; a user's fault leaves the state as it was."""

    @functools.wraps(transition)
    def wrapper(node: MultitaskNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except AvtarError as error:
            node.get_logger().error(f"{transition.__name__} failed: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().error(f"{transition.__name__} went wrong:\n{traceback.format_exc()}")
            raise

    return wrapper


class MultitaskNode(LifecycleNode):
    """Lifecycle node that turns each camera's newest image into task maps.

    Parameters: see NodeParameters; `ros2 param describe` shows them with type and range.

    Subscribers, for each camera, while active:
        image_topic (sensor_msgs/Image) or image_topic/compressed (sensor_msgs/CompressedImage)
        camera_info_topic (sensor_msgs/CameraInfo): makes depth metric for this camera

    Publishers, for each camera, under the header of its image, only to subscribers:
        <camera>/<task>/image, <camera>/<task>/color, <camera>/depth/points, <camera>/overlay and more: the table in
        node_outputs.py, which docs/node.md shows

    Services:
        ~/stats (std_srvs/Trigger): counts and latency as JSON, see `_on_stats`

    configure loads and warms the model, activate subscribes and starts the inference thread; deactivate and
    cleanup undo these.
    """

    def __init__(self) -> None:
        super().__init__("multitask_node")
        self._engine: Engine | None = None
        self._cameras: dict[str, NodeCamera] = {}
        self._pipeline: Pipeline | None = None
        self._statistics = NodeStatistics.of(())
        declare_parameters(self, NodeParameters)
        self.create_service(Trigger, "~/stats", self._on_stats)

    def start(self, end: Callable[[int], None]) -> None:
        """Configure and activate if asked to; raises AvtarError where that fails."""
        if not read_parameters(self, NodeParameters).autostart:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise AvtarError("the node could not start, for the reason above. Mend it and start again.")

    def close(self) -> None:
        """Stop inference, then let go of the topics and the engine."""
        self._stop()
        self._release()

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._settings = read_parameters(self, NodeParameters)
        try:
            self._engine = self._open_engine()
            self._perception = Perception(self._engine, self._tasks(), self._settings.map_size)
            self._cameras = self._create_cameras()
        except AvtarError:
            self._release()
            raise
        self._statistics = NodeStatistics.of(self._cameras)
        self.get_logger().info(f"{self._engine.card.name} on {self._engine.description}")
        return super().on_configure(state)

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._pipeline = Pipeline(
            self._perception, self._cameras, self._statistics, self._settings, self.get_logger()
        )
        self._pipeline.start()
        for camera in self._cameras.values():
            camera.subscribe(self._on_image)
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

    def _open_engine(self) -> Engine:
        p = self._settings
        path = Path(p.model).expanduser() if p.model else find_resource(DEMO_MODEL)
        providers = () if p.providers == ("auto",) else p.providers
        return open_engine(path, EngineOptions(threads=p.threads, providers=providers))

    def _tasks(self) -> tuple[str, ...] | None:
        return None if self._settings.tasks == (ALL,) else self._settings.tasks

    def _create_cameras(self) -> dict[str, NodeCamera]:
        p = self._settings
        if len(set(p.cameras)) < len(p.cameras) or not all(p.cameras):
            raise AvtarError(f"parameter cameras: {list(p.cameras)} must be different names, none empty.")
        if len(p.cameras) > 1 and "{camera}" not in p.image_topic:
            raise AvtarError(
                f"parameter image_topic: {p.image_topic!r} is the same for all cameras. Use {{camera}} in it."
            )
        return {
            name: NodeCamera(
                self,
                name,
                CameraInput.of(name, p.image_topic, p.camera_info_topic, p.transport, p.reliability),
                CameraOutputs(self, name, self._perception.tasks, p.depth_encoding),
            )
            for name in p.cameras
        }

    def _on_image(self, camera: str, message: Any) -> None:
        age_ns = self.get_clock().now().nanoseconds - stamp_ns(message.header)
        if self._pipeline is not None:
            self._pipeline.put(camera, Arrival(message, age_ns, time.monotonic_ns()))

    def _on_stats(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """{"model", "engine", "cameras": {name: counts}, "latency_ms": {step: {"p50", "p95", "p99"}}}, see
        NodeStatistics; counts begin anew when the node is configured."""
        engine = self._engine
        about = {"model": engine.card.name, "engine": engine.description} if engine else {}
        response.success = engine is not None
        response.message = json.dumps({**about, **self._statistics.report()})
        return response

    def _stop(self) -> None:
        for camera in self._cameras.values():
            camera.unsubscribe()
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _release(self) -> None:
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras = {}
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def main() -> None:
    sys.exit(run(MultitaskNode))


if __name__ == "__main__":
    main()
