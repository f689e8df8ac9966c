"""The vocabulary of a text, fitted on the part that is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unrolled.data.corpus import Part, Piece
from unrolled.data.encoding import coming_whole
from unrolled.data.unit import BYTE_PAIRS, Unit
from unrolled.data.units.byte_pairs import BytePairs
from unrolled.data.units.bytes import Bytes
from unrolled.data.units.characters import Characters
from unrolled.data.units.chunks import Chunks
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import SPECIAL, Listed, Vocabulary

SAMPLED = 50_000_000
"""Byte pairs are learned from so many characters at most, spread evenly over the training text."""


@dataclass(frozen=True)
class Fitted:
    """A vocabulary, how often each symbol that might be in it occurs (nothing of bytes), and what is to be said."""

    vocabulary: Vocabulary
    counts: Counter[str]
    notes: tuple[str, ...] = ()


def fit_vocabulary(unit: Unit, training: Part) -> Fitted:
    """The vocabulary of the part of a corpus that is trained on.

    Raises:
        MissingExtra: byte pairs without the package tokenizers.
    """
    if unit.kind == "byte":
        return Fitted(Bytes(ends=unit.ends), Counter())
    if unit.kind == "bpe":
        return _byte_pairs(unit, training)
    empty = without_symbols(unit)
    counts: Counter[str] = Counter()
    for text, _ in coming_whole(empty, training):
        counts.update(empty.count(text))
    return Fitted(empty.of(counts, unit.minimum_count, unit.size), counts)


def without_symbols(unit: Unit) -> Listed:
    """A vocabulary that knows how to cut texts, and no symbol yet."""
    if unit.kind == "word":
        return Words(SPECIAL, unit.ends, unit.lower, unit.digits, unit.pretokenized)
    if unit.kind == "n-gram":
        return Chunks(SPECIAL, unit.ends, unit.length)
    return Characters(SPECIAL, unit.ends)


def _byte_pairs(unit: Unit, training: Part) -> Fitted:
    share = min(1.0, SAMPLED / max(1, training.characters))
    texts = (piece.text for piece in _spread(training, share))
    found = BytePairs.trained(texts, unit.size or BYTE_PAIRS, unit.minimum_count, unit.ends)
    if share == 1:
        return Fitted(found, Counter())
    note = f"byte pairs learned from {share:.0%} of the training text, taken evenly from all of it"
    return Fitted(found, Counter(), (note,))


def _spread(pieces: Iterable[Piece], share: float) -> Iterator[Piece]:
    """About this share of the characters, piece by piece, with even gaps."""
    seen = taken = 0
    for piece in pieces:
        seen += len(piece.text)
        if taken + len(piece.text) <= share * seen or share == 1:
            taken += len(piece.text)
            yield piece
