"""Good starts: every parameter by the role it plays in the equations, or as a named start has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from unrolled.equations import Cell
from unrolled.equations.operations import is_finite_number
from unrolled.errors import SettingError
from unrolled.layers.roles import Roles, orthogonal
from unrolled.layers.starts import WHOLE, ByRole, Drawn, Scheme, steps

__all__ = ["NAMED", "Roles", "Start", "initialise", "orthogonal"]

Start: TypeAlias = str | float | Tensor | Callable[[Tensor], object]

NAMED: Mapping[str, Callable[[Tensor], object]] = {
    "identity": nn.init.eye_,
    "orthogonal": orthogonal,
    "glorot": nn.init.xavier_uniform_,
    "zero": nn.init.zeros_,
    "one": nn.init.ones_,
}


@torch.no_grad()
def initialise(
    cell: Cell,
    values: Mapping[str, Tensor],
    letters: Mapping[str, int],
    how: Scheme,
    start: Mapping[str, Start],
) -> None:
    """Fill the parameters of one layer: by role, then as `how` has it; `start` overrides by name."""
    for name in start:
        if name not in values:
            raise SettingError(
                f"start= names {name}, but {cell.name} has the parameters {', '.join(values)}. Use one of these."
            )
    drawn = Drawn(cell, values, letters)
    if not isinstance(steps(how)[0], WHOLE):
        ByRole().apply(drawn)
    how.apply(drawn)
    for name, value in values.items():
        if name in start:
            _override(name, value, start[name])


def _override(name: str, value: Tensor, start: Start) -> None:
    if isinstance(start, str):
        if start not in NAMED or (value.dim() != 2 and start in ("identity", "orthogonal", "glorot")):
            kind = "matrix" if value.dim() == 2 else "vector"
            raise SettingError(
                f"start= of the {kind} {name} must be one of {', '.join(NAMED)}, got {start!r}."
            )
        NAMED[start](value)
    elif isinstance(start, Tensor):
        if start.shape != value.shape:
            raise SettingError(
                f"start= of {name} must have shape {tuple(value.shape)}, got {tuple(start.shape)}."
            )
        value.copy_(start)
    elif callable(start):
        start(value)
    elif is_finite_number(start):
        value.fill_(start)
    else:
        raise SettingError(
            f"start= of {name} must be a name, a number, a tensor or a function that fills one, got {start!r}."
        )
