"""Where equations stand: the mathematics of a file, and refusals that mark the piece they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from unrolled.errors import EquationError

BREAK = "\x1e"  # stands where two pieces of mathematics are separated by something else
LONGEST_SOURCE = 100_000
SHOWN = 30  # characters shown on either side of a marked piece

_FENCE = re.compile(r"^(?P<mark>```+|~~~+)[ \t]*(?P<kind>\w*)[^\n]*\n(?P<inside>.*?)^(?P=mark)", re.M | re.S)
_FENCES = ("", "latex", "tex", "math", "text", "equations", "txt")
_DISPLAY = r"equation|align|gather|multline|eqnarray|displaymath|math|flalign|dmath"
_MATHS = re.compile(
    r"\\\[(?P<bracket>.*?)\\\]"
    r"|\$\$(?P<dollars>.*?)\$\$"
    rf"|\\begin\{{(?P<kind>(?:{_DISPLAY})\*?)\}}(?P<inside>.*?)\\end\{{(?P=kind)\}}"
    r"|\\\((?P<paren>.*?)\\\)"
    r"|(?<!\\)\$(?P<dollar>[^$]*?)(?<!\\)\$",
    re.S,
)
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")


@dataclass(frozen=True)
class Source:
    """The text of a file of equations; `maths` is as long, with everything but mathematics blank."""

    text: str
    filename: str
    maths: str

    @classmethod
    def of(cls, text: str, filename: str) -> Source:
        """Read `text`: fenced blocks of Markdown, mathematics between TeX's signs, or all of it."""
        if len(text) > LONGEST_SOURCE:
            raise EquationError(
                f"{filename}: equations have at most {LONGEST_SOURCE} characters, got {len(text)}. "
                "Give the part with the cell."
            )
        return cls(text, filename, _mathematics(text))

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def marked(self, start: int, end: int) -> str:
        """The line around a piece, with the piece marked."""
        end = max(start, min(end, len(self.text)))
        begin = max(self.text.rfind("\n", 0, start) + 1, start - SHOWN)
        stop = self.text.find("\n", end)
        stop = min(len(self.text) if stop < 0 else stop, end + SHOWN)
        pieces = (self.text[begin:start], self.text[start:end], self.text[end:stop])
        return "{}»{}«{}".format(*(" ".join(piece.split("\n")) for piece in pieces)).strip()

    def refuse(self, start: int, end: int, what: str, cure: str) -> NoReturn:
        """Raise an error about the piece from `start` to `end`."""
        line, column = self.place(start)
        said = " ".join(f"{what}. {cure}".splitlines())  # a quoted piece may run over a line
        raise EquationError(f"{self.filename}:{line}:{column}: {said} Here: {self.marked(start, end)}")


def _mathematics(text: str) -> str:
    kept = _COMMENT.sub(lambda found: " " * len(found[0]), text)
    fences = [found.span("inside") for found in _FENCE.finditer(text) if found["kind"].lower() in _FENCES]
    if fences:
        kept = _only(kept, fences)
    elif r"\begin{document}" in kept:
        kept = _only(kept, [(kept.index(r"\begin{document}") + len(r"\begin{document}"), len(kept))])
    spans = [span for found in _MATHS.finditer(kept) if (span := _inside(found)) is not None]
    return _only(kept, spans) if spans else kept


def _inside(found: re.Match[str]) -> tuple[int, int] | None:
    """Where the mathematics stands; a formula in the running text counts only if it is an equation."""
    name = next(
        name for name in ("bracket", "dollars", "inside", "paren", "dollar") if found[name] is not None
    )
    in_text = name in ("paren", "dollar")
    return None if in_text and "=" not in found[name] else found.span(name)


def _only(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with everything outside `spans` blank, lines kept, and a break after each span."""
    blank = re.sub(r"[^\n]", " ", text)
    pieces, position = [], 0
    for start, end in spans:
        pieces += [blank[position:start], text[start:end]]
        pieces += [BREAK] if end < len(text) else []
        position = min(end + 1, len(text))
    return "".join([*pieces, blank[position:]])
