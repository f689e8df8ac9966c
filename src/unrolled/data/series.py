"""Series of numbers: .ts files of the archives, NumPy's .npz, and tables with a row for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.file_list import left_out
from unrolled.data.npz import npz_series
from unrolled.data.readers import kind_of
from unrolled.data.records import Label, Place, Record
from unrolled.data.series_tables import SeriesTables
from unrolled.data.settings import ReadSettings
from unrolled.data.ts import ts_series
from unrolled.errors import DataError


class SeriesReader:
    """Series as frames (T, I) float32.

    A missing value (`?`, `NaN`, an empty cell) is interpolated on a line between its neighbours in time, or takes the
    value of the only one; a channel without any value in a series is refused. Steps at the end that are missing in
    all channels are taken as padding and cut off. `notes` says how many there were.
    """

    kind = "series"

    def __init__(self, files: Sequence[Path], settings: ReadSettings, labelled: bool = True) -> None:
        self._settings, self._labelled = settings, labelled
        self._files = [path for path in files if kind_of(path) == "series"]
        self._tables: SeriesTables | None = None
        if not self._files:
            tables = [path for path in files if kind_of(path) == "text"]
            if not tables:
                raise DataError(
                    f"{files[0]}: series must be .ts, .npz, .csv, .tsv or .jsonl files; name such a file"
                )
            self._tables = SeriesTables(tables, settings, labelled)
        else:
            of_bytes = self._files[0].suffix.lower() == ".npz"
            names = ("encoding", "delimiter", "header") if of_bytes else ("delimiter", "header")
            settings.refuse_for_tables(str(self._files[0]), names)
        read = self._files or tables
        self._found = [*(self._tables.notes if self._tables else []), *left_out(files, read)]
        if len(read) > 1:
            self._found.append(f"read together: {len(read)} files, {read[0].name} to {read[-1].name}")
        self.facts: dict[str, Any] = {}
        self.notes = list(self._found)

    def __iter__(self) -> Iterator[Record]:
        first: tuple[int, Place] | None = None
        filled = cut = 0
        for values, label, place, columns in self._series():
            name = _named(place, columns)
            first = first or (values.shape[1], place)
            if values.shape[1] != first[0]:
                raise DataError(
                    f"{name}: all series must have the {first[0]} channels of the first ({first[1]}), got "
                    f"{values.shape[1]}; correct or remove it"
                )
            label = _label(label, self._labelled, name)
            whole = _without_padding(values, name)
            if isinstance(label, tuple):
                label = label[: len(whole)]
            frames, missing = _filled(whole, name)
            filled, cut = filled + missing, cut + (len(whole) < len(values))
            yield Record(frames, label, place, columns)
        self.notes[:] = [*self._found, *_about(filled, cut)]

    def _series(self) -> Iterator[tuple[NDArray[np.float64], Label | None, Place, dict[str, str]]]:
        if self._tables:
            yield from self._tables
        for path in self._files:
            if path.name.lower().endswith(".npz"):
                yield from npz_series(path)
            else:
                for values, label, place in ts_series(path, self._settings.encoding):
                    yield values, label, place, {}


def _named(place: Place, columns: dict[str, str]) -> str:
    return (
        f"{place}, series {columns['series']}" if place.line is None and "series" in columns else str(place)
    )


def _label(label: Label | None, labelled: bool, name: str) -> Label | None:
    if labelled and label is None:
        raise DataError(
            f"{name}: no label; name data with labels, such as @classLabel true or an array labels"
        )
    return label


def _without_padding(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """The steps up to the last that holds a value."""
    known = np.flatnonzero(~np.isnan(values).all(1))
    if not len(known):
        raise DataError(f"{name}: the series holds no value; remove it")
    return values[: known[-1] + 1]


def _filled(values: NDArray[np.float64], name: str) -> tuple[NDArray[np.float32], int]:
    """Frames without gaps, and how many values were missing."""
    missing = np.isnan(values)
    empty = np.flatnonzero(missing.all(0))
    if len(empty):
        raise DataError(
            f"{name}: channel {empty[0] + 1} holds no value; remove the series, or the channel from all"
        )
    steps = np.arange(len(values))
    whole = values.copy()
    for channel in np.flatnonzero(missing.any(0)):
        known = ~missing[:, channel]
        whole[:, channel] = np.interp(steps, steps[known], values[known, channel])
    with np.errstate(over="ignore"):
        frames = whole.astype(np.float32)
    if not np.isfinite(frames).all():
        step, channel = np.argwhere(~np.isfinite(frames))[0]
        raise DataError(
            f"{name}: step {step + 1} of channel {channel + 1} must be a number that float32 holds, got "
            f"{whole[step, channel]:g}; correct it, or write ? if it is missing"
        )
    return frames, int(missing.sum())


def _about(filled: int, cut: int) -> list[str]:
    values = "1 missing value" if filled == 1 else f"{filled:,} missing values"
    about = [f"interpolated between neighbours in time: {values}"] if filled else []
    return [*about, *([f"cut off where only missing values follow: the ends of {cut} series"] if cut else [])]
