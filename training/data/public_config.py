"""The sections of data sets that are the same for everybody: synthetic rooms, and published ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from avtar_ros.meaning import SemanticClass
from training import seeds
from training.data import classes
from training.data.sized import Sized
from training.section import Positive, PositiveReal, Real, UserPath, Whole

RoomViews = Literal["furniture", "anywhere"]


class RoomsConfig(Sized):
    """Synthetic rooms: `rooms` of them from seed `first_seed` on; `validation_rooms` others to watch training by.

    `views` are of furniture from eye level, or from anywhere that robots and hands hold cameras."""

    dataset: Literal["synthetic_rooms"] = "synthetic_rooms"
    rooms: Positive = 20_000
    first_seed: Whole = 0
    validation_rooms: Positive = 200
    validation_seed: Whole = seeds.VALIDATION
    views: RoomViews = "furniture"

    @property
    def own_classes(self) -> classes.Classes:
        from training.data.synthetic_rooms import CLASSES

        return tuple(SemanticClass(*c) for c in CLASSES)

    @property
    def description(self) -> str:
        seen = "" if self.views == "furniture" else f", seen from {self.views}"
        return f"{self.rooms} synthetic rooms of avtar_ros (seeds from {self.first_seed}){seen}"


class NyudConfig(Sized):
    """NYU Depth v2: the folder of `nyu_depth_v2_labeled.mat`, or the folder NYUD_MT, with 40 or 13 classes."""

    dataset: Literal["nyud"]
    root: UserPath
    labels: Literal[40, 13] = 40

    @property
    def own_classes(self) -> classes.Classes:
        return classes.NYUD_40 if self.labels == 40 else classes.NYUD_13

    @property
    def description(self) -> str:
        return f"NYU Depth v2, {self.labels} classes"


class CityscapesConfig(Sized):
    """Cityscapes with its 19 classes, or the 16 that SYNTHIA has too."""

    dataset: Literal["cityscapes"]
    root: UserPath
    labels: Literal[19, 16] = 19
    max_depth_m: PositiveReal = 80.0

    @property
    def own_classes(self) -> classes.Classes:
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
    depth_steps_per_m: PositiveReal = 512.0
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] | None = None

    @property
    def own_classes(self) -> classes.Classes:
        return classes.TASKONOMY

    @property
    def description(self) -> str:
        return f"Taskonomy ({self.splits.stem})"


class OmnidataConfig(TaskonomyConfig):
    """Replica, GSO, Hypersim and others in the layout of Taskonomy or Omnidata.

    Their depth scale differs from release to release; their semantic labels, which no two share, are not read.
    """

    dataset: Literal["omnidata"]  # type: ignore[assignment]
    depth_steps_per_m: PositiveReal

    @property
    def own_classes(self) -> classes.Classes:
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
    focal_px: PositiveReal = 532.74
    validation_images: Positive = 400

    @property
    def own_classes(self) -> classes.Classes:
        return classes.CITYSCAPES_16

    @property
    def description(self) -> str:
        return "SYNTHIA-RAND-CITYSCAPES"
