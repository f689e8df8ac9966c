"""DNA with one label for each sequence: FASTA, FASTQ, and tables with a column of sequences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from unrolled.data.columns import Columns, sequence_and_label
from unrolled.data.delimited import SAMPLE, Table, open_table
from unrolled.data.dialects import KNOWN_TEXT, folded
from unrolled.data.header_labels import HeaderLabel, guessed
from unrolled.data.lines import UNREADABLE, beginning, name_of, open_bytes, unreadable
from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra, SettingError

_LETTERS = "ACGTRYSWKMBDHVN"
_OTHER = re.compile(f"[^{_LETTERS}]")
_FASTA_ENDINGS = {".fasta", ".fa", ".fna", ".ffn"}
_FASTQ_ENDINGS = {".fastq", ".fq"}
_SHORTEST = 4
"""Letters from which a cell in the first row is a sequence, not a name."""
_AROUND = ("folder", "file")


@dataclass(frozen=True)
class _Entry:
    """A sequence as it stands in a file."""

    place: Place
    name: str
    sequence: str


class DnaReader:
    """Sequences of DNA in capital letters, T for U; the letters R Y S W K M B D H V N for ambiguous bases are kept.

    FASTA and FASTQ are told by their first character, all else is a table whose sequences are the column of such
    letters. In headers `--label` is a field, a key or a pattern (`{label}|{id}`); `folder` and `file` are the names
    of the folder around a file and of the file, up to its first point. The header goes into the column `name`.

    Raises:
        DataError: a letter that is no DNA, an empty sequence, a header without label; names file and line.
        MissingExtra: FASTA and FASTQ are read by dnaio.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.fasta")
        >>> _ = path.write_text(">s1|donor\\nACG\\nTT\\n>s2|acceptor\\nnacgu\\n>s3|donor\\nA\\n")
        >>> reader = DnaReader([path])
        >>> [(record.values, record.label, record.place.line) for record in reader]
        [('ACGTT', 'donor', 1), ('NACGT', 'acceptor', 4), ('A', 'donor', 6)]
    """

    kind = "dna"

    def __init__(
        self, files: Sequence[Path], settings: ReadSettings | None = None, labelled: bool = True
    ) -> None:
        self._files, self._settings, self._labelled = list(files), settings or ReadSettings(), labelled
        self.facts: dict[str, Any] = {}
        self.notes: list[str] = []
        self._formats = {path: _format(path) for path in files}
        with_headers = [path for path in files if self._formats[path] != "table"]
        tables = [path for path in files if self._formats[path] == "table"]
        self._header: HeaderLabel | None = None
        if with_headers:
            self._prepare_headers(with_headers, bool(tables))
        if tables:
            self._prepare_tables(tables[0])

    def _prepare_headers(self, files: Sequence[Path], tables: bool) -> None:
        settings = self._settings
        given = [name for name in ("encoding", "delimiter", "header") if getattr(settings, name) is not None]
        if given and not tables and self._labelled:
            raise SettingError(f"--{given[0]} is for tables; {files[0]} is FASTA or FASTQ, which need none")
        if settings.label is None:
            if not self._labelled:
                return
            said = self._guessed(files)
            self._settings = settings.model_copy(update={"label": said})
        assert self._settings.label is not None
        if self._settings.label not in _AROUND:
            self._header = HeaderLabel(self._settings.label)
        self.facts["label"] = self._settings.label

    def _guessed(self, files: Sequence[Path]) -> str:
        headers = [
            entry.name for path in files for entry in islice(self._entries(path), SAMPLE // len(files) + 1)
        ]
        found = guessed(headers)
        if found is not None:
            where = f"field {found.said}" if found.said.isdecimal() else f"what follows {found.said}"
            self.notes.append(
                f"the label is {where} of each header, such as {_label(found, headers[0])!r}; --label if not"
            )
            return found.said
        for around in _AROUND:
            names = sorted({_name_around(path, around) for path in files})
            if len(names) > 1:
                self.notes.append(
                    f"the label is the name of the {around} ({', '.join(names[:8])}); --label if not"
                )
                return around
        raise DataError(
            f"{name_of(files[0])}: no part of the headers looks like a label, got {headers[0]!r}; say where it stands "
            "with --label: the number of a field, a key, or a pattern such as '{label}|{id}'"
        )

    def _prepare_tables(self, path: Path) -> None:
        self._settings = self._settings.model_copy(update=_table_settings(path, self._settings))
        table = open_table(path, self._settings)
        columns = self._columns(table)
        self.notes += table.notes
        self.facts["text"] = table.columns[columns.text]
        said = f"{table.file}: the sequence is column {table.columns[columns.text]}"
        if columns.label is not None:
            self.facts["label"] = table.columns[columns.label]
            said += f", the label column {table.columns[columns.label]}"
        self.notes.append(f"{said}; --text and --label if not")
        if self._settings.label in _AROUND:
            self.facts["label"] = self._settings.label
        self._settings = self._settings.model_copy(update={**self.facts, "header": table.header})

    def _columns(self, table: Table) -> Columns:
        settings = self._settings
        if settings.label in _AROUND:
            settings = settings.model_copy(update={"label": "folder"})
        position = _sequences(table) if settings.text is None else None
        return sequence_and_label(table, settings, self._labelled, position)

    def __iter__(self) -> Iterator[Record]:
        for path in self._files:
            if self._formats[path] == "table":
                yield from self._rows(path)
            else:
                yield from self._records(path)

    def _rows(self, path: Path) -> Iterator[Record]:
        table = open_table(path, self._settings)
        columns = self._columns(table)
        for row in table:
            others = dict(zip(table.columns, row.cells, strict=True))
            sequence = others.pop(table.columns[columns.text])
            label = None if columns.label is None else others.pop(table.columns[columns.label]).strip()
            if self._settings.label in _AROUND:
                label = self._around(path)
            place = Place(table.file, row.line)
            if self._labelled and not label:
                raise DataError(
                    f"{place}: no label in column {table.columns[columns.label or 0]!r}; add it, or remove the row"
                )
            yield Record(self._cleaned(_Entry(place, "", sequence)), label or None, place, others)

    def _records(self, path: Path) -> Iterator[Record]:
        for entry in self._entries(path):
            fields = {} if self._header is None else self._header.fields(entry.name)
            label = fields.pop("label", None)
            if self._settings.label in _AROUND:
                label = self._around(path)
            if self._labelled and not label:
                raise DataError(
                    f"{entry.place}: no label in the header {entry.name!r} by --label {self._settings.label}; correct "
                    "it, or say where the label stands with another --label (a pattern stands for the whole header)"
                )
            yield Record(self._cleaned(entry), label, entry.place, {"name": entry.name, **fields})

    def _around(self, path: Path) -> str | None:
        return _name_around(path, str(self._settings.label)) if self._labelled else None

    def _entries(self, path: Path) -> Iterator[_Entry]:
        return _fasta(path) if self._formats[path] == "fasta" else _fastq(path)

    def _cleaned(self, entry: _Entry) -> str:
        sequence = "".join(entry.sequence.split()).upper()
        named = f"the sequence {entry.name!r}" if entry.name else "the sequence"
        if not sequence:
            raise DataError(f"{entry.place}: {named} is empty; remove it")
        if "U" in sequence:
            sequence = sequence.replace("U", "T")
            if (note := "RNA: U is read as T") not in self.notes:
                self.notes.append(note)
        if found := _OTHER.search(sequence):
            raise DataError(
                f"{entry.place}: {named} holds {found[0]!r} (letter {found.start() + 1}), which is no DNA: A C G T U, "
                "or R Y S W K M B D H V N for ambiguous bases; correct it, or read it as text with --kind text"
            )
        return sequence


def _label(found: HeaderLabel, header: str) -> str:
    return found.fields(header)["label"]


def _name_around(path: Path, what: str) -> str:
    return path.absolute().parent.name if what == "folder" else path.name.partition(".")[0]


def _format(path: Path) -> str:
    """`fasta`, `fastq` or `table`: by the first character, else by the name."""
    lines = [line for line in beginning(path).splitlines() if line.strip()]
    endings = {ending.lower() for ending in path.suffixes}
    if not lines:
        raise DataError(f"{name_of(path)}: the file is empty; name a file with sequences")
    first = next((line for line in lines if not line.startswith(b"#")), b"")
    if first.lstrip().startswith(b">") or endings & _FASTA_ENDINGS:
        return "fasta"
    return "fastq" if endings & _FASTQ_ENDINGS or first.startswith(b"@") else "table"


def _table_settings(path: Path, settings: ReadSettings) -> dict[str, Any]:
    """What the columns of sequences tell about a table: blanks that separate, and a first row that is data."""
    found: dict[str, Any] = {}
    table = open_table(path, settings.model_copy(update={"header": False}))
    rows = table.first()
    if (
        settings.delimiter is None
        and len(table.columns) == 1
        and all(" " in row.cells[0].strip() for row in rows)
    ):
        found["delimiter"] = "space"
        rows = open_table(path, settings.model_copy(update={"header": False, **found})).first()
    if settings.header is None and any(
        len(cell.strip()) >= _SHORTEST and _is_dna(cell) for cell in rows[0].cells
    ):
        found["header"] = False
    return found


def _sequences(table: Table) -> int | None:
    """The column where every cell is DNA, the longest of several; None where a name says it, or no cells do."""
    rows = table.first()
    if any(folded(name) in KNOWN_TEXT for name in table.columns):
        return None
    lengths = {
        i: sum(len(row.cells[i]) for row in rows)
        for i in range(len(table.columns))
        if all(_is_dna(row.cells[i]) for row in rows if row.cells[i].strip())
    }
    longest = max(lengths, key=lambda i: lengths[i], default=0)
    return longest if lengths.get(longest, 0) >= _SHORTEST * len(rows) else None


def _is_dna(cell: str) -> bool:
    letters = cell.strip().upper().replace("U", "T")
    return bool(letters) and _OTHER.search(letters) is None


def _fasta(path: Path) -> Iterator[_Entry]:
    module, file = _dnaio(), name_of(path)
    with module.FastaReader(str(path), opener=lambda name, mode: open_bytes(path)) as records:
        try:
            # dnaio does not say where a sequence begins, so the lines of the headers are looked for beside it.
            for record, line in zip(records, _header_lines(path), strict=False):
                yield _Entry(Place(file, line), record.name, record.sequence)
        except (module.FastaFormatError, UnicodeDecodeError) as error:
            raise _malformed(path, "FASTA", error) from error
        except UNREADABLE as error:
            raise unreadable(path, error) from error


def _header_lines(path: Path) -> Iterator[int]:
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if line.lstrip().startswith(b">"):
                yield number


def _fastq(path: Path) -> Iterator[_Entry]:
    module, file = _dnaio(), name_of(path)
    with open_bytes(path) as held:
        try:
            for number, record in enumerate(module.FastqReader(held)):
                yield _Entry(Place(file, 4 * number + 1), record.name, record.sequence)
        except module.FastqFormatError as error:
            raise _malformed(path, "FASTQ", error) from error
        except UNREADABLE as error:
            raise unreadable(path, error) from error


def _malformed(path: Path, what: str, error: Any) -> DataError:
    """dnaio's complaint with the line; where letters beyond ASCII stand it does not say."""
    with open_bytes(path) as file:
        lines = ((n, line) for n, line in enumerate(file, 1) if not line.startswith(b"#"))
        foreign = next((n for n, line in lines if not line.isascii()), None)
    line = getattr(error, "line", None)
    if line is not None and "ASCII" not in str(error):
        return DataError(f"{Place(name_of(path), line + 1)}: not {what} ({error.message!r}); correct it")
    return DataError(f"{Place(name_of(path), foreign)}: not {what}, holds letters beyond ASCII; correct it")


def _dnaio() -> Any:
    try:
        module = import_module("dnaio")
        import_module("dnaio.readers")
    except ImportError as error:
        raise MissingExtra(
            'FASTA and FASTQ are read by dnaio, which is not installed: pip install "unrolled[dna]"'
        ) from error
    return module
