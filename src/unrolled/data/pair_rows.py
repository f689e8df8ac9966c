"""The lines of a file of pairs as cells: which columns are meant, however the file is written."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from unrolled.data.delimited import first_lines, is_json_lines, open_table
from unrolled.data.dialects import dialect_of
from unrolled.data.lines import STANDARD_INPUT, beginning, name_of, on_disk, text_lines
from unrolled.data.pair_settings import PairSettings
from unrolled.data.settings import ReadSettings
from unrolled.data.zipped import MARK, member
from unrolled.errors import DataError

SIDES = "source", "target"

Rows = Iterator[tuple[int, tuple[str, ...]]]
"""Line numbers, and what stands there."""


class PairRows:
    """The cells of source and target in every line of one file, those that are there; a blank line has none.

    Args:
        path: the file, or `-`.
        settings: how it is written.
        targets: whether the second column is needed.
    """

    def __init__(self, path: Path, settings: PairSettings, targets: bool) -> None:
        self.path, self.settings = path, settings
        self.sides = SIDES[: 1 + targets]
        self.asked = (settings.source, settings.target)[: 1 + targets]
        self.notes: list[str] = []

    def __iter__(self) -> Rows:
        if str(self.path) == STANDARD_INPUT and len(self.sides) == 1:
            return self._chosen(_tabs(_flowing(self.settings.encoding)))
        if self.path.is_dir():
            raise DataError(f"{self.path}: is a folder; name the files in it")
        start, names = beginning(self.path), _content(self.path)
        if start.startswith(b"PAR1") or is_json_lines(names, start):
            return self._of_table(names)
        if self.settings.delimiter is None and ".csv" not in map(str.lower, names.suffixes):
            return self._chosen(_tabs(text_lines(self.path, self.settings.encoding)))
        return self._chosen(self._separated(), announced=True)

    def _of_table(self, names: Path) -> Rows:
        if names != self.path:
            raise DataError(f"{self.path}: JSON lines and Parquet are read as they are; unpack them first")
        table = open_table(self.path, ReadSettings(encoding=self.settings.encoding))
        positions = self._positions(table.columns)
        self._announce(positions, table.columns)
        for row in table:
            yield row.line, tuple(row.cells[position] for position in positions)

    def _separated(self) -> Rows:
        """Rows of cells that may be quoted, blank lines among them."""
        sample = first_lines(text_lines(self.path, self.settings.encoding))
        reader = dialect_of(sample, self.settings.delimiter).reader(
            text_lines(self.path, self.settings.encoding)
        )
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"{name_of(self.path)}, line {line}: the row that begins here cannot be taken apart ({error}); a "
                    'cell that begins with " must end with ", and " inside it is written ""'
                ) from error
            if cells is None:
                return
            yield line, tuple(cells)
            line = reader.line_num + 1

    def _chosen(self, rows: Rows, announced: bool = False) -> Rows:
        """The columns that are meant; a first line that names them is left out."""
        first = next(rows, None)
        if first is None:
            return
        names = self._header(first[1])
        positions = self._positions(names)
        if announced:
            self._announce(positions, names)
        for line, cells in rows if names else chain([first], rows):
            yield line, tuple(cells[position] for position in positions if position < len(cells))

    def _header(self, first: Sequence[str]) -> tuple[str, ...]:
        """The names of the columns, where the first line is asked for one, or holds `source` and `target`."""
        names = tuple(cell.strip() for cell in first)
        named = any(name is not None and not name.isdecimal() for name in self.asked)
        return names if named or set(SIDES) <= {name.lower() for name in names} else ()

    def _positions(self, names: Sequence[str]) -> tuple[int, ...]:
        """The columns that were asked for, else those with the names of the sides, else the first ones."""
        known = [name.lower() for name in names]
        found = []
        for number, (side, asked) in enumerate(zip(self.sides, self.asked, strict=True)):
            if asked is not None:
                found.append(self._position(asked, names, side))
            else:
                found.append(known.index(side) if side in known else number)
        if len(set(found)) < len(found):
            raise DataError(
                f"{name_of(self.path)}: source and target are one column; name another with --source or --target"
            )
        return tuple(found)

    def _position(self, asked: str, names: Sequence[str], side: str) -> int:
        if asked in names:
            return names.index(asked)
        if asked.isdecimal() and int(asked) >= 1:
            return int(asked) - 1
        listed = ", ".join(names[:20])
        raise DataError(
            f"{name_of(self.path)}: no column {asked!r}; name another with --{side}, the columns are {listed}"
        )

    def _announce(self, positions: Sequence[int], names: Sequence[str]) -> None:
        """Say which columns were taken where nobody did."""
        if all(asked is not None for asked in self.asked):
            return
        shown = [names[place] if place < len(names) else str(place + 1) for place in positions]
        first = "" if names else ", the first line is data"
        said = ", ".join(f"{side} is column {name}" for side, name in zip(self.sides, shown, strict=True))
        self.notes.append(f"{name_of(self.path)}: {said}{first}; --source and --target name others")


def _content(path: Path) -> Path:
    """The name that says how the content is written: of an archive that of the file in it."""
    if _first_bytes(path) != MARK:
        return path
    return Path(member(on_disk(path), name_of(path)).filename)


def _first_bytes(path: Path) -> bytes:
    """The first bytes as they are, packed or not."""
    with open(on_disk(path), "rb") as file:
        return file.read(len(MARK))


def _tabs(lines: Iterable[str]) -> Rows:
    """Cells between tabulators; quotation marks are text."""
    for number, line in enumerate(lines, 1):
        content = line.rstrip("\r\n")
        yield number, tuple(content.split("\t")) if content else ()


def _flowing(encoding: str | None) -> Iterator[str]:
    """The lines of standard input as they come."""
    for number, line in enumerate(iter(sys.stdin.buffer.readline, b""), 1):
        try:
            yield line.decode(encoding or "utf-8").removeprefix("\ufeff" if number == 1 else "")
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input, line {number}: not {(encoding or 'utf-8').upper()}; name its encoding with "
                "--encoding, such as latin-1"
            ) from error
