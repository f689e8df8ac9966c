"""The rule that looks at no context: every word gets the tag it had most often in training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from unrolled.data.records import Values


class UsualTags:
    """The most frequent tag of every word or character seen in training; `usual` for all others, and for frames.

    Only words whose tag differs from `usual` are held, so for named entities it stays small.

    Example:
        >>> rule = UsualTags.fitted([(("in", "May"), ("O", "B-month")), (("I", "may"), ("O", "O"))])
        >>> rule.tags(("May", "day"))
        ['B-month', 'O']
    """

    def __init__(self, usual: str, others: Mapping[str, str]) -> None:
        self.usual, self.others = usual, dict(others)

    @classmethod
    def fitted(cls, examples: Iterable[tuple[Values, Sequence[str]]]) -> Self:
        """Count tags; of several equally frequent ones the first in order."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        total: Counter[str] = Counter()
        for values, tags in examples:
            total.update(tags)
            if isinstance(values, str | tuple):
                for symbol, tag in zip(values, tags, strict=True):
                    counts[symbol][tag] += 1
        usual = _most(total)
        found = {symbol: _most(tags) for symbol, tags in counts.items()}
        return cls(usual, {symbol: found[symbol] for symbol in sorted(found) if found[symbol] != usual})

    def tags(self, values: Values) -> list[str]:
        """One tag for each step."""
        if isinstance(values, str | tuple):
            return [self.others.get(symbol, self.usual) for symbol in values]
        return [self.usual] * len(values)

    def to_json(self) -> dict[str, Any]:
        """Symbols by the tag they get."""
        grouped: dict[str, list[str]] = defaultdict(list)
        for symbol, tag in self.others.items():
            grouped[tag].append(symbol)
        return {"usual": self.usual, "others": dict(sorted(grouped.items()))}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        others = {symbol: tag for tag, symbols in content["others"].items() for symbol in symbols}
        return cls(content["usual"], others)


def _most(tags: Counter[str]) -> str:
    return min(tags, key=lambda tag: (-tags[tag], tag), default="")
