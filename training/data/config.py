"""The `data` section of a config: which data set, alone, labelled by teachers, or mixed with others; augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from avtar_ros.meaning import UNLABELLED
from avtar_ros.model_card import read_onnx_card
from avtar_ros.tasks import SEGMENTATION, TASKS
from training.data import classes
from training.data.own_config import BagConfig, CocoConfig, FolderConfig, ManifestConfig, PicturesConfig, ToolConfig
from training.data.public_config import (
    CityscapesConfig,
    NyudConfig,
    OmnidataConfig,
    RoomsConfig,
    SynthiaConfig,
    TaskonomyConfig,
)
from training.data.sized import Split as Split
from training.data.teachers.config import TeacherConfig, TrustConfig
from training.data.vocabulary import onto, vocabularies, vocabulary
from training.errors import TrainingError
from training.section import Positive, Real, Section, UserPath, fault


class AugmentConfig(Section):
    """How images are changed at random: half of them mirrored; zoomed into by up to `zoom`; brightness, contrast,
    saturation and, less, hue changed by up to `jitter` of their range; taken by a camera that is worse than theirs by
    up to `camera` (exposure, white balance, vignetting, blur, noise, JPEG)."""

    flip: bool = True
    zoom: Annotated[Real, Field(ge=1)] = 1.0
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.0
    camera: Annotated[Real, Field(ge=0, le=1)] = 0.0


TAGS = (
    "synthetic_rooms", "nyud", "cityscapes", "taskonomy", "omnidata", "synthia", "rosbag", "pictures", "folder",
    "coco", "cvat", "labelme", "supervisely", "manifest",
    "taught", "mixed",
)


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
    | Annotated[FolderConfig, Tag("folder")]
    | Annotated[CocoConfig, Tag("coco")]
    | Annotated[ManifestConfig, Tag("manifest")]
    | Annotated[ToolConfig, Tag("cvat")]
    | Annotated[ToolConfig, Tag("labelme")]
    | Annotated[ToolConfig, Tag("supervisely")]
)


class TaughtConfig(Section):
    """Distillation: images of any data set with the maps that others see in them.

    `teacher` is a model of ours, an .onnx file, that looks at every image anew. `teachers` are any public models, alone
    or together; they look at each image once, and their labels are kept. `trust` is how far they are believed,
    `derive` what is computed of depth and classes where none of them gives it, and `keeps` the tasks whose own maps,
    where the data has some, go before the teachers'. `batch_size` is how many images they look at at a time.
    """

    dataset: Literal["taught"]
    teacher: UserPath | None = None
    teachers: tuple[TeacherConfig, ...] = ()
    trust: TrustConfig = TrustConfig()
    derive: tuple[Literal["normals", "edges"], ...] = ("normals", "edges")
    keeps: tuple[str, ...] = ()
    batch_size: Positive = 8
    data: Annotated[GivenConfig, Discriminator(_dataset)]

    @model_validator(mode="after")
    def _taught_by_someone(self) -> TaughtConfig:
        if (self.teacher is None) == (not self.teachers):
            raise ValueError("give `teacher`, a model of ours, or `teachers`, a list of any models")
        if unknown := [name for name in self.keeps if name not in TASKS]:
            raise fault("keeps", f"names unknown tasks {unknown}; known: {', '.join(TASKS)}")
        return self

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
        """The teachers', or where they give none and the data's labels are kept, those of the data.

        Raises CardError or TrainingError if that takes a look at one that is not there, or the two differ.
        """
        if self.teacher is not None:
            return read_onnx_card(self.teacher).classes
        from training.data.teachers.opening import classes_of_teachers

        taught = classes_of_teachers(self.teachers)
        kept = self.data.classes if SEGMENTATION.name in self.keeps else ()
        if taught and kept and taught != kept:
            raise TrainingError(
                "the labels that the data keeps and those of its teachers are of other classes: give either `classes`."
            )
        return taught or kept

    @property
    def description(self) -> str:
        names = [self.teacher.name] if self.teacher is not None else [teacher.model for teacher in self.teachers]
        return f"{self.data.description}, as {', '.join(names)} see{'' if len(names) > 1 else 's'} them"


SingleConfig = GivenConfig | Annotated[TaughtConfig, Tag("taught")]


class PartConfig(Section):
    """A data set in a mixture, `repeat` times as often as it has images."""

    data: Annotated[SingleConfig, Discriminator(_dataset)]
    repeat: Positive = 1


class MixedConfig(Section):
    """Several data sets in one run; each may lack maps that others have.

    Their classes must be the same, or `classes` names the vocabulary that all are brought to.
    """

    dataset: Literal["mixed"]
    parts: tuple[PartConfig, ...]
    vocabulary: str | None = Field(default=None, alias="classes")

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
        if self.vocabulary is not None:
            return vocabulary(self.vocabulary)
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
        return self

    def check_classes(self) -> None:
        """Raises TrainingError if the parts' classes are not, and are not brought to, the same.

        No part of the section's own check: some classes are in files that a checkpoint outlives.
        """
        if self.vocabulary is None:
            if len({part.data.classes for part in self.parts} - {()}) > 1:
                raise TrainingError(
                    "those with segmentation must have the same classes; bring them to a vocabulary of their own each, "
                    f"or all of them to one by `data.classes`: {', '.join(vocabularies())}"
                )
            return
        target = vocabulary(self.vocabulary)
        for i, part in enumerate(self.parts):
            own = part.data.classes
            if own and not any(new != UNLABELLED for new in onto(own, target).ids):
                raise TrainingError(
                    f"none of the classes of part {i} is one of {self.vocabulary} by name; give that part `classes`"
                )


DataConfig = Annotated[SingleConfig | Annotated[MixedConfig, Tag("mixed")], Discriminator(_dataset)]
