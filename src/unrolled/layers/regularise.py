"""Dropout of every kind that recurrent layers know, as masks on what engines are given: none leaves the fast one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from unrolled.engines import Job, Outcome
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers.initialise import Roles
from unrolled.layers.masks import checked_rate, mask
from unrolled.layers.packing import Packing
from unrolled.layers.state import Key
from unrolled.layers.variants import DROPPED, HELD, KEPT, size_of, with_masks


@dataclass(frozen=True)
class Regularise:
    """How much of what is dropped while a layer trains; all are shares from 0 to below 1.

    Args:
        input: of every layer's input, the same units at all steps (Gal and Ghahramani 2016, arXiv:1512.05287); one
            share for all layers, or one for each, the first layer's first.
        recurrent: of what recurrent matrices read of the states, the same units at all steps (the same paper).
        output: of the last layer's output, the same units at all steps.
        zoneout: of every state, or by name: units that keep the value of the step before, others at every step
            (Krueger et al. 2017, arXiv:1606.01305). Outside training a state moves by the expected share.
        values: of values by their names in the equations, others at every step: `{"candidate": 0.2}` is recurrent
            dropout without loss of memory (Semeniuta et al. 2016, arXiv:1603.05118).
        connections: of the entries of recurrent matrices, one mask a call (DropConnect: Wan et al. 2013; on recurrent
            matrices: Merity et al. 2018, arXiv:1708.02182).

    What is kept is divided by the share that is kept. Masks depend on a key, which a call of the layer draws from
    torch's generator and its `State` carries on, and on row, step and unit: a sequence in pieces has the masks of the
    whole. `state.detach()` lets go of the key.

    Example:
        >>> Regularise(recurrent=0.3, zoneout={"c": 0.1})
        Regularise(input=0.0, recurrent=0.3, output=0.0, zoneout={'c': 0.1}, values={}, connections=0.0)
        >>> Regularise(input=[0.4, 0.25]).input_at(layer=1)
        0.25
    """

    input: float | Sequence[float] = 0.0
    recurrent: float = 0.0
    output: float = 0.0
    zoneout: float | Mapping[str, float] = field(default=0.0)
    values: Mapping[str, float] = field(default_factory=dict)
    connections: float = 0.0

    def __post_init__(self) -> None:
        for name in ("recurrent", "output", "connections"):
            checked_rate(name, getattr(self, name))
        if isinstance(self.input, Sequence) and not isinstance(self.input, str):
            rates_of_layers = tuple(
                checked_rate(f"input of layer {n}", rate) for n, rate in enumerate(self.input)
            )
            object.__setattr__(self, "input", rates_of_layers)  # a list could change behind the layer's back
        else:
            checked_rate("input", self.input)
        rates = self.zoneout if isinstance(self.zoneout, Mapping) else {"zoneout": self.zoneout}
        for name, rate in rates.items():
            checked_rate(f"zoneout of {name}" if isinstance(self.zoneout, Mapping) else name, rate)
        for name, rate in self.values.items():
            checked_rate(f"values of {name}", rate)

    def input_at(self, layer: int) -> float:
        """The share of one layer's input, layers numbered from 0."""
        return self.input[layer] if isinstance(self.input, Sequence) else self.input

    def held(self, cell: Cell) -> dict[str, float]:
        """The states that zoneout holds, and how much of each."""
        given = (
            self.zoneout if isinstance(self.zoneout, Mapping) else dict.fromkeys(cell.states, self.zoneout)
        )
        for name in given:
            if name not in cell.states:
                raise SettingError(
                    f"zoneout= names the state {name}, but {cell.name} has {', '.join(cell.states)}. Use one of these."
                )
        return {name: rate for name, rate in given.items() if rate > 0}

    def dropped(self, cell: Cell) -> dict[str, float]:
        """The named values that are dropped, and how much of each."""
        for name in self.values:
            if size_of(cell, name) is None:
                known = ", ".join(v for v, _ in cell.graph.labels if size_of(cell, v) is not None) or "none"
                raise SettingError(
                    f"values= drops values that an equation names, got {name}; {cell.name} has {known}. "
                    f"Use one of these."
                )
        return {name: rate for name, rate in self.values.items() if rate > 0}

    def training_cell(self, cell: Cell) -> Cell:
        """What runs while the layer trains."""
        if self.connections and not recurrent_matrices(cell):
            raise SettingError(
                f"connections= drops entries of recurrent matrices, and {cell.name} has none that reads nothing but "
                f"states. Set connections=0."
            )
        kept, held = cell.states if self.recurrent else (), tuple(self.held(cell))
        dropped = tuple(self.dropped(cell))
        return with_masks(cell, tuple(kept), held, (), dropped) if kept or held or dropped else cell

    def cell(self, cell: Cell) -> Cell:
        """What runs otherwise: with zoneout, states that move by the expected share."""
        held = self.held(cell)
        return with_masks(cell, held=tuple(held), rates=tuple(held.values())) if held else cell


def checked_regularise(value: object, layers: int) -> Regularise | None:
    """A `Regularise` for so many layers, or None; refused is what looks like a rate."""
    if value is None:
        return None
    if not isinstance(value, Regularise):
        raise SettingError(
            f"regularise must be a Regularise, got {value!r}. Write Regularise(recurrent=0.2)."
        )
    if isinstance(value.input, Sequence) and len(value.input) != layers:
        raise SettingError(
            f"input= must be one share, or one for each of the {layers} layers, got {len(value.input)}. Correct it."
        )
    return value


class Masks:
    """The masks of one call, for a packed batch."""

    def __init__(self, settings: Regularise, dropout: float, cell: Cell, key: Key, packing: Packing) -> None:
        self.settings = settings
        self.dropout = dropout
        self.cell = cell
        self.key = key
        self.packing = packing
        self.held = settings.held(cell)
        self.dropped = settings.dropped(cell)
        self.names = (
            *(HELD + name for name in self.held),
            *(DROPPED + name for name in self.dropped),
        )  # forced
        self.row, time = _places(packing, key.steps.device)
        self.step = time + key.steps[self.row]

    def end(self) -> Key:
        """The key after the call."""
        lengths = self.packing.unsort(self.packing.steps.lengths(self.key.steps.device), 0)
        return replace(self.key, steps=self.key.steps + lengths)

    def _at_steps(self, use: str, steps: Tensor, rate: float, like: Tensor, width: int) -> Tensor:
        return mask(self.key.number, use, self.row, steps, width, rate, like.dtype)

    def _at_rows(self, use: str, rate: float, like: Tensor, width: int) -> Tensor:
        """(B, width), rows in the caller's order, the same at every step."""
        rows = torch.arange(self.packing.rows, device=self.row.device)
        return mask(self.key.number, use, rows, torch.zeros_like(rows), width, rate, like.dtype)

    # --- around the layers -----------------------------------------------------------------------

    def into(self, layer: int, values: Tensor) -> Tensor:
        """The input of a layer: dropped between layers, and the same units at all steps."""
        if layer > 0 and self.dropout:
            values = values * self._at_steps(
                f"between {layer}", self.step, self.dropout, values, values.shape[-1]
            )
        return self._variational(f"input {layer}", self.settings.input_at(layer), values)

    def out(self, values: Tensor) -> Tensor:
        """The output of the last layer."""
        return self._variational("output", self.settings.output, values)

    def _variational(self, use: str, rate: float, values: Tensor) -> Tensor:
        if not rate:
            return values
        if not values.is_floating_point():
            raise SettingError(
                "input dropout needs x of numbers (T, B, I), got whole numbers that stand for one-hot vectors. Set "
                "input=0, or embed them first."
            )
        return values * self._at_rows(use, rate, values, values.shape[-1])[self.row]

    # --- within a layer --------------------------------------------------------------------------

    def job(self, job: Job, index: int) -> Job:
        """The job of the training cell: masks as static inputs, as forced states and on parameters."""
        use = f"layer {index} "
        static, forced, states, start = dict(job.static), dict(job.forced), dict(job.states), dict(job.start)
        for name, value in job.states.items():
            if KEPT + name in job.schedule.graph.signature.statics:
                kept = self._at_rows(use + KEPT + name, self.settings.recurrent, value, value.shape[-1])
                static[KEPT + name] = self.packing.sort(kept, 0)
        forms = [(HELD + name, 1 - rate) for name, rate in self.held.items()]
        forms += [(DROPPED + name, rate) for name, rate in self.dropped.items()]
        like = next(iter(job.states.values()))
        for name, rate in forms:
            width = job.schedule.graph.size(job.schedule.graph.leaf[name]).value(job.letters)
            values, begun = self._forced(use + name, rate, like.new_empty(0, width), job.steps.reverse)
            if name.startswith(HELD):  # a choice, not a scale
                values, begun = ((kept > 0).to(like.dtype) for kept in (values, begun))
            forced[name], states[name], start[name] = values, begun, begun[0]
        return replace(
            job,
            static=static,
            forced=forced,
            states=states,
            start=start,
            parameters=self._connected(job, use),
        )

    def _forced(self, use: str, rate: float, like: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
        """A mask for every step, as values of a state: each stands after the step before its own; (N, n), (1, B, n)."""
        way, width = -1 if reverse else 1, like.shape[-1]
        values = self._at_steps(use, self.step + way, rate, like, width)
        rows = torch.arange(self.packing.rows, device=self.row.device)
        first = self.packing.unsort(self.packing.steps.lengths(rows.device), 0) - 1 if reverse else 0
        begun = mask(self.key.number, use, rows, self.key.steps + first, width, rate, like.dtype)
        return values, self.packing.sort(begun, 0)[None]

    def _connected(self, job: Job, use: str) -> dict[str, Tensor]:
        """Parameters, those entries of recurrent matrices dropped that DropConnect drops."""
        found = dict(job.parameters)
        rate = self.settings.connections
        for name in recurrent_matrices(self.cell) if rate else ():
            rows = torch.arange(len(found[name]), device=self.row.device)
            width = found[name].shape[1]
            found[name] = found[name] * mask(
                self.key.number, use + name, rows, torch.zeros_like(rows), width, rate, found[name].dtype
            )
        return found

    def outcome(self, outcome: Outcome) -> Outcome:
        """What a job gave, without the masks that were states."""
        states = {name: value for name, value in outcome.states.items() if name in self.cell.states}
        return replace(outcome, states=states)


def _places(packing: Packing, device: torch.device) -> tuple[Tensor, Tensor]:
    """For every packed position its row in the caller's order, and its step."""
    counts = torch.tensor(packing.steps.counts, dtype=torch.int64, device=device)
    time = torch.repeat_interleave(torch.arange(len(counts), device=device), counts)
    place = torch.arange(len(time), device=device) - (counts.cumsum(0) - counts)[time]
    return (place if packing.order is None else packing.order[place]), time


def recurrent_matrices(cell: Cell) -> tuple[str, ...]:
    """The matrices that lie between a state and the next, and nowhere else."""
    roles = Roles(cell)
    return tuple(name for name in roles.graph.signature.parameters if roles.is_recurrent(name))
