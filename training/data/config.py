"""The `data` section of a config: which data set, where it lies, and the size its images are brought to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from avtar_ros.meaning import UNLABELLED, SemanticClass
from avtar_ros.model_card import read_onnx_card
from avtar_ros.tasks import SEGMENTATION, TASKS
from training import seeds
from training.data import classes
from training.data.class_files import CLASSES, read_classes
from training.data.sized import Sized
from training.data.sized import Split as Split
from training.data.stored_maps import FormatsConfig
from training.data.teachers.config import TeacherConfig, TrustConfig
from training.data.vocabulary import onto, vocabularies, vocabulary
from training.errors import TrainingError
from training.section import Positive, PositiveReal, Real, Section, UserPath, Whole, fault, one_or_several


class AugmentConfig(Section):
    """How images are changed at random: half of them mirrored; zoomed into by up to `zoom`; brightness, contrast,
    saturation and, less, hue changed by up to `jitter` of their range; taken by a camera that is worse than theirs by
    up to `camera` (exposure, white balance, vignetting, blur, noise, JPEG)."""

    flip: bool = True
    zoom: Annotated[Real, Field(ge=1)] = 1.0
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.0
    camera: Annotated[Real, Field(ge=0, le=1)] = 0.0


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


class BagConfig(Sized):
    """A robot's own recording: a camera with any of aligned depth, class labels, normals and edges.

    `labels` says what its class ids mean: a vocabulary, such as rooms13, or the classes' names in the order of the ids;
    without it they mean what the recording itself says of them, if it does (vision_msgs/LabelInfo).
    `topic` names the camera's images where the bag has several, `depth_topic` and `info_topic` its depth and CameraInfo
    where others than those that fit it are meant; `rectified` is whether images are (null: as their topic's name says),
    so that P of CameraInfo is their lens. `every` takes each so many frames; the last
    `validation_frames` of those are kept from training. Readings beyond `max_depth_m` are too noisy to learn from.
    """

    dataset: Literal["rosbag"]
    bag: UserPath
    labels: str | tuple[str, ...] | None = None
    topic: str | None = None
    depth_topic: str | None = None
    info_topic: str | None = None
    rectified: bool | None = None
    every: Positive = 1
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] | None = None
    """Where the recording has no CameraInfo."""
    validation_frames: Positive = 60
    max_depth_m: PositiveReal = 10.0

    @property
    def own_classes(self) -> classes.Classes:
        if self.labels is None:
            from training.data.bag_classes import classes_of_bag

            return classes_of_bag(self.bag, self.topic)
        return vocabulary(self.labels) if isinstance(self.labels, str) else classes.numbered(self.labels)

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
    def description(self) -> str:
        return f"pictures in {self.folder.name}"


class FolderConfig(Sized):
    """A folder of images with any of depth, segmentation, normals and edges beside them (training/data/folder.py).

    Its last `validation_images` by name, a tenth where it is not given, are kept from training. `maps` says how maps
    are stored where that is not as usual; `derive` names those that are computed from others where they lack.
    `field_of_view_deg` is all images' where there is no intrinsics.json.
    """

    dataset: Literal["folder"]
    root: UserPath
    validation_images: Positive | None = None
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] | None = None
    maps: FormatsConfig = FormatsConfig()
    derive: tuple[Literal["normals", "edges"], ...] = ()

    def held_out(self, images: int) -> int:
        """How many of so many images are kept from training."""
        return self.validation_images or max(1, images // 10)

    @property
    def own_classes(self) -> classes.Classes:
        """Those of its classes.yaml. Raises TrainingError if that is none, or there is no such folder."""
        if not self.root.is_dir():
            raise TrainingError(f"{self.root}: there is no such folder of images.")
        return read_classes(self.root / CLASSES)

    @property
    def description(self) -> str:
        return f"images with maps in {self.root.name}"


Annotations = Annotated[tuple[UserPath, ...], BeforeValidator(one_or_several), Field(min_length=1)]


class CocoSplitConfig(Section):
    """Images, their annotation files and, of panoptic ones, the folder of masks (the file's name without .json)."""

    images: UserPath
    annotations: Annotations
    masks: UserPath | None = None


class CocoConfig(Sized):
    """Images labelled in COCO's formats: instances, stuff, panoptic segments, or several of these files.

    `validation` names images of their own to measure on; else the last `validation_images` by id, a tenth where it is
    not given, are kept from training. Pixels of no annotation are unlabelled, or of the class `rest`.
    """

    dataset: Literal["coco"]
    images: UserPath
    annotations: Annotations
    masks: UserPath | None = None
    validation: CocoSplitConfig | None = None
    validation_images: Positive | None = None
    rest: str | None = None
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] = 60.0
    derive: tuple[Literal["edges"], ...] = ()

    @property
    def own_classes(self) -> classes.Classes:
        """Those of the annotation files, and `rest`. Raises TrainingError if they are none, or too many."""
        from training.data.coco_files import coco_classes, read_coco

        also = () if self.rest is None else (self.rest,)
        return coco_classes([read_coco(path) for path in self.annotations], also, any_number=self.class_map is not None)

    @property
    def description(self) -> str:
        return f"images labelled by {', '.join(path.name for path in self.annotations)}"


class ToolConfig(Sized):
    """An export of CVAT (Segmentation mask 1.1), LabelMe or Supervisely; all of them, and Label Studio, export COCO's
    formats too, or can.

    Its last `validation_images` by name, a tenth where it is not given, are kept from training. Pixels that nobody
    labelled are unlabelled, or of the class `rest`.
    """

    dataset: Literal["cvat", "labelme", "supervisely"]
    root: UserPath
    validation_images: Positive | None = None
    rest: str | None = None
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] = 60.0
    derive: tuple[Literal["edges"], ...] = ()

    @property
    def own_classes(self) -> classes.Classes:
        """Those of the export, and `rest`. Raises TrainingError if it is none."""
        from training.data.tools.exports import read_export

        names = dict.fromkeys(read_export(self.dataset, self.root).names)
        return classes.numbered(names | ({} if self.rest is None else {self.rest: None}))

    @property
    def description(self) -> str:
        return f"images labelled in {self.dataset} ({self.root.name})"


class ManifestConfig(Sized):
    """RGB-D images of several sources that a JSON file lists (training/data/manifest.py): depth, and normals of it.

    The sources named in `validation_sources`, the last one where none is, are kept from training.
    """

    dataset: Literal["manifest"]
    file: UserPath
    validation_sources: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        return f"images listed in {self.file.name}"


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


def key_path(location: Sequence[int | str]) -> str:
    """The path of a key as it stands in the YAML, from pydantic's, which names the chosen data set after `data` too."""
    pairs = zip(("", *location), location, strict=False)
    return ".".join(str(part) for before, part in pairs if before != "data" or part not in TAGS)
