"""Sentences with a tag for each word: a word a line with its tag behind it, a blank line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.lines import name_of, text_lines
from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.data.tag_schemes import NO_SCHEME, recognised, to_bio
from unrolled.errors import DataError, SettingError

_BLANKS = re.compile(r"[ \t]+")
_DOCUMENT = "-DOCSTART-"
_CONLLU_COLUMNS = 10
_CONLLU_ID = re.compile(r"\d+([-.]\d+)?")
_LISTED = 8


@dataclass(frozen=True)
class _Layout:
    """How the lines of a file are cut, and which of the columns (from 0) are read."""

    width: int
    tabs: bool
    word: int
    tag: int | None
    conllu: bool = False


class ConllReader:
    """Words and tags of each sentence; tags that mark entities come as BIO, whatever they are written in.

    Columns are separated by tabs or blanks; the first is the word and the last the tag, in CoNLL-U the second and the
    fourth (`--text`, `--label`). Lines that begin with `#` are comments where they have another number of columns.
    `facts["scheme"]` is the scheme of the files: IO, IOB1, BIO, BIOES, BILOU, or none where tags are classes such
    as parts of speech. To know it all tags are gone through once.

    Raises:
        DataError: a line with another number of columns, a missing column, word or tag.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.conll")
        >>> _ = path.write_text("Ada I-PER\\nsleeps O\\n\\nRio I-LOC\\n")
        >>> reader = ConllReader([path])
        >>> [(record.values, record.label, record.place.line) for record in reader]
        [(('Ada', 'sleeps'), ('B-PER', 'O'), 1), (('Rio',), ('B-LOC',), 4)]
        >>> reader.facts
        {'scheme': 'IO'}
    """

    kind = "conll"

    def __init__(
        self, files: Sequence[Path], settings: ReadSettings | None = None, labelled: bool = True
    ) -> None:
        self._settings, self._labelled = settings or ReadSettings(), labelled
        if self._settings.header is not None:
            raise SettingError(
                "--header is for tables; files of words and tags name no columns, leave it out"
            )
        if self._settings.delimiter not in (None, "tab", "\\t", "\t", "space", " "):
            raise SettingError(
                f"--delimiter of words and tags must be tab or space, got {self._settings.delimiter!r}"
            )
        self._files = [(path, _layout(path, self._settings, labelled)) for path in files]
        self.facts: dict[str, Any] = {}
        self.notes: list[str] = []
        self._scheme = NO_SCHEME
        if any(layout.tag is not None for _, layout in self._files):
            self._recognise()

    def _recognise(self) -> None:
        kinds: set[str] = set()

        def tags() -> Iterator[tuple[str, ...]]:
            for record in self._sentences():
                if isinstance(record.label, tuple):
                    kinds.update(record.label)
                    yield record.label

        # Unlike columns, a scheme cannot be told from the first rows: one B- at the end makes IOB1 of IO.
        self._scheme = recognised(tags())
        self.facts["scheme"] = self._scheme
        self.notes.append(self._about_columns())
        if self._scheme == NO_SCHEME:
            self.notes.append("the tags mark no entities (B-, I-): each is a class of its own")
            return
        types = sorted({kind.partition("-")[2] for kind in kinds} - {""})
        listed = ", ".join(types[:_LISTED]) + (", ..." if len(types) > _LISTED else "")
        turned = "" if self._scheme == "BIO" else ", read as BIO"
        self.notes.append(
            f"the tags mark {len(types)} types of entities ({listed}) in {self._scheme}{turned}"
        )

    def _about_columns(self) -> str:
        path, layout = next((path, layout) for path, layout in self._files if layout.tag is not None)
        tag = layout.tag or 0
        return (
            f"{name_of(path)}: the word is column {layout.word + 1} of {layout.width}, the tag column {tag + 1}; "
            "--text and --label if not"
        )

    def __iter__(self) -> Iterator[Record]:
        for record in self._sentences():
            if isinstance(record.label, tuple) and self._scheme != NO_SCHEME:
                yield Record(record.values, to_bio(record.label), record.place)
            else:
                yield record

    def _sentences(self) -> Iterator[Record]:
        for path, layout in self._files:
            yield from _sentences(path, layout, self._settings)


def _sentences(path: Path, layout: _Layout, settings: ReadSettings) -> Iterator[Record]:
    file, found = name_of(path), False
    words: list[str] = []
    tags: list[str] = []
    start = 0
    for number, line in enumerate(_and_an_end(text_lines(path, settings.encoding)), 1):
        cells = _cut(line, layout.tabs)
        if not cells or line.startswith(_DOCUMENT):
            if words:
                yield Record(tuple(words), None if layout.tag is None else tuple(tags), Place(file, start))
                words, tags, found = [], [], True
            continue
        if _passed_over(cells, layout):
            continue
        if not words:
            start = number
        word, tag = _word_and_tag(file, number, cells, layout)
        words.append(word)
        tags.append(tag)
    if not found:
        raise DataError(f"{file}: holds no sentence; name a file with a word a line")


def _and_an_end(lines: Iterator[str]) -> Iterator[str]:
    """A blank line at the end closes the last sentence."""
    yield from lines
    yield "\n"


def _cut(line: str, tabs: bool) -> list[str]:
    if not line.strip(" \t\r\n"):
        return []
    return line.rstrip("\r\n").split("\t") if tabs else _BLANKS.split(line.strip(" \t\r\n"))


def _passed_over(cells: Sequence[str], layout: _Layout) -> bool:
    """Comments, and in CoNLL-U the lines of joined and left out words, such as `3-4` and `5.1`."""
    if cells[0].startswith("#") and len(cells) != layout.width:
        return True
    return layout.conllu and not cells[0].isdecimal() and _CONLLU_ID.fullmatch(cells[0]) is not None


def _word_and_tag(file: str, line: int, cells: Sequence[str], layout: _Layout) -> tuple[str, str]:
    if len(cells) != layout.width:
        many = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
        raise DataError(
            f"{file}, line {line}: {many} where the first line has {layout.width}; each line must hold a word and its "
            "tag, or name the separator with --delimiter (tab, space)"
        )
    word, tag = cells[layout.word].strip(), "" if layout.tag is None else cells[layout.tag].strip()
    if not word:
        raise DataError(
            f"{file}, line {line}: no word in column {layout.word + 1}; add it, or remove the line"
        )
    if layout.tag is not None and not tag:
        raise DataError(f"{file}, line {line}: no tag in column {layout.tag + 1}; add it, or remove the line")
    return word, tag


def _layout(path: Path, settings: ReadSettings, labelled: bool) -> _Layout:
    line = _first_line(path, settings)
    tabs = "\t" in line if settings.delimiter is None else settings.delimiter in ("tab", "\\t", "\t")
    cells = _cut(line, tabs)
    conllu = tabs and len(cells) == _CONLLU_COLUMNS and _CONLLU_ID.fullmatch(cells[0]) is not None
    word = _position(path, settings.text, "--text", len(cells))
    tag = _position(path, settings.label, "--label", len(cells), needed=labelled)
    if word is None:
        word = 1 if conllu else 0
    if tag is None and settings.label is None and (labelled or len(cells) > 1):
        tag = 3 if conllu else len(cells) - 1
    if tag == word and not labelled:
        tag = None
    if tag == word:
        raise DataError(
            f"{name_of(path)}: word and tag would both be column {word + 1} of {len(cells)}; each line must hold a "
            "word and its tag, or name their columns with --text and --label"
        )
    return _Layout(len(cells), tabs, word, tag, conllu)


def _first_line(path: Path, settings: ReadSettings) -> str:
    """The first line of a sentence; if all begin with `#`, the first of these."""
    marked = None
    for line in text_lines(path, settings.encoding):
        if line.strip(" \t\r\n") and not line.startswith(_DOCUMENT):
            if not line.startswith("#"):
                return line
            marked = marked or line
    if marked is None:
        raise DataError(f"{name_of(path)}: holds no sentence; name a file with a word a line")
    return marked


def _position(path: Path, wanted: str | None, option: str, width: int, needed: bool = True) -> int | None:
    if wanted is None:
        return None
    if wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    if not needed:
        return None
    raise DataError(f"{name_of(path)}: no column {wanted!r}; {option} must be a number from 1 to {width}")
