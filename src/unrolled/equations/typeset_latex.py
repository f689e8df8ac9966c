"""Pieces of LaTeX."""

from __future__ import annotations

from unrolled.equations.notation import GREEK, LATEX_WORDS, Mark, is_one_letter
from unrolled.equations.source import number_text

SIGNS = {"+": "+", "-": "-", ">": ">", ">=": r"\ge", "odot": r"\odot", "cdot": r"\cdot"}


def letters(text: str, short: int = 1) -> str:
    """A part of a name: a letter, a Greek letter, or an upright word."""
    if text in GREEK:
        return f"\\{text}"
    upright = text == "t" or (len(text) > short and not text.isdigit())
    escaped = text.replace("_", r"\_")
    return f"\\mathrm{{{escaped}}}" if upright else text


class LatexWriter:
    """Writes pieces of LaTeX; every method gives the source of one piece."""

    def name(self, mark: Mark, time: str) -> str:
        """A name with its accent, its subscripts and its time."""
        base = letters(mark.base)
        if mark.accent:
            wide = "wide" if mark.accent != "bar" and not is_one_letter(mark.base) else ""
            base = f"\\{wide}{mark.accent}{{{base}}}"
        subscripts = [letters(part, short=2) for part in mark.subscripts] + ([time] if time else [])
        inside = ",".join(subscripts)
        return base if not subscripts else f"{base}_{inside}" if len(inside) == 1 else f"{base}_{{{inside}}}"

    def ago(self, steps: int | str) -> str:
        """The index of a value some steps ago."""
        return f"t-{steps}" if steps else "t"

    def number(self, value: float | tuple[float, ...]) -> str:
        """A number, or a tuple of them."""
        return number_text(value)

    def word(self, operation: str) -> str:
        """The sign of a function."""
        return LATEX_WORDS[operation]

    def spelt(self, word: str) -> str:
        """The name of a function, spelt out."""
        return f"\\operatorname{{{word}}}"

    def sign(self, sign: str) -> str:
        """An operator."""
        return SIGNS[sign]

    def infix(self, left: str, sign: str, right: str) -> str:
        """Two operands with a sign between them."""
        return f"{left} {SIGNS[sign]} {right}"

    def beside(self, left: str, right: str) -> str:
        """Two pieces next to each other: a product with a matrix, a function before its bracket."""
        joined = (right.startswith("(") and not left.startswith(r"\begin")) or left == "-"
        return f"{left}{right}" if joined else f"{left} {right}"

    def round(self, inside: str) -> str:
        """Round brackets."""
        return f"({inside})"

    def square(self, inside: str) -> str:
        """Square brackets around vectors that are put one after the other."""
        return f"[{inside}]"

    def bars(self, inside: str) -> str:
        """Absolute value."""
        return f"\\lvert {inside} \\rvert"

    def listed(self, pieces: list[str]) -> str:
        """Pieces with commas between them."""
        return ", ".join(pieces)

    def fraction(self, upper: str, lower: str) -> str:
        """A fraction."""
        return f"\\frac{{{upper}}}{{{lower}}}"

    def root(self, inside: str) -> str:
        """A square root."""
        return f"\\sqrt{{{inside}}}"

    def transposed(self, matrix: str) -> str:
        """A transposed matrix."""
        return f"{{{matrix}}}^\\top" if "_" in matrix else f"{matrix}^\\top"

    def column(self, rows: list[str]) -> str:
        """Entries on top of each other."""
        inside = r" \\ ".join(rows)
        return f"\\begin{{pmatrix}} {inside} \\end{{pmatrix}}"

    def cases(self, chosen: str, condition: str, otherwise: str) -> str:
        """A choice by a comparison."""
        return (
            f"\\begin{{cases}} {chosen} & {condition} \\\\ {otherwise} & \\text{{otherwise}} \\end{{cases}}"
        )

    def equation(self, left: str, right: str) -> str:
        """One equation, aligned at its sign."""
        return f"{left} &= {right}"

    def element(self, name: str, sizes: tuple[str, ...]) -> str:
        """The size of a vector or matrix."""
        inside = r" \times ".join(letters(size) if size.isidentifier() else size for size in sizes)
        return f"{name} &\\in \\mathbb{{R}}^{{{inside}}}"

    def given(self, line: str) -> str:
        """A line about an input that does not change over time."""
        return f"{line} \\quad\\text{{given}}"

    def output(self, name: str) -> str:
        """A line that says which value is the output."""
        return f"&\\text{{output }} {name}"

    def block(self, lines: list[str]) -> str:
        """All lines as one aligned block."""
        inside = " \\\\\n".join(lines)
        return f"\\begin{{aligned}}\n{inside}\n\\end{{aligned}}"
