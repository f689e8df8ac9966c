"""Cells without a recurrent matrix: the time loop moves data, and is compared with moving it once.

The products with the input are kept out of the way: I = 1.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.agreement import check, truth
from benchmarks.competitors import OURS, unrolled_native
from benchmarks.workloads import Shape, Workload, make_case
from unrolled.cells import find
from unrolled.inspection.speed import interleaved, median

CELLS = ("indrnn", "mingru", "minlstm")
FLOAT = 4


def shape_for(megabytes: int) -> Shape:
    """B 64, H 512, and as many steps as one sequence of `megabytes` takes."""
    return Shape(T=max(1, megabytes * 2**20 // (64 * 512 * FLOAT)), B=64, I=1, H=512)


def moved(workload: Workload) -> int:
    """Bytes: what enters the loop, read once, and the output, written once."""
    schedule, shape = find(workload.cell).schedule(), workload.shape
    letters = {"I": shape.I, "H": shape.H}
    entering = sum(schedule.graph.size(i).value(letters) for i in schedule.into("step"))
    return workload.steps * (entering + shape.H) * FLOAT


def measure(cell: str, megabytes: int, repeats: int) -> dict[str, Any]:
    """Forward of `cell`, in turns with a copy of one sequence into memory that was used before, as an output is."""
    workload = Workload(cell, shape_for(megabytes))
    case = make_case(workload)
    runner = unrolled_native.make(case)
    difference = check(OURS, runner, *truth(case))
    sequence = torch.randn(case.gradient.shape)
    target = torch.zeros_like(sequence)
    samples = interleaved({OURS: runner.forward, "copy": lambda: target.copy_(sequence)}, repeats)
    copied = 2 * sequence.numel() * FLOAT
    once = median(samples["copy"]) * moved(workload) / copied
    return {
        "cell": cell,
        "shape": {"T": workload.shape.T, "B": workload.shape.B, "I": workload.shape.I, "H": workload.shape.H},
        "bytes": moved(workload),
        "seconds": median(samples[OURS]),
        "once_seconds": once,
        "times_once": median(samples[OURS]) / once,
        "copy_gigabytes_per_second": copied / median(samples["copy"]) / 1e9,
        "difference": difference,
        "samples": samples,
    }
