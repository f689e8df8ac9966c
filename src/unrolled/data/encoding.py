"""Pieces of text as pieces of one stream of indices, the same as if each text had come at once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from unrolled.data.corpus import Piece
from unrolled.data.vocabulary import END, Ids, StoredIds, Vocabulary

IN_MEMORY = 64 << 20
"""Bytes of indices above which they are kept in a temporary file."""


def coming_whole(vocabulary: Vocabulary, pieces: Iterable[Piece]) -> Iterator[tuple[str, bool]]:
    """The text of the pieces cut where the vocabulary can encode each part alone, and whether `<eos>` comes behind."""
    rest = ""
    for piece in pieces:
        text = rest + piece.text
        if piece.ends:
            yield text, True
            rest = ""
            continue
        cut = vocabulary.whole(text)
        if cut:
            yield text[:cut], False
        rest = text[cut:]
    if rest:
        yield rest, False


def encode_pieces(vocabulary: Vocabulary, pieces: Iterable[Piece]) -> Iterator[Ids]:
    """The stream of indices of all texts, in parts; `<eos>` behind every text that ends (and line, or sentence).

    Example:
        >>> vocabulary = Vocabulary.from_text(["hola"])
        >>> [ids.tolist() for ids in encode_pieces(vocabulary, [Piece("a", "hola", True), Piece("b", "ah", False)])]
        [[3, 5, 4, 2, 1], [2, 3]]
    """
    return (ids for _, ids in encoded_parts(vocabulary, pieces))


def encoded_parts(vocabulary: Vocabulary, pieces: Iterable[Piece]) -> Iterator[tuple[str, Ids]]:
    """Each part with its text, as `coming_whole` cuts it."""
    last: int | None = None  # the symbol before this part in its text
    for text, ended in coming_whole(vocabulary, pieces):
        ids = vocabulary.encode(text)
        if vocabulary.ends == "line" and last not in (None, END) and text.startswith("\n"):
            ids = np.insert(ids, 0, END)
        if len(ids):
            last = int(ids[-1])
        # Lines and sentences without anything in them are passed over, and so is a text of them. A text that was
        # prepared for it may end with its own <eos>.
        if ended and last != END and (last is not None or vocabulary.ends == "text"):
            ids = np.append(ids, END)
        last = None if ended else last
        yield text, ids


class Store:
    """Indices as they come: in memory up to a limit, above it in a temporary file that vanishes with the array.

    Args:
        symbols: V; indices are kept as the smallest integers that hold them.
        limit: bytes that may stay in memory.
    """

    def __init__(self, symbols: int, limit: int | None = None) -> None:
        self.kind = np.dtype(np.uint8 if symbols <= 1 << 8 else np.uint16 if symbols <= 1 << 16 else np.int32)
        self.limit = IN_MEMORY if limit is None else limit
        self.length = 0
        self._kept: list[StoredIds] = []
        self._file: tempfile._TemporaryFileWrapper[bytes] | None = None

    def add(self, ids: Ids) -> None:
        """Indices behind those there are."""
        self.length += len(ids)
        self._kept.append(ids.astype(self.kind))
        if self._file is None and self.length * self.kind.itemsize > self.limit:
            self._file = tempfile.NamedTemporaryFile(prefix="unrolled-")  # noqa: SIM115 - lives with the array
        if self._file is not None:
            for part in self._kept:
                self._file.write(part.tobytes())
            self._kept.clear()

    @property
    def in_file(self) -> bool:
        """Whether the limit was passed."""
        return self._file is not None

    def array(self) -> StoredIds:
        """All of them `(N,)`: int64, or a memory map of the file."""
        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file.name, self.kind, "r", shape=(self.length,))
        return np.concatenate([np.zeros(0, self.kind), *self._kept]).astype(np.int64)
