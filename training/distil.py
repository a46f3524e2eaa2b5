"""The whole way from a recording to a model that runs: label, train, measure, export."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from avtar_ros.engines.opening import open_engine
from avtar_ros.tasks import DEPTH
from training.config import RunConfig
from training.data.own_config import BagConfig
from training.dry_run import dry_run
from training.errors import TrainingError
from training.evaluate import evaluate, held_out_images
from training.fit import fit
from training.teach import labelling_seconds, pictures_of, taught_data

BYTES_A_PIXEL = 14
"""Of a picture and its labels: once as read from the source with what it knew, once as labelled."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take, from one batch of labels and one step of each phase; labels that are there cost nothing."""

    pictures: int
    labelling_s: float
    training_s: float
    disk_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.pictures} pictures: labelling about {_minutes(self.labelling_s)}, training about "
            f"{_minutes(self.training_s)}, {self.disk_bytes / 1e6:.0f} MB of disk"
        )


def estimated(config: RunConfig, out: Path) -> Estimate:
    """Raises TrainingError if the disk has no room for it."""
    data = taught_data(config)
    training_s = sum(s * phase.steps for s, phase in zip(dry_run(config), config.phases, strict=True))
    pictures = sum(pictures_of(config))
    size = pictures * data.width * data.height * BYTES_A_PIXEL
    found = Estimate(pictures, labelling_seconds(config) * pictures, training_s, size)
    parent = next(path for path in (out, *out.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(parent).free) < size:
        raise TrainingError(f"{parent}: {free / 1e6:.0f} MB are free, and {size / 1e6:.0f} MB are needed.")
    return found


def distil(config: RunConfig, out: Path) -> Path:
    """Label and train; gives the checkpoint. Run again after an interruption, it goes on."""
    taught_data(config)
    return fit(config, out)


def measured(config: RunConfig, model: Path) -> dict[str, dict[str, float]]:
    """A model's figures on frames that it never saw: against the teachers, and against a sensor's depth if any."""
    data = taught_data(config)
    found = {}
    with open_engine(model) as engine:
        found["against its teachers"] = evaluate(engine.infer, engine.card, held_out_images(data, engine.card))
        if isinstance(data.data, BagConfig) and (sensor := _with_sensor(data.data)) is not None:
            figures = evaluate(engine.infer, engine.card, held_out_images(sensor, engine.card))
            found["against the sensor's depth"] = {k: v for k, v in figures.items() if k.startswith(DEPTH.name)}
    return {what: figures for what, figures in found.items() if figures}


def _with_sensor(config: BagConfig) -> BagConfig | None:
    """The recording as it is, where it has depth."""
    from avtar_ros.bags.reading import open_bag
    from avtar_ros.bags.recorded_frames import RecordedCamera

    with open_bag(config.bag) as bag:
        has_depth = DEPTH.name in RecordedCamera.find(bag, [DEPTH.name], config.topic).truth_topics
    return config if has_depth else None


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
