"""The parameters of the node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from avtar_ros.node_output_parameters import OutputParameters
from avtar_ros.node_parameters import parameter

ALL = "all"


@dataclass(frozen=True)
class NodeParameters(OutputParameters):
    """The node's parameters. All but `autostart` are read when the node is configured."""

    autostart: bool = parameter(True, "Configure and activate at the start, without a lifecycle manager.")
    model: str = parameter("", "Model file; empty for the demo model that ships with the package.")
    tasks: tuple[str, ...] = parameter(
        (ALL,), "Tasks to publish: names from the model's card, or 'all'. The overlay shows the first."
    )
    cameras: tuple[str, ...] = parameter(
        ("camera",), "Names of the cameras. Each is also the namespace of its maps and may contain slashes."
    )
    image_topic: str = parameter(
        "{camera}/image_raw", "Topic of a camera's images; {camera} stands for its name."
    )
    camera_info_topic: str = parameter(
        "", "Topic of a camera's CameraInfo; {camera} stands for its name. Empty: beside the image topic."
    )
    transport: str = parameter(
        "auto",
        "Image messages to subscribe to: raw at image_topic, compressed at image_topic/compressed, or auto: "
        "whichever of the two is published, raw if both are.",
        choices=("auto", "raw", "compressed"),
    )
    reliability: str = parameter(
        "best_effort",
        "QoS of camera subscriptions: best_effort receives from every camera, reliable from reliable ones.",
        choices=("best_effort", "reliable"),
    )
    map_size: Literal["camera", "model"] = parameter(
        "camera",
        "Size of the maps: the camera's, or the model's, which is cheaper.",
        choices=("camera", "model"),
    )
    threads: int = parameter(0, "CPU threads of the engine; 0 for one per core.", limits=(0, 256))
    providers: tuple[str, ...] = parameter(
        ("auto",), "ONNX Runtime execution providers in order of preference; 'auto' for the best there are."
    )
