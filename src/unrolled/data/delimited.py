"""Tables row by row with line numbers: text with separators, JSON lines, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any

from unrolled.data.dialects import Dialect, dialect_of, has_header
from unrolled.data.lines import beginning, name_of, on_disk, text_lines
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra

SAMPLE = 1000
"""Rows that a guess looks at,"""
SAMPLE_CHARACTERS = 1 << 24
"""or fewer once they hold this many characters."""

_LONGEST_CELL = 1 << 28
"""Characters; more than that is a quotation mark that never closes."""
_BATCH = 1024
_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
"""Numbers stay as they are written."""
_LISTED = 20


@dataclass(frozen=True)
class Row:
    """One row: the line it begins in (of Parquet its number, from 1), and its cells; what is missing is ''."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The rows of one file; each iteration reads it from the start, one row at a time.

    Raises:
        DataError: while iterating, at the first row that does not fit the others.
    """

    file: str
    """Its name in messages."""
    columns: tuple[str, ...]
    """The names of the columns; without names `1`, `2`, ..."""
    header: bool
    """Whether the file names its columns."""
    notes: tuple[str, ...]
    """What was guessed, in words."""
    rows: Callable[[], Iterator[Row]]

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def first(self, number: int = SAMPLE) -> list[Row]:
        """The first rows, fewer where they are very long."""
        found, characters = [], 0
        for row in islice(self, number):
            found.append(row)
            characters += sum(map(len, row.cells))
            if characters > SAMPLE_CHARACTERS:
                break
        return found

    def position(self, column: str, option: str | None) -> int:
        """Where a column stands, from 0, by its name or its number from 1; `option` is None where none can name it.

        Raises:
            DataError: there is no such column; says which there are, and the option that names one.
        """
        if column in self.columns:
            return self.columns.index(column)
        if column.isdecimal() and 1 <= int(column) <= len(self.columns):
            return int(column) - 1
        cure = f"name another with {option}" if option else "the model reads it, give files with it"
        raise DataError(f"{self.file}: no column {column!r}; {cure}, the columns are {self.described()}")

    def described(self) -> str:
        """The columns, for messages."""
        listed = ", ".join(self.columns[:_LISTED])
        return listed if len(self.columns) <= _LISTED else f"{listed}, ... ({len(self.columns)})"


def open_table(path: Path, settings: ReadSettings | None = None) -> Table:
    """A table by its name and its first bytes: `.jsonl` and `.parquet`, all else text with separators.

    The separator and whether the first line names the columns are guessed from the first rows, where the settings
    do not say; `notes` tells what was guessed. Compressed files are looked through.

    Raises:
        DataError: a file that cannot be read, is empty or has no rows; names file and line.
        MissingExtra: Parquet without pyarrow.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "months.csv")
        >>> _ = path.write_text('Month,Passengers\\n1949-01,112\\n"1949-02",118\\n')
        >>> table = open_table(path)
        >>> table.columns, table.header, [row.cells for row in table]
        (('Month', 'Passengers'), True, [('1949-01', '112'), ('1949-02', '118')])
    """
    settings = settings or ReadSettings()
    start = beginning(path)
    if not start.strip():
        raise DataError(f"{name_of(path)}: the file is empty; name a file with rows")
    if start.startswith(b"PAR1"):
        return _parquet(path)
    if is_json_lines(path, start):
        return _json_lines(path, settings)
    return _delimited(path, settings)


def is_json_lines(path: Path, start: bytes) -> bool:
    """By the name; a file whose name says nothing holds JSON if it begins with a brace."""
    names = {ending.lower() for ending in path.suffixes}
    if names & {".jsonl", ".ndjson"}:
        return True
    return not names & {".csv", ".tsv", ".txt"} and start.lstrip(b"\xef\xbb\xbf \r\n").startswith(b'{"')


def _delimited(path: Path, settings: ReadSettings) -> Table:
    def rows(lines: Iterable[str], dialect: Dialect) -> Iterator[Row]:
        return _parsed(name_of(path), lines, dialect)

    def lines() -> Iterator[str]:
        return text_lines(path, settings.encoding)

    sample = first_lines(lines())
    tabs = any(ending.lower() == ".tsv" for ending in path.suffixes)
    dialect = dialect_of(sample, "tab" if tabs and settings.delimiter is None else settings.delimiter)
    width = _first_width(rows(lines(), dialect), path)
    known = _known(rows(sample, dialect))
    header = settings.header
    if header is None:
        header = has_header(known, (settings.text, settings.label))
    columns = _named(name_of(path), known[0]) if header else _numbered(width)
    if header and len(list(islice(rows(lines(), dialect), 2))) < 2:
        raise DataError(f"{name_of(path)}: no row below the names of the columns; name a file with rows")
    notes = [] if settings.header is not None else [_header_note(name_of(path), header, columns)]
    if settings.delimiter is None and dialect.delimiter not in ",\t":
        notes.append(f"{name_of(path)}: columns are separated by {dialect.delimiter!r}; --delimiter if not")
    return Table(
        name_of(path),
        columns,
        header,
        tuple(notes),
        lambda: islice(_same_width(name_of(path), rows(lines(), dialect), dialect), int(header), None),
    )


def first_lines(lines: Iterator[str]) -> list[str]:
    """The lines that a guess looks at."""
    found, characters = [], 0
    for line in islice(lines, SAMPLE):
        found.append(line)
        characters += len(line)
        if characters > SAMPLE_CHARACTERS:
            break
    return found


def _first_width(rows: Iterator[Row], path: Path) -> int:
    for row in rows:
        return len(row.cells)
    raise DataError(f"{name_of(path)}: the file is empty; name a file with rows")


def _known(rows: Iterator[Row]) -> list[tuple[str, ...]]:
    """The rows of a sample up to the one that is cut off or broken; the first has been read and is whole."""
    found: list[tuple[str, ...]] = []
    try:
        for row in rows:
            found.append(row.cells)
    except DataError:
        pass  # it is refused where it is read
    return found


def _header_note(file: str, header: bool, columns: Sequence[str]) -> str:
    if header:
        named = ", ".join(columns[:_LISTED]) + (", ..." if len(columns) > _LISTED else "")
        return f"{file}: the first line names the columns ({named}); --no-header if it is data"
    return f"{file}: the first line is data, columns go by number; --header if it names the columns"


def _parsed(file: str, lines: Iterable[str], dialect: Dialect) -> Iterator[Row]:
    """The rows of lines; csv counts the lines it was given, so a row begins one after the end of the one before."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    parsed = dialect.reader(lines)
    line = 1
    while True:
        try:
            cells = next(parsed, None)
        except csv.Error as error:
            raise DataError(
                f"{file}, line {line}: the row that begins here cannot be taken apart ({error}); a cell that begins "
                'with " must end with ", and " inside it is written ""'
            ) from error
        if cells is None:
            return
        if cells:
            yield Row(line, tuple(cells))
        line = parsed.line_num + 1


def _same_width(file: str, rows: Iterator[Row], dialect: Dialect) -> Iterator[Row]:
    width = 0
    for row in rows:
        width = width or len(row.cells)
        if len(row.cells) != width:
            if not any(cell.strip() for cell in row.cells):
                continue  # a line of blanks
            raise DataError(
                f"{file}, line {row.line}: {_cells(len(row.cells))} where the first row has {width}; put cells that "
                f"hold {dialect.delimiter!r} in quotation marks, or name another separator with --delimiter"
            )
        yield row


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, width + 1))


def _named(file: str, cells: Sequence[str]) -> tuple[str, ...]:
    """The names in a first row; an empty one, as of an index that was written along, is its number."""
    names = tuple(cell.strip() or str(number) for number, cell in enumerate(cells, 1))
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{file}, line 1: two columns are named {name!r}; rename one, or --no-header")
    return names


def _json_lines(path: Path, settings: ReadSettings) -> Table:
    """Objects, one a line; the columns are the keys of the first rows, what first appears later is left out."""
    file = name_of(path)

    def objects() -> Iterator[tuple[int, dict[str, Any]]]:
        return _objects(file, text_lines(path, settings.encoding))

    sample = islice(objects(), SAMPLE)
    columns = tuple(dict.fromkeys(chain.from_iterable(content for _, content in sample)))
    if not columns:
        raise DataError(f"{file}: the objects have no keys; name a file with rows")

    def rows() -> Iterator[Row]:
        for line, content in objects():
            yield Row(line, tuple(_cell(content.get(column)) for column in columns))

    return Table(file, columns, True, (), rows)


def _objects(file: str, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = _JSON.decode(line)
            if "\\ud" in line or "\\uD" in line:
                json.dumps(
                    content, ensure_ascii=False
                ).encode()  # half a character cannot be written anywhere
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{file}, line {number}: not JSON ({error}); each line must hold one object"
            ) from error
        if not isinstance(content, dict):
            raise DataError(f'{file}, line {number}: must hold a JSON object such as {{"text": "..."}}')
        yield number, content


def _cell(value: Any) -> str:
    """A value as the text of a cell: numbers as they are written, what is missing as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _parquet(path: Path) -> Table:
    file = name_of(path)
    module = _pyarrow_parquet()
    try:
        parquet = module.ParquetFile(on_disk(path))
        columns, count = tuple(parquet.schema_arrow.names), parquet.metadata.num_rows
        parquet.close()
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not a whole Parquet file ({error}); write it again") from error
    if not count:
        raise DataError(f"{file}: the file is empty; name a file with rows")
    return Table(file, columns, True, (), lambda: _parquet_rows(module, path, columns))


def _parquet_rows(module: Any, path: Path, columns: Sequence[str]) -> Iterator[Row]:
    number = 0
    with module.ParquetFile(on_disk(path)) as parquet:
        try:
            for batch in parquet.iter_batches(_BATCH):
                for cells in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                    number += 1
                    yield Row(number, tuple(map(_cell, cells)))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{name_of(path)}: cannot be read after row {number} ({error}); write it again"
            ) from error


def _pyarrow_parquet() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra(
            'Parquet is read by pyarrow, which is not installed: pip install "unrolled[tables]"'
        ) from error
