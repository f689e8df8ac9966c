"""Sizes as linear combinations of letters, and their unification.

`H + I`, `4H` and `H/2` are sizes; two of them are equal or refused. Unknown sizes are whole-number atoms
while shapes are being inferred, the letters I, H and the named sizes are strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from unrolled.errors import ShapeError

Atom: TypeAlias = str | int

INPUT = "I"
HIDDEN = "H"


@dataclass(frozen=True)
class Size:
    """A linear combination of atoms, for example `H + I` or `4H`."""

    terms: tuple[tuple[Atom, Fraction], ...]

    @classmethod
    def of(cls, atom: Atom) -> Size:
        """The size that is one letter, one name or one unknown."""
        return cls(((atom, Fraction(1)),))

    def __add__(self, other: Size) -> Size:
        return _collect([*self.terms, *other.terms])

    def times(self, factor: Fraction | int) -> Size:
        """The size multiplied by a number."""
        return _collect([(atom, count * factor) for atom, count in self.terms])

    @property
    def unknowns(self) -> tuple[int, ...]:
        """The atoms that no equation has fixed yet."""
        return tuple(atom for atom, _ in self.terms if isinstance(atom, int))

    def value(self, letters: Mapping[str, int]) -> int:
        """The number of entries for given letters, e.g. `{"I": 64, "H": 128}`."""
        total = sum((count * letters[str(atom)] for atom, count in self.terms), Fraction(0))
        if total.denominator != 1:
            shown = ", ".join(f"{name}={letters[str(name)]}" for name, _ in self.terms)
            raise ShapeError(
                f"the size {self} is {total} for {shown}, not a whole number. "
                f"Use a size that is a multiple of {total.denominator}."
            )
        return int(total)

    def __str__(self) -> str:
        return " + ".join(_term(atom, count) for atom, count in self.terms) or "0"


def _collect(terms: Iterable[tuple[Atom, Fraction]]) -> Size:
    counts: dict[Atom, Fraction] = {}
    for atom, count in terms:
        counts[atom] = counts.get(atom, Fraction(0)) + count
    kept = [(atom, count) for atom, count in counts.items() if count]
    return Size(tuple(sorted(kept, key=lambda term: (isinstance(term[0], int), str(term[0])))))


def _term(atom: Atom, count: Fraction) -> str:
    name = "?" if isinstance(atom, int) else atom
    if count == 1:
        return name
    gap = "" if len(name) == 1 else " "
    return f"{name}/{count.denominator}" if count.numerator == 1 else f"{count}{gap}{name}"


class Unifier:
    """Learns what the unknown sizes are from equations between sizes."""

    def __init__(self) -> None:
        self._solved: dict[int, Size] = {}
        self._count = 0

    def unknown(self) -> Size:
        """A size nothing is known about yet."""
        self._count += 1
        return Size.of(self._count)

    def resolve(self, size: Size) -> Size:
        """`size` with every solved unknown replaced."""
        while any(atom in self._solved for atom in size.unknowns):
            parts = [
                self._solved[atom].times(count)
                if isinstance(atom, int) and atom in self._solved
                else _collect([(atom, count)])
                for atom, count in size.terms
            ]
            size = _collect([term for part in parts for term in part.terms])
        return size

    def equal(self, a: Size, b: Size) -> bool:
        """Make two sizes equal; False when they cannot be."""
        difference = self.resolve(_collect([*a.terms, *b.times(-1).terms]))
        if not difference.terms:
            return True
        if not difference.unknowns:
            return False
        # An unknown that stands alone is defined by the other side; what is inside a sum stays free.
        alone = [
            size.unknowns[0]
            for size in map(self.resolve, (a, b))
            if len(size.terms) == 1 == len(size.unknowns)
        ]
        chosen = next((atom for atom in alone if atom in difference.unknowns), difference.unknowns[-1])
        count = dict(difference.terms)[chosen]
        rest = _collect([term for term in difference.terms if term[0] != chosen])
        self._solved[chosen] = rest.times(-1 / count)
        return True

    def settle(self, size: Size) -> Size:
        """Like `resolve`, and what is left over is H."""
        size = self.resolve(size)
        for atom in size.unknowns:
            self._solved[atom] = Size.of(HIDDEN)
        return self.resolve(size)
