"""Rows of different lengths as one tensor: every value once, no padding, no sorting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.extents import Extents, exceeding, inverse, shortened, whole_lengths

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Ragged:
    """A batch of rows of any lengths: `values` (N, F), row after row, and `lengths` (B,), with N = sum of the lengths.

    Row b is `values[lengths[:b].sum() : lengths[:b + 1].sum()]`, T_b = lengths[b] steps of F numbers. A row may have
    no steps, a batch no rows; nothing is sorted, and nothing is padding. Values may also be (N,), such as whole
    numbers that stand for symbols, or (N, ...). A layer given a `Ragged` answers with one.

    Args:
        values: (N, ...) the steps of all rows, one row after the other.
        lengths: (B,) whole numbers >= 0, a tensor on any device, an array or a list.

    Example:
        >>> batch = Ragged.from_rows([torch.ones(3, 2), torch.ones(0, 2), torch.ones(1, 2)])
        >>> batch
        Ragged(values (4, 2) of torch.float32, lengths [3, 0, 1])
        >>> batch.padded().shape, [tuple(row.shape) for row in batch]
        (torch.Size([3, 3, 2]), [(3, 2), (0, 2), (1, 2)])
        >>> batch.map(torch.nn.Linear(2, 5))[[2, 0]].lengths
        tensor([1, 3])

    Raises:
        ShapeError: lengths that are negative, are not whole numbers or do not add up to N.
    """

    def __init__(self, values: Tensor, lengths: Tensor | ArrayLike) -> None:
        self._values = _tensor(values, "values")
        self.extents = Extents(whole_lengths(lengths))
        if values.dim() == 0 or len(values) != self.extents.total:
            raise ShapeError(
                f"values must be (N, ...) with N = sum of the lengths = {self.extents.total}, "
                f"got {tuple(values.shape)}. Give every step of every row, and no padding."
            )

    @classmethod
    def _made(cls, values: Tensor, extents: Extents) -> Ragged:
        """A batch whose parts are known to fit."""
        made = cls.__new__(cls)
        made._values, made.extents = values, extents
        return made

    def with_values(self, values: Tensor) -> Ragged:
        """Other values (N, ...) for the same rows."""
        if not isinstance(values, Tensor) or values.dim() == 0 or len(values) != self.extents.total:
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ShapeError(
                f"the new values must be (N, ...) with N={self.extents.total}, got {got}. Keep one for each step."
            )
        return self._made(values, self.extents)

    # --- from what people have -------------------------------------------------------------------

    @classmethod
    def from_rows(cls, rows: Iterable[Tensor | ArrayLike]) -> Ragged:
        """The batch of these rows: tensors, arrays or lists, (T_b, ...) each, all of one width and dtype.

        May serve as the `collate_fn` of a DataLoader.

        Example:
            >>> Ragged.from_rows([[7, 1, 4], [], [5]])
            Ragged(values (4,) of torch.int64, lengths [3, 0, 1])

        Raises ShapeError for rows of different width, dtype or device.
        """
        given = list(rows)
        # An empty list has no dtype of its own, and takes that of the others.
        found = [
            None if isinstance(row, list | tuple) and not row else _row(b, row) for b, row in enumerate(given)
        ]
        first = next((row for row in found if row is not None), None)
        if first is None:
            raise ShapeError(
                f"at least one row must show the width and dtype, got {len(given)} empty ones. "
                "Use Ragged(torch.empty(0, F), lengths)."
            )
        whole = [first[:0] if row is None else row for row in found]
        for b, row in enumerate(whole):
            _alike(f"row {b}", row, first, "the first one")
        return cls._made(torch.cat(whole), Extents(torch.tensor([len(row) for row in whole])))

    @classmethod
    def from_padded(
        cls, x: Tensor, lengths: Tensor | ArrayLike | None = None, *, batch_first: bool = False
    ) -> Ragged:
        """The real steps of a padded batch (T, B, ...), or (B, T, ...) with `batch_first`.

        Args:
            x: what lies beyond a row's length is not looked at.
            lengths: (B,) from 0 to T; by default every row has T steps.
            batch_first: the layout of `x`.

        Raises ShapeError for lengths that do not fit.
        """
        if _tensor(x, "the padded batch").dim() < 2:
            layout = "B, T" if batch_first else "T, B"
            raise ShapeError(f"a padded batch must be ({layout}, ...), got {tuple(x.shape)}. Reshape it.")
        time, rows = (x.shape[1], x.shape[0]) if batch_first else (x.shape[0], x.shape[1])
        extents = Extents(torch.full((rows,), time) if lengths is None else whole_lengths(lengths))
        if len(extents.lengths) != rows or extents.longest > time:
            raise ShapeError(
                f"lengths must be (B,) = ({rows},) from 0 to T={time}, got {shortened(extents.listed)}. "
                f"Correct them, or batch_first={batch_first}."
            )
        flat = x.reshape(time * rows, *x.shape[2:])
        return cls._made(flat.index_select(0, extents.padded(time, batch_first, x.device)), extents)

    @classmethod
    def from_packed(cls, packed: PackedSequence) -> Ragged:
        """The rows of a PackedSequence in the order they had before it was packed.

        Raises ShapeError for anything else.
        """
        if not isinstance(packed, PackedSequence):
            raise ShapeError(
                f"a PackedSequence must be given, got {type(packed).__name__}. Use another from_... ."
            )
        extents = extents_of(packed)
        return cls._made(packed.data.index_select(0, extents.unpacked(packed.data.device)), extents)

    @classmethod
    def from_nested(cls, nested: Tensor) -> Ragged:
        """The rows (T_b, ...) of a jagged nested tensor (B, j, ...).

        Raises ShapeError for other tensors, and where it is not the second dimension that is jagged.
        """
        if not is_jagged(nested) or nested._ragged_idx != 1:  # type: ignore[attr-defined]
            got = tuple(nested.shape) if is_jagged(nested) else f"a {type(nested).__name__}"
            raise ShapeError(
                f"a nested tensor must be (B, j, ...) with layout=torch.jagged, got {got}. "
                "Make it by torch.nested.nested_tensor(rows, layout=torch.jagged)."
            )
        jagged: Any = nested  # the methods of jagged tensors are not annotated
        offsets, lengths, values = jagged.offsets(), jagged.lengths(), jagged.values()
        extents = Extents((offsets.diff() if lengths is None else lengths).long().cpu())
        if lengths is None and extents.total == len(values):
            return cls._made(values, extents.adopt(offsets))
        # Rows with gaps in between, such as those of torch.nested.narrow.
        return cls._made(
            values.index_select(0, extents.among(offsets[:-1].long().cpu()).to(values.device)), extents
        )

    # --- and back --------------------------------------------------------------------------------

    def padded(self, *, batch_first: bool = False, value: float = 0, steps: int | None = None) -> Tensor:
        """The batch as (T, B, ...), or (B, T, ...) with `batch_first`.

        Args:
            batch_first: the layout of the result.
            value: what stands beyond the end of a row.
            steps: T, by default the length of the longest row.

        Raises SettingError for a value that the dtype cannot hold, ShapeError for too few steps.
        """
        time, rows = self.longest if steps is None else steps, self.batch_size
        if not isinstance(time, int) or isinstance(time, bool) or time < self.longest:
            raise ShapeError(
                f"steps must be a whole number >= {self.longest}, the longest row, got {time!r}. Leave it out."
            )
        shape = (rows, time) if batch_first else (time, rows)
        flat = self.values.new_full((rows * time, *self.values.shape[1:]), self._holdable(value))
        flat.index_copy_(0, self.extents.padded(time, batch_first, self.device), self.values)
        return flat.reshape(*shape, *self.values.shape[1:])

    def _holdable(self, value: float) -> float:
        try:
            held = self.values.new_full((), value).item()
        except (TypeError, RuntimeError):
            held = None
        if held is None or (held != value and not self.dtype.is_floating_point):
            raise SettingError(f"value must be a number of {self.dtype}, got {value!r}. Choose another.")
        return value

    def packed(self) -> PackedSequence:
        """The batch as a PackedSequence; its `unsorted_indices` give back the order of the rows.

        Raises ShapeError for rows without steps, and for a batch without rows: PyTorch has no such PackedSequence.
        """
        empty = [b for b, length in enumerate(self.extents.listed) if length == 0]
        if empty or not self.batch_size:
            got = f"row {empty[0]} has none" if empty else "there are no rows"
            raise ShapeError(
                f"every row of a PackedSequence must have steps, but {got}. "
                "Take the others by ragged[ragged.lengths > 0], or use .nested() or .padded()."
            )
        extents, device = self.extents, self.device
        data = self.values.index_select(0, extents.packed(device))
        return PackedSequence(data, extents.counts, extents.order.to(device), extents.places.to(device))

    def nested(self) -> Tensor:
        """The batch as a nested tensor (B, j, ...) with layout=torch.jagged.

        Batches of the same `extents` give nested tensors that can be added: `batch` and `layer(batch)[0]`, say.
        """
        offsets = self.extents.offsets(self.device)
        if not self.batch_size:
            return torch.nested.nested_tensor_from_jagged(self.values, offsets)
        shortest = min(self.extents.listed)
        return torch.nested.nested_tensor_from_jagged(
            self.values, offsets, min_seqlen=shortest, max_seqlen=self.longest
        )

    def unbind(self) -> tuple[Tensor, ...]:
        """The rows, (T_b, ...) each; they are parts of `values`, not copies."""
        return tuple(self.values.split(self.extents.listed)) if self.batch_size else ()

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.unbind())

    # --- rows ------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.batch_size

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice | Tensor | Sequence[int] | Sequence[bool]) -> Ragged: ...
    def __getitem__(self, index: Any) -> Tensor | Ragged:
        """Row b (T_b, ...) for a number; the batch of some rows for a slice, a list of numbers or a mask (B,).

        A number and a slice that leaves nothing out give parts of `values`, not copies.
        """
        if isinstance(index, slice):
            return self._sliced(index)
        if isinstance(index, tuple):
            self._no_row(index)
        try:
            # Copied where it is an array, which might be one that torch cannot share.
            chosen = torch.tensor(index) if isinstance(index, np.ndarray) else torch.as_tensor(index)
        except (TypeError, ValueError, RuntimeError):
            self._no_row(index)
        chosen = self._numbers(chosen.detach().cpu(), index)
        if chosen.dim() == 0:
            b = int(chosen)
            return self.values.narrow(0, int(self.extents.starts[b]), self.extents.listed[b])
        return self._chosen(chosen)

    def _sliced(self, index: slice) -> Ragged:
        kept = range(self.batch_size)[index]
        if kept.step != 1:
            return self._chosen(torch.tensor(list(kept), dtype=torch.int64))
        extents = Extents(self.lengths[kept.start : max(kept.start, kept.stop)].clone())
        begin = sum(self.extents.listed[: kept.start])
        return self._made(self.values.narrow(0, begin, extents.total), extents)

    def _numbers(self, chosen: Tensor, index: object) -> Tensor:
        """Which rows: () or (n,) whole numbers from 0 to B - 1."""
        if chosen.numel() == 0 and chosen.dim() == 1 and chosen.dtype != torch.bool:
            return chosen.long()
        if chosen.dtype == torch.bool:
            if chosen.shape != (self.batch_size,):
                self._no_row(index)
            return chosen.nonzero().flatten()
        if chosen.dim() > 1 or chosen.is_floating_point() or chosen.is_complex():
            self._no_row(index)
        chosen = chosen.long()
        if not bool(((chosen >= -self.batch_size) & (chosen < self.batch_size)).all()):
            self._no_row(index)
        return torch.where(chosen < 0, chosen + self.batch_size, chosen)

    def _no_row(self, index: Any) -> NoReturn:
        tensor = isinstance(index, Tensor | np.ndarray)
        got = f"{index.dtype} {tuple(index.shape)}" if tensor else repr(index)
        raise ShapeError(
            f"rows are chosen by numbers below B={self.batch_size}, a slice or a mask (B,), got {got}. "
            "Correct it; for entries of the values use .map(lambda values: values[:, ...])."
        )

    def _chosen(self, rows: Tensor) -> Ragged:
        extents = Extents(self.lengths[rows])
        index = extents.among(self.extents.starts[rows])
        return self._made(self.values.index_select(0, index.to(self.device)), extents)

    @classmethod
    def concatenate(cls, batches: Iterable[Ragged]) -> Ragged:
        """The rows of all batches, one batch after the other.

        Raises ShapeError for batches of different width, dtype or device.
        """
        given = list(batches)
        if not given:
            raise ShapeError("at least one batch must be given to concatenate, got none. Give one.")
        for k, batch in enumerate(given):
            if not isinstance(batch, Ragged):
                raise ShapeError(
                    f"batch {k} must be a Ragged, got {type(batch).__name__}. Use Ragged.from_... ."
                )
            _alike(f"batch {k}", batch.values, given[0].values, "the first one")
        extents = Extents(torch.cat([batch.lengths for batch in given]))
        return cls._made(torch.cat([batch.values for batch in given]), extents)

    # --- values ----------------------------------------------------------------------------------

    def map(self, function: Callable[..., Tensor], *others: Ragged) -> Ragged:
        """The batch of `function(values)`: a module or function on (N, ...) that keeps N, such as an embedding.

        Args:
            function: what to apply to all values at once; padding never reaches it.
            others: batches of the same lengths, whose values are further arguments.

        Raises ShapeError where the lengths differ or N is not kept.
        """
        for other in others:
            if not isinstance(other, Ragged) or not torch.equal(other.lengths, self.lengths):
                got = other if isinstance(other, Ragged) else type(other).__name__
                raise ShapeError(
                    f"all batches must have the lengths {shortened(self.extents.listed)}, got {got}. Correct them."
                )
        return self.with_values(function(self.values, *(other.values for other in others)))

    def to(self, *arguments: Any, **options: Any) -> Ragged:
        """The values on another device or in another dtype: the arguments of `Tensor.to`."""
        return self.with_values(self.values.to(*arguments, **options))

    def detach(self) -> Ragged:
        """The same values, cut off from what computed them."""
        return self.with_values(self.values.detach())

    def requires_grad_(self, requires_grad: bool = True) -> Ragged:
        """Ask for the gradient of `values`, and return the batch."""
        self.values.requires_grad_(requires_grad)
        return self

    def equals(self, other: Ragged) -> bool:
        """Whether the lengths are the same, and the values by `torch.equal`."""
        same = isinstance(other, Ragged) and torch.equal(self.lengths, other.lengths)
        return same and self.dtype == other.dtype and torch.equal(self.values, other.values)

    # --- what it is ------------------------------------------------------------------------------

    @property
    def values(self) -> Tensor:
        """(N, ...) the steps of all rows, one row after the other."""
        return self._values

    @property
    def lengths(self) -> Tensor:
        """(B,) int64, on the CPU wherever the values are; nobody may write to it."""
        return self.extents.lengths

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.extents.lengths)

    @property
    def total(self) -> int:
        """N, the steps of all rows together."""
        return self.extents.total

    @property
    def longest(self) -> int:
        """T, the steps of the longest row; 0 for a batch without rows."""
        return self.extents.longest

    @property
    def shape(self) -> torch.Size:
        """(B, T, ...), what `padded(batch_first=True)` would have."""
        return torch.Size((self.batch_size, self.longest, *self.values.shape[1:]))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        """The device of the values."""
        return self.values.device

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow into the values."""
        return self.values.requires_grad

    def __reduce__(self) -> tuple[type[Ragged], tuple[Tensor, Tensor]]:
        return Ragged, (self.values, self.lengths)

    def __repr__(self) -> str:
        device = "" if self.device.type == "cpu" else f" on {self.device}"
        return (
            f"Ragged(values {tuple(self.values.shape)} of {self.dtype}{device}, "
            f"lengths {shortened(self.extents.listed)})"
        )


torch.serialization.add_safe_globals([Ragged])  # it holds two tensors only


def is_jagged(value: object) -> TypeGuard[Tensor]:
    """Whether it is a nested tensor with layout=torch.jagged."""
    return isinstance(value, Tensor) and value.is_nested and value.layout == torch.jagged


def extents_of(packed: PackedSequence) -> Extents:
    """Where the rows of a PackedSequence lie; ShapeError where it does not hold together."""
    counts, order = packed.batch_sizes, packed.sorted_indices
    rows = int(counts[0]) if len(counts) else 0
    falling = bool((counts.diff() <= 0).all() and (counts > 0).all())
    if not falling or int(counts.sum()) != len(packed.data) or (order is not None and len(order) != rows):
        raise ShapeError(
            f"a PackedSequence must have batch_sizes that never grow and add up to N={len(packed.data)}, got "
            f"{shortened(counts.tolist())}. Make it by torch.nn.utils.rnn.pack_sequence."
        )
    order = torch.arange(rows) if order is None else order.cpu()
    return Extents(exceeding(counts, rows)[inverse(order)], order)


def _tensor(value: object, what: str) -> Tensor:
    if not isinstance(value, Tensor) or value.is_nested:
        got = "a nested tensor" if isinstance(value, Tensor) else type(value).__name__
        raise ShapeError(
            f"{what} must be a tensor, got {got}. Use Ragged.from_rows(...) or torch.as_tensor(...)."
        )
    return value


def _row(b: int, row: Tensor | ArrayLike) -> Tensor:
    try:
        # An array is copied: torch cannot share all of them, and the rows are copied together anyway.
        found = (
            row if isinstance(row, Tensor) else torch.tensor(np.array(row) if hasattr(row, "dtype") else row)
        )
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"row {b} must be numbers (T, ...), got {type(row).__name__}. Correct it.") from None
    if found.dim() == 0 or found.is_nested:
        raise ShapeError(f"row {b} must be (T, ...), got a {type(row).__name__} of no steps. Correct it.")
    return found


def _alike(what: str, value: Tensor, first: Tensor, as_what: str) -> None:
    """Refuse what cannot stand beside the first one."""

    def kind(tensor: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
        return tensor.shape[1:], tensor.dtype, tensor.device

    if kind(value) != kind(first):
        shapes = [
            f"({', '.join(['T', *map(str, one.shape[1:])])}) of {one.dtype} on {one.device}"
            for one in (first, value)
        ]
        raise ShapeError(f"{what} must be {shapes[0]} as {as_what}, got {shapes[1]}. Make them alike.")
