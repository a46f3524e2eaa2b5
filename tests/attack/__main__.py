"""Run the attack, print what came of it, and with --out write it down.

    python -m tests.attack --scale 0.1 --out docs/measurements/reliability.md
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from tests.attack.campaign import PARTS, Outcome, run_part

MARK = "<!-- what follows is written by `make attack` -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of each part's full size (default: all of it)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    begin = time.monotonic()
    outcomes = []
    for part in PARTS:
        outcomes.append(run_part(part, options.scale, options.seed))
        _tell(outcomes[-1])
    domain, claim = claim_ros_domain()
    with claim, tempfile.TemporaryDirectory() as folder:
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=folder)
        from tests.attack.live import run_kills, run_live  # ROS reads the environment when it is first used

        for outcome in run_live(options.scale, Path(folder), options.seed):
            outcomes.append(outcome)
            _tell(outcome)
        outcomes.append(run_kills(options.scale, Path(folder), options.seed))
        _tell(outcomes[-1])
    if options.out:
        text = options.out.read_text().partition(MARK)[0]
        options.out.write_text(f"{text}{MARK}\n\n{_table(outcomes, options, time.monotonic() - begin)}")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _tell(outcome: Outcome) -> None:
    print(
        f"{outcome.part}: {outcome.tried} tried with seed {outcome.seed}, {outcome.failed} failed, the longest "
        f"{outcome.longest_s:.2f} s, memory {outcome.peak_mb:+.1f} MB",
        flush=True,
    )
    for fault in outcome.faults[:3]:
        print(f"  {fault}", file=sys.stderr)


def _table(outcomes: list[Outcome], options: argparse.Namespace, seconds: float) -> str:
    about = (
        f"`python -m tests.attack --scale {options.scale:g} --seed {options.seed}`, {os.cpu_count()} cores of "
        f"{platform.machine()}, Python {platform.python_version()}, {seconds / 60:.1f} minutes in all."
    )
    lines = [
        about,
        "",
        "| part | tried | failed | longest | memory grown by |",
        "|---|---:|---:|---:|---:|",
        *(f"| {o.part} | {o.tried} | {o.failed} | {o.longest_s:.2f} s | {o.peak_mb:+.1f} MB |" for o in outcomes),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
