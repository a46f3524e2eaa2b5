"""Measure how many frames a second the synthetic rooms give, layout, rays, shadows and noise included.

python benchmarks/synthetic_rooms.py --json build/synthetic_rooms.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import torch

from training.data.synthetic_rooms import render_rooms


def frames_per_second(frames: int, first_seed: int, width: int, height: int, device: str) -> float:
    """One timed call for rooms never rendered before in this run."""
    begin = time.perf_counter()
    render_rooms(range(first_seed, first_seed + frames), width, height, device)
    if device != "cpu":
        torch.cuda.synchronize(device)
    return frames / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--frames", type=int, default=64, help="frames in one run")
    parser.add_argument("--runs", type=int, default=7, help="the median run counts")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    width, height = options.size
    frames_per_second(8, 0, width, height, options.device)  # makes the textures, warms up
    runs = [
        frames_per_second(options.frames, 1000 * (i + 1), width, height, options.device) for i in range(options.runs)
    ]
    figures = {
        "frames_per_second": round(statistics.median(runs), 1),
        "runs": [round(run, 1) for run in runs],
        "width": width,
        "height": height,
        "frames": options.frames,
        "threads": options.threads,
        "device": options.device,
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    print(json.dumps(figures, indent=2))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
