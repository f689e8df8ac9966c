"""Interpolated Witten-Bell counts over the characters of a string, written out with dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict


class WittenBell:
    """Characters given the `order` before them, counts of longer contexts resting on those of shorter ones.

        P(c | u) = (n(u c) + d(u) P(c | u')) / (n(u) + d(u))

    n counts occurrences, d(u) how many different characters followed u, and u' is u without its first character;
    below the empty context lies 1 / V, where V counts the characters of the text and one for all others.

    Paper: Witten and Bell 1991, IEEE Transactions on Information Theory 37(4), method C.
    """

    def __init__(self, text: str, order: int) -> None:
        self.order = order
        self.size = len(set(text)) + 1
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for place, character in enumerate(text):
            for length in range(min(order, place) + 1):
                self.counts[text[place - length : place]][character] += 1
        self.totals = {context: counts.total() for context, counts in self.counts.items()}

    def probability(self, context: str, character: str) -> float:
        """P(character | context); only the last `order` characters of the context count."""
        context = context[max(0, len(context) - self.order) :]
        p = 1 / self.size
        for start in range(len(context), -1, -1):
            counts = self.counts.get(context[start:])
            if counts is None:
                break
            total = self.totals[context[start:]]
            p = (counts[character] + len(counts) * p) / (total + len(counts))
        return p

    def nats(self, text: str, before: str) -> float:
        """-log P per character of `text`, which follows `before`."""
        before = before[max(0, len(before) - self.order) :]
        whole = before + text
        places = range(len(before), len(whole))
        return -sum(
            math.log(self.probability(whole[max(0, i - self.order) : i], whole[i])) for i in places
        ) / len(text)
