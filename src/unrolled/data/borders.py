"""Where a text may be cut in two, for training and for validation."""

from __future__ import annotations

from collections.abc import Callable

from unrolled.data.corpus import PIECE, Corpus, Part
from unrolled.data.sentences import sentences_end
from unrolled.data.text_settings import DataSettings
from unrolled.data.unit import Unit
from unrolled.errors import DataError

Border = Callable[[str], int | None]
"""The first place behind a border in a text, if there is one."""


def divided(corpus: Corpus, settings: DataSettings) -> tuple[Part, Part]:
    """What of a corpus is trained on, and the last share of it, which is validated on.

    Raises:
        DataError: nothing is left for one of them.
    """
    cut = border(corpus, corpus.split(settings.validation), settings.symbols())
    training, validation = corpus.part(0, cut), corpus.part(cut, corpus.characters)
    if not training.characters or not validation.characters:
        part = "validation" if training.characters else "training"
        raise DataError(f"the text is too short: no character is left for {part}; use more text")
    return training, validation


def border(corpus: Corpus, cut: int, unit: Unit) -> int:
    """The character with which the second part begins: `cut`, or the next border behind it in its document.

    Characters, bytes and n-grams are cut anywhere, words and byte pairs behind a blank, and where lines or sentences
    end with `<eos>`, behind one. Without such a border in the next million characters, or with nothing behind it, the
    next smaller kind counts.
    """
    if not 0 < cut < corpus.characters:
        return cut
    text, ends = "", False
    for piece in corpus.part(cut - 1, min(cut + PIECE, corpus.characters)):
        text, ends = text + piece.text, piece.ends
        if ends:
            break
    for place_of in _borders(unit):
        place = place_of(text)
        if place is None and ends:
            place = len(text)
        if place is not None and cut - 1 + place < corpus.characters:
            return cut - 1 + place
    return cut


def _borders(unit: Unit) -> list[Border]:
    """What is looked for, the larger kinds first."""
    found: list[Border] = []
    if unit.ends == "sentence":
        found.append(lambda text: next(sentences_end(text), None))
    if unit.ends != "text":
        found.append(lambda text: text.find("\n") + 1 or None)
    if unit.kind in ("word", "bpe"):
        found.append(_behind_blank)
    return found


def _behind_blank(text: str) -> int | None:
    return next((place for place, symbol in enumerate(text, 1) if symbol.isspace()), None)
