"""Step Jacobians: how what is carried into a step moves what is carried out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import SettingError
from unrolled.inspection.figures import colour, drawing
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Call, Model, Text, at_rest, call_of
from unrolled.inspection.stepwise import Chain, one_step, run_stepwise
from unrolled.layers.state import CellState, State

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StepJacobians(Finding):
    """J_t = ds_t / ds_{t-1} at P steps of one row, of one layer in one direction.

    s is all that is carried, S numbers: the states one after the other, of a state that is read k steps back its last k
    values, newest first. `steps` (P,); `matrices` (P, S, S), `matrices[p, i, j]` = ds_t[i] / ds_{t-1}[j]; `places`,
    where each state stands in s, as (start, stop).
    """

    layer: str
    steps: NDArray[np.int64]
    matrices: Array
    places: Mapping[str, tuple[int, int]]

    @property
    def singular_values(self) -> Array:
        """(P, S), the largest first: what a step does at most, and at least, to a small change."""
        return np.asarray(np.linalg.svd(self.matrices, compute_uv=False), dtype=np.float64)

    @property
    def eigenvalues(self) -> NDArray[np.complex128]:
        """(P, S), in no order."""
        return np.linalg.eigvals(self.matrices).astype(np.complex128)

    @property
    def norms(self) -> Array:
        """(P,) the largest singular value at each step."""
        return self.singular_values[:, 0]

    @property
    def radii(self) -> Array:
        """(P,) the spectral radius at each step."""
        return np.asarray(np.abs(self.eigenvalues).max(-1))

    def figure(self) -> Figure:
        """The singular values along the sequence: the largest, the quartiles and the spectral radius."""
        values = self.singular_values
        largest, middle = float(values[:, 0].mean()), float(np.median(values))
        title = f"{self.layer}: a step stretches a change up to {largest:.2f} times, the median direction {middle:.2f}"
        figure = drawing(title, "step", "singular values of the step Jacobian")
        lines = {"largest": values[:, 0], "spectral radius": self.radii}
        lines |= {f"{q} % quantile": np.quantile(values, q / 100, axis=1) for q in (75, 50, 25)}
        for number, (name, line) in enumerate(lines.items()):
            look = {"color": colour(number), "width": 2 if number < 2 else 1}
            figure.add_scatter(x=self.steps, y=line, name=name, line=look, mode="lines")
        figure.add_hline(y=1.0, line={"color": "#888", "dash": "dot", "width": 1})
        return figure


def step_jacobians(
    model: Model,
    data: Text | Tensor,
    *,
    layer: str = "l0",
    steps: Sequence[int] | None = None,
    row: int = 0,
    state: State | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> StepJacobians:
    """The Jacobians of the steps of one layer and direction, along a sequence.

    Args:
        model, data, state, resets, static: a language model and a text, or a layer and a call of it, as for
            `gradient_flow`.
        layer: "l0", "l0_reverse", "l1", ...
        steps: which; by default 16 spread over the sequence.
        row: of the batch.

    One backward run over the P steps, as rows of a batch, for each of the S numbers carried.

    Raises:
        SettingError: a layer, row or step that is not there.

    Example:
        >>> from unrolled import Recurrent
        >>> found = step_jacobians(Recurrent("lstm", 3, 5), torch.zeros(20, 1, 3), steps=[0, 7])
        >>> found.matrices.shape, found.places
        ((2, 10, 10), {'h': (0, 5), 'c': (5, 10)})
    """
    call = call_of(model, data, state, resets, static)
    names = call.layer._names()
    if layer not in names:
        raise SettingError(f"layer must be {', '.join(names)}, got {layer!r}. Use one of these.")
    if not 0 <= row < call.rows:
        raise SettingError(f"row must lie below B={call.rows}, got {row}. Correct it.")
    chosen = (
        np.unique(np.linspace(0, call.steps - 1, 16).round().astype(int))
        if steps is None
        else np.array(steps)
    )
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= call.steps:
        raise SettingError(
            f"steps must lie from 0 to T-1 = {call.steps - 1}, got {list(chosen)}. Correct them."
        )
    with at_rest(model):
        with torch.no_grad():
            chain = run_stepwise(_only(call, row)).chains[names.index(layer)]
        with torch.enable_grad():
            return _jacobians(_only(call, row), chain, chosen)


def _only(call: Call, row: int) -> Call:
    """The call of one of its rows."""
    one = slice(row, row + 1)
    return Call(
        call.layer,
        call.x[:, one],
        None if call.resets is None else call.resets[:, one],
        {name: value[one] for name, value in call.static.items()},
        None if call.state is None else call.state.rows([row]),
    )


def _jacobians(call: Call, chain: Chain, steps: NDArray[np.int64]) -> StepJacobians:
    """The chosen steps as rows of one job; a backward run for each number that comes out."""
    layer = call.layer
    borders = (steps + 1 if chain.reverse else steps).tolist()
    before = {
        name: torch.cat([chain.carried[t][name] for t in borders], 1).detach().requires_grad_()
        for name in chain.carried[0]
    }
    clock = torch.cat([chain.clocks[t] for t in borders])
    x = chain.inputs[torch.from_numpy(steps), 0]
    static = {name: value.expand(len(steps), -1) for name, value in call.static.items()}
    schedule = layer.running_cell.schedule()
    job = one_step(layer, schedule, chain.index, x, CellState(before, clock), static)
    if call.resets is not None:
        cut = steps + 1 if chain.reverse else steps  # in reverse, a cut lies behind the step
        marked = torch.cat([call.resets[:, 0], call.resets.new_zeros(1)])
        job.resets = marked[torch.from_numpy(cut)]
    outcome = layer._engine(schedule, layer._like()).run(job)
    after = torch.cat([_flat(outcome.states[name]) for name in before], 1)
    size = after.shape[1]
    matrices = np.zeros((len(steps), size, size))
    for i in range(size):
        found = torch.autograd.grad(
            after[:, i].sum(), list(before.values()), retain_graph=True, allow_unused=True
        )
        # A state that nothing reads moves nothing.
        parts = [
            _flat(torch.zeros_like(value) if gradient is None else gradient)
            for value, gradient in zip(before.values(), found, strict=True)
        ]
        matrices[:, i] = torch.cat(parts, 1).double().cpu().numpy()
    return StepJacobians(chain.name, steps.astype(np.int64), matrices, _places(before))


def _flat(values: Tensor) -> Tensor:
    """(K, P, n) to (P, K n)."""
    return values.transpose(0, 1).flatten(1)


def _places(states: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    places, start = {}, 0
    for name, value in states.items():
        stop = start + value.shape[0] * value.shape[2]
        places[name] = (start, stop)
        start = stop
    return places
