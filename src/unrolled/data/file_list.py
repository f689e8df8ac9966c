"""Files of sound, video or pictures, each one sequence: which of them are read, and what each is labelled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from unrolled.data.columns import sequence_and_label
from unrolled.data.delimited import Table, open_table
from unrolled.data.dialects import folded
from unrolled.data.file_labels import file_labels
from unrolled.data.readers import kind_of
from unrolled.data.records import Place
from unrolled.data.settings import Kind, ReadSettings
from unrolled.errors import DataError

Result = TypeVar("Result")

_PATHS = {"path", "file", "filename", "file_name"}
_LISTED = 3


@dataclass(frozen=True)
class LabelledFile:
    """A file that holds one sequence, what is known about it, and where that is said."""

    path: Path
    label: str | None
    columns: dict[str, str]
    place: Place


def listed_files(
    files: Sequence[Path], settings: ReadSettings, labelled: bool, kind: Kind, formats: str
) -> tuple[list[LabelledFile], list[str]]:
    """The files of one kind in the order given, and lines about what was guessed and left out.

    If all that was given is tables, these name the files: a column of paths, relative to the table, and one of
    labels. Else labels come from the names of the files.

    Raises:
        DataError: no file of this kind, a label that is not said, a table that names a file that is not there.
        SettingError: how tables are written is set, and there are none.
    """
    mine = [path for path in files if kind_of(path) == kind]
    if not mine and all(kind_of(path) == "text" for path in files):
        return _from_tables(files, settings, labelled)
    if not mine:
        raise DataError(
            f"{files[0]}: files of {kind} must be {formats} by their names, or a table with the paths of such "
            "files; convert it, or name other data"
        )
    settings.refuse_for_tables(str(mine[0]))
    found, notes = file_labels(mine, settings.label, labelled)
    return [
        LabelledFile(path, fields.pop("label", None), fields, Place(str(path)))
        for path, fields in zip(mine, found, strict=True)
    ], [*notes, *left_out(files, mine)]


def left_out(files: Sequence[Path], read: Sequence[Path]) -> list[str]:
    """A line about the files that are not read because of their names."""
    others = [path.name for path in files if path not in set(read)]
    if not others:
        return []
    named = ", ".join(others[:_LISTED]) + (", ..." if len(others) > _LISTED else "")
    return [f"left out, by their names of another kind: {named} ({len(others)})"]


def _from_tables(
    files: Sequence[Path], settings: ReadSettings, labelled: bool
) -> tuple[list[LabelledFile], list[str]]:
    found: list[LabelledFile] = []
    notes: list[str] = []
    for file in files:
        table = _opened(file, settings)
        paths = _path_column(table, settings)
        label = sequence_and_label(table, settings, labelled, paths).label
        if label is None and labelled:
            raise DataError(f"{table.file}: --label must name a column of the table, got {settings.label!r}")
        found += _rows(table, paths, label, labelled)
        notes += table.notes
        said = "none" if label is None else repr(table.columns[label])
        notes.append(f"{table.file}: column of paths {table.columns[paths]!r}, of labels {said}")
    return found, notes


def _opened(file: Path, settings: ReadSettings) -> Table:
    table = open_table(file, settings)
    if table.header or settings.header is not None or not _PATHS & set(map(folded, table.first(1)[0].cells)):
        return table
    return open_table(file, settings.model_copy(update={"header": True}))


def _rows(table: Table, paths: int, label: int | None, labelled: bool) -> Iterator[LabelledFile]:
    folder = Path(table.file).parent
    for row in table:
        path, place = folder / row.cells[paths], Place(table.file, row.line)
        if not path.is_file():
            raise DataError(f"{place}: no file {path}; paths must be absolute or relative to the table")
        columns = dict(zip(table.columns, row.cells, strict=True))
        name = None if label is None else columns.pop(table.columns[label]) or None
        if name is None and labelled:
            raise DataError(
                f"{place}: no label in column {table.columns[label or 0]!r}; add it, or remove the row"
            )
        yield LabelledFile(path, name, columns, place)


def _path_column(table: Table, settings: ReadSettings) -> int:
    if settings.text is not None:
        return table.position(settings.text, "--text")
    for position, name in enumerate(table.columns):
        if folded(name) in _PATHS:
            return position
    raise DataError(
        f"{table.file}: no column named path; name the column of paths with --text, the columns are {table.described()}"
    )


def decoded(
    files: Iterable[LabelledFile], decode: Callable[[Path], Result], workers: int
) -> Iterator[tuple[LabelledFile, Result]]:
    """Every file with what `decode` makes of it, in order; threads prepare the next ones."""
    if workers == 1:
        yield from ((file, decode(file.path)) for file in files)
        return
    waiting: deque[tuple[LabelledFile, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for file in files:
                waiting.append((file, pool.submit(decode, file.path)))
                if len(waiting) > 2 * workers:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
