"""What every competitor offers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.workloads import Arrays, Case


@dataclass(frozen=True)
class Runner:
    """A competitor with its numbers in place.

    `forward` and `train` are what is timed; `train` runs forward and backward, down to the gradients of the input
    and of every parameter, and is None where there is none. What they return is read by `output` (T, B, n) and
    `gradients`: x and the parameters under the names of the cell.
    """

    forward: Callable[[], Any]
    output: Callable[[Any], np.ndarray]
    train: Callable[[], Any] | None = None
    gradients: Callable[[Any], Arrays] | None = None
    notes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Competitor:
    """`make(case)` gives a runner, or None when it does not have the cell or cannot run the case."""

    name: str
    make: Callable[[Case], Runner | None]
    packages: tuple[str, ...] = ()
    optional: bool = False  # runs only when asked for by name

    def missing(self) -> tuple[str, ...]:
        """The packages it needs that are not installed."""
        return tuple(package for package in self.packages if importlib.util.find_spec(package) is None)


Named = Callable[[list[Tensor]], Mapping[str, Tensor]]


def torch_runner(
    run: Callable[[Tensor], Tensor], case: Case, parameters: Iterable[Tensor], named: Named, **notes: float
) -> Runner:
    """A runner for anything that torch differentiates; `named` reads the gradients of the parameters."""
    x = case.x.clone().requires_grad_()
    leaves = [x, *parameters]

    def forward() -> Tensor:
        with torch.no_grad():
            return run(x)

    def train() -> tuple[Tensor, ...]:
        return torch.autograd.grad(run(x), leaves, case.gradient)

    def gradients(found: tuple[Tensor, ...]) -> Arrays:
        by_name = {"x": found[0], **named(list(found[1:]))}
        return {name: value.numpy() for name, value in by_name.items()}

    return Runner(forward, lambda value: value.numpy(), train, gradients, notes)
