"""Plain text from files, folders, standard input, or the language reference inside every CPython."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unrolled.data.corpus import STANDARD_INPUT, Corpus, Piece
from unrolled.data.decoding import decoded

__all__ = ["STANDARD_INPUT", "Document", "Texts", "decode", "documents_of", "read_texts"]


@dataclass(frozen=True)
class Document:
    """One text, whole or its last part."""

    name: str
    text: str


@dataclass
class Texts:
    """What was read: the documents, the files passed over with the reason, and how many had CRLF line ends."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    converted: int = 0

    @property
    def characters(self) -> int:
        return sum(len(document.text) for document in self.documents)


def read_texts(paths: Sequence[str | Path] = (), encoding: str | None = None) -> Texts:
    """Read files, folders (every text file below, sorted by path) and `-` (standard input) into memory.

    Without a path: the Python language reference that CPython carries in `pydoc_data.topics`. UTF-8, or UTF-16
    with a byte order mark, if no encoding is named; the mark is removed. In a folder, hidden files are passed over,
    and what is not text is skipped and listed in `Texts.skipped`.

    Raises:
        DataError: a file named explicitly is missing, empty or not text; a folder holds no text file.

    Example:
        >>> read_texts().documents[0].name
        'python reference: assert'
    """
    corpus = Corpus(paths, encoding)
    return Texts(documents_of(corpus), list(corpus.skipped), corpus.converted)


def documents_of(pieces: Iterable[Piece]) -> list[Document]:
    """The texts that pieces of a corpus make up, in memory; one that was cut off and has no end is left out."""
    found: list[Document] = []
    parts: list[str] = []
    for piece in pieces:
        parts.append(piece.text)
        if piece.ends:
            found.append(Document(piece.document, "".join(parts)))
            parts.clear()
    return found


def decode(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8 with or without its mark, UTF-16 with one; anything else is refused where it stands."""
    return "".join(decoded([data], name))
