"""Several processes of one run, as `accelerate launch` and torchrun start them: each trains, the first one writes."""

from __future__ import annotations

import os

import torch
from torch import distributed

FIRST = "0"


def first() -> bool:
    """Whether this is the process that reads and writes the run's folder and talks to the person."""
    return os.environ.get("RANK", FIRST) == FIRST


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in one of the processes. All of them must ask at the same point."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return flag
    shared = torch.tensor(float(flag), device=device)
    distributed.all_reduce(shared, distributed.ReduceOp.MAX)
    return bool(shared.item())
