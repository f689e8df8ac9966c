"""The vocabulary of a text, fitted on the part that is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from unrolled.data.corpus import Piece
from unrolled.data.encoding import coming_whole
from unrolled.data.unit import Unit
from unrolled.data.units.characters import Characters
from unrolled.data.vocabulary import SPECIAL, Vocabulary


def fit_vocabulary(unit: Unit, pieces: Iterable[Piece]) -> tuple[Vocabulary, Counter[str]]:
    """The vocabulary, and how often each symbol occurs in the text, kept or left out."""
    counts: Counter[str] = Counter()
    empty = Characters(SPECIAL, unit.ends)
    for text, _ in coming_whole(empty, pieces):
        counts.update(empty.counted(text))
    return Characters.of(counts, unit.minimum_count, unit.size, unit.ends), counts
