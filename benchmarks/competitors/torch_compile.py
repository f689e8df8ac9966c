"""torch.compile of the Python loop. It unrolls time: compiling takes a minute or more at T = 100."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import torch

from benchmarks.competitors import torch_loop
from benchmarks.competitors.competitor import Competitor, Runner
from benchmarks.workloads import Case


def make(case: Case) -> Runner | None:
    """The compiled loop; the notes say how long compiling took, forward alone and with backward."""
    torch.compiler.reset()
    runner = torch_loop.make(case, lambda loop: torch.compile(loop, dynamic=False))
    if runner is None or runner.train is None:
        return None
    start = perf_counter()
    runner.forward()
    middle = perf_counter()
    runner.train()
    notes = {"compile_forward_seconds": middle - start, "compile_training_seconds": perf_counter() - middle}
    return replace(runner, notes=notes)


COMPETITOR = Competitor("torch.compile", make, optional=True)
