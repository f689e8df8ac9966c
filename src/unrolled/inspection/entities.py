"""How many entities were found, counted as in the CoNLL tasks: borders and type must both be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from unrolled.data.tag_schemes import OUTSIDE, entities


class EntityCounts:
    """Entities that are there, that were named, and that are both, by their type.

    Adjacent entities are told apart by `B-`; an `I-` after `O`, or after another type, begins an entity too, as in
    the program conlleval.

        precision = both / named,   recall = both / there,   F1 = 2 both / (named + there)

    Example:
        >>> counts = EntityCounts()
        >>> counts.add(["B-per", "I-per", "O", "B-loc"], ["B-per", "I-per", "O", "B-per"])
        >>> counts.f1(), counts.recall("loc")
        (0.5, 0.0)

    Paper: Tjong Kim Sang and De Meulder 2003, the CoNLL-2003 shared task.
    """

    def __init__(self) -> None:
        self.there: Counter[str] = Counter()
        self.named: Counter[str] = Counter()
        self.both: Counter[str] = Counter()

    def add(self, truth: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sequence, tags in BIO."""
        there, named = entities(truth), entities(predicted)
        for counts, found in ((self.there, there), (self.named, named), (self.both, there & named)):
            counts.update(kind for _, _, kind in found)

    @property
    def types(self) -> list[str]:
        """All types, in order."""
        return sorted(self.there | self.named)

    def precision(self, type: str | None = None) -> float:
        """Of the entities that were named, the share that is right; 0 if none was. Of one type, or of all."""
        return _ratio(_count(self.both, type), _count(self.named, type))

    def recall(self, type: str | None = None) -> float:
        """Of the entities that are there, the share that was found; 0 if there is none."""
        return _ratio(_count(self.both, type), _count(self.there, type))

    def f1(self, type: str | None = None) -> float:
        """The harmonic mean of both, 0 to 1."""
        return _ratio(2 * _count(self.both, type), _count(self.named, type) + _count(self.there, type))


def marks_entities(names: Iterable[str]) -> bool:
    """Whether tags are BIO: `O`, `B-x` and `I-x`, and not `O` alone."""
    others = {name for name in names if name != OUTSIDE}
    return bool(others) and all(name.startswith(("B-", "I-")) and len(name) > 2 for name in others)


def _count(counts: Counter[str], type: str | None) -> int:
    return counts.total() if type is None else counts[type]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
