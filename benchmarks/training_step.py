"""Measure what tasks and TROA cost: forward passes and training steps with one to four tasks.

python benchmarks/training_step.py --backbone swin-s --size 224 --json build/training_step.json

Times are medians over rounds; each round measures everything once, so that ratios compare like with like even where
other work comes and goes. Every figure is given with its least and largest round. A step is `avtar-train fit`'s own:
forward, losses, one backward pass, clipping, AdamW; the backbone is frozen. `troa_overhead` is TROA's share of an
average step, as it measures at every tenth by default; `naive_overhead` is that of a backward pass a task.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from avtar_ros.memory import keep_freed_memory
from avtar_ros.tasks import TASKS
from training.config import AffinityConfig, BackboneConfig, ModelConfig, PhaseConfig, RunConfig, load_config
from training.data.batch import Batch
from training.data.synthetic_rooms import render_rooms
from training.fit import PhaseRun
from training.tasks import LEARNT

DEMO = Path(__file__).parents[1] / "training" / "configs" / "avtar-demo.yaml"
# Of the authors: the last four layers of stage three and both of stage four are adapter layers.
SWIN_S = ModelConfig(
    backbone=BackboneConfig(
        settings={"model_type": "swin", "embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24]}
    ),
    replace=(0, 0, 4, 2),
    window=7,
)
BACKBONES: dict[str, Callable[[], ModelConfig]] = {"demo": lambda: load_config(DEMO).model, "swin-s": lambda: SWIN_S}
PLAIN_STEP, MEASURING_STEP = 1, 2  # TROA measures at even steps here


def new_run(model: ModelConfig, tasks: tuple[str, ...], size: int, bfloat16: bool, folder: Path) -> PhaseRun:
    """An adapter phase about to begin, on a backbone with random weights."""
    phase = PhaseConfig(name="adapters", trains="adapters", steps=1000, bfloat16=bfloat16)
    config = RunConfig.model_validate(
        {
            "name": "benchmark",
            "tasks": tasks,
            "model": model,
            "data": {"width": size, "height": size},
            "depth": {"focal_px": 0.8 * size},
            "affinity": {"every": MEASURING_STEP},
            "phases": [phase],
        }
    )
    run = PhaseRun(config, phase, folder, None)
    run.step = PLAIN_STEP
    return run


def forward(run: PhaseRun, batch: Batch) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=run.phase.bfloat16):
        run.model.eval()(batch.image)


def step(run: PhaseRun, batch: Batch) -> None:
    run.step = PLAIN_STEP
    run.train_step(batch)


def step_with_troa(run: PhaseRun, batch: Batch) -> None:
    run.step = MEASURING_STEP
    run.train_step(batch)


def step_with_a_backward_pass_a_task(run: PhaseRun, batch: Batch) -> None:
    """The naive way to the tasks' gradients, before the same step."""
    parameters = list(run.model.adapters.parameters())
    with torch.autocast("cpu", torch.bfloat16, enabled=run.phase.bfloat16):
        raw = run.model.train()(batch.image)
    for name, output in raw.items():
        loss = LEARNT[name].loss(output.float(), batch.maps[name])
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    step(run, batch)


def milliseconds(work: Callable[[PhaseRun, Batch], None], run: PhaseRun, batch: Batch) -> float:
    begin = time.perf_counter()
    work(run, batch)
    return 1000 * (time.perf_counter() - begin)


def peak_memory_of_a_step(run: PhaseRun, batch: Batch) -> float:
    """MB that the first step adds to the process, model included in what was there before."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize()
    step(run, batch)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e6


def summary(values: list[float], digits: int) -> dict[str, float]:
    named = {"median": statistics.median(values), "least": min(values), "largest": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    model, names = BACKBONES[options.backbone](), tuple(TASKS)
    rooms = render_rooms(range(2), options.size, options.size)
    one = Batch(rooms.image[:1], {name: values[:1] for name, values in rooms.maps.items()}, rooms.focal[:1])
    four = new_run(model, names, options.size, options.bfloat16, folder)
    memory = peak_memory_of_a_step(four, one)
    runs = {n: new_run(model, names[:n], options.size, options.bfloat16, folder) for n in range(1, 4)} | {4: four}
    shown = [(work, runs[n], one) for n in runs for work in (forward, step)]
    # TROA compares the halves of a batch, so it needs two images.
    shown += [(work, four, rooms) for work in (step, step_with_troa, step_with_a_backward_pass_a_task)]
    times: list[list[float]] = [[] for _ in shown]
    for number in range(options.rounds + 1):
        for work, found in zip(shown, times, strict=True):
            taken = milliseconds(*work)
            if number:  # the first round warms up
                found.append(taken)
        print(f"round {number} of {options.rounds}", flush=True)

    *by_tasks, plain, troa, naive = times
    forwards, steps = (dict(zip(runs, by_tasks[i::2], strict=True)) for i in range(2))

    def ratio(many: list[float], few: list[float], less: float = 0.0) -> list[float]:
        return [m / f - less for m, f in zip(many, few, strict=True)]

    trainable = sum(p.numel() for p in four.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in four.model.parameters())
    spread = {
        "forward_ms": {str(n): summary(values, 1) for n, values in forwards.items()},
        "step_ms": {str(n): summary(values, 1) for n, values in steps.items()},
        "forward_four_over_one": summary(ratio(forwards[4], forwards[1]), 3),
        "step_four_over_one": summary(ratio(steps[4], steps[1]), 3),
        "troa_overhead_of_a_measuring_step": summary(ratio(troa, plain, 1.0), 4),
        "naive_overhead": summary(ratio(naive, plain, 1.0), 4),
    }
    measuring = spread["troa_overhead_of_a_measuring_step"]["median"]
    return {
        "forward_ms": {n: values["median"] for n, values in spread["forward_ms"].items()},
        "step_ms": {n: values["median"] for n, values in spread["step_ms"].items()},
        "trainable_share": round(trainable / total, 4),
        "troa_overhead": round(measuring / AffinityConfig().every, 4),
        "troa_overhead_of_a_measuring_step": measuring,
        "naive_overhead": spread["naive_overhead"]["median"],
        "peak_memory_mb": round(memory, 1),
        "spread": spread,
        "backbone": options.backbone,
        "size": options.size,
        "rounds": options.rounds,
        "threads": options.threads,
        "precision": "bfloat16" if options.bfloat16 else "float32",
        "parameters": total,
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=BACKBONES, default="demo")
    parser.add_argument("--size", type=int, default=224, help="of the images, which are square")
    parser.add_argument("--rounds", type=int, default=9, help="after one that warms up")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    parser.add_argument("--bfloat16", action="store_true", help="autocast, as fit does where the device computes in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as fit does
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures, indent=2))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
