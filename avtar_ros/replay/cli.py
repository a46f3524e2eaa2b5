"""avtar-replay: run a model over recorded bags and judge it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from avtar_ros.replay.commands.compare import COMPARE
from avtar_ros.replay.commands.fleet import FLEET
from avtar_ros.replay.commands.info import INFO
from avtar_ros.replay.commands.mine import MINE
from avtar_ros.replay.commands.replay import REPLAY
from avtar_ros.terminal.command_line import Program

PROGRAM = Program(
    name="avtar-replay",
    description="Run a model over recorded bags and judge it.",
    commands={"compare": COMPARE, "fleet": FLEET, "info": INFO, "mine": MINE},
    usual=REPLAY,
    kept="what was finished is kept; run the same again to continue.",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return PROGRAM.main(argv)


if __name__ == "__main__":
    sys.exit(main())
