"""avtar-train: make a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from avtar_ros.terminal.command_line import Program
from training.commands.affinities import AFFINITIES
from training.commands.average import AVERAGE
from training.commands.backbone import BACKBONE
from training.commands.distill import DISTILL
from training.commands.evaluate import EVALUATE
from training.commands.experiments import EXPERIMENTS
from training.commands.export import EXPORT
from training.commands.fit import FIT
from training.commands.path_traced import PATH_TRACED
from training.commands.preview import PREVIEW
from training.commands.scenes import SCENES
from training.commands.teach import TEACH

PROGRAM = Program(
    name="avtar-train",
    description="Make a model: train, judge and export it.",
    commands={
        "fit": FIT,
        "evaluate": EVALUATE,
        "export": EXPORT,
        "average": AVERAGE,
        "backbone": BACKBONE,
        "experiments": EXPERIMENTS,
        "affinities": AFFINITIES,
        "scenes": SCENES,
        "path-traced": PATH_TRACED,
        "preview": PREVIEW,
        "teach": TEACH,
        "distill": DISTILL,
    },
    kept="what was finished is kept.",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return PROGRAM.main(argv)


if __name__ == "__main__":
    sys.exit(main())
