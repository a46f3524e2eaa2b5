"""The sections of data that people have themselves: recordings, pictures, and labels of any tool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from training.data import classes
from training.data.class_files import CLASSES, read_classes
from training.data.sized import Sized
from training.data.stored_maps import FormatsConfig
from training.data.vocabulary import vocabulary
from training.errors import TrainingError
from training.section import Positive, PositiveReal, Real, Section, UserPath, one_or_several


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


class DrawnConfig(Sized):
    """Images in which people have drawn classes, and nothing else is labelled.

    The last `validation_images`, a tenth where it is not given, are kept from training. Pixels that nobody labelled
    are unlabelled, or of the class `rest`.
    """

    validation_images: Positive | None = None
    rest: str | None = None
    field_of_view_deg: Annotated[Real, Field(gt=0, lt=180)] = 60.0
    derive: tuple[Literal["edges"], ...] = ()


class CocoConfig(DrawnConfig):
    """Images labelled in COCO's formats: instances, stuff, panoptic segments, or several of these files.

    `validation` names images of their own to measure on; else the last by id are kept for it.
    """

    dataset: Literal["coco"]
    images: UserPath
    annotations: Annotations
    masks: UserPath | None = None
    validation: CocoSplitConfig | None = None

    @property
    def own_classes(self) -> classes.Classes:
        """Those of the annotation files, and `rest`. Raises TrainingError if they are none, or too many."""
        from training.data.coco_files import coco_classes, read_coco

        also = () if self.rest is None else (self.rest,)
        return coco_classes([read_coco(path) for path in self.annotations], also, any_number=self.class_map is not None)

    @property
    def description(self) -> str:
        return f"images labelled by {', '.join(path.name for path in self.annotations)}"


class ToolConfig(DrawnConfig):
    """An export of CVAT (Segmentation mask 1.1), LabelMe or Supervisely; all of them, and Label Studio, export COCO's
    formats too, or can. The last images are so by name.
    """

    dataset: Literal["cvat", "labelme", "supervisely"]
    root: UserPath

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
