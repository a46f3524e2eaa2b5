"""The parameters of the node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avtar_ros.disk.files import expanded
from avtar_ros.engines.engine import EngineOptions
from avtar_ros.errors import AvtarError
from avtar_ros.imaging.decoding import MAX_PIXELS, MOST_PIXELS
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.ros.parameters import parameter

ALL = "all"
DEPTH_ENCODINGS = ("32FC1", "16UC1")


@dataclass(frozen=True)
class OutputParameters:
    """Parameters of the maps' topics. All take effect with the next frame."""

    depth_encoding: str = parameter(
        "32FC1",
        "Encoding of depth/image: 32FC1 in metres, or 16UC1 in millimetres, which is smaller and has a lossless "
        "compressed variant.",
        choices=DEPTH_ENCODINGS,
        dynamic=True,
    )
    overlay_opacity: float = parameter(
        0.5, "How much of the overlay is colour of the map.", limits=(0.0, 1.0), dynamic=True
    )
    jpeg_quality: int = parameter(90, "Quality of compressed images in colour.", limits=(1, 100), dynamic=True)
    points_stride: int = parameter(
        2, "Points are made of each n-th pixel of each n-th row of the depth map.", limits=(1, 64), dynamic=True
    )
    points_min_m: float = parameter(0.0, "Nearer points are left out.", limits=(0.0, 1000.0), dynamic=True)
    points_max_m: float = parameter(1000.0, "Farther points are left out.", limits=(0.0, 1000.0), dynamic=True)


@dataclass(frozen=True)
class NodeParameters(OutputParameters):
    """The node's parameters; those that are dynamic take effect between two frames, others by configuring anew."""

    autostart: bool = parameter(True, "Configure and activate at the start, without a lifecycle manager.")
    model: str = parameter(
        "",
        "Model file; empty for the demo model that ships with the package. Set while the node works, the new model is "
        "loaded and checked beside the old one, which is kept where the new one is unusable.",
        dynamic=True,
    )
    tasks: tuple[str, ...] = parameter(
        (ALL,),
        "Tasks to publish: names from the model's card, or 'all'. The overlay shows the first.",
        dynamic=True,
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
    rectified: bool = parameter(
        False,
        "Whether images are rectified, as image_proc's image_rect: then P of CameraInfo is their lens, else K and D.",
        dynamic=True,
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
    max_rate: tuple[float, ...] = parameter(
        (0.0,),
        "Frames per second taken from a camera at most, 0 for all. One number for all cameras, or one for each.",
        limits=(0.0, 1000.0),
        least=0.001,
        dynamic=True,
    )
    min_rate: tuple[float, ...] = parameter(
        (0.0,),
        "Frames per second published at least, else diagnostics warn. One number for all cameras, or one for each.",
        limits=(0.0, 1000.0),
        least=0.001,
        dynamic=True,
    )
    max_age: float = parameter(
        0.0,
        "Seconds since its stamp after which a frame is dropped, as too old to matter. 0 for never.",
        limits=(0.0, 3600.0),
        least=0.001,
        dynamic=True,
    )
    camera_timeout: float = parameter(
        2.0,
        "Seconds without an image after which diagnostics call a camera lost.",
        limits=(0.1, 3600.0),
        dynamic=True,
    )
    max_pixels: int = parameter(
        MAX_PIXELS,
        "Pixels of an image at most: what says that it has more is malformed, and is not decoded.",
        limits=(1, MOST_PIXELS),
        dynamic=True,
    )
    map_size: Literal["camera", "model"] = parameter(
        "camera",
        "Size of the maps: the camera's, or the model's, which is cheaper.",
        choices=("camera", "model"),
        dynamic=True,
    )
    threads: int = parameter(0, "CPU threads of the engine; 0 for one per core.", limits=(0, 256))
    providers: tuple[str, ...] = parameter(
        ("auto",), "ONNX Runtime execution providers in order of preference; 'auto' for the best there are."
    )
    zero_copy: bool = parameter(
        False, "Let TensorRT work in place in memory that GPU and CPU share, as on a Jetson, without copies."
    )
    self_test: bool = parameter(
        True, "Refuse a model that does not give here the maps that it gave when it was exported."
    )

    def check(self) -> None:
        """Raise AvtarError for parameters that do not fit together."""
        if len(set(self.cameras)) < len(self.cameras) or not all(self.cameras):
            raise AvtarError(f"parameter cameras: {list(self.cameras)} must be different names, none empty.")
        if len(self.cameras) > 1 and "{camera}" not in self.image_topic:
            raise AvtarError(
                f"parameter image_topic: {self.image_topic!r} is the same for all cameras. Use {{camera}} in it."
            )
        for name in ("max_rate", "min_rate"):
            if len(getattr(self, name)) not in (1, len(self.cameras)):
                raise AvtarError(
                    f"parameter {name}: {list(getattr(self, name))} must be one number for all cameras, or one for "
                    f"each of {', '.join(self.cameras)}."
                )

    def for_camera(self, values: tuple[float, ...], camera: str) -> float:
        """The camera's own among values that are one for each camera, or one for all."""
        return values[0] if len(values) == 1 else values[self.cameras.index(camera)]

    @property
    def chosen_tasks(self) -> tuple[str, ...] | None:
        """None for all that the model has."""
        return None if self.tasks == (ALL,) else self.tasks

    @property
    def model_path(self) -> Path:
        return expanded(self.model) if self.model else find_resource(DEMO_MODEL)

    @property
    def engine_options(self) -> EngineOptions:
        providers = () if self.providers == ("auto",) else self.providers
        return EngineOptions(self.threads, providers, self.zero_copy, self.self_test)
