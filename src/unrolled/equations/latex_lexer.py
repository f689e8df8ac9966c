"""Typeset equations as tokens: TeX's commands and the Unicode signs that mean the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from unrolled.equations.latex_source import BREAK, Source
from unrolled.equations.notation import ACCENTS, GREEK_NAMES, SPELLINGS


@dataclass(frozen=True)
class Token:
    """A piece of source.

    `kind`: "letters" (a run of them), "word" (a name or function in one piece), "command" (without its
    backslash), "begin" and "end" (of an environment), "number", "accent" (a combining mark), "sign" (one
    character), "row" (a double backslash), "break" (something that ends an equation), "newline", "gap", "text"
    (words that are no mathematics).
    """

    kind: str
    text: str
    start: int
    end: int

    def is_sign(self, *signs: str) -> bool:
        """Whether this is one of some signs."""
        return self.kind == "sign" and self.text in signs

    def is_command(self, *names: str) -> bool:
        """Whether this is one of some commands."""
        return self.kind == "command" and self.text in names


# Commands that move, size or style and mean nothing.
SILENT = set(
    "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle limits "
    "nolimits nonumber notag boldsymbol mathbf mathcal mathbfit bm pmb vec boxed ensuremath rm bf it cal "
    "noindent hfill centering small large normalsize , ; : ! thinspace medspace thickspace enspace space strut".split()
)
WITH_TEXT = (
    "text",
    "textrm",
    "textnormal",
    "mbox",
    "intertext",
    "textit",
    "textbf",
    "hbox",
    "shortintertext",
)
WITH_WORD = ("mathrm", "operatorname", "mathit", "mathsf", "mathtt", "operatorname*")
WITH_NOTHING = ("label", "tag", "tag*", "hspace", "vspace", "color", "phantom", "eqref", "ref", "cite")
SPOKEN = ("given", "output", "otherwise")  # words that say something about the equations

_SAME = {
    **{"⊙": "odot", "∘": "circ", "·": "cdot", "⋅": "cdot", "×": "times", "∙": "cdot", "•": "cdot", "∈": "in"},
    **{
        "⟨": "langle",
        "⟩": "rangle",
        "∑": "sum",
        "∏": "prod",
        "∫": "int",
        "√": "sqrt",
        "…": "dots",
        "⋯": "dots",
    },
    **{
        "≥": "ge",
        "≤": "le",
        "ℝ": "reals",
        "⊤": "top",
        "←": "gets",
        "≔": "gets",
        "≡": "equiv",
        "∂": "partial",
    },
}
_SIGNS = {"−": "-", "–": "-", "∗": "*", "′": "'", "‖": ";", "|": "|"}
_MARKS = {mark: accent for accent, (_, mark, _) in ACCENTS.items()} | {"\u0305": "bar"}
_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.)", re.S)
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+")
_LETTERS = re.compile(r"[A-Za-z]+")


class Lexer:
    """Cuts the mathematics of one source into tokens."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.maths = source.maths
        self.at = 0

    def tokens(self) -> list[Token]:
        """All tokens, spaces left out."""
        found: list[Token] = []
        while self.at < len(self.maths):
            found.extend(self._next())
        return found

    def _next(self) -> Iterator[Token]:
        start, letter = self.at, self.maths[self.at]
        if letter == "\\":
            yield from self._command()
        elif _LETTERS.match(self.maths, start):
            yield self._take("letters", _LETTERS)
        elif _NUMBER.match(self.maths, start):
            yield self._take("number", _NUMBER)
        else:
            self.at += 1
            yield from self._character(letter, start)

    def _take(self, kind: str, pattern: re.Pattern[str]) -> Token:
        found = pattern.match(self.maths, self.at)
        assert found is not None
        self.at = found.end()
        return Token(kind, found[0], found.start(), found.end())

    def _character(self, letter: str, start: int) -> Iterator[Token]:
        token = Token("sign", letter, start, start + 1)
        if letter in (BREAK, "\n"):
            yield replace(token, kind="break" if letter == BREAK else "newline")
        elif letter.isspace() or letter in "~\ufeff\u200b$":
            return
        elif unicodedata.decomposition(letter).startswith(("<sub>", "<super>")):
            yield from self._raised(letter, start)
        elif letter in _SAME:
            yield replace(token, kind="command", text=_SAME[letter])
        elif letter in GREEK_NAMES:
            yield replace(token, kind="command", text=GREEK_NAMES[letter])
        elif letter in _MARKS:
            yield replace(token, kind="accent", text=_MARKS[letter])
        elif letter.isalpha():
            yield from self._letter(letter, token)
        elif letter in _SIGNS or letter.isascii():
            yield replace(token, text=_SIGNS.get(letter, letter))
        else:
            self.source.refuse(start, start + 1, f"the sign {letter!r} has no meaning here", "Write it out.")

    def _letter(self, letter: str, token: Token) -> Iterator[Token]:
        """A letter with its accent in one character, or a letter of another alphabet."""
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if len(marks) == 1 and marks[0] in _MARKS:
            yield replace(token, kind="letters", text=base)
            yield replace(token, kind="accent", text=_MARKS[marks[0]])
        else:
            yield replace(token, kind="letters", text=unicodedata.normalize("NFKC", letter))

    def _raised(self, letter: str, start: int) -> Iterator[Token]:
        """A run of small letters above or below the line, as an index in braces."""
        kind = unicodedata.decomposition(letter).split()[0]
        while self.at < len(self.maths) and unicodedata.decomposition(self.maths[self.at]).startswith(kind):
            self.at += 1
        here = Token("sign", "_" if kind == "<sub>" else "^", start, self.at)
        yield from (here, replace(here, text="{"))
        plain = unicodedata.normalize("NFKC", self.maths[start : self.at])
        for part in re.findall(r"[A-Za-z]+|\d+|.", plain):
            kind = "letters" if part.isalpha() and part.isascii() else "number" if part.isdigit() else "sign"
            if part in GREEK_NAMES:
                yield replace(here, kind="command", text=GREEK_NAMES[part])
            else:
                yield replace(here, kind=kind, text=_SIGNS.get(part, part))
        yield replace(here, text="}")

    # --- commands --------------------------------------------------------------------------------

    def _command(self) -> Iterator[Token]:
        found = _COMMAND.match(self.maths, self.at)
        if found is None:
            self.source.refuse(self.at, self.at + 1, "a backslash ends the source", "Remove it.")
        name, start = found[1], self.at
        self.at = found.end()
        token = Token("command", name, start, self.at)
        if name == "\\":
            self._skip_option()
            yield replace(token, kind="row")
        elif name in ("begin", "end"):
            yield self._environment(name, start)
        elif name in WITH_TEXT:
            yield self._words(start)
        elif name in WITH_WORD:
            yield from self._word(start)
        elif name == "mathbb":
            self._braces(start)
            yield Token("command", "reals", start, self.at)
        elif name in WITH_NOTHING:
            self._braces(start)
        elif name in ("quad", "qquad"):
            yield replace(token, kind="gap")
        elif name in ("{", "}", "|", "_", "&", "%"):
            yield replace(token, kind="sign", text={"{": "(", "}": ")"}.get(name, name))
        elif name not in SILENT and not name.isspace():
            yield token

    def _skip_option(self) -> None:
        """The gap after a double backslash, as in `\\\\[2pt]`; `[x, h]` on the next line is no gap."""
        found = re.compile(r"\*?\[[\d.]+\s*(?:pt|em|ex|mm|cm)\]").match(self.maths, self.at)
        self.at = found.end() if found else self.at

    def _braces(self, start: int) -> str:
        """The text in the braces that follow a command."""
        found = re.compile(r"\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}").match(self.maths, self.at)
        if found is None:
            single = re.compile(r"\s*([A-Za-z])").match(self.maths, self.at)
            if single is None:
                self.source.refuse(
                    start, self.at, "braces must follow this command and be closed", "Add { and }."
                )
            found = single
        self.at = found.end()
        return found[1]

    def _environment(self, name: str, start: int) -> Token:
        environment = self._braces(start).strip().rstrip("*")
        if name == "begin" and environment in ("array", "tabular", "alignedat"):
            self._braces(start)  # the columns
        return Token(name, environment, start, self.at)

    def _words(self, start: int) -> Token:
        inside = self._braces(start).strip()
        plain = inside.replace("\\_", "_")
        name = re.compile(r"\s*(?:\\left)?\s*[_^(]").match(self.maths, self.at) and re.fullmatch(
            r"\w+", plain
        )
        kind = "word" if name or plain in SPELLINGS else "text"
        spoken = inside.strip(" :,.").lower()
        if kind == "text" and spoken in SPOKEN:
            return Token("text", spoken, start, self.at)
        is_name = re.fullmatch(r"\w+", plain) and plain not in SPOKEN
        return Token(kind, plain if kind == "word" or is_name else "", start, self.at)

    def _word(self, start: int) -> Iterator[Token]:
        inside = self._braces(start)
        plain = re.sub(r"\\[,;! ]|\s|[{}]", "", inside.replace("\\_", "_").replace("\\text", ""))
        if re.fullmatch(r"\w+", plain):
            yield Token("word", plain, start, self.at)
        else:  # \mathrm{W}_{x} around more than a name: read what is inside
            end, self.at = self.at, self.maths.index("{", start) + 1
            while self.at < end - 1:
                yield from self._next()
            self.at = end
