"""What a typeset equation is made of, before any name in it means something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

NOW = 0


@dataclass(frozen=True)
class Time:
    """An index: `steps` from t (-1 is t-1), or t minus the constant `back`, or the start, `first`."""

    steps: int = NOW
    back: str = ""
    first: bool = False


@dataclass(frozen=True)
class Tree:
    """A piece of an equation and where it stands.

    `kind` and `value`: "number" (the number); "name" (its key, with `time`); "word" (a function without operands);
    "call" (the function's spelling); "chain" (factors side by side); "product" (signs between its parts); "sum"
    (a sign before each part); "fraction"; "list" (the bracket it stands in); "group" (likewise, one part);
    "transpose"; "power" (the exponent); "cases"; "compare" (the sign); "dots".
    """

    kind: str
    start: int
    end: int
    parts: tuple[Tree, ...] = ()
    value: str | float | tuple[str, ...] = ""
    time: Time | None = None

    @property
    def key(self) -> str:
        """The name this piece stands for."""
        return str(self.value)

    def plain(self) -> Tree:
        """Without brackets and braces around it."""
        return self.parts[0].plain() if self.kind == "group" else self

    def walk(self) -> Iterator[Tree]:
        """This piece and everything in it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True)
class Equation:
    """`left = right`."""

    left: Tree
    right: Tree

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.left.start


@dataclass(frozen=True)
class Declaration:
    """Sizes of names: vectors with one, matrices with two; `given` inputs do not change over time."""

    names: tuple[Tree, ...]
    sizes: tuple[str, ...]
    given: bool = False


@dataclass(frozen=True)
class Output:
    """Which value is the output."""

    name: Tree


Statement = Equation | Declaration | Output
