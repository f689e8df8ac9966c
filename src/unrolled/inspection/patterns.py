"""Patterns in a text that a unit may follow: from a text to a number for each of its characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pattern = Callable[[str], Array]


def inside_quotes(text: str) -> Array:
    """1 from a double quote to the one that closes it, that one not included, else 0; “ and ” are also quotes.

    >>> inside_quotes('a "bc" d').tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    found, inside = [], False
    for character in text:
        if character in '"“”':
            inside = not inside if character == '"' else character == "“"
        found.append(inside)
    return np.array(found, dtype=np.float64)


def bracket_depth(text: str) -> Array:
    """How many of the brackets ( [ { are open after each character.

    >>> bracket_depth("a(b[c])").tolist()
    [0.0, 1.0, 1.0, 2.0, 2.0, 1.0, 0.0]
    """
    found, depth = [], 0
    for character in text:
        depth = max(0, depth + (character in "([{") - (character in ")]}"))
        found.append(depth)
    return np.array(found, dtype=np.float64)


def position_in_line(text: str) -> Array:
    r"""The characters since the last line break, which is 0.

    >>> position_in_line("ab\ncd").tolist()
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    return _since(text, "\n")


def position_in_word(text: str) -> Array:
    """The characters since the last blank, which is 0.

    >>> position_in_word("ab cd").tolist()
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    return _since(text, " \n\t")


def to_word_end(text: str) -> Array:
    """The characters up to the next blank, which is 0; up to the end of the text after the last.

    A network cannot see them: a unit that follows this one guesses how long words are.

    >>> to_word_end("abc de").tolist()
    [3.0, 2.0, 1.0, 0.0, 2.0, 1.0]
    """
    found: list[int] = []
    left = 0
    for character in reversed(text):
        left = 0 if character in " \n\t" else left + 1
        found.append(left)
    return np.array(found[::-1], dtype=np.float64)


def after_line_break(text: str) -> Array:
    r"""1 at blanks that begin a line, and at the line break before them: indentation.

    >>> after_line_break("a\n  b c").tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    found, begins = [], False
    for character in text:
        begins = character == "\n" or (begins and character in " \t")
        found.append(begins)
    return np.array(found, dtype=np.float64)


def capital(text: str) -> Array:
    """1 at capital letters."""
    return np.array([character.isupper() for character in text], dtype=np.float64)


def digit(text: str) -> Array:
    """1 at digits."""
    return np.array([character.isdigit() for character in text], dtype=np.float64)


PATTERNS: dict[str, Pattern] = {
    "inside quotes": inside_quotes,
    "bracket depth": bracket_depth,
    "position in the line": position_in_line,
    "position in the word": position_in_word,
    "characters to the end of the word": to_word_end,
    "indentation": after_line_break,
    "capital letters": capital,
    "digits": digit,
}


def _since(text: str, marks: str) -> Array:
    def counted() -> Iterator[int]:
        since = 0
        for character in text:
            since = 0 if character in marks else since + 1
            yield since

    return np.array(list(counted()), dtype=np.float64)
