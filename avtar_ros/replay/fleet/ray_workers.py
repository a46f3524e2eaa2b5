"""Jobs spread over a Ray cluster, or over processes of a Ray of this machine's own."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from avtar_ros.errors import AvtarError
from avtar_ros.replay.fleet.jobs import Job, JobRunner, Outcome

RETRIES = 2
"""How often a job is tried again after its worker has died."""
RESTART_ATTEMPTS = 5
RESTART_PAUSE_S = 2.0
"""How often, and after what time, a worker that is being restarted is asked again: Ray itself gives up at once."""
OBJECT_STORE_BYTES = 100 * 2**20
"""Jobs and outcomes are small; bags and maps never go through Ray."""


@dataclass(frozen=True)
class Cluster:
    """Where to work: `address` of a cluster, None for processes of this machine; `workers` None for as many as fit.

    A worker takes `cpus` cores and `gpus` GPUs, which may be a share of one.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1
    gpus: float = 0


class _Worker:
    """A process that does jobs, and keeps its engine between them."""

    def __init__(self) -> None:
        self._runner = JobRunner()

    def run(self, job: Job) -> Outcome:
        return self._runner.run(job)


def run_jobs(jobs: Sequence[Job], cluster: Cluster) -> Iterator[Outcome]:
    """The outcome of each job, in whatever order they end. Raises AvtarError if there is no such cluster.

    A worker that dies is started again, and does its job again; a job that kills it every time has failed.
    """
    with _connected(cluster):
        workers = _workers(cluster, len(jobs))
        waiting = iter(jobs)
        running = {worker.run.remote(job): (worker, job, 1) for worker, job in zip(workers, waiting, strict=False)}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            worker, job, attempt = running.pop(done)
            try:
                outcome: Outcome = ray.get(done)
            except ActorUnavailableError as error:
                if attempt < RESTART_ATTEMPTS:
                    time.sleep(RESTART_PAUSE_S)
                    running[worker.run.remote(job)] = (worker, job, attempt + 1)
                    continue
                outcome = _failed(job, error)
            except RayError as error:  # also whatever a worker stumbled over
                outcome = _failed(job, error)
            for following in islice(waiting, 1):
                running[worker.run.remote(following)] = (worker, following, 1)
            yield outcome


def _failed(job: Job, error: RayError) -> Outcome:
    message = f"{job.bag}: no worker could do it ({error})"
    return Outcome(job.bag, job.model, job.out, job.groups, job.identity, {}, 0.0, 0.0, "", message)


def _workers(cluster: Cluster, jobs: int) -> list[Any]:
    resources: dict[str, float] = ray.cluster_resources()
    fitting = int(resources.get("CPU", 0) // cluster.cpus)
    if cluster.gpus:
        fitting = min(fitting, int(resources.get("GPU", 0) // cluster.gpus))
    count = min(cluster.workers or fitting, fitting, jobs)
    if count < 1:
        raise AvtarError(
            f"no worker of {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs fits into what there is: "
            f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs. Ask for less a worker."
        )
    actor = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_restarts=-1, max_task_retries=RETRIES)(_Worker)
    return [actor.remote() for _ in range(count)]


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if cluster.address is not None:
            ray.init(address=cluster.address, **common)
        else:
            if cluster.workers:  # on fewer cores they take turns
                common["num_cpus"] = math.ceil(cluster.workers * cluster.cpus)
            ray.init(address="local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **common)
    except (RayError, OSError, ValueError, RuntimeError) as error:
        where = cluster.address or "on this machine"
        raise AvtarError(f"Ray {where}: cannot be connected to or started ({error}).") from error
    try:
        yield
    finally:
        ray.shutdown()
