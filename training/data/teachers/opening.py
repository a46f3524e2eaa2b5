"""From a config's `teachers` to the models that it names."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from avtar_ros.tasks import SEGMENTATION
from avtar_ros.terminal.command_line import show
from training.data.classes import Classes
from training.data.teachers.config import TeacherConfig
from training.data.teachers.mapping import target_of
from training.data.teachers.opinion import Teacher
from training.errors import TrainingError
from training.hub import find_model, warning_of


def open_teachers(configs: Sequence[TeacherConfig], width: int, device: torch.device) -> list[Teacher]:
    """All of them, for pictures `width` wide, their licences said where they must be.

    Raises TrainingError or AvtarError if one cannot be had, or not what it is asked for.
    """
    teachers = [_open(config, width, device) for config in configs]
    for teacher in teachers:
        if warning := warning_of(teacher.name, teacher.licence):
            show(warning)
    return teachers


def _open(config: TeacherConfig, width: int, device: torch.device) -> Teacher:
    path = find_model(config.model)
    if path.suffix == ".onnx":
        from training.data.teachers.onnx_teachers import DescribedTeacher, OwnTeacher

        if config.onnx is None:
            return OwnTeacher(config, path)
        return DescribedTeacher(config, path, config.onnx, width)
    from training.data.teachers.hub_teacher import HubTeacher

    return HubTeacher(config, path, width, device)


def classes_of_teachers(configs: Sequence[TeacherConfig]) -> Classes:
    """What the labels' class ids mean; empty where no teacher gives any.

    Raises TrainingError if teachers differ in it, or one whose classes must be asked for is not here.
    """
    found = {config.model: _classes(config) for config in configs if SEGMENTATION.name in config.gives}
    names = {tuple(c.name for c in classes) for classes in found.values()}
    if len(names) > 1:
        listed = "; ".join(f"{model}: {', '.join(c.name for c in classes[:5])}, …" for model, classes in found.items())
        raise TrainingError(f"teachers of segmentation must have the same classes; give each `classes` ({listed}).")
    return next(iter(found.values()), ())


def _classes(config: TeacherConfig) -> Classes:
    known = target_of(config.class_map)
    if known is not None:
        return known
    path = find_model(config.model)
    if path.suffix != ".onnx":
        from training.data.teachers.hub_teacher import classes_of, read_config
        from training.data.teachers.mapping import ClassMixer

        return ClassMixer(classes_of(read_config(config.model, path)), config.class_map).classes
    return _open(config, 1, torch.device("cpu")).classes
