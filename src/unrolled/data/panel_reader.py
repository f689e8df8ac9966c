"""Files as panels of numeric series: which column is what, and what cannot be used refused by file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from unrolled.data.dates import form_of, parsed
from unrolled.data.decimals import COMMAS, MISSING, has_decimal_commas, number
from unrolled.data.delimited import Table, open_table
from unrolled.data.dialects import folded
from unrolled.data.npz import npz_series
from unrolled.data.panel import Numbers, Panel, Series
from unrolled.data.panel_settings import PanelSettings, listed
from unrolled.data.readers import files_of
from unrolled.data.steps import Rows, as_series, without_missing
from unrolled.data.ts import ts_series
from unrolled.errors import DataError, SettingError

_DATE_NAMES = {
    *"date fecha data дата time hora час timestamp month mes місяць year ano año рік day dia день".split(),
    *"datetime quarter trimestre week semana тиждень ds".split(),
}
_DATE_NAMES = {folded(name) for name in _DATE_NAMES}
_ARRAYS = (".ts", ".npz")
_SAMPLE = 300
_GUESSED = 200


@dataclass(frozen=True)
class Roles:
    """Which column is what, by its name; `comma` where numbers are written 3,14."""

    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    known: tuple[str, ...]
    series: str | None
    date: str | None
    form: str | None
    comma: bool

    @property
    def numbers(self) -> tuple[str, ...]:
        return (*self.targets, *self.inputs)


def read_panel(
    paths: Sequence[str | Path], settings: PanelSettings | None = None, trained: bool = False
) -> Panel:
    """All series of the files: tables (CSV, TSV, JSONL, Parquet), `.npz` and `.ts`, and all files of folders.

    `trained` says that the columns are those of a model, so that nobody is told to name others. Where inputs are known
    in advance, the last rows of a series may have no target: they hold what is known of the steps to be forecast.

    Raises:
        DataError: columns that are not there or hold no numbers, values missing, dates that fall or leave gaps.
        MissingExtra: the package that reads this kind of file is not installed.
    """
    settings = settings or PanelSettings()
    if not paths:
        raise DataError("no data was named; give a file such as prices.csv")
    files = files_of(paths)
    arrays = [path for path in files if path.suffix.lower() in _ARRAYS]
    if arrays and len(arrays) < len(files):
        raise DataError(f"{arrays[0]}: tables and arrays cannot be read together; name files of one kind")
    return _from_arrays(files, settings) if arrays else _from_tables(files, settings, trained)


def _from_tables(files: Sequence[Path], settings: PanelSettings, trained: bool) -> Panel:
    series: list[Series] = []
    notes: list[str] = []
    roles: Roles | None = None
    for path in files:
        table = open_table(path, settings.table)
        roles = roles or _roles(path, table, settings, trained)
        _check_columns(table, roles)
        known = tuple(column in roles.known for column in roles.inputs)
        for name, rows in _grouped(table, roles, _default_name(path, files)).items():
            if any(other.name == name for other in series):
                raise DataError(
                    f"{table.file}: series {name} is in another file too; join them, or rename one"
                )
            found, said = as_series(name, rows, roles, known, settings.fill)
            series.append(found)
            notes += said
        notes += [note for note in table.notes if "separated by" in note]
    assert roles is not None
    facts = {
        "target": ",".join(roles.targets),
        "with": ",".join(roles.inputs) or None,
        "known": ",".join(roles.known) or None,
        "series": roles.series,
        "date": roles.date or "none",
        "fill": settings.fill,
    }
    said = [_said(roles), *([COMMAS] if roles.comma else [])]
    given = {name: value for name, value in facts.items() if value is not None}
    return Panel(tuple(series), roles.targets, roles.inputs, known, given, (*said, *notes))


def _default_name(path: Path, files: Sequence[Path]) -> str:
    """A file's name without its ending; with the folder where several files are called the same."""
    alike = [other for other in files if other.stem == path.stem]
    return path.stem if len(alike) == 1 else str(path)


def _said(roles: Roles) -> str:
    parts = [f"forecast: {', '.join(roles.targets)}"]
    past = [name for name in roles.inputs if name not in roles.known]
    parts += [f"read too: {', '.join(past)} (known up to now)"] if past else []
    parts += [f"known in advance: {', '.join(roles.known)}"] if roles.known else []
    parts += [f"dates: {roles.date}"] if roles.date else ["no dates"]
    parts += [f"series: {roles.series}"] if roles.series else []
    return "; ".join(parts)


def _check_columns(table: Table, roles: Roles) -> None:
    wanted = [*roles.numbers, *(name for name in (roles.series, roles.date) if name)]
    for name in wanted:
        if name not in table.columns:
            raise DataError(
                f"{table.file}: no column {name!r}, which the first file has; the columns here are "
                f"{table.described()}; give files with the same columns"
            )


# --- what each column is -----------------------------------------------------------------------


def _roles(path: Path, table: Table, settings: PanelSettings, trained: bool) -> Roles:
    sample = table.first(_SAMPLE)
    columns = {name: [row.cells[i].strip() for row in sample] for i, name in enumerate(table.columns)}
    cells = (cell for column in columns.values() for cell in column)
    comma = has_decimal_commas(path, cells, settings.table)

    def named(text: str | None, option: str) -> tuple[str, ...]:
        given = None if trained else option
        return tuple(table.columns[table.position(name, given)] for name in listed(text))

    series = named(settings.series, "--series")
    inputs, known = named(settings.inputs, "--with"), named(settings.known, "--known")
    for name in known:
        if name not in inputs:
            raise SettingError(f"--known must name columns of --with, got {name}; add it there")
    date, form = _date_column(table, columns, settings)
    taken = {*series, *inputs, date}
    targets = named(settings.target, "--target")
    if not targets:
        numeric = [name for name in columns if name not in taken and _is_numeric(columns[name], comma)]
        if not numeric:
            raise DataError(
                f"{table.file}: no column of numbers to forecast; name one with --target, the columns are "
                f"{table.described()}"
            )
        targets = (numeric[-1],)
    twice = {*targets} & taken
    if twice or len(set(targets)) < len(targets) or len(set(inputs)) < len(inputs):
        name = next(iter(twice), (targets + inputs)[0])
        raise SettingError(
            f"column {name} has two meanings; name it once in --target, --with, --series, --date"
        )
    return Roles(targets, inputs, known, series[0] if series else None, date, form, comma)


def _date_column(
    table: Table, columns: dict[str, list[str]], settings: PanelSettings
) -> tuple[str | None, str | None]:
    if settings.date == "none":
        return None, None
    if settings.date is not None:
        name = table.columns[table.position(settings.date, "--date")]
        form = form_of(columns[name][:_GUESSED], bare=True)
        if form is None:
            raise DataError(
                f"{table.file}: column {name} holds no dates such as 2024-01-31, 2024-01 or 31.01.2024, got "
                f"{columns[name][0]!r}; convert it, or --date none"
            )
        return name, form
    others = {*listed(settings.target), *listed(settings.inputs), *listed(settings.series)}
    for name, cells in columns.items():
        form = None if name in others else form_of(cells[:_GUESSED], bare=folded(name) in _DATE_NAMES)
        if form is not None:
            return name, form
    return None, None


def _is_numeric(cells: Sequence[str], comma: bool) -> bool:
    given = [cell for cell in cells if cell.casefold() not in MISSING]
    return bool(given) and all(number(cell, comma) is not None for cell in given)


# --- rows ----------------------------------------------------------------------------------------


def _grouped(table: Table, roles: Roles, name: str) -> dict[str, Rows]:
    """The rows of each series, in the order in which series begin."""
    places = [table.columns.index(column) for column in roles.numbers]
    group = None if roles.series is None else table.columns.index(roles.series)
    date = None if roles.date is None else table.columns.index(roles.date)
    found: dict[str, Rows] = {}
    for row in table:
        rows = found.setdefault(
            name if group is None else row.cells[group].strip(), Rows(table.file, [], [], [])
        )
        rows.lines.append(row.line)
        rows.numbers.append(_numbers(table.file, row.line, [row.cells[i] for i in places], roles))
        if date is not None:
            rows.dates.append(_date(table.file, row.line, row.cells[date], roles))
    return found


def _numbers(file: str, line: int, cells: Sequence[str], roles: Roles) -> list[float]:
    values = [number(cell, roles.comma) for cell in cells]
    for name, cell, value in zip(roles.numbers, cells, values, strict=True):
        if value is None:
            raise DataError(
                f"{file}, line {line}: {name} must be a finite number, got {cell.strip()!r}; correct it, or name "
                "other columns with --target and --with"
            )
    return [value for value in values if value is not None]


def _date(file: str, line: int, cell: str, roles: Roles) -> datetime:
    assert roles.form is not None
    try:
        return parsed(cell, roles.form)
    except ValueError:
        raise DataError(
            f"{file}, line {line}: {roles.date} must be a date like the others, got {cell.strip()!r}; correct it, or "
            "--date none"
        ) from None


# --- arrays --------------------------------------------------------------------------------------


def _from_arrays(files: Sequence[Path], settings: PanelSettings) -> Panel:
    """Each sequence is a series, and its channels, named 1 to I, are the columns."""
    if settings.series or settings.date not in (None, "none"):
        raise SettingError("files of arrays have no columns of names or dates; leave out --series and --date")
    arrays = [pair for path in files for pair in _arrays(path, settings)]
    if not arrays:
        raise DataError(f"{files[0]}: no series in this file; give at least one")
    width = arrays[0][1].shape[1]

    def channels(text: str | None, option: str) -> list[int]:
        return [_channel(name, width, option) for name in listed(text)]

    inputs, known = channels(settings.inputs, "--with"), channels(settings.known, "--known")
    if known:
        raise SettingError("--known needs a table, whose last rows hold what is known; leave it out")
    targets = channels(settings.target, "--target") or [width - 1]
    notes: list[str] = []
    series = []
    for place, values in arrays:
        if values.shape[1] != width:
            raise DataError(
                f"{place}: must have the {width} channels of the first, got {values.shape[1]}; correct it"
            )
        used = [*targets, *inputs]
        names = [f"channel {i + 1}" for i in used]
        whole = without_missing(values[:, used], partial(_step, place), names, settings.fill, notes)
        cut = len(targets)
        series.append(Series(place, place, whole[:, :cut], whole[:, cut:], np.zeros((0, len(inputs)))))
    columns = tuple(str(i + 1) for i in targets), tuple(str(i + 1) for i in inputs)
    given = {"target": ",".join(columns[0]), "with": ",".join(columns[1]), "fill": settings.fill}
    facts = {name: value for name, value in given.items() if value}
    said = "1 channel" if width == 1 else f"{width} channels"
    note = f"{len(arrays):,} series of {said}; forecast: {', '.join(columns[0])}"
    return Panel(tuple(series), *columns, (False,) * len(inputs), facts, (note, *notes))


def _step(place: str, step: int) -> str:
    return f"{place}, step {step + 1}"


def _arrays(path: Path, settings: PanelSettings) -> Iterator[tuple[str, Numbers]]:
    """Each series of a file with its place."""
    if path.suffix.lower() == ".npz":
        for values, _, _, columns in npz_series(path):
            yield f"{path}, series {columns['series']}", values
    else:
        for values, _, place in ts_series(path, settings.encoding):
            yield str(place), values


def _channel(name: str, width: int, option: str) -> int:
    if not name.isdecimal() or not 1 <= int(name) <= width:
        hint = "; an array x (series, steps) is of one channel" if width == 1 else ""
        raise DataError(f"{option} must name channels from 1 to {width}, got {name!r}; correct it{hint}")
    return int(name) - 1
