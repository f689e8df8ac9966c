r"""Indices: the time in `h_{t-1}`, `a^{<t>}`, `a^{(t-1)}` and `h(t)`, and what belongs to a name, as in `W_{xh}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unrolled.equations.latex_lexer import Token
from unrolled.equations.latex_tree import Time, Tree
from unrolled.equations.notation import GREEK

if TYPE_CHECKING:
    from unrolled.equations.latex_parser import Parser

WRAPPERS = {"(": ")", "[": "]", "<": ">", "langle": "rangle"}
ACCENTED = {
    "hat": "hat",
    "widehat": "hat",
    "tilde": "tilde",
    "widetilde": "tilde",
    "bar": "bar",
    "overline": "bar",
}


@dataclass(frozen=True)
class Index:
    """One subscript or superscript: parts of the name, the time, a transposition or a power."""

    end: int
    parts: tuple[str, ...] = ()
    time: Time | None = None
    transposed: bool = False
    power: int = 0

    @staticmethod
    def follows_as_call(parser: Parser) -> bool:
        """Whether the time follows in brackets, as in h(t-1) or h[t-1]."""
        tokens = parser.tokens[parser.at : parser.at + 5]
        if not tokens or not tokens[0].is_sign("(", "["):
            return False
        closing = next((i for i, token in enumerate(tokens) if token.is_sign(")", "]")), None)
        return closing is not None and time_of(tokens[1:closing]) is not None


def read_index(parser: Parser, tree: Tree) -> Index:
    """The index at the parser's place."""
    sign = parser.tokens[parser.at]
    called = sign.is_sign("(", "[")
    parser.at += 0 if called else 1
    if sign.is_sign("'"):
        return Index(sign.end, ("prime",))
    tokens, end = _inside(parser, sign)
    wrapped = bool(tokens) and (tokens[0].text in WRAPPERS) and tokens[0].kind != "letters"
    tokens = tokens[1:-1] if wrapped and tokens[-1].text == WRAPPERS[tokens[0].text] else tokens
    if not tokens:
        name = parser.source.text[tree.start : tree.end]
        lost = f"this index of {name} is empty, as text copied from a page leaves it"
        parser.source.refuse(tree.start, end, lost, "Write the time, such as t or t-1.")
    if not wrapped and sign.is_sign("^"):
        found = _exponent(tokens, end)
        if found is not None:
            return found
    return _parts(parser, tokens, end, wrapped)


def _inside(parser: Parser, sign: Token) -> tuple[list[Token], int]:
    """The tokens of an index: a bracket's inside, what stands between < and >, or one token."""
    first = parser.peek()
    if first is None:
        parser.refuse(sign, "an index is missing after this", "Write the time, such as t or t-1.")
    start = parser.at
    pairs = {"{": "}", **WRAPPERS}
    if first.text not in pairs or first.kind == "letters":
        parser.at += 1
        return [first], first.end
    depth = 0
    while (token := parser.peek()) is not None:
        depth += (token.text == first.text) - (token.text == pairs[first.text])
        parser.at += 1
        if depth == 0:
            inside = parser.tokens[start : parser.at]
            return (inside[1:-1] if first.text == "{" else inside), token.end
    parser.refuse(first, f"this {first.text} is never closed", f"Add {pairs[first.text]}.")


def _exponent(tokens: list[Token], end: int) -> Index | None:
    """A transposition or a power, if it is one."""
    only = tokens[0] if len(tokens) == 1 else None
    if only is not None and (
        only.is_command("top", "intercal") or (only.kind == "letters" and only.text == "T")
    ):
        return Index(end, transposed=True)
    if only is not None and only.is_command("prime"):
        return Index(end, ("prime",))
    if only is not None and only.kind == "number" and only.text in ("2", "3"):
        return Index(end, power=int(only.text))
    return None


def time_of(tokens: list[Token]) -> Time | None:
    """The time that tokens say, if they say one."""
    if not tokens or tokens[0].kind != "letters" or tokens[0].text != "t":
        return None
    if len(tokens) == 1:
        return Time()
    if len(tokens) != 3 or not tokens[1].is_sign("+", "-"):
        return None
    back = tokens[2]
    if back.kind == "number" and back.text.isdigit():
        return Time(steps=int(back.text) * (1 if tokens[1].text == "+" else -1))
    named = back.kind in ("letters", "word") or (back.kind == "command" and back.text in GREEK)
    return Time(back=back.text) if named and tokens[1].text == "-" else None


def _parts(parser: Parser, tokens: list[Token], end: int, wrapped: bool) -> Index:
    """Everything between commas: at most one time, and parts of the name."""
    if wrapped and len(tokens) == 1 and tokens[0].text == "0":
        return Index(end, time=Time(first=True))
    items: list[list[Token]] = [[]]
    for token in tokens:
        if token.is_sign(",", *"[]()<>") or token.is_command("langle", "rangle") or token.kind == "gap":
            items.append([])
        elif token.kind != "newline":
            items[-1].append(token)
    times = [time for item in items if (time := time_of(item)) is not None]
    if len(times) > 1:
        parser.source.refuse(tokens[0].start, tokens[-1].end, "an index has one time", "Keep one of them.")
    parts = [_part(parser, item) for item in items if item and time_of(item) is None]
    return Index(end, tuple(part for part in parts if part), times[0] if times else None)


def _part(parser: Parser, tokens: list[Token]) -> str:
    """A part of a name."""
    found: list[str] = []
    accents: list[str] = []
    for token in tokens:
        if token.kind == "command" and token.text in ACCENTED:
            accents.append(ACCENTED[token.text])
        elif token.kind in ("letters", "word", "number", "text") or (
            token.kind == "command" and token.text in GREEK
        ):
            found.append(token.text)
        elif not token.is_sign("{", "}", "_", "^"):
            inside = parser.source.text[tokens[0].start : tokens[-1].end]
            parser.source.refuse(
                tokens[0].start, tokens[-1].end, f"the index {inside} is not understood",
                "Write a time such as t-1, or letters and numbers.",
            )  # fmt: skip
    return "_".join(["".join(found), *accents])
