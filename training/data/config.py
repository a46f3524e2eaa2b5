"""The `data` section of a config: which data set, where it lies, and the size its images are brought to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from avtar_ros.meaning import SemanticClass
from avtar_ros.model_card import read_onnx_card
from training.data import classes
from training.section import Positive, Rate, Real, Section, UserPath, Whole, fault

Split = Literal["train", "validation"]


class AugmentConfig(Section):
    """How images are changed at random: half of them mirrored; zoomed into by up to `zoom`; brightness, contrast,
    saturation and, less, hue changed by up to `jitter` of their range; taken by a camera that is worse than theirs by
    up to `camera` (exposure, white balance, vignetting, blur, noise, JPEG)."""

    flip: bool = True
    zoom: Annotated[Real, Field(ge=1)] = 1.0
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.0
    camera: Annotated[Real, Field(ge=0, le=1)] = 0.0


class Sized(Section):
    """What all data sets have: the size of the images in training."""

    width: Positive = 256
    height: Positive = 192

    @property
    def single(self) -> tuple[Self, ...]:
        """The data sets that it is made of: itself."""
        return (self,)


class RoomsConfig(Sized):
    """Synthetic rooms: `rooms` of them from seed `first_seed` on; `validation_rooms` others to watch training by."""

    dataset: Literal["synthetic_rooms"] = "synthetic_rooms"
    rooms: Positive = 20_000
    first_seed: Whole = 0
    validation_rooms: Positive = 200
    validation_seed: Whole = 2_000_000

    @property
    def classes(self) -> classes.Classes:
        from training.data.synthetic_rooms import CLASSES

        return tuple(SemanticClass(*c) for c in CLASSES)

    @property
    def description(self) -> str:
        return f"{self.rooms} synthetic rooms of avtar_ros (seeds from {self.first_seed})"


class NyudConfig(Sized):
    """NYU Depth v2: the folder of `nyu_depth_v2_labeled.mat`, or the folder NYUD_MT, with 40 or 13 classes."""

    dataset: Literal["nyud"]
    root: UserPath
    labels: Literal[40, 13] = 40

    @property
    def classes(self) -> classes.Classes:
        return classes.NYUD_40 if self.labels == 40 else classes.NYUD_13

    @property
    def description(self) -> str:
        return f"NYU Depth v2, {self.labels} classes"


class CityscapesConfig(Sized):
    """Cityscapes with its 19 classes, or the 16 that SYNTHIA has too."""

    dataset: Literal["cityscapes"]
    root: UserPath
    labels: Literal[19, 16] = 19
    max_depth_m: Rate = 80.0

    @property
    def classes(self) -> classes.Classes:
        return classes.CITYSCAPES_19 if self.labels == 19 else classes.CITYSCAPES_16

    @property
    def description(self) -> str:
        return f"Cityscapes, {self.labels} classes"


class TaskonomyConfig(Sized):
    """Taskonomy, as released by building or in Omnidata's layout.

    `splits` is a table of buildings such as `train_val_test_tiny.csv`, below `root` or anywhere else.
    `field_of_view_deg` is that of the images without a `point_info` file of their own.
    """

    dataset: Literal["taskonomy"]
    root: UserPath
    splits: UserPath
    depth_steps_per_m: Rate = 512.0
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] | None = None

    @property
    def classes(self) -> classes.Classes:
        return classes.TASKONOMY

    @property
    def description(self) -> str:
        return f"Taskonomy ({self.splits.stem})"


class OmnidataConfig(TaskonomyConfig):
    """Replica, GSO, Hypersim and others in the layout of Taskonomy or Omnidata.

    Their depth scale differs from release to release; their semantic labels, which no two share, are not read.
    """

    dataset: Literal["omnidata"]  # type: ignore[assignment]
    depth_steps_per_m: Rate

    @property
    def classes(self) -> classes.Classes:
        return ()

    @property
    def description(self) -> str:
        return f"Omnidata folder {self.root.name} ({self.splits.stem})"


class SynthiaConfig(Sized):
    """SYNTHIA-RAND-CITYSCAPES; its last `validation_images` are kept from training, for it has no split of its own.

    It says nothing of its camera: `focal_px`, at the full width of 1280, is that of the SYNTHIA sequences.
    """

    dataset: Literal["synthia"]
    root: UserPath
    focal_px: Rate = 532.74
    validation_images: Positive = 400

    @property
    def classes(self) -> classes.Classes:
        return classes.CITYSCAPES_16

    @property
    def description(self) -> str:
        return "SYNTHIA-RAND-CITYSCAPES"


class BagConfig(Sized):
    """A robot's own recording: a camera with aligned depth and CameraInfo.

    `topic` names the camera's images where the bag has several; `every` takes each so many frames; the last
    `validation_frames` of those are kept from training. Readings beyond `max_depth_m` are too noisy to learn from.
    """

    dataset: Literal["rosbag"]
    bag: UserPath
    topic: str | None = None
    every: Positive = 1
    validation_frames: Positive = 60
    max_depth_m: Rate = 10.0

    @property
    def classes(self) -> classes.Classes:
        return ()

    @property
    def description(self) -> str:
        return f"camera recording {self.bag.name}"


class PicturesConfig(Sized):
    """A folder of pictures without any maps: what a teacher labels, or a domain to adapt to.

    Its last `validation_images` by name are kept from training; all are taken as seen under `field_of_view_deg`.
    """

    dataset: Literal["pictures"]
    folder: UserPath
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] = 60.0
    validation_images: Positive = 50

    @property
    def classes(self) -> classes.Classes:
        return ()

    @property
    def description(self) -> str:
        return f"pictures in {self.folder.name}"


TAGS = (
    "synthetic_rooms", "nyud", "cityscapes", "taskonomy", "omnidata", "synthia", "rosbag", "pictures",
    "taught", "mixed",
)  # fmt: skip


def _dataset(raw: Any) -> str | None:
    """Which data set a section is of; without the key it is the rooms."""
    return str(raw.get("dataset", TAGS[0])) if isinstance(raw, dict) else getattr(raw, "dataset", None)


GivenConfig = (
    Annotated[RoomsConfig, Tag("synthetic_rooms")]
    | Annotated[NyudConfig, Tag("nyud")]
    | Annotated[CityscapesConfig, Tag("cityscapes")]
    | Annotated[TaskonomyConfig, Tag("taskonomy")]
    | Annotated[OmnidataConfig, Tag("omnidata")]
    | Annotated[SynthiaConfig, Tag("synthia")]
    | Annotated[BagConfig, Tag("rosbag")]
    | Annotated[PicturesConfig, Tag("pictures")]
)


class TaughtConfig(Section):
    """Distillation: images of any data set with the maps that `teacher`, an .onnx file, sees in them."""

    dataset: Literal["taught"]
    teacher: UserPath
    data: Annotated[GivenConfig, Discriminator(_dataset)]

    @property
    def single(self) -> tuple[Self, ...]:
        return (self,)

    @property
    def width(self) -> int:
        return self.data.width

    @property
    def height(self) -> int:
        return self.data.height

    @property
    def classes(self) -> classes.Classes:
        """The teacher's. Raises ModelCardError where it is no model."""
        return read_onnx_card(self.teacher).classes

    @property
    def description(self) -> str:
        return f"{self.data.description}, as {self.teacher.name} sees them"


SingleConfig = GivenConfig | Annotated[TaughtConfig, Tag("taught")]


class PartConfig(Section):
    """A data set in a mixture, `repeat` times as often as it has images."""

    data: Annotated[SingleConfig, Discriminator(_dataset)]
    repeat: Positive = 1


class MixedConfig(Section):
    """Several data sets in one run; each may lack maps that others have. Their classes must be the same."""

    dataset: Literal["mixed"]
    parts: tuple[PartConfig, ...]

    @property
    def single(self) -> tuple[SingleConfig, ...]:
        return tuple(part.data for part in self.parts)

    @property
    def width(self) -> int:
        return self.parts[0].data.width

    @property
    def height(self) -> int:
        return self.parts[0].data.height

    @property
    def classes(self) -> classes.Classes:
        return next((part.data.classes for part in self.parts if part.data.classes), ())

    @property
    def description(self) -> str:
        return "; ".join(
            part.data.description + (f", {part.repeat} times" if part.repeat > 1 else "") for part in self.parts
        )

    @model_validator(mode="after")
    def _fit_together(self) -> MixedConfig:
        if len(self.parts) < 2:
            raise fault("parts", "must name two data sets or more")
        if len({(part.data.width, part.data.height) for part in self.parts}) > 1:
            raise fault("parts", "must all have the same width and height")
        if len({part.data.classes for part in self.parts} - {()}) > 1:
            raise fault("parts", "those with segmentation must have the same classes")
        return self


DataConfig = Annotated[SingleConfig | Annotated[MixedConfig, Tag("mixed")], Discriminator(_dataset)]


def key_path(location: Sequence[int | str]) -> str:
    """The path of a key as it stands in the YAML, from pydantic's, which names the chosen data set too."""
    return ".".join(str(part) for part in location if part not in TAGS)
