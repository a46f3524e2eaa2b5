"""The `teachers` of a config: which models, what they give, and what their outputs mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from avtar_ros.tasks import TASKS
from training.data.sized import ClassMap
from training.section import Positive, PositiveReal, Real, Section, fault

DepthKind = Literal["metres", "relative_depth", "disparity"]
"""Metres; depth up to an unknown scale and shift; inverse depth up to them."""
Align = Literal["none", "frame", "bag"]
Frame = Literal["optical", "opengl", "opposite"]
"""x right, y down, z forward; x right, y up, z backward; x left, y up, z backward."""
FRAMES: dict[str, tuple[int, int, int]] = {"optical": (1, 1, 1), "opengl": (1, -1, -1), "opposite": (-1, -1, -1)}
"""What brings each to the optical one."""

ThreeReals = tuple[Real, Real, Real]


class OnnxOutputConfig(Section):
    """One output: its name in the graph, and what it holds.

    `metres`, `relative_depth` and `disparity` are (B, H, W), with an axis of one channel or without; `logits` have an
    axis of channels, the classes', `unit_normals` one of x, y, z, `probability` of edges none or one. `layout` says
    where that axis is.
    """

    name: str
    holds: Literal["metres", "relative_depth", "disparity", "logits", "unit_normals", "probability"] = Field(alias="is")
    layout: Literal["nchw", "nhwc"] = "nchw"
    frame: Frame = "optical"


OF_TASK = {
    "depth": ("metres", "relative_depth", "disparity"),
    "segmentation": ("logits",),
    "normals": ("unit_normals",),
    "edges": ("probability",),
}


class OnnxConfig(Section):
    """A graph that has no model card of ours: input = (pixel · `scale` − `mean`) / `std`, RGB, `width` × `height`."""

    width: Positive
    height: Positive
    layout: Literal["nchw", "nhwc"] = "nchw"
    scale: PositiveReal = 1 / 255
    mean: ThreeReals = (0.0, 0.0, 0.0)
    std: tuple[PositiveReal, PositiveReal, PositiveReal] = (1.0, 1.0, 1.0)
    outputs: dict[str, OnnxOutputConfig]
    labels: str | tuple[str, ...] | None = None
    """What the logits are of: a vocabulary, or the classes' names."""

    @model_validator(mode="after")
    def _each_of_its_task(self) -> OnnxConfig:
        for task, output in self.outputs.items():
            if task not in OF_TASK:
                raise fault(f"outputs.{task}", f"is no task; known: {', '.join(OF_TASK)}")
            if output.holds not in OF_TASK[task]:
                raise fault(f"outputs.{task}.is", f"{output.holds} is not {task}; expected {', '.join(OF_TASK[task])}")
        if "segmentation" in self.outputs and self.labels is None:
            raise fault("labels", "is needed with logits: a vocabulary, or the classes' names in their order")
        return self


class TeacherConfig(Section):
    """A model that labels pictures: a name on the Hugging Face hub, a local folder of one, or an .onnx file.

    `gives` are the tasks that it is asked for. `classes` brings its classes to others, as for a data set. `depth` says
    what its depth is, where the model does not; `align` fits it to the depth that the data has, in every frame or once
    for all (relative depth in every frame, metres not at all, unless it says otherwise). `focal_px` is the focal
    length at the pictures' width here that its metres are for: where it is given they are scaled to each picture's
    camera. `frame` is that of its normals. `onnx` describes a graph without a model card of ours.
    """

    model: str
    gives: Annotated[tuple[str, ...], Field(min_length=1)]
    class_map: ClassMap | None = Field(default=None, alias="classes")
    depth: DepthKind | None = None
    align: Align | None = None
    focal_px: PositiveReal | None = None
    frame: Frame | None = None
    licence: str = ""
    onnx: OnnxConfig | None = None

    @model_validator(mode="after")
    def _of_tasks(self) -> TeacherConfig:
        if unknown := [name for name in self.gives if name not in TASKS]:
            raise fault("gives", f"names unknown tasks {unknown}; known: {', '.join(TASKS)}")
        if self.onnx is not None:
            if not self.model.endswith(".onnx"):
                raise fault("onnx", "describes an .onnx file, which `model` is not")
            if missing := [name for name in self.gives if name not in self.onnx.outputs]:
                raise fault("onnx.outputs", f"lacks {', '.join(missing)}, which `gives` names")
        return self


class TrustConfig(Section):
    """When teachers are believed.

    Every picture is also looked at mirrored (`flip`) and `scale` times as large (1 does not). Unlabelled is where a
    class is less probable than `probability`, and where views of a picture, or teachers, differ by more than `depth`,
    a share of the depth, `normals_deg`, or `edges`, a probability. Normals and edges that are derived of depth and
    classes leave out `border` pixels beside jumps of depth.
    """

    flip: bool = True
    scale: Annotated[Real, Field(gt=0, le=1)] = 0.75
    probability: Annotated[Real, Field(ge=0, le=1)] = 0.5
    depth: PositiveReal = 0.1
    normals_deg: PositiveReal = 25.0
    edges: PositiveReal = 0.3
    border: Annotated[int, Field(strict=True, ge=0)] = 2
