"""Series in NumPy's .npz files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.records import Label, Place
from unrolled.errors import DataError

_HOW = (
    "must hold x (series, steps, channels), or values (all steps, channels) with lengths (series,); labels (series,) "
    "if there are any"
)


def npz_series(
    path: Path,
) -> Iterator[tuple[NDArray[np.float64], Label | None, Place, dict[str, str]]]:
    """The series of a .npz file, (T, I) each, with labels; the number of each from 1 is its column `series`.

    Series of one length are an array `x` or `X` (R, T, I), or (R, T) for one channel. Others stand end to end:
    `values` (N, I) or (N,), with `lengths` (R,). `labels` or `y` (R,) are one for each series, `step_labels` one for
    each step: (R, T) or (N,). Arrays of Python objects would need pickle, which is never read.

    Raises:
        DataError: other arrays, sizes that do not fit together, a file that is broken.
    """
    arrays = _arrays(path)
    values, lengths = _ragged(arrays, str(path))
    labels, steps = arrays.get("labels", arrays.get("y")), arrays.get("step_labels")
    for name, array, count in (("labels", labels, len(lengths)), ("step_labels", steps, len(values))):
        if array is not None and array.size != count:
            raise DataError(f"{path}: {name} must hold {count} labels, got {array.size}; write as many")
    if labels is not None and steps is not None:
        raise DataError(f"{path}: holds labels and step_labels; leave out one of them")
    start = 0
    for number, length in enumerate(lengths.tolist()):
        label: Label | None = None if labels is None else str(labels.flat[number])
        if steps is not None:
            label = tuple(map(str, steps.reshape(-1)[start : start + length].tolist()))
        yield (
            values[start : start + length].astype(np.float64),
            label,
            Place(str(path)),
            {"series": str(number + 1)},
        )
        start += length


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                raise DataError(f"{path}: not a .npz file, which begins with PK; write it with np.savez")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds Python objects, which are never read; write plain arrays: np.savez(path, values=..., "
                "lengths=..., labels=...)"
            ) from error
        raise DataError(
            f"{path}: cannot be read as .npz ({str(error).partition(chr(10))[0]}); write it again"
        ) from error


def _ragged(arrays: Mapping[str, NDArray[Any]], file: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """All steps end to end, (N, I), and the lengths (R,)."""
    x = arrays.get("x", arrays.get("X"))
    if x is not None and x.ndim in (2, 3):
        values, lengths = x.reshape(x.shape[0] * x.shape[1], -1), np.full(len(x), x.shape[1])
    elif {"values", "lengths"} <= arrays.keys() and arrays["values"].ndim in (1, 2):
        values, lengths = arrays["values"], arrays["lengths"].reshape(-1)
        values = values[:, None] if values.ndim == 1 else values
    else:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"{file}: {_HOW}; got {found or 'nothing'}")
    if values.dtype.kind not in "fiub":
        raise DataError(f"{file}: the values must be numbers, got {values.dtype}; write them as float32")
    if lengths.dtype.kind not in "iu" or not len(lengths) or lengths.min() < 1:
        raise DataError(f"{file}: lengths must be whole numbers above 0, one for each series; correct them")
    if lengths.sum() != len(values):
        raise DataError(
            f"{file}: lengths must add up to the {len(values)} steps of values, got {lengths.sum()}"
        )
    return values, lengths
