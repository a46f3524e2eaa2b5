"""avtar-replay fleet BAGS --out DIR: replay many bags on a Ray cluster, or on the cores of this machine."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from avtar_ros.disk.files import expanded
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.errors import AvtarError
from avtar_ros.replay.commands.run_options import add_run_arguments, options_of
from avtar_ros.replay.fleet import places
from avtar_ros.replay.fleet.figures import pooled
from avtar_ros.replay.fleet.jobs import Job, Outcome, model_names, outcome_of, plan
from avtar_ros.replay.fleet.report import REPORT_FILES, FleetReport
from avtar_ros.replay.running.bag_replay import ReplayOptions
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.terminal.command_line import DONE, FAILED, Command, not_negative, positive, positive_int, show
from avtar_ros.terminal.extras import install_line
from avtar_ros.terminal.progress import Progress

DESCRIPTION = (
    "Replay many bags, each as avtar-replay does, spread over workers; then judge all of them together. "
    "Bags, models and OUT may be on local disks or in object stores (s3://...). What is finished is not "
    "done again. Exit code 1 where a bag has failed, which stops no other."
)
LOOPBACK_RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Makes a Ray of our own listen on the loopback interface alone, despite the first one's name, and report to nobody."""
GROUPS = r"(?:(?P<robot>[^/]+)/)?(?P<scene>[^/]+)/[^/]+$"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bags", nargs="+", help="bags, or patterns such as 'recordings/*.mcap'")
    parser.add_argument("--out", required=True, help="folder for the results")
    parser.add_argument(
        "--model", action="append", default=[], help="model file (default: the demo model); repeat to judge several"
    )
    parser.add_argument(
        "--groups", type=_pattern, default=GROUPS, metavar="REGEX",
        help="what figures are broken down by: groups named in this expression, found in a bag's address "
        "(default: folders ROBOT/SCENE/bag)",
    )
    parser.add_argument("--address", help="of a Ray cluster (default: this machine's cores)")
    parser.add_argument("--workers", type=positive_int, metavar="N", help="how many (default: as many as fit)")
    parser.add_argument(
        "--cpus", type=positive, default=1, metavar="N", help="cores for a worker (default: %(default)s)"
    )
    parser.add_argument(
        "--gpus", type=not_negative, default=0, metavar="N", help="GPUs for a worker, or a share of one"
    )
    add_run_arguments(parser)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: not a regular expression ({error})") from error


def run(options: argparse.Namespace, command: str) -> int:
    """Replay all bags and report; returns the exit code. Raises AvtarError, OSError."""
    out = _absolute(options.out)
    models = [_absolute(model) for model in options.model or [str(find_resource(DEMO_MODEL))]]
    chosen = options_of(options, Path(), Path(), Path())
    chosen = replace(chosen, threads=options.threads or max(1, int(options.cpus)))
    with _reserved(out):
        return _run(options, command, out, models, chosen)


@contextmanager
def _reserved(out: str) -> Iterator[None]:
    """Hold the folder of the results, where it is on a local disk, and check that the reports may be written there."""
    with ExitStack() as stack:
        if places.is_local(out):
            stack.enter_context(OutputFolder(Path(out))).claim(*REPORT_FILES)
        else:
            places.reserve(out, REPORT_FILES)
        yield


def _run(options: argparse.Namespace, command: str, out: str, models: list[str], chosen: ReplayOptions) -> int:
    bags = places.find([bag.removeprefix("file://") for bag in options.bags])
    jobs = plan(bags, places.find(models), out, options.groups, chosen)
    kept = {job.out: outcome for job in jobs if (outcome := outcome_of(job))}
    with Progress(total=len(jobs), initial=len(kept), unit="bag", disable=None) as bar:
        for outcome in _work([job for job in jobs if job.out not in kept], options):
            kept[outcome.out] = outcome
            bar.update()
    outcomes = [kept[job.out] for job in jobs]
    report = FleetReport(outcomes, pooled(outcomes), out, command)
    with places.local_folder(out) as folder:
        report.write(folder)
    _print(report)
    return FAILED if any(outcome.failed or outcome.damaged for outcome in outcomes) else DONE


def _work(jobs: list[Job], options: argparse.Namespace) -> Iterator[Outcome]:
    """The outcomes of jobs, as they end. Raises AvtarError if Ray is not installed or not to be had."""
    if not jobs:
        return
    if options.address is None:
        os.environ.update(LOOPBACK_RAY, RAY_AUTH_TOKEN=secrets.token_hex(16))
    try:
        from avtar_ros.replay.fleet.ray_workers import (
            Cluster,
            run_jobs,
        )
    except ImportError as error:
        raise AvtarError(f"Ray cannot be imported ({error}). Run: {install_line('fleet')}") from error
    yield from run_jobs(jobs, Cluster(options.address, options.workers, options.cpus, options.gpus))


def _absolute(address: str) -> str:
    """The same address from wherever a worker runs."""
    address = address.removeprefix("file://")
    return str(expanded(address).absolute()) if places.is_local(address) else address


def _print(report: FleetReport) -> None:
    names = model_names(list(report.models))
    for model, figures in report.models.items():
        show(f"{names[model]}: {figures.bags} bags, {figures.frames} frames")
        width = max(map(len, figures.figures), default=0)
        for key, value in figures.figures.items():
            show(f"  {key:<{width}}  {figures.known[key].text(value):>9}")
    show(places.below(report.out, "fleet.html"))
    if report.left_out:
        show(f"avtar-replay fleet: {report.left_out}", sys.stderr)
    for outcome in report.failed:
        show(f"avtar-replay fleet: {outcome.message}", sys.stderr)


FLEET = Command("replay many bags on many workers, and judge all of them together", DESCRIPTION, add_arguments, run)
