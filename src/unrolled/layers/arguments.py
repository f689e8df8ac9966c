"""The arguments of a call, checked and brought into the order engines run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from unrolled.engines.zeros import is_traced
from unrolled.errors import EquationError, ShapeError
from unrolled.layers.state import CellState, State

if TYPE_CHECKING:
    from torch.nn.utils.rnn import PackedSequence

    from unrolled.layers.ragged import Ragged
    from unrolled.layers.recurrent import Recurrent


@dataclass
class Arguments:
    """What a caller gave, as it came; `like` is a parameter of the layer, for its device and dtype."""

    like: Tensor
    x: Tensor | Ragged | PackedSequence | None
    lengths: Tensor | Sequence[int] | None
    resets: Tensor | Ragged | PackedSequence | None
    forced: Mapping[str, Tensor | Ragged | PackedSequence]
    static: Mapping[str, Tensor]
    steps: int | None
    record: tuple[str, ...] = ()
    autocast: bool = False
    table: Tensor | None = None


@dataclass
class Batch:
    """A call in time order: `x` (T, B, I) or (T, B), `resets` (T, B), `forced` (T, B, n) and `static` (B, n).

    `layout` turns a result (T, B, n) into the layout the caller used. Of a ragged batch, what has T and B here has N,
    the real steps of all rows in the packed order.
    """

    like: Tensor
    shape: tuple[int, int]
    x: Tensor
    lengths: Tensor | Sequence[int] | None
    state: State | None
    resets: Tensor | None
    forced: Mapping[str, Tensor]
    static: Mapping[str, Tensor]
    layout: Callable[[Tensor], Any]
    record: tuple[str, ...]
    table: Tensor | None = None
    """Of whose rows `x` are the indices."""


def arrange(layer: Recurrent, given: Arguments, state: Any) -> Batch:
    """Check a call and put it in order."""
    reader = Reader(layer, given)
    x = reader.input(state)
    return Batch(
        like=given.like,
        shape=reader.shape,
        x=x,
        lengths=given.lengths,
        state=reader.state(state),
        resets=reader.resets(),
        forced=reader.forced(),
        static=reader.static(),
        layout=reader.layout,
        record=given.record,
        table=given.table,
    )


class Reader:
    """Reads one call of one layer; `shape` is (T, B) once the input has been read."""

    def __init__(self, layer: Recurrent, given: Arguments) -> None:
        self.layer = layer
        self.given = given
        self.like = given.like
        self.single = False
        self.shape = (0, 0)

    # --- input -----------------------------------------------------------------------------------

    def input(self, state: Any) -> Tensor:
        """The input as (T, B, I), with I = 0 where there is none, or (T, B) indices."""
        if self.given.x is None:
            self._without_input(state)
            return self.like.new_zeros(*self.shape, 0)
        if self.given.steps is not None:
            raise ShapeError(
                "steps= is for networks without input, and x says T already. Leave one of them out."
            )
        x = _tensor(self.given.x, "the input")
        if x.is_nested:
            raise ShapeError(
                f"a nested tensor must have layout=torch.jagged, got {x.layout}. "
                "Make it by torch.nested.nested_tensor(rows, layout=torch.jagged)."
            )
        indices = not x.is_floating_point()
        dimensions = 2 if indices else 3
        if x.dim() not in (dimensions - 1, dimensions):
            layout = "B, T" if self.layer.batch_first else "T, B"
            inside = "" if indices else ", I"
            raise ShapeError(
                f"the input must be ({layout}{inside}), or without B for one sequence, "
                f"got {tuple(x.shape)}. Reshape it."
            )
        self.single = x.dim() == dimensions - 1
        x = self.time_first(x.unsqueeze(1) if self.single else x, already=self.single)
        self.shape = (x.shape[0], x.shape[1])
        return self.indices(x) if indices else self.vectors(x)

    def time_first(self, value: Tensor, already: bool = False) -> Tensor:
        """(B, T, ...) to (T, B, ...) where the layer is batch_first."""
        return value.transpose(0, 1) if self.layer.batch_first and not already else value

    def _without_input(self, state: Any) -> None:
        steps = self.given.steps
        if self.layer.input_size != 0 or steps is None:
            raise ShapeError(
                f"the layer reads inputs of size {self.layer.input_size} and got none. "
                "Give x, or make the layer with input_size=0 and give steps=."
            )
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            raise ShapeError(f"steps must be a whole number >= 0, got {steps!r}. Correct it.")
        self.shape = (steps, self._rows_without_input(state))

    def _rows_without_input(self, state: Any) -> int:
        """B of a network without input, from whatever else has rows; one sequence if nothing has."""
        if isinstance(state, State):
            return state.batch_size
        values = (
            list(state.values())
            if isinstance(state, Mapping)
            else [state]
            if isinstance(state, Tensor)
            else state
        )
        first = next((value for value in values or () if isinstance(value, Tensor)), None)
        if first is not None:
            self.single = first.dim() == 2
            return 1 if self.single else first.shape[1]
        if self.given.lengths is not None:
            return len(torch.as_tensor(self.given.lengths))
        return next((len(value) for value in self.given.static.values() if value.dim() == 2), 1)

    def indices(self, x: Tensor) -> Tensor:
        """Whole numbers that stand for one-hot vectors."""
        if x.dtype == torch.bool or x.dtype.is_complex:
            raise ShapeError(f"indices must be whole numbers, got {x.dtype}. Use x.long().")
        if not self.layer._only_multiplies_input():
            raise EquationError(
                f"{self.layer.cell.name} uses {self.layer.cell.signature.input} outside a product, so indices cannot "
                "stand for one-hot vectors. Use an embedding before the layer."
            )
        if not is_traced() and not torch._C._functorch.is_functorch_wrapped_tensor(x):
            table = self.given.table
            limit = self.layer.input_size if table is None else len(table)
            check_indices(x if self.given.lengths is None else self._real(x), limit)
        return x.long()

    def _real(self, x: Tensor) -> Tensor:
        lengths = torch.as_tensor(self.given.lengths, device=x.device)
        return x[torch.arange(len(x), device=x.device)[:, None] < lengths]

    def vectors(self, x: Tensor) -> Tensor:
        """Inputs (..., I)."""
        if x.shape[-1] != self.layer.input_size:
            raise ShapeError(
                f"the input must have I={self.layer.input_size} entries a step, got {x.shape[-1]}. "
                "Change input_size or the input."
            )
        return self.as_parameters(x, "the input")

    def as_parameters(self, value: Tensor, what: str) -> Tensor:
        """The value in the parameters' dtype: cast under autocast, refused otherwise."""
        wanted = self.like.dtype
        if value.dtype == wanted:
            return value
        if self.given.autocast:
            return value.to(wanted)
        raise ShapeError(
            f"expected {what} to have the same dtype as the parameters, but got: {value.dtype} != {wanted}. "
            f"Use .to({wanted})."
        )

    # --- the rest --------------------------------------------------------------------------------

    def state(self, state: Any) -> State | None:
        """The state to begin with; plain tensors mean that value for all earlier steps, clock 0."""
        if state is None:
            return None
        if isinstance(state, State):
            return self._checked_state(state)
        names = self.layer.cell.states
        if isinstance(state, Tensor):
            state = (state,)
        if not isinstance(state, Mapping):
            if not isinstance(state, Sequence) or isinstance(state, str):
                raise ShapeError(
                    f"the state must be a State, tensors or tensors by name, got "
                    f"{type(state).__name__}. Give one of these."
                )
            if len(state) != len(names):
                raise ShapeError(
                    f"the state must be ({', '.join(names)}), got {len(state)} tensors. Give one for each."
                )
            state = dict(zip(names, state, strict=True))
        return self._from_tensors(state)

    def _from_tensors(self, values: Mapping[str, Tensor]) -> State:
        blank = self.layer._start_state(self.shape[1])
        for name in values:
            if name not in blank.names:
                raise ShapeError(
                    f"the cell has the states {', '.join(blank.names)}, not {name}. Use one of these."
                )
        whole = {name: self._checked_value(name, value, blank[name].shape) for name, value in values.items()}
        cells = [
            CellState(
                {n: whole[n][i].expand_as(v) if n in whole else v for n, v in cell.values.items()}, cell.clock
            )
            for i, cell in enumerate(blank.cells)
        ]
        return State(cells)

    def _checked_value(self, name: str, value: Tensor, shape: torch.Size) -> Tensor:
        value = _tensor(value, f"the state {name}")
        if self.single and value.dim() == 2:
            value = value.unsqueeze(1)
        if value.shape != shape:
            raise ShapeError(
                f"the state {name} must be (L*D, B, n) = {tuple(shape)}, got {tuple(value.shape)}. Reshape it."
            )
        return self.as_parameters(value, f"the state {name}")

    def _checked_state(self, state: State) -> State:
        blank = self.layer._start_state(self.shape[1])
        fits = len(state.cells) == len(blank.cells) and all(
            {n: v.shape for n, v in mine.values.items()} == {n: v.shape for n, v in theirs.values.items()}
            for mine, theirs in zip(state.cells, blank.cells, strict=False)
        )
        if not fits:
            raise ShapeError(
                f"the state must fit the layer and the batch: expected {blank}, got {state}. Use its own state."
            )
        return State([self._checked_cell(cell) for cell in state.cells], state.key)

    def _checked_cell(self, cell: CellState) -> CellState:
        return CellState(
            {n: self.as_parameters(v, f"the state {n}") for n, v in cell.values.items()}, cell.clock
        )

    def resets(self) -> Tensor | None:
        """The resets as (T, B)."""
        resets = self.given.resets
        if resets is None:
            return None
        resets = _tensor(resets, "resets")
        if resets.dim() not in (1, 2):
            self._wrong_resets(resets)
        resets = self.time_first(resets.unsqueeze(1) if self.single else resets, already=self.single)
        if tuple(resets.shape) != self.shape or resets.dtype != torch.bool:
            self._wrong_resets(resets)
        return resets

    def _wrong_resets(self, resets: Tensor) -> NoReturn:
        raise ShapeError(
            f"resets must be bool (T, B) = {self.shape}, got {resets.dtype} {tuple(resets.shape)}. Correct them."
        )

    def forced_sizes(self) -> Mapping[str, int]:
        """n of each state that can be forced."""
        if self.given.forced and (self.layer.num_layers > 1 or self.layer.bidirectional):
            raise ShapeError(
                "states are forced in one layer, one direction. Use num_layers=1, bidirectional=False."
            )
        return self.layer._state_sizes(0)

    def forced(self) -> dict[str, Tensor]:
        """The forced states as (T, B, n)."""
        sizes = self.forced_sizes()
        found = {}
        for name, value in self.given.forced.items():
            value = _tensor(value, f"forced {name}")
            value = self.time_first(value.unsqueeze(1) if self.single else value, already=self.single)
            wanted = (*self.shape, sizes.get(name, value.shape[-1]))
            if tuple(value.shape) != wanted:
                raise ShapeError(
                    f"forced {name} must be (T, B, n) = {wanted}, got {tuple(value.shape)}. Reshape it."
                )
            found[name] = self.as_parameters(value, f"forced {name}")
        return found

    def static(self) -> dict[str, Tensor]:
        """The static inputs as (B, n)."""
        names = self.layer.cell.signature.statics
        if set(names) != set(self.given.static):
            listed, got = ", ".join(names) or "none", ", ".join(self.given.static) or "none"
            raise ShapeError(
                f"the cell's static inputs are {listed}, got {got}. Give static={{name: (B, n)}}."
            )
        found = {}
        letters = self.layer._letters[0]
        graph = self.layer.cell.graph
        for name, value in self.given.static.items():
            value = _tensor(value, f"static {name}")
            value = value.unsqueeze(0) if self.single and value.dim() == 1 else value
            wanted = (self.shape[1], graph.size(graph.leaf[name]).value(letters))
            if tuple(value.shape) != wanted:
                raise ShapeError(
                    f"static {name} must be (B, n) = {wanted}, got {tuple(value.shape)}. Reshape it."
                )
            found[name] = self.as_parameters(value, f"static {name}")
        return found

    def layout(self, output: Tensor) -> Tensor:
        """(T, B, n) in the layout of the input."""
        return output.squeeze(1) if self.single else self.time_first(output)


def check_indices(indices: Tensor, size: int) -> None:
    """Refuse indices that are not below `size`."""
    if indices.numel():
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= size:
            raise ShapeError(
                f"indices must lie from 0 to I-1 = {size - 1}, got {low} to {high}. Correct the input."
            )


def _tensor(value: object, what: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ShapeError(f"{what} must be a tensor, got {type(value).__name__}. Use torch.as_tensor(...).")
    return value
