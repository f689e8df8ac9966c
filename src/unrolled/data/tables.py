"""Texts with one label each: tables, lines that begin with their label, files in folders named by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unrolled.data.columns import Columns, are_classes, sequence_and_label
from unrolled.data.delimited import Row, Table, first_lines, is_json_lines, open_table
from unrolled.data.dialects import separator
from unrolled.data.lines import STANDARD_INPUT, beginning, name_of, text_lines
from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError

_TABLES = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
_FASTTEXT = "__label__"
_SEVERAL = "|"
_FEW = 20
_LISTED = 8


class TableReader:
    """Texts of tables, plain text and folders; what a column holds is guessed where the settings do not say.

    A table (CSV, TSV, JSON lines, Parquet) gives one text a row. A plain text gives one a line, its label the first
    word (`__label__x` as fastText writes it, too); without labels the whole line is the text. Plain texts in
    folders named by class are one text each: `--label folder`.

    Raises:
        DataError: a column that is missing or cannot be guessed; while iterating, a row without text or label.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("review,sentiment\\nfine,pos\\ndull,neg\\ngood,pos\\n")
        >>> reader = TableReader([path])
        >>> [(record.values, record.label, record.place.line) for record in reader]
        [('fine', 'pos', 2), ('dull', 'neg', 3), ('good', 'pos', 4)]
        >>> reader.facts
        {'text': 'review', 'label': 'sentiment'}
    """

    kind = "text"

    def __init__(
        self, files: Sequence[Path], settings: ReadSettings | None = None, labelled: bool = True
    ) -> None:
        self._files, self._settings, self._labelled = list(files), settings or ReadSettings(), labelled
        self.facts: dict[str, Any] = {}
        self.notes: list[str] = []
        self._tables = _tables(files, self._settings)
        plain = [path for path in files if path not in self._tables]
        if (
            self._settings.label is None
            and labelled
            and len(plain) == len(files)
            and _by_folder(plain, self._settings)
        ):
            self._settings = self._settings.model_copy(update={"label": "folder"})
        if self._settings.label == "folder":
            self._note_folders(files)
        elif plain:
            self._check_plain(plain)
        if self._tables:
            self._guess_columns(next(path for path in files if path in self._tables))

    def __iter__(self) -> Iterator[Record]:
        for path in self._files:
            if path in self._tables:
                yield from self._rows(path)
            elif self._settings.label == "folder":
                yield self._whole(path)
            else:
                yield from self._lines(path)

    def _note_folders(self, files: Sequence[Path]) -> None:
        self.facts["label"] = "folder"
        if self._labelled:
            names = sorted({_folder(path) for path in files})
            listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
            self.notes.append(f"the label is the folder around each file ({listed}); --label if not")
        if len(self._tables) < len(files):
            self.notes.append("each file is one text")

    def _check_plain(self, plain: Sequence[Path]) -> None:
        first = plain[0]
        named = f"{name_of(first)}{'' if len(plain) == 1 else f' and {len(plain) - 1} more'}"
        if not self._labelled:
            self.notes.append(f"{named}: each line is one text")
            return
        wanted = (self._settings.text, self._settings.label)
        if wanted not in ((None, None), (None, "1"), ("2", "1"), ("2", None)):
            raise DataError(
                f"{name_of(first)}: plain text, where the first word of a line is its label and the rest the text, so "
                "--label can only be 1 or folder; give a table to name columns"
            )
        if self._settings.label is None:
            _check_first_words(first, self._settings)
        self.notes.append(f"{named}: the first word of each line is the label, the rest the text")
        lines = first_lines(text_lines(first, self._settings.encoding))
        if any(_SEVERAL in (_split(line.strip(), True)[0] or "") for line in lines if _FASTTEXT in line):
            self.notes.append(
                f"several labels of one line are joined as a{_SEVERAL}b; --several '{_SEVERAL}' learns each"
            )

    def _guess_columns(self, path: Path) -> None:
        table = open_table(path, self._settings)
        columns = sequence_and_label(table, self._settings, self._labelled)
        self.facts["text"] = table.columns[columns.text]
        self.notes += table.notes
        said = f"{table.file}: the text is column {_called(table, columns.text)}"
        if columns.label is not None:
            self.facts["label"] = table.columns[columns.label]
            said += f", the label column {_called(table, columns.label)}"
        self.notes.append(f"{said}; --text and --label if not")
        # Other files are read by the same names, so theirs must be in the first line as well, or not.
        self._settings = self._settings.model_copy(update={**self.facts, "header": table.header})

    def _rows(self, path: Path) -> Iterator[Record]:
        table = open_table(path, self._settings)
        columns = sequence_and_label(table, self._settings, self._labelled)
        for row in table:
            yield self._record(path, table, columns, row)

    def _record(self, path: Path, table: Table, columns: Columns, row: Row) -> Record:
        place, text = Place(table.file, row.line), row.cells[columns.text]
        if not text.strip():
            raise DataError(f"{place}: no text in column {table.columns[columns.text]!r}; remove the row")
        label = None if columns.label is None else row.cells[columns.label].strip()
        if self._settings.label == "folder" and self._labelled:
            label = _folder(path)
        if self._labelled and not label:
            raise DataError(
                f"{place}: no label in column {table.columns[columns.label or 0]!r}; add it, or remove the row"
            )
        others = {
            name: cell
            for i, (name, cell) in enumerate(zip(table.columns, row.cells, strict=True))
            if i not in (columns.text, columns.label)
        }
        return Record(text, label or None, place, others)

    def _whole(self, path: Path) -> Record:
        text = "".join(text_lines(path, self._settings.encoding)).replace("\r\n", "\n").removesuffix("\n")
        if not text.strip():
            raise DataError(f"{name_of(path)}: the file is empty; remove it, or name files with text")
        return Record(text, _folder(path) if self._labelled else None, Place(name_of(path)))

    def _lines(self, path: Path) -> Iterator[Record]:
        place = Place(name_of(path))
        for number, line in enumerate(text_lines(path, self._settings.encoding), 1):
            if line.strip():
                place = Place(name_of(path), number)
                label, text = _split(line.strip(), self._labelled)
                if self._labelled and not text:
                    raise DataError(
                        f"{place}: a line must hold a label and a text, got {_short(line.strip())!r}; remove it, or "
                        "put a label before the text"
                    )
                if not text:
                    raise DataError(f"{place}: no text after the label; remove the line")
                yield Record(text, label, place)
        if place.line is None:
            raise DataError(f"{place}: the file is empty; name a file with text")


def _tables(files: Sequence[Path], settings: ReadSettings) -> set[Path]:
    """The files that are tables; plain texts are all what the first of them is, there may be many."""
    texts = [path for path in files if path.suffix.lower() == ".txt"]
    alike = set(texts) if texts and _is_table(texts[0], settings) else set()
    return alike | {path for path in files if path.suffix.lower() != ".txt" and _is_table(path, settings)}


def _is_table(path: Path, settings: ReadSettings) -> bool:
    """By the name; plain text (and standard input) is a table if it has as many tabs in each line."""
    endings = {ending.lower() for ending in path.suffixes}
    if endings & _TABLES or settings.delimiter is not None or settings.header is not None:
        return True
    start = beginning(path)
    plain = ".txt" in endings or str(path) == STANDARD_INPUT
    if start.startswith(b"PAR1") or (".txt" not in endings and is_json_lines(path, start)):
        return True
    if start.startswith(_FASTTEXT.encode()):
        return False
    sample = first_lines(text_lines(path, settings.encoding))
    return separator(sample, "\t" if plain else "\t;,|") is not None


def _by_folder(files: Sequence[Path], settings: ReadSettings) -> bool:
    """Whether files are single texts: in several folders, and their lines do not begin with labels."""
    if len({path.parent for path in files}) < 2 or any(str(path) == STANDARD_INPUT for path in files):
        return False
    words = _first_words(files[0], settings)
    fasttext = any(word.startswith(_FASTTEXT) for word in words)
    return not fasttext and (len(words) < _FEW or not are_classes(words))


def _first_words(path: Path, settings: ReadSettings) -> list[str]:
    lines = first_lines(text_lines(path, settings.encoding))
    return [line.split(maxsplit=1)[0] for line in lines if line.strip()]


def _check_first_words(path: Path, settings: ReadSettings) -> None:
    words = _first_words(path, settings)
    if len(words) >= _FEW and not are_classes(words):
        raise DataError(
            f"{name_of(path)}: the first word of a line should be its label, got {len(set(words))} different ones in "
            f"{len(words)} lines; put labels there (--label 1 if these are), or give a table"
        )


def _split(line: str, labelled: bool) -> tuple[str | None, str]:
    """The label and the text of a line; several labels of fastText are joined with `|`."""
    if line.startswith(_FASTTEXT):
        words, labels = line.split(), []
        while words and words[0].startswith(_FASTTEXT):
            labels.append(words.pop(0).removeprefix(_FASTTEXT))
        return _SEVERAL.join(labels), line.split(maxsplit=len(labels))[len(labels)] if words else ""
    if not labelled:
        return None, line
    label, *text = line.split(maxsplit=1)
    return label, text[0] if text else ""


def _folder(path: Path) -> str:
    return path.absolute().parent.name


def _called(table: Table, position: int) -> str:
    return repr(table.columns[position]) if table.header else str(position + 1)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
