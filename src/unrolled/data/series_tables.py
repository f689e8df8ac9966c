"""Series in tables with a row for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.decimals import COMMAS, MISSING, has_decimal_commas, number
from unrolled.data.delimited import Row, Table, open_table
from unrolled.data.dialects import folded
from unrolled.data.file_labels import file_labels
from unrolled.data.records import Label, Place
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError

_SERIES = set(
    "series series_id seriesid id case case_id sequence sequence_id serie secuencia sequencia".split()
)
_LABELS = set(
    "label labels etiqueta rotulo мітка class clase classe клас category categoria target tag activity".split()
)
_TIMES = set("time timestamp datetime date step t index hora час fecha data дата paso passo крок".split())


@dataclass(frozen=True)
class _Layout:
    """Which column of a table is what, by position."""

    table: Table
    series: int | None
    label: int | None
    channels: tuple[int, ...]
    others: tuple[int, ...]
    """Texts that go along: the value in the first row of a series."""
    comma: bool
    """Whether numbers are written 3,14."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table.columns[i] for i in self.channels)

    @property
    def note(self) -> str:
        series = (
            "the whole file is one series" if self.series is None else self._said("series", [self.series])
        )
        label = "" if self.label is None else ", " + self._said("label", [self.label])
        left = [
            i for i in range(len(self.table.columns)) if i not in (self.series, self.label, *self.channels)
        ]
        aside = "; not a channel: " + ", ".join(self.table.columns[i] for i in left) if left else ""
        return f"{self.table.file}: {series}{label}, {self._said('channels', self.channels)}{aside}"

    def _said(self, what: str, positions: Sequence[int]) -> str:
        return f"{what}: " + ", ".join(self.table.columns[i] for i in positions)


class SeriesTables:
    """Series from tables: a column that says to which series a row belongs, channels, a label.

    Rows of one series need not stand together, but in order. Without such a column each file is one series, and its
    label may stand in its name (see `file_labels`). A label that changes within some series makes the labels of all
    one for each step. Columns of times and of texts are no channels.

    Raises:
        DataError: no channel, no label where one is needed, files with other channels than the first.
    """

    def __init__(self, files: Sequence[Path], settings: ReadSettings, labelled: bool) -> None:
        tables = [open_table(path, settings) for path in files]
        self._layouts = [_layout(path, table, settings) for path, table in zip(files, tables, strict=True)]
        first = self._layouts[0]
        for layout in self._layouts:
            if layout.names != first.names:
                raise DataError(
                    f"{layout.table.file}: must have the channels of {first.table.file}, {', '.join(first.names)}, got "
                    f"{', '.join(layout.names)}; read the files one by one, or name the columns alike"
                )
        self.notes = [note for table in tables[:1] for note in table.notes] + [first.note]
        self.notes += [COMMAS] if first.comma else []
        self._names: list[dict[str, str]] = [{} for _ in files]
        if first.label is None and first.series is None and (labelled or settings.label is not None):
            self._names, said = file_labels(files, settings.label, labelled)
            self.notes += said
        self._stepwise = any(map(_label_changes, self._layouts))

    def __iter__(self) -> Iterator[tuple[NDArray[np.float64], Label | None, Place, dict[str, str]]]:
        for layout, fields in zip(self._layouts, self._names, strict=True):
            for rows in _grouped(layout):
                yield self._one(layout, rows, fields)

    def _one(
        self, layout: _Layout, rows: Sequence[Row], fields: dict[str, str]
    ) -> tuple[NDArray[np.float64], Label | None, Place, dict[str, str]]:
        table, first = layout.table, rows[0]
        columns = {table.columns[i]: first.cells[i] for i in layout.others}
        columns |= {name: value for name, value in fields.items() if name != "label"}
        if layout.series is not None:
            columns = {table.columns[layout.series]: first.cells[layout.series], **columns}
        label: Label | None = fields.get("label")
        if layout.label is not None:
            label = _label(layout, rows, self._stepwise)
        values = np.array([_numbers(layout, row) for row in rows])
        return values, label, Place(table.file, first.line), columns


def _layout(path: Path, table: Table, settings: ReadSettings) -> _Layout:
    series = _named(table, settings.text, "--text", _SERIES)
    asked = settings.label if settings.label in table.columns or (settings.label or "").isdecimal() else None
    label = _named(table, asked, "--label", _LABELS)
    times = {i for i, name in enumerate(table.columns) if folded(name) in _TIMES}
    if table.header and table.columns[0] == "1":
        times.add(0)  # the index that pandas writes has no name
    rest = [i for i in range(len(table.columns)) if i not in {series, label, *times}]
    rows = table.first()
    comma = has_decimal_commas(path, (row.cells[i] for row in rows for i in rest), settings)
    numbers = [i for i in rest if _holds_numbers([row.cells[i] for row in rows], comma)]
    if not numbers:
        raise DataError(
            f"{table.file}: no column of numbers besides times and labels; the columns are {table.described()}"
        )
    return _Layout(table, series, label, tuple(numbers), tuple(i for i in rest if i not in numbers), comma)


def _named(table: Table, asked: str | None, option: str, known: set[str]) -> int | None:
    if asked is not None:
        return table.position(asked, option)
    return next((i for i, name in enumerate(table.columns) if folded(name) in known), None)


def _holds_numbers(cells: Sequence[str], comma: bool) -> bool:
    """By the first cell that is filled; the others are refused where they stand if they hold something else."""
    given = next((cell for cell in cells if cell.strip().casefold() not in MISSING), None)
    return given is not None and number(given, comma) is not None


def _numbers(layout: _Layout, row: Row) -> list[float]:
    numbers = []
    for channel in layout.channels:
        found = number(row.cells[channel], layout.comma)
        if found is None:
            raise DataError(
                f"{layout.table.file}, line {row.line}: column {layout.table.columns[channel]!r} must hold numbers "
                f"or nothing, got {row.cells[channel]!r}; correct it"
            )
        numbers.append(found)
    return numbers


def _grouped(layout: _Layout) -> Iterator[list[Row]]:
    """The rows of each series, in the order of their first rows; those of one file are kept in memory."""
    groups: dict[str, list[Row]] = {}
    for row in layout.table:
        groups.setdefault("" if layout.series is None else row.cells[layout.series], []).append(row)
    yield from groups.values()


def _label_changes(layout: _Layout) -> bool:
    if layout.label is None:
        return False
    seen: dict[str, str] = {}
    for row in layout.table:
        series = "" if layout.series is None else row.cells[layout.series]
        if seen.setdefault(series, row.cells[layout.label]) != row.cells[layout.label]:
            return True
    return False


def _label(layout: _Layout, rows: Sequence[Row], stepwise: bool) -> Label | None:
    assert layout.label is not None
    labels = tuple(row.cells[layout.label] for row in rows)
    if "" in labels:
        if any(labels):
            line = rows[labels.index("")].line
            raise DataError(
                f"{layout.table.file}, line {line}: no label, though other steps have one; add it"
            )
        return None
    return labels if stepwise else labels[0]
