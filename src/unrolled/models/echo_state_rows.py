"""The rows an echo-state network runs over: with the outputs that are fed back, and as a regression sees them."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from unrolled.errors import DataError, ShapeError
from unrolled.layers.ragged import Ragged

Rows: TypeAlias = Tensor | Ragged


def floating(rows: Rows, like: Tensor) -> Rows:
    """The batch in the dtype and on the device of `like`.

    Raises ShapeError for what is neither a tensor (T, B, n) nor a `Ragged` with values (N, n).
    """
    values = rows.values if isinstance(rows, Ragged) else rows
    if not isinstance(values, Tensor) or values.dim() != (2 if isinstance(rows, Ragged) else 3):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ShapeError(f"a batch must be (T, B, n), or a Ragged with values (N, n), got {got}. Correct it.")
    return rows.to(like)


def as_ragged(rows: Rows) -> Ragged:
    """The batch as a `Ragged`, a tensor (T, B, n) with all its steps."""
    return rows if isinstance(rows, Ragged) else Ragged.from_padded(rows)


def shifted(rows: Rows, before: Tensor) -> tuple[Rows, Tensor]:
    """Every value one step later, each row begun with its entry of `before` (B, n); and the values (B, n) left over."""
    if isinstance(rows, Tensor):
        whole = torch.cat([before[None], rows])
        return whole[:-1], whole[-1]
    filled = rows.lengths > 0
    starts, lengths = rows.extents.starts[filled], rows.lengths[filled]
    later = rows.values.roll(1, 0)
    later[starts] = before[filled]
    left = before.clone()
    left[filled] = rows.values[starts + lengths - 1]
    return rows.with_values(later), left


def cut(rows: Ragged, begin: int, end: int) -> Ragged:
    """The steps from `begin` to before `end` of every row that has them."""
    if begin == 0 and end >= rows.longest:
        return rows
    return Ragged.from_rows([row[begin:end] for row in rows])


def pooled(rows: Ragged, readout: str, washout: int, from_behind: Tensor) -> Tensor:
    """One vector (B, F) of every row: its last values ("last"), of features marked in `from_behind` (F,) its first
    ones, or the mean of what comes after the first `washout` steps ("mean").

    Raises DataError for rows without a step beyond the washout.
    """
    listed = rows.extents.listed
    short = [b for b, length in enumerate(listed) if length <= washout]
    if short:
        raise DataError(
            f"rows must have more than washout={washout} steps, row {short[0]} has {listed[short[0]]}. "
            "Leave it out, or give a smaller washout."
        )
    starts, lengths = rows.extents.starts, rows.lengths
    if readout == "last":
        return torch.where(from_behind, rows.values[starts], rows.values[starts + lengths - 1])
    counted = (rows.extents.steps >= washout).nonzero().flatten()
    index = rows.extents.rows[counted].to(rows.device)
    total = rows.values.new_zeros(rows.batch_size, rows.values.shape[1])
    total = total.index_add(0, index, rows.values[counted.to(rows.device)])
    return total / (lengths - washout)[:, None].to(total)


def as_numbers(targets: Rows, outputs: int, by_step: bool) -> tuple[Rows, bool]:
    """Targets as numbers (..., O), classes as one-hot vectors, and whether they were classes.

    Raises DataError for classes outside 0 .. O - 1, ShapeError for other shapes.
    """
    values = targets.values if isinstance(targets, Ragged) else targets
    classes = not values.is_floating_point()
    if classes:
        if values.numel() and bool(((values < 0) | (values >= outputs)).any()):
            raise DataError(
                f"classes must be whole numbers from 0 to {outputs - 1}, got {int(values.min())} to "
                f"{int(values.max())}. Number them anew, or give output_size."
            )
        values = nn.functional.one_hot(values.long(), outputs).double()
    dimensions = 3 if by_step and not isinstance(targets, Ragged) else 2
    if (
        values.dim() != dimensions
        or values.shape[-1] != outputs
        or (isinstance(targets, Ragged) and not by_step)
    ):
        layout = "(T, B, O) or a Ragged" if by_step else "(B, O)"
        raise ShapeError(
            f"targets must be {layout} with O={outputs}, got {tuple(targets.shape)}. Correct them."
        )
    return (targets.with_values(values) if isinstance(targets, Ragged) else values), classes
