"""Pairs of texts as numbers: the vocabularies of both sides, and batches of rows of any lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.fitting import Fitted, without_symbols
from unrolled.data.pair_rows import SIDES
from unrolled.data.pairs import Pair, Usable, too_long
from unrolled.data.sequences import Sequences
from unrolled.data.unit import BYTE_PAIRS, Unit
from unrolled.data.units.byte_pairs import BytePairs
from unrolled.data.units.bytes import Bytes
from unrolled.data.vocabulary import END, SPECIAL, Vocabulary
from unrolled.errors import DataError
from unrolled.layers.ragged import Ragged


@dataclass(frozen=True)
class EncodedPairs:
    """R pairs as indices: rows of sources without `<eos>`, rows of targets that end with it.

    Example:
        >>> from unrolled.data.records import Place
        >>> texts = Vocabulary.from_text(["hola"])
        >>> pairs = EncodedPairs.of([Pair("hola", "la", Place("a"))], texts, texts)
        >>> [part.values.tolist() for part in pairs.batch(np.array([0]))]
        [[3, 5, 4, 2], [4, 2, 1]]
    """

    sources: Sequences
    targets: Sequences

    @classmethod
    def of(cls, pairs: Sequence[Pair], source: Vocabulary, target: Vocabulary) -> Self:
        return cls(
            Sequences(source.encode(pair.source) for pair in pairs),
            Sequences(np.append(target.encode(pair.target or ""), END) for pair in pairs),
        )

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Symbols of both sides (R,)."""
        return self.sources.lengths + self.targets.lengths

    def batch(self, index: NDArray[np.int64]) -> tuple[Ragged, Ragged]:
        """Sources (N,) and targets (M,) of some pairs."""
        return self.sources.rows(index), self.targets.rows(index)


def fit_texts(unit: Unit, texts: Iterable[str]) -> Fitted:
    """The vocabulary of texts that are in memory.

    Raises:
        MissingExtra: byte pairs without the package tokenizers.
    """
    if unit.kind == "byte":
        return Fitted(Bytes(), Counter())
    if unit.kind == "bpe":
        return Fitted(BytePairs.trained(texts, unit.size or BYTE_PAIRS, unit.minimum_count), Counter())
    empty = without_symbols(unit)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(empty.count(text))
    return Fitted(empty.of(counts, unit.minimum_count, unit.size), counts)


def fit_pairs(
    pairs: Sequence[Pair], units: tuple[Unit, Unit], longest: int, usable: Usable
) -> tuple[list[Pair], Fitted, Fitted]:
    """The pairs that are short enough, and the vocabularies of both sides, of these alone.

    Raises:
        DataError: a side of more than `longest` symbols, unless such pairs are left out; no pair at all.
    """
    kept = list(pairs)
    while kept:
        source = fit_texts(units[0], (pair.source for pair in kept))
        target = fit_texts(units[1], (pair.target or "" for pair in kept))
        before, kept = len(kept), short_enough(kept, source.vocabulary, target.vocabulary, longest, usable)
        if len(kept) == before:
            for side, unit, fitted in zip(SIDES, units, (source, target), strict=True):
                _check_not_empty(side, unit, fitted)
            return kept, source, target
    raise DataError("no pair is left to train on; give more, or raise --longest")


def _check_not_empty(side: str, unit: Unit, fitted: Fitted) -> None:
    if len(fitted.vocabulary) <= len(SPECIAL):
        raise DataError(
            f"no {fitted.vocabulary.unit} of the {side}s occurs {unit.minimum_count} times, so nothing is learned; "
            "give more pairs, or --minimum-count 1"
        )


def short_enough(
    pairs: Iterable[Pair], source: Vocabulary, target: Vocabulary, longest: int, usable: Usable
) -> list[Pair]:
    """The pairs with at most `longest` symbols on each side; others are refused, or left out."""
    kept = []
    for pair in pairs:
        sides = ((SIDES[0], source, pair.source), (SIDES[1], target, pair.target or ""))
        found = (
            too_long(pair.place, name, len(vocabulary.encode(text)), vocabulary.unit, longest)
            for name, vocabulary, text in sides
        )
        bad = next(filter(None, found), None)
        if bad is None:
            kept.append(pair)
        else:
            usable.leave_out(bad)
    return kept


def coverage(side: str, fitted: Fitted) -> str:
    """How much of the texts of a side its vocabulary knows, in a line."""
    vocabulary, total = fitted.vocabulary, fitted.counts.total()
    own = f"{side} vocabulary: {len(vocabulary) - 2:,}"
    if not total:
        return f"{own} {vocabulary.unit}s"
    known = sum(fitted.counts[symbol] for symbol in vocabulary.symbols[2:])
    return f"{own} of {len(fitted.counts):,} {vocabulary.unit}s, {known / total:.1%} of what is trained on"
