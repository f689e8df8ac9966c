"""A model that only counts: what a network that reads symbols has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.errors import DataError, SettingError

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]

MOST_COUNTED = 5_000_000
"""`counting_floor` counts at most so many symbols, the last ones: more would take gigabytes at order 6 and more."""

_AT_ONCE = 1 << 20
"""Symbols that are looked up together."""


@dataclass(frozen=True)
class _Grams:
    """The pieces of k + 1 neighbouring symbols of a text, each the number of a context of k symbols, then a symbol.

    `keys` (n,) context * V + symbol, rising: the number of a piece is its place. `counts` (n,): how often each
    occurs. By context: `totals`, how many symbols followed it, and `kinds`, how many different ones.
    """

    keys: Ids
    counts: NDArray[np.int32]
    totals: NDArray[np.int32]
    kinds: NDArray[np.int32]


class WittenBell:
    """Symbols given the `order` before them, counts of longer contexts resting on those of shorter ones.

        P(c | u) = (n(u c) + d(u) P(c | u')) / (n(u) + d(u))

    n counts occurrences, d(u) how many different symbols followed u, and u' is u without its first symbol; below the
    empty context lies 1 / V. The probabilities of all V symbols sum to 1 after every context. `ids` (N,) holds
    symbols from 0 to V - 1, in memory or mapped from a file; time and memory grow as N times the order.

    Raises:
        SettingError: an order below 0, V below 1.
        DataError: no symbols, or one outside 0 ... V - 1.

    Example:
        >>> model = WittenBell([0, 1, 0, 1], order=1, size=3)
        >>> np.exp(model.log_probabilities([0, 1, 2], before=[1])).round(3).tolist()  # P(0|1), P(1|0), P(2|1)
        [0.722, 0.815, 0.056]

    Paper: Witten and Bell 1991, IEEE Transactions on Information Theory 37(4), method C.
    """

    def __init__(self, ids: ArrayLike, order: int, size: int) -> None:
        if order < 0:
            raise SettingError(f"the order must be 0 or more, got {order}")
        if size < 1:
            raise SettingError(f"the number of symbols must be at least 1, got {size}")
        self.order, self.size = order, size
        symbols = self._checked(ids)
        if not len(symbols):
            raise DataError("there is nothing to count: the text has no symbols; give at least one")
        self._grams = list(_counted(symbols, order, size))

    def log_probabilities(self, ids: ArrayLike, before: ArrayLike = ()) -> Numbers:
        """log P of each of n symbols given those before it, `(n,)` in nats; `before` (m,) is what the first follow."""
        symbols, context = self._checked(ids), self._checked(before)
        pieces = [np.zeros(0)]
        for start in range(0, len(symbols), _AT_ONCE):
            piece = symbols[start : start + _AT_ONCE]
            *_, found = self._by_order(piece, context)
            pieces.append(found)
            context = np.concatenate([context, piece])[-max(1, self.order) :]
        return np.concatenate(pieces)

    def nats(self, ids: ArrayLike, before: ArrayLike = ()) -> Numbers:
        """-log P per symbol of a text for the models of order 0, 1 ... `order`, `(order + 1,)`, all counted at once."""
        symbols, context = self._checked(ids), self._checked(before)
        if not len(symbols):
            raise DataError("there is nothing to judge by: the text has no symbols; give at least one")
        total = np.zeros(self.order + 1)
        for start in range(0, len(symbols), _AT_ONCE):
            piece = symbols[start : start + _AT_ONCE]
            total -= [logs.sum() for logs in self._by_order(piece, context)]
            context = np.concatenate([context, piece])[-max(1, self.order) :]
        return total / len(symbols)

    def _by_order(self, symbols: Ids, before: Ids) -> Iterator[Numbers]:
        """log P (n,) of the models of order 0, 1 ... `order`."""
        before = before[max(0, len(before) - self.order) :]
        whole = np.concatenate([before, symbols]).astype(np.int64)
        context = np.zeros(
            len(whole), np.int64
        )  # the number of the symbols before each place, -1 if never seen
        p = np.full(len(whole), 1 / self.size)
        for order in range(self.order + 1):
            if order < len(self._grams):
                p, seen = _interpolated(self._grams[order], context, whole, self.size, p)
                context = np.concatenate([[-1], seen[:-1]])
            yield np.log(p[len(before) :])

    def _checked(self, ids: ArrayLike) -> Any:
        """The symbols as they are, a map of a file too, if they lie where they must."""
        symbols = _array(ids)
        if symbols.ndim != 1:
            raise DataError(
                f"symbols must be a row of numbers (N,), got shape {symbols.shape}; give one stream"
            )
        if len(symbols) and not 0 <= int(symbols.min()) <= int(symbols.max()) < self.size:
            raise DataError(
                f"symbols must lie from 0 to V-1 = {self.size - 1}, got {int(symbols.min())} to "
                f"{int(symbols.max())}; encode the text with the vocabulary of V symbols"
            )
        return symbols


def _array(ids: ArrayLike) -> NDArray[Any]:
    """An array as it is, a map of a file too; anything else as int64."""
    return ids if isinstance(ids, np.ndarray) else np.array(ids, dtype=np.int64)


def _counted(symbols: Any, order: int, size: int) -> Iterator[_Grams]:
    """The pieces of 1, 2 ... order + 1 symbols; those of k symbols are the contexts of those of k + 1."""
    context = np.zeros(len(symbols), np.int64)
    contexts = 1
    for length in range(min(order + 1, len(symbols))):
        keys, number, counts = np.unique(
            context * size + symbols[length:], return_inverse=True, return_counts=True
        )
        owner = keys // size
        totals = np.bincount(owner, counts, contexts).astype(np.int32)
        kinds = np.bincount(owner, minlength=contexts).astype(np.int32)
        yield _Grams(keys, counts.astype(np.int32), totals, kinds)
        context, contexts = number[:-1], len(keys)


def _interpolated(
    grams: _Grams, context: Ids, symbols: Ids, size: int, below: Numbers
) -> tuple[Numbers, Ids]:
    """P of every symbol after its context, `below` where that was never followed; and the piece both make, or -1."""
    known = context >= 0
    keys = context * size + symbols
    place = np.searchsorted(grams.keys, keys).clip(max=len(grams.keys) - 1)
    seen = known & (grams.keys[place] == keys)
    total, kinds = grams.totals[context], grams.kinds[context].astype(np.float64)
    p = (np.where(seen, grams.counts[place], 0) + kinds * below) / np.maximum(total + kinds, 1)
    return np.where(known & (total > 0), p, below), np.where(seen, place, -1)


def best_order(
    training: ArrayLike, validation: ArrayLike, size: int, orders: Iterable[int] = range(8)
) -> tuple[int, float]:
    """The order whose counts of the training symbols predict the validation symbols best, and its nats per symbol.

    The validation symbols follow the training ones. All orders are judged with one counting.

    Raises:
        SettingError: no orders, or one below 0.
    """
    asked = sorted(set(orders))
    if not asked or asked[0] < 0:
        raise SettingError(f"the orders to choose from must be one or more, each 0 or more, got {asked}")
    symbols = _array(training)
    found = WittenBell(symbols, asked[-1], size).nats(validation, symbols[-max(1, asked[-1]) :])
    best = min(asked, key=lambda order: found[order])
    return best, float(found[best])


def highest_order(unit: str) -> int:
    """How many symbols before each one are worth counting: many of short symbols, few of long ones."""
    return {"character": 7, "byte": 7, "word": 4}.get(unit, 5)


def counting_floor(
    training: ArrayLike, validation: ArrayLike, size: int, orders: Iterable[int] = range(8)
) -> tuple[int, float]:
    """`best_order` for texts of any length: of more than `MOST_COUNTED` training symbols only the last are counted."""
    return best_order(_array(training)[-MOST_COUNTED:], validation, size, orders)
