"""How signals fade or grow from step to step, told before any training: the step Jacobian of a layer on a batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.errors import SettingError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import CellState, State

LARGEST_EXACT = 128
"""States of more numbers than this are measured by power iteration, unless asked otherwise."""

_TINY = 1e-300
_ROUNDS, _CLOSE = 100, 1e-5


@dataclass(frozen=True)
class SignalGrowth:
    """The step Jacobians J_t = ds_t / ds_{t-1} of a layer on a batch, s being all states of all layers together.

    `norms` (T, B): the largest singular value of each J_t, what one step can do to a signal. `growth` (B,): what a step
    does on average to the signal that lasts best, |J_T ... J_1| to the power 1/T in the spectral norm.
    """

    norms: Tensor
    growth: Tensor

    @property
    def steps(self) -> int:
        """T."""
        return len(self.norms)

    @property
    def rate(self) -> float:
        """The geometric mean of `growth` over the rows."""
        return float(self.growth.log().mean().exp())

    @property
    def tenfold(self) -> float:
        """In how many steps signals fade to a tenth, or grow ten times; infinite where they do neither."""
        change = abs(math.log(self.rate)) if self.rate > 0 else math.inf
        return math.log(10) / change if change > 0 else math.inf

    @property
    def verdict(self) -> str:
        """ "fade" or "explode" when the T steps change a signal ten times or more, else "keep"."""
        if self.tenfold > self.steps:
            return "keep"
        return "fade" if self.rate < 1 else "explode"

    def __str__(self) -> str:
        """One sentence: what it means."""
        figures = (
            f"x {self.rate:.3g} a step, and no single step does more than x {float(self.norms.max()):.3g}"
        )
        if self.verdict == "keep":
            return f"Signals are kept over these {self.steps} steps: {figures}."
        does = "fade to a tenth" if self.verdict == "fade" else "explode, ten times as large"
        count = max(1, round(self.tenfold))
        return f"Signals {does} in {count} {'step' if count == 1 else 'steps'}: {figures}."


def is_small(layer: Recurrent) -> bool:
    """Whether the growth of signals is measured exactly, in a moment."""
    return (
        sum(len(value[0][0]) for cell in layer._start_state(1).cells for value in cell.values.values())
        <= LARGEST_EXACT
    )


def signal_growth(
    layer: Recurrent,
    x: Tensor,
    state: State | None = None,
    *,
    static: Mapping[str, Tensor] | None = None,
    exact: bool | None = None,
) -> SignalGrowth:
    """Measure how a layer passes signals on from step to step, as it is: at the start, or after training.

    Run on a copy in float64 by the reference engine. For small states the Jacobians are written out by autograd; else
    their norms come from power iteration with products J v and J^T u.

    Args:
        layer: of one direction, of any depth.
        x: (T, B, I), or (T, B) whole numbers, as for a call of the layer.
        state: what it begins with.
        static: the cell's static inputs, (B, n) by name.
        exact: write the Jacobians out or not; by default up to 128 numbers in the states.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> layer = Recurrent("elman", 2, 16, initialise="critical:0.5")
        >>> print(signal_growth(layer, torch.zeros(20, 1, 2)))
        Signals fade to a tenth in 3 steps: x 0.508 a step, and no single step does more than x 0.827.

    Raises SettingError for a bidirectional layer, which has no step.
    """
    if layer.bidirectional:
        raise SettingError(
            "a bidirectional layer has no step that leads to the next. Measure a layer of one direction."
        )
    with torch.no_grad():
        step = _Step(layer, x, state, static or {})
    if len(step.x) == 0:
        raise SettingError(
            f"signals grow over steps, got an input of shape {tuple(x.shape)}. Give it one step or more."
        )
    with torch.enable_grad():
        written_out = step.size <= LARGEST_EXACT if exact is None else exact
        return _written_out(step) if written_out else _iterated(step)


class _Step:
    """One step of a copy of the layer, from any of the states that a run passes through."""

    def __init__(
        self, layer: Recurrent, x: Tensor, state: State | None, static: Mapping[str, Tensor]
    ) -> None:
        self.layer = copy.deepcopy(layer).double().eval().requires_grad_(False)
        self.layer._engine_name = "reference"
        self.layer.batch_first = False
        x = x.transpose(0, 1) if layer.batch_first else x
        self.x = x.double() if x.is_floating_point() else x
        self.static = {name: value.double() for name, value in static.items()}
        self.rows = x.shape[1]
        start = self.layer._start_state(self.rows) if state is None else state.to(dtype=torch.float64)
        names = layer.cell.states
        _, _, records = self.layer(self.x, start, static=self.static, record=names)
        self.cells = [
            {name: _before(cell.values[name], records[name][k]) for name in names}
            for k, cell in enumerate(start.cells)
        ]
        self.clocks = [cell.clock + torch.arange(len(x), device=x.device)[:, None] for cell in start.cells]
        self.states = torch.cat([_flat(v) for cell in self.cells for v in cell.values()], -1)  # (T, B, S)

    @property
    def size(self) -> int:
        """S, the numbers in all states of a row."""
        return self.states.shape[-1]

    def between(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """The states before the steps from `first` to `last`, as rows, and after one step each: ((last-first) B, S)."""
        count = (last - first) * self.rows
        before = self.states[first:last].reshape(count, self.size).clone().requires_grad_()
        cells, start = [], 0
        for cell, clock in zip(self.cells, self.clocks, strict=True):
            values = {}
            for name, value in cell.items():
                past, size = value.shape[0], value.shape[-1]
                part = before[:, start : start + past * size]
                values[name] = part.reshape(count, past, size).transpose(0, 1)
                start += past * size
            cells.append(CellState(values, clock[first:last].reshape(count)))
        x = self.x[first:last].reshape(1, count, *self.x.shape[2:])
        static = {n: v.expand(last - first, *v.shape).reshape(count, -1) for n, v in self.static.items()}
        _, after = self.layer(x, State(cells), static=static)
        return before, torch.cat([_flat(v) for cell in after.cells for v in cell.values.values()], -1)


def _before(start: Tensor, values: Tensor) -> Tensor:
    """The last K values of a state before each step, newest first: (K, T, B, n)."""
    kept, steps = len(start), len(values)
    known = torch.cat([start.flip(0), values])
    return torch.stack([known[kept - 1 - k : kept - 1 - k + steps] for k in range(kept)])


def _flat(values: Tensor) -> Tensor:
    """(K, ..., n) to (..., K n)."""
    return values.movedim(0, -2).flatten(-2)


# --- written out ---------------------------------------------------------------------------------


def _written_out(step: _Step) -> SignalGrowth:
    steps = len(step.x)
    before, after = step.between(0, steps)
    one = torch.eye(step.size, dtype=after.dtype, device=after.device)
    rows = [_pulled(before, after, one[i].expand_as(after)) for i in range(step.size)]
    jacobians = torch.stack(rows, 1).reshape(steps, step.rows, step.size, step.size)
    product, logs = one.expand(step.rows, -1, -1), after.new_zeros(step.rows)
    for jacobian in jacobians:
        product = jacobian @ product
        scale = product.flatten(1).norm(dim=1).clamp_min(_TINY)  # lest it leaves the range of floats
        product, logs = product / scale[:, None, None], logs + scale.log()
    last = torch.linalg.matrix_norm(product, 2)
    growth = ((last.log() + logs) / steps).exp()
    return SignalGrowth(torch.linalg.matrix_norm(jacobians, 2), growth.detach())


# --- by power iteration --------------------------------------------------------------------------


class _Jacobian:
    """J of some rows, as what it does to vectors (rows, S)."""

    def __init__(self, before: Tensor, after: Tensor) -> None:
        self.before, self.after = before, after
        self.dummy = torch.zeros_like(after, requires_grad=True)
        # Linear in the dummy: its derivative by the dummy along v is J v.
        self.linear = _pulled(before, after, self.dummy, create_graph=True)

    def times(self, v: Tensor) -> Tensor:
        """J v."""
        if not self.linear.requires_grad:
            return torch.zeros_like(self.after)
        (product,) = torch.autograd.grad(
            self.linear, self.dummy, v, retain_graph=True, materialize_grads=True
        )
        return product

    def transposed_times(self, u: Tensor) -> Tensor:
        """J^T u."""
        return _pulled(self.before, self.after, u)


def _pulled(before: Tensor, after: Tensor, u: Tensor, create_graph: bool = False) -> Tensor:
    if not after.requires_grad:
        return torch.zeros_like(before)
    (gradient,) = torch.autograd.grad(
        after, before, u, retain_graph=True, create_graph=create_graph, materialize_grads=True
    )
    return gradient


def _iterated(step: _Step) -> SignalGrowth:
    steps = len(step.x)
    random = torch.Generator(step.states.device).manual_seed(0)
    norms = _norm([_Jacobian(*step.between(0, steps))], random)
    chain = [_Jacobian(*step.between(t, t + 1)) for t in range(steps)]
    return SignalGrowth(norms.exp().reshape(steps, step.rows), (_norm(chain, random) / steps).exp())


def _norm(chain: list[_Jacobian], random: torch.Generator) -> Tensor:
    """The logarithm of the spectral norm of J_T ... J_1, by row."""
    like = chain[0].after
    vector = torch.randn(like.shape, generator=random, dtype=like.dtype, device=like.device)
    vector, _ = _unit(vector)
    found = torch.full_like(like[:, 0], -math.inf)
    for _ in range(_ROUNDS):
        logs = torch.zeros_like(found)
        for jacobian in chain:
            vector, size = _unit(jacobian.times(vector))
            logs = logs + size
        for jacobian in reversed(chain):
            vector, _ = _unit(jacobian.transposed_times(vector))
        close = (logs == found) | ((logs - found).abs() <= _CLOSE * len(chain))
        found = logs
        if bool(close.all()):
            break
    return found.detach()


def _unit(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of length 1, and the logarithm of the length they had."""
    size = vectors.norm(dim=1)
    return vectors / size.clamp_min(_TINY)[:, None], size.log()
