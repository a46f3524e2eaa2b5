"""The processes that train one model together, each on its part of every batch, and the device that this one works on.

`accelerate launch -m training fit CONFIG` starts them, on the GPUs of one machine or of several. What is a mean over a
batch is a sum over all processes' images divided by a sum over all processes' pixels: together they do exactly what
one process does with all of their images in one batch. Started by itself, a process is the only one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist
from accelerate import PartialState
from torch import Tensor, nn

WHILE_MAIN_WORKS = timedelta(hours=12)
"""How long the others wait for the main process, which renders rooms and evaluates by itself."""


@cache
def join() -> PartialState:
    """Meet the others, once; before that every process is the only one."""
    return PartialState(timeout=WHILE_MAIN_WORKS)


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device(join().device)


def computes_bfloat16() -> bool:
    """Whether the device has instructions for bfloat16."""
    if device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("bf16"))  # of x86-64, of ARM


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def index() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process is the one that evaluates, writes and prints."""
    return index() == 0


def main_first() -> AbstractContextManager[None]:
    """The main process does what is inside before all others, so that it alone makes what is kept on disk."""
    context: AbstractContextManager[None] = join().main_process_first()
    return context


def wait() -> None:
    """Until all processes are here."""
    join().wait_for_everyone()


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    return _reduced(values, dist.ReduceOp.SUM)


def largest(values: Tensor) -> Tensor:
    """The largest of all processes, without gradient."""
    return _reduced(values, dist.ReduceOp.MAX)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients, which are of the same parameters in each.

    A parameter without one keeps none: to an optimiser a gradient of zero is something else.
    """
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = summed(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def _reduced(values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    values = values.detach()
    if count() > 1:
        values = values.clone()
        dist.all_reduce(values, operation)
    return values
