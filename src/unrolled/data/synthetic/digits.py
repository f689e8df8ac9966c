"""Digits that are drawn, to be written backwards or sorted: pairs whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

ORDERS: Mapping[str, Callable[[str], str]] = {
    "reversal": lambda digits: digits[::-1],
    "sorting": lambda digits: "".join(sorted(digits)),
}
"""What is done to the digits, by name."""


def digit_pairs(order: str, count: int, length: int = 20, seed: int = 0) -> list[tuple[str, str]]:
    """`count` pairs of `length` random digits and the same in another order, "reversal" or "sorting".

    Example:
        >>> digit_pairs("reversal", 2, 4), digit_pairs("sorting", 1, 4)
        ([('8652', '2568'), ('3000', '0003')], [('8652', '2568')])
    """
    drawn = np.random.default_rng(seed).integers(10, size=(count, length))
    arranged = ORDERS[order]
    return [(text, arranged(text)) for text in ("".join(map(str, row)) for row in drawn.tolist())]
