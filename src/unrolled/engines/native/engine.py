"""The native engine: schedules as programs of the C++ core, differentiable through autograd."""

from __future__ import annotations

import importlib.util

import torch

from unrolled.engines.engine import Job, Outcome
from unrolled.equations import Schedule


class Native:
    """The C++ core on the CPU, any cell, forward and backward."""

    name = "native"
    runs = "any cell, on the CPU, in float32 and float64: programs of a C++ core, forward and backward"

    def accepts(self, schedule: Schedule, device: torch.device, dtype: torch.dtype) -> str | None:
        """It runs every schedule on the CPU in float32 and float64."""
        if importlib.util.find_spec("unrolled._native") is None:
            return "its extension is not built: install the package (pip install -e .)"
        if device.type != "cpu":
            return f"it runs on the CPU, the parameters are on {device}"
        if dtype not in (torch.float32, torch.float64):
            return f"it computes in float32 and float64, the parameters are {dtype}"
        return None

    def run(self, job: Job) -> Outcome:
        """Run one layer in one direction."""
        from unrolled.engines.native.run import run  # needs the extension

        outcome: Outcome = run(job)
        return outcome
