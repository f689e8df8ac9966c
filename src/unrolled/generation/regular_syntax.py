"""Regular expressions as they are written, read into a tree."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.errors import SettingError
from unrolled.generation.character_sets import CharacterSet, category

MOST = 1000
"""Times that something may be repeated."""
DEEPEST = 100
"""Groups that may stand inside each other."""

_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class One:
    """One character of a set."""

    characters: CharacterSet


@dataclass(frozen=True)
class Sequence:
    """One part after the other; without parts, the empty text."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Either:
    """One of several."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Repeat:
    """A part at least `least` and at most `most` times; None: without limit."""

    part: Tree
    least: int
    most: int | None


Tree = One | Sequence | Either | Repeat


def parse(expression: str) -> Tree:
    r"""The tree of a regular expression in the part of Python's syntax that describes regular languages.

    Literals, `.` (all but a line end), classes `[a-z_]` and `[^...]`, `\d \w \s \D \W \S` (of all scripts, as in
    Python), `\n \t \r`, a backslash before any sign, groups `( )` and `(?: )`, `|`, `* + ? {m} {m,} {m,n}`. `^` at the
    beginning and `$` at the end are allowed and change nothing: the whole text must match anyway.

    Raises:
        SettingError: anything else, such as a look-ahead, a backreference, a flag; names the place.

    Example:
        >>> parse("a{2}").least
        2
    """
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0

    def whole(self) -> Tree:
        self._take("^")
        tree = self._either()
        if self.place < len(self.text):
            raise self._wrong("a ) without a ( before it; write \\) for the sign itself")
        return tree

    def _wrong(self, what: str, place: int | None = None) -> SettingError:
        at = (self.place if place is None else place) + 1
        return SettingError(f"the regular expression {self.text!r} has at character {at} {what}")

    @property
    def _next(self) -> str:
        return self.text[self.place : self.place + 1]

    def _take(self, sign: str) -> bool:
        found = self.text.startswith(sign, self.place)
        self.place += len(sign) * found
        return found

    def _either(self) -> Tree:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._next and self._next not in "|)":
            if self._next == "$" and self.place == len(self.text) - 1:
                self.place += 1
                break
            parts.append(self._repeated())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self) -> Tree:
        part = self._single()
        place = self.place
        bounds = self._bounds()
        if bounds is None:
            return part
        if self._next and self._next in "?+*{":
            raise self._wrong(
                f"{self._next!r} behind a repetition; a whole match needs no lazy or possessive ones, and a "
                "repetition of a repetition stands in ( )"
            )
        least, most = bounds
        if most is not None and most < least:
            raise self._wrong(f"a repetition at most {most} and at least {least} times", place)
        if max(least, most or 0) > MOST:
            raise self._wrong(f"a repetition of more than {MOST} times", place)
        return Repeat(part, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
            if self._take(sign):
                return bounds
        place = self.place
        if not self._take("{"):
            return None
        least = self._number()
        most = least if not self._take(",") else self._number()
        if least is None or not self._take("}"):
            raise self._wrong("a { that begins no {m}, {m,} or {m,n}; write \\{ for the sign itself", place)
        return least, most

    def _number(self) -> int | None:
        start = self.place
        while self._next and self._next in "0123456789":
            self.place += 1
        digits = self.text[start : self.place].lstrip("0") or "0"
        # Python refuses to read numbers of thousands of digits.
        return int(digits[:9]) if self.place > start else None

    def _single(self) -> Tree:
        place, sign = self.place, self._next
        self.place += 1
        match sign:
            case "(":
                return self._group(place)
            case "[":
                return One(self._class(place))
            case "\\":
                return One(self._escaped(place))
            case ".":
                return One(_exactly("\n").complement())
            case "*" | "+" | "?" | "{":
                raise self._wrong(
                    f"{sign!r} with nothing to repeat; write \\{sign} for the sign itself", place
                )
            case "^" | "$":
                raise self._wrong(
                    f"{sign!r} inside; the whole text must match, so it is of use at the ends only", place
                )
        return One(_exactly(sign))

    def _group(self, place: int) -> Tree:
        if self._take("?") and not self._take(":"):
            raise self._wrong(
                "a group with a special meaning (look-around, flag, name); only ( ) and (?: )", place
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong(f"more than {DEEPEST} groups inside each other", place)
        tree = self._either()
        self.depth -= 1
        if not self._take(")"):
            raise self._wrong("a ( that is never closed; write \\( for the sign itself", place)
        return tree

    def _escaped(self, place: int) -> CharacterSet:
        sign = self._next
        self.place += 1
        if sign in ("d", "w", "s", "D", "W", "S"):
            return category(sign)
        if sign in _CONTROL:
            return _exactly(_CONTROL[sign])
        if not sign:
            raise self._wrong("a backslash with nothing behind it; write \\\\ for the sign itself", place)
        if sign.isascii() and sign.isalnum():
            known = "\\d \\w \\s \\D \\W \\S \\n \\t \\r"
            raise self._wrong(f"\\{sign}, which is not known; known are {known} and \\ before a sign", place)
        return _exactly(sign)

    def _class(self, place: int) -> CharacterSet:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self._next != "]":
            if not self._next:
                raise self._wrong("a [ that is never closed; write \\[ for the sign itself", place)
            ranges += self._range()
            first = False
        self.place += 1
        found = CharacterSet.of(ranges)
        return found.complement() if negated else found

    def _range(self) -> tuple[tuple[int, int], ...]:
        place = self.place
        low = self._member()
        if not (self._next == "-" and self.text[self.place + 1 : self.place + 2] not in ("]", "")):
            return low.ranges
        self.place += 1
        high = self._member()
        ends = low.ranges[0][0], high.ranges[0][1]
        if not (_is_one(low) and _is_one(high)) or ends[0] > ends[1]:
            raise self._wrong(
                f"the range {self.text[place : self.place]!r}, which is none, or does not rise", place
            )
        return (ends,)

    def _member(self) -> CharacterSet:
        place, sign = self.place, self._next
        self.place += 1
        return self._escaped(place) if sign == "\\" else _exactly(sign)


def _exactly(character: str) -> CharacterSet:
    return CharacterSet(((ord(character), ord(character)),))


def _is_one(characters: CharacterSet) -> bool:
    return len(characters.ranges) == 1 and characters.ranges[0][0] == characters.ranges[0][1]
