"""Calls with a ragged batch of any kind: brought to the packed order engines run, and answered in its own kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import ShapeError
from unrolled.layers.arguments import Arguments, Batch, Reader
from unrolled.layers.extents import Extents, shortened
from unrolled.layers.packing import Packing
from unrolled.layers.ragged import Ragged, extents_of, is_jagged

if TYPE_CHECKING:
    from unrolled.layers.recurrent import Recurrent


def is_ragged(x: object) -> TypeGuard[Ragged | PackedSequence | Tensor]:
    """Whether it is a batch that has its own lengths."""
    return isinstance(x, Ragged | PackedSequence) or is_jagged(x)


def arrange_ragged(layer: Recurrent, given: Arguments, state: Any) -> tuple[Batch, Packing]:
    """Check a call with a ragged batch and put it in the packed order: `x` (N, I) or (N,), `forced` (N, n)."""
    if given.lengths is not None or given.steps is not None:
        raise ShapeError("a ragged batch has its own lengths. Leave lengths= and steps= out.")
    batch = _opened(given.x)
    reader = Reader(layer, given)
    reader.shape = (batch.extents.longest, len(batch.extents.lengths))
    arranged = Batch(
        like=given.like,
        shape=reader.shape,
        x=_values(reader, batch.data),
        lengths=None,
        state=reader.state(state),
        resets=_resets(reader, batch),
        forced=_forced(reader, batch),
        static=reader.static(),
        layout=batch.answer,
        record=given.record,
        table=given.table,
    )
    return arranged, Packing.packed(batch.extents, given.like.device)


@dataclass(frozen=True)
class _Opened:
    """The values in the packed order, and what makes the given kind of an output in that order."""

    data: Tensor
    extents: Extents
    answer: Callable[[Tensor], Any]

    def pack(self, value: Any, what: str, batch_first: bool) -> Tensor:
        """What goes with the batch, ragged or padded, in the packed order (N, ...)."""
        if is_ragged(value):
            ragged = _as_ragged(value)
            if not torch.equal(ragged.lengths, self.extents.lengths):
                raise ShapeError(
                    f"{what} must have the lengths of the input, {shortened(self.extents.listed)}, "
                    f"got {shortened(ragged.extents.listed)}. Correct them."
                )
            return ragged.values.index_select(0, self.extents.packed(ragged.device))
        if not isinstance(value, Tensor):
            raise ShapeError(
                f"{what} must be a tensor or a Ragged, got {type(value).__name__}. Use Ragged.from_rows(...)."
            )
        return self._pack_padded(value, what, batch_first)

    def _pack_padded(self, value: Tensor, what: str, batch_first: bool) -> Tensor:
        rows, longest = len(self.extents.lengths), self.extents.longest
        axes = (1, 0) if batch_first else (0, 1)
        time, found = (value.shape[axis] for axis in axes) if value.dim() > 1 else (0, -1)
        if found != rows or time < longest:
            layout = (
                f"(B, T, ...) = ({rows}, {longest}" if batch_first else f"(T, B, ...) = ({longest}, {rows}"
            )
            raise ShapeError(
                f"{what} must be {layout}, ...) or a Ragged, got {tuple(value.shape)}. Reshape it."
            )
        cpu = torch.device("cpu")
        index = self.extents.padded(time, batch_first, cpu)[self.extents.packed(cpu)]
        return value.reshape(time * rows, *value.shape[2:]).index_select(0, index.to(value.device))


def _as_ragged(value: Ragged | PackedSequence | Tensor) -> Ragged:
    if isinstance(value, Ragged):
        return value
    return Ragged.from_packed(value) if isinstance(value, PackedSequence) else Ragged.from_nested(value)


def _opened(x: Any) -> _Opened:
    if isinstance(x, PackedSequence):  # lies in the packed order already
        return _Opened(x.data, extents_of(x), lambda output: PackedSequence(output, *x[1:]))
    ragged = _as_ragged(x)
    extents = ragged.extents

    def answer(output: Tensor) -> Ragged | Tensor:
        found = ragged.with_values(output.index_select(0, extents.unpacked(output.device)))
        return found if isinstance(x, Ragged) else found.nested()

    return _Opened(ragged.values.index_select(0, extents.packed(ragged.device)), extents, answer)


def _values(reader: Reader, data: Tensor) -> Tensor:
    indices = not data.is_floating_point()
    if data.dim() != (1 if indices else 2):
        wanted = "(N,) whole numbers" if indices else "(N, I)"
        raise ShapeError(f"the values of the input must be {wanted}, got {tuple(data.shape)}. Reshape them.")
    return reader.indices(data) if indices else reader.vectors(data)


def _resets(reader: Reader, batch: _Opened) -> Tensor | None:
    """(N,)"""
    if reader.given.resets is None:
        return None
    resets = batch.pack(reader.given.resets, "resets", reader.layer.batch_first)
    if resets.dim() != 1 or resets.dtype != torch.bool:
        raise ShapeError(
            f"resets must be bool, one for each step, got {resets.dtype} (N, ...) = {tuple(resets.shape)}. "
            "Correct them."
        )
    return resets


def _forced(reader: Reader, batch: _Opened) -> dict[str, Tensor]:
    """(N, n) by name"""
    sizes = reader.forced_sizes()
    found = {}
    for name, value in reader.given.forced.items():
        packed = batch.pack(value, f"forced {name}", reader.layer.batch_first)
        wanted = (len(batch.data), sizes.get(name, packed.shape[-1]))
        if tuple(packed.shape) != wanted:
            raise ShapeError(
                f"forced {name} must be (N, n) = {wanted} at the real steps, got {tuple(packed.shape)}. Reshape it."
            )
        found[name] = reader.as_parameters(packed, f"forced {name}")
    return found
