"""One bag of a fleet's: replayed as `avtar-replay` does, and what came of it, kept beside the results."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from avtar_ros.bags.reading import open_bag
from avtar_ros.disk.files import write_text
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.json_records import parse_record, read_json
from avtar_ros.replay.fleet import places
from avtar_ros.replay.running.bag_replay import ReplayOptions, replay_bag
from avtar_ros.terminal.names import file_name

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Job:
    """A bag and a model by their addresses, where the results go, and what the report is broken down by.

    Of `options`, bag, model and output are set where it runs. `identity` changes with all that the results depend on.
    """

    bag: str
    model: str
    out: str
    groups: Mapping[str, str]
    options: ReplayOptions
    identity: str


@dataclass(frozen=True)
class Outcome:
    """What came of a job. `message` says what is wrong, where something is; without figures the job has failed.

    A damaged bag was replayed up to the damage. `seconds` is how long that took, `camera_seconds` how long its cameras
    recorded, `worker` who did it.
    """

    bag: str
    model: str
    out: str
    groups: Mapping[str, str]
    identity: str
    figures: Mapping[str, float]
    seconds: float
    camera_seconds: float
    worker: str
    message: str = ""
    damaged: bool = False

    @property
    def failed(self) -> bool:
        return not self.figures


def plan(
    bags: Sequence[str], models: Sequence[str], out: str, pattern: re.Pattern[str], options: ReplayOptions
) -> list[Job]:
    """A job for each bag and model. `pattern` finds a bag's groups in its address. Raises AvtarError."""
    jobs = []
    marks = {model: places.fingerprint(model) for model in models}
    for model in models:
        for bag in bags:
            found = pattern.search(bag)
            known = {**asdict(options), "bag": bag, "model": model}
            identity = _digest([str(sorted(known.items())), marks[model], places.fingerprint(bag)])
            name = f"{_folder(model, marks[model])}/{_folder(bag)}"
            groups = {key: text for key, text in found.groupdict().items() if text} if found else {}
            jobs.append(Job(bag, model, places.below(out, name), groups, options, identity))
    return jobs


def model_names(models: Sequence[str]) -> dict[str, str]:
    """What each model is called: as its file, and a digest beside it where several files are called alike."""
    stems = {model: PurePosixPath(model).stem for model in models}
    alike = Counter(stems.values())
    return {model: file_name(stem) if alike[stem] == 1 else _folder(model) for model, stem in stems.items()}


def _folder(*what: str) -> str:
    """The name of a folder: that of a file, by its address, for people, and a digest, as others may be called alike.

    A bag's is that of its address: one that goes on is done again. A model's is of its content as well: results of
    one that has changed are of another model.
    """
    return f"{file_name(PurePosixPath(what[0]).stem)}-{_digest(what)[:8]}"


def outcome_of(job: Job) -> Outcome | None:
    """What an earlier run has left of this very job; None where it failed, or bag, model or options have changed."""
    content = places.read(places.below(job.out, OUTCOME))
    if content is None:
        return None
    try:
        outcome = parse_record(Outcome, read_json(content, OUTCOME), OUTCOME)
    except AvtarError:
        return None
    if outcome.identity != job.identity or outcome.failed:
        return None
    return replace(outcome, groups=job.groups)


class JobRunner(AbstractContextManager["JobRunner"]):
    """Does jobs one after another. A model is loaded once, as long as the jobs of each come together."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._engine: Engine | None = None
        self._path = Path()
        self._open = ExitStack()

    def run(self, job: Job) -> Outcome:
        """Replay the job's bag and keep the results; what is wrong with it, the outcome says."""
        begin = time.perf_counter()
        worker = f"{socket.gethostname()} {os.getpid()}"
        about = job.bag, job.model, job.out, dict(job.groups), job.identity
        try:
            engine = self._load(job)
            with places.local_copy(job.bag) as bag, places.local_folder(job.out) as out:
                options = replace(job.options, bag=bag, out=out, model=self._path)
                replayed = replay_bag(options, engine, f"avtar-replay fleet, of which {job.bag} with {job.model}")
                with open_bag(bag) as recording:
                    start_ns, stop_ns = options.selection.window_ns(recording)
                camera_seconds = (stop_ns - start_ns) / 1e9 * max(1, len(options.topics))
                notes = "\n".join(replayed.run.notes)
                took = time.perf_counter() - begin, camera_seconds
                outcome = Outcome(*about, replayed.run.figures, *took, worker, notes, replayed.damaged)
                with OutputFolder(out, [bag, self._path]) as folder:
                    folder.claim(OUTCOME)
                    write_text(out / OUTCOME, json.dumps(asdict(outcome), indent=1) + "\n")
                return outcome
        except (AvtarError, OSError) as error:
            return Outcome(*about, {}, time.perf_counter() - begin, 0.0, worker, str(error))

    def _load(self, job: Job) -> Engine:
        """The engine of the job's model; that of another is closed first."""
        if self._engine is None or self._model != job.model:
            self._open.close()
            self._engine, self._model = None, None
            self._path = self._open.enter_context(places.local_copy(job.model))
            self._engine = self._open.enter_context(open_engine(self._path, EngineOptions(threads=job.options.threads)))
            self._model = job.model
        return self._engine

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _digest(texts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
