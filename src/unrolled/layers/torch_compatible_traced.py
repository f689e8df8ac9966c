"""Torch's recurrent classes under `torch.compile` and `torch.export`: one operator for each layer and direction.

What is here is itself traced, so it is plain: no tensor's values are looked at, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from unrolled.cells import find
from unrolled.layers.operators import description, run


def operator_text(name: str, letters: Mapping[str, int], reverse: bool, parameters: Iterable[str]) -> str:
    """What `run_operator` runs, as the operator reads it."""
    cell = find(name)
    states = [f"{kind}:{state}" for kind in ("state", "start") for state in cell.states]
    names = ["x", *states, *(f"parameter:{key}" for key in parameters), "clock"]
    return description(cell.text, letters, reverse, names)


def run_operator(
    text: str, weights: Mapping[str, Tensor], x: Tensor, states: Sequence[Tensor]
) -> list[Tensor]:
    """Output (T, B, n) and final states (1, B, n) over x (T, B, I)."""
    rows = x.shape[1]
    starts = [x.new_zeros(rows, value.shape[2]) for value in states]
    clock = torch.zeros(rows, dtype=torch.int64, device=x.device)
    return run([x, *states, *starts, *weights.values(), clock], text)[:-1]
