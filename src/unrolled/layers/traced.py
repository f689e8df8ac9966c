"""A layer under `torch.compile`, `torch.export` and fake tensors: one operator for each layer and direction.

What is here is itself traced, so it is plain: no tensor's values are looked at, and nothing is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unrolled.layers.operators import description, run
from unrolled.layers.state import CellState, State

if TYPE_CHECKING:
    from unrolled.layers.arguments import Batch
    from unrolled.layers.recurrent import Recurrent


def run_by_operators(layer: Recurrent, batch: Batch) -> tuple[Tensor, State]:
    """The output (T, B, n) and the final state."""
    carried = layer._start_state(batch.shape[1]) if batch.state is None else batch.state
    shared = _shared(batch)
    values, ends = batch.x, []
    stack: list[Tensor] = []
    for number in range(layer.num_layers):
        outputs = []
        for index in range(number * layer.directions, (number + 1) * layer.directions):
            given = {"x": values, **shared, **_own(layer, index, batch, carried.cells[index])}
            reverse = index % layer.directions == 1
            what = description(layer.running_cell.text, layer._letters[number], reverse, list(given))
            output, *states, clock = run(list(given.values()), what)
            outputs.append(output)
            ends.append(CellState(dict(zip(carried.cells[index].values, states, strict=True)), clock))
        values = layer.depth.joined(number, values, outputs)
        stack.append(values)
    return layer.depth.directions(layer.depth.output(stack), layer.directions), State(ends)


def _shared(batch: Batch) -> dict[str, Tensor]:
    """What all layers and directions are given."""
    found = {f"forced:{name}": value for name, value in batch.forced.items()}
    found |= {f"static:{name}": value for name, value in batch.static.items()}
    if batch.lengths is not None:
        found["lengths"] = torch.as_tensor(batch.lengths)
    if batch.resets is not None:
        found["resets"] = batch.resets
    return found


def _own(layer: Recurrent, index: int, batch: Batch, carried: CellState) -> dict[str, Tensor]:
    found = {f"state:{name}": value for name, value in carried.values.items()}
    found |= {
        f"start:{name}": value for name, value in layer._start(index, batch.shape[1], batch.like).items()
    }
    found |= {f"parameter:{name}": value for name, value in layer.cell_weights(layer._names()[index]).items()}
    return {**found, "clock": carried.clock}
