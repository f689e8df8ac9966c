"""Pieces of MathML Core, which browsers show without a library."""

from __future__ import annotations

from html import escape

from unrolled.equations.notation import ACCENTS, GREEK, LATEX_WORDS, Mark
from unrolled.equations.source import number_text

SIGNS = {"+": "+", "-": "−", ">": ">", ">=": "≥", "odot": "⊙", "cdot": "⋅"}
WORDS = {word: printed.removeprefix("\\") for word, printed in LATEX_WORDS.items()} | {
    "sigmoid": GREEK["sigma"],
    "relu": "ReLU",
    "softplus": "softplus",
    "layer_norm": "LN",
    "softmax": "softmax",
    "every": "every",
    "upper_blocks": "upper_blocks",
}


def row(*pieces: str) -> str:
    """Pieces in a row."""
    return f"<mrow>{''.join(pieces)}</mrow>"


def operator(text: str, **attributes: str) -> str:
    """An operator or a bracket."""
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<mo{written}>{escape(text)}</mo>"


def identifier(text: str, upright: bool = False) -> str:
    """A letter in italics, or a word upright."""
    shown = escape(GREEK.get(text, text))
    return f'<mi mathvariant="normal">{shown}</mi>' if upright and len(shown) == 1 else f"<mi>{shown}</mi>"


def subscript(text: str) -> str:
    """A part of a name below the line; each of two letters is a letter of its own, as in W_xh."""
    if text.isdigit():
        return f"<mn>{text}</mn>"
    short = len(text) == 2 and text not in GREEK
    return "".join(identifier(letter) for letter in text) if short else identifier(text)


class MathmlWriter:
    """Writes pieces of MathML; every method gives one element or a row of them."""

    def name(self, mark: Mark, time: str) -> str:
        """A name with its accent, its subscripts and its time."""
        base = identifier(mark.base)
        if mark.accent:
            accent = operator(ACCENTS[mark.accent][2], stretchy="false")
            base = f'<mover accent="true">{base}{accent}</mover>'
        below = [subscript(part) for part in mark.subscripts] + ([time] if time else [])
        return f"<msub>{base}{row(operator(',').join(below))}</msub>" if below else base

    def ago(self, steps: int | str) -> str:
        """The index of a value some steps ago."""
        if not steps:
            return identifier("t")
        number = f"<mn>{steps}</mn>" if isinstance(steps, int) else steps
        return identifier("t") + operator("−") + number

    def number(self, value: float | tuple[float, ...]) -> str:
        """A number, or a tuple of them."""
        if isinstance(value, tuple):
            return self.round(self.listed([self.number(entry) for entry in value]))
        text = number_text(abs(value))
        return row(operator("−", form="prefix"), f"<mn>{text}</mn>") if value < 0 else f"<mn>{text}</mn>"

    def word(self, operation: str) -> str:
        """The sign of a function."""
        return identifier(WORDS[operation], upright=True)

    def spelt(self, word: str) -> str:
        """The name of a function, spelt out."""
        return identifier(word, upright=True)

    def sign(self, sign: str) -> str:
        """A sign in front of its operand."""
        return operator(SIGNS[sign], form="prefix")

    def infix(self, left: str, sign: str, right: str) -> str:
        """Two operands with a sign between them."""
        return left + operator(SIGNS[sign]) + right

    def beside(self, left: str, right: str) -> str:
        """Two pieces next to each other."""
        gap = "" if right.startswith("<mrow><mo") or left.startswith("<mo") else '<mspace width="0.17em"/>'
        return left + gap + right

    def round(self, inside: str) -> str:
        """Round brackets."""
        return row(operator("("), inside, operator(")"))

    def square(self, inside: str) -> str:
        """Square brackets."""
        return row(operator("["), inside, operator("]"))

    def bars(self, inside: str) -> str:
        """Absolute value."""
        bar = {"stretchy": "true"}
        return row(operator("|", form="prefix", **bar), inside, operator("|", form="postfix", **bar))

    def listed(self, pieces: list[str]) -> str:
        """Pieces with commas between them."""
        return operator(",").join(pieces)

    def fraction(self, upper: str, lower: str) -> str:
        """A fraction."""
        return f"<mfrac>{row(upper)}{row(lower)}</mfrac>"

    def root(self, inside: str) -> str:
        """A square root."""
        return f"<msqrt>{inside}</msqrt>"

    def transposed(self, matrix: str) -> str:
        """A transposed matrix."""
        return f"<msup>{row(matrix)}{operator('⊤')}</msup>"

    def column(self, rows: list[str]) -> str:
        """Entries on top of each other."""
        cells = "".join(f"<mtr><mtd>{entry}</mtd></mtr>" for entry in rows)
        return row(operator("("), f"<mtable>{cells}</mtable>", operator(")"))

    def cases(self, chosen: str, condition: str, otherwise: str) -> str:
        """A choice by a comparison."""
        lines = ((chosen, condition), (otherwise, "<mtext>otherwise</mtext>"))
        cells = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in lines)
        return row(operator("{", form="prefix"), f"<mtable>{cells}</mtable>")

    def equation(self, left: str, right: str) -> str:
        """One row of the table, aligned at its sign."""
        return self._line(left, operator("=") + right)

    def element(self, name: str, sizes: tuple[str, ...]) -> str:
        """The size of a vector or matrix."""
        inside = operator("×").join(identifier(size) for size in sizes)
        return self._line(name, operator("∈") + f"<msup><mi>ℝ</mi>{row(inside)}</msup>")

    def given(self, line: str) -> str:
        """A line about an input that does not change over time."""
        return line.replace("</mtd></mtr>", "<mtext>&#xA0; given</mtext></mtd></mtr>")

    def output(self, name: str) -> str:
        """A line that says which value is the output."""
        return self._line("", f"<mtext>output&#xA0;</mtext>{name}")

    def block(self, lines: list[str]) -> str:
        """All lines as one table."""
        inside = "\n".join(lines)
        math = '<math display="block" xmlns="http://www.w3.org/1998/Math/MathML">'
        return f'{math}\n<mtable displaystyle="true">\n{inside}\n</mtable>\n</math>'

    def _line(self, left: str, right: str) -> str:
        # MathML Core has no attribute for it, and Chromium moves a cell's content only by its own keyword.
        styles = (
            f"padding: 0.2em 0; text-align: {side}; text-align: -webkit-{side}" for side in ("right", "left")
        )
        cells = "".join(
            f'<mtd style="{s}">{piece}</mtd>' for s, piece in zip(styles, (left, right), strict=True)
        )
        return f"<mtr>{cells}</mtr>"
