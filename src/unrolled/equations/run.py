"""One sequence, one step at a time, in NumPy: the oracle every engine is compared with.

It drives the cell's own function and supplies the clock and the past; it knows no graph and no schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from unrolled.equations.operations import Moment, Vector, at_moment


class Past(Sequence[Vector]):
    """The values of one state, newest first; before the first step there is always the initial one."""

    def __init__(self, newest_first: Sequence[Vector]) -> None:
        self.values = [np.asarray(value) for value in newest_first]

    @overload
    def __getitem__(self, index: int) -> Vector: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Vector]: ...
    def __getitem__(self, index: int | slice) -> Vector | Sequence[Vector]:
        if isinstance(index, slice):
            return self.values[index]
        return self.values[min(index, len(self.values) - 1)]

    def __len__(self) -> int:
        return len(self.values)

    def after(self, value: Vector) -> Past:
        """The past one step later."""
        return Past([value, *self.values])


@dataclass(frozen=True)
class Carried:
    """What a run hands to the next one: the past of every state and the clock."""

    past: Mapping[str, Past]
    clock: int = 0

    def __getitem__(self, name: str) -> Vector:
        return self.past[name][0]


@dataclass(frozen=True)
class Run:
    """The result of `cell.run`: `outputs` (T, n), `states[name]` (T, n) and what to carry on with."""

    outputs: Vector
    states: Mapping[str, Vector]
    carried: Carried


@dataclass(frozen=True)
class Sequenced:
    """What changes from step to step beside the input."""

    resets: NDArray[np.bool_]
    forced: Mapping[str, Vector]


def run(
    function: Callable[..., Any],
    names: Sequence[str],
    arguments: Mapping[str, Any],
    sequence: Vector,
    initial: Mapping[str, Vector],
    carried: Carried,
    hidden_size: int,
    steps: Sequenced,
    input_name: str,
    output_size: int,
) -> Run:
    """Run `function` over `sequence` (T, I) from `carried`; a reset goes back to `initial`."""
    outputs: list[Vector] = []
    values: dict[str, list[Vector]] = {name: [] for name in names}
    for t, x in enumerate(sequence):
        if steps.resets[t]:
            carried = Carried({name: Past([initial[name]]) for name in names})
        # Views, so that two states holding the same array are still told apart by `delayed`.
        states = {name: carried.past[name][0].view() for name in names}
        past = [(states[name], carried.past[name]) for name in names]
        with at_moment(Moment(carried.clock, hidden_size, past)):
            returned = function(**{input_name: x}, **states, **arguments)
        returned = returned if isinstance(returned, tuple) else (returned,)
        outputs.append(returned[0])
        new = dict(zip(names, returned[-len(names) :], strict=True))
        kept = {name: steps.forced[name][t] if name in steps.forced else new[name] for name in names}
        carried = Carried({name: carried.past[name].after(kept[name]) for name in names}, carried.clock + 1)
        for name in names:
            values[name].append(new[name])
    states = {name: _stack(values[name], len(initial[name])) for name in names}
    return Run(_stack(outputs, output_size), states, carried)


def _stack(rows: list[Vector], size: int) -> Vector:
    return np.stack(rows) if rows else np.zeros((0, size))
