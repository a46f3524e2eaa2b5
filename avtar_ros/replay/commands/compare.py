"""avtar-replay compare A B ...: which of several runs over the same bag, or of several models, is better."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from avtar_ros.bags.names import bag_files
from avtar_ros.disk.files import write_text
from avtar_ros.disk.outputs import check_file, is_figures
from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.engines.engine import EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.replay.commands.run_options import add_run_arguments, options_of
from avtar_ros.replay.comparing.comparison import Comparison, compare_sums, most_differing, verdicts
from avtar_ros.replay.comparing.conditions import Condition
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.judging.saved_sums import SavedSums, load_sums
from avtar_ros.replay.running.bag_replay import fingerprint, replay_bag
from avtar_ros.terminal.command_line import DIFFERENT, DONE, Command, show

DESCRIPTION = (
    "Compare runs of avtar-replay over the same frames: each further one with the first, the baseline. "
    "A model file stands for its run over --bag, which is done first, into a folder of --out. "
    "Differences come with 95 % confidence intervals. Exit code 3 where a condition of --fail-if holds."
)


@dataclass(frozen=True)
class SavedRun:
    """What a run has left in its folder."""

    folder: Path
    figures: dict[str, float]
    table: FrameTable
    saved: SavedSums

    @classmethod
    def load(cls, folder: Path) -> SavedRun:
        """Raises AvtarError if the folder holds no finished run."""
        try:
            raw = json.loads((folder / "metrics.json").read_text())
            figures = {key: float(value) for key, value in raw.items() if isinstance(value, (int, float))}
        except (OSError, *OTHER_FIELDS) as error:
            raise AvtarError(
                f"{folder}: no finished run of avtar-replay ({error}). Give the folder of its --out."
            ) from error
        return cls(folder, figures, FrameTable.read(folder / "frames.csv"), load_sums(folder / "sums.npz"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("baseline", type=Path, help="folder of the run to compare with, or a model file")
    parser.add_argument(
        "candidates", type=Path, nargs="+", metavar="candidate", help="folders of other runs, or model files"
    )
    parser.add_argument(
        "--fail-if", action="append", type=_condition, default=[], metavar="CONDITION",
        help="such as 'depth.rmse_m > 1.05x', 1.05 times the baseline's; repeat for more",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison there as well")
    models = parser.add_argument_group("where models are given")
    models.add_argument("--bag", type=Path, help="the bag to run them on")
    models.add_argument("--out", type=Path, default=Path("compare"), help="folder for the runs (default: %(default)s)")
    add_run_arguments(models)


def _condition(text: str) -> Condition:
    try:
        return Condition.parse(text)
    except AvtarError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(options: argparse.Namespace, command: str) -> int:
    """Print the comparisons; returns the exit code. Raises AvtarError."""
    conditions: list[Condition] = options.fail_if
    if options.json:
        check_file(options.json, _inputs(options), is_figures)
    folders = [_folder_of(path, number, options, command) for number, path in enumerate(_operands(options), 1)]
    baseline = SavedRun.load(folders[0])
    failed = False
    everything = {}
    for folder in folders[1:]:
        candidate = SavedRun.load(folder)
        comparisons = compare_runs(baseline, candidate)
        show("\n".join(_lines(baseline, candidate, comparisons)))
        everything[str(folder)] = _values(comparisons)
        for condition in conditions:
            if condition.holds(baseline.figures, candidate.figures):
                show(f"  FAILED: {condition.text}")
                failed = True
    if options.json:
        write_text(options.json, json.dumps(everything, indent=1) + "\n")
    return DIFFERENT if failed else DONE


def _operands(options: argparse.Namespace) -> list[Path]:
    """What to compare; raises AvtarError if there are models, but no bag to run them on."""
    operands: list[Path] = [options.baseline, *options.candidates]
    models = [path for path in operands if path.is_file()]
    if models and options.bag is None:
        raise AvtarError(f"{models[0]}: a model has to be run first. Say on what: --bag BAG.")
    return operands


def _inputs(options: argparse.Namespace) -> list[Path]:
    """What is read and must stay as it is."""
    given: list[Path | None] = [options.baseline, *options.candidates, options.bag]
    return [path for path in given if path is not None]


def _folder_of(path: Path, number: int, options: argparse.Namespace, command: str) -> Path:
    """The folder of a run: `path` itself, or that of the model there, which is run now.

    A folder is of one model and one bag: other ones that are called alike have folders of their own.
    """
    if not path.is_file():
        return path
    files = [path, *(bag_files(options.bag) if options.bag.exists() else ())]
    digest = hashlib.sha256(fingerprint(files).encode()).hexdigest()
    out: Path = options.out / f"{number}-{path.stem}-{digest[:8]}"
    with open_engine(path, EngineOptions(threads=options.threads)) as engine:
        replayed = replay_bag(options_of(options, options.bag, out, path), engine, command)
    if replayed.interrupted:
        raise KeyboardInterrupt
    for note in replayed.run.notes:
        show(f"avtar-replay: {note}", sys.stderr)
    return out


def compare_runs(baseline: SavedRun, candidate: SavedRun) -> list[Comparison]:
    """Raises AvtarError if the runs are not over the same frames."""
    same = baseline.table.stamps_ns == candidate.table.stamps_ns and baseline.table.cameras == candidate.table.cameras
    if not same:
        raise AvtarError(
            f"{baseline.folder} and {candidate.folder} are not over the same frames ({len(baseline.table)} and "
            f"{len(candidate.table)}). Replay the same bag with the same choice of frames."
        )
    meters = Judge(baseline.saved.card).meters
    return compare_sums(meters, baseline.saved.sums, candidate.saved.sums)


def _lines(baseline: SavedRun, candidate: SavedRun, comparisons: list[Comparison]) -> list[str]:
    lines = [f"{candidate.folder} against {baseline.folder}, {len(baseline.table)} frames"]
    width = max((len(c.key) for c in comparisons), default=0)
    for c in comparisons:
        interval = f"{c.difference:+.4g} [{c.low:+.4g}, {c.high:+.4g}]"
        values = f"{c.figure.text(c.baseline):>10} {c.figure.text(c.candidate):>10}"
        lines.append(f"  {c.key:<{width}}  {values}  {interval:<34} {c.verdict.value}")
    lines += [f"  {task}: {verdict.value}" for task, verdict in verdicts(comparisons).items()]
    first = {c.key.partition(".")[0]: c.key for c in reversed(comparisons)}
    start_ns = min(baseline.table.stamps_ns, default=0)
    for key in first.values():
        frames = most_differing(key, baseline.table, candidate.table)
        places = [f"{(f.stamp_ns - start_ns) / 1e9:.2f} s ({f.baseline:.3g} → {f.candidate:.3g})" for f in frames]
        lines += [f"  {key} differs most at {', '.join(places)}"] if places else []
    return lines


def _values(comparisons: list[Comparison]) -> dict[str, dict[str, object]]:
    return {
        c.key: {
            "baseline": c.baseline, "candidate": c.candidate, "difference": c.difference,
            "low": c.low, "high": c.high, "verdict": c.verdict.value,
        }
        for c in comparisons
    }


COMPARE = Command("compare runs over the same bag, with confidence intervals", DESCRIPTION, add_arguments, run)
