"""Where sentences end: a rule of thumb over punctuation, for languages that write it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSING = "\"'”’»›)\\]}」』）】"
_WIDE = "。！？"
_EMPTY_LINE = re.compile(r"\n[^\S\n]*\n")
_MARK = re.compile(rf"(?:[.!?…]+[{_CLOSING}]*(?=\s)|[{_WIDE}]+[{_CLOSING}]*)\s*|{_EMPTY_LINE.pattern}\s*")
_WORD_BEFORE = re.compile(r"(\w[\w.]*)\.\s*\Z")
_LOOKED_BACK = 20
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st vs etc e.g i.e jr sr fig vol
    sra srs sres srta dra dras drs ud uds dña pág págs núm av ej p.ej ee.uu
    dr.a sr.a exmo exma pg art
    т зв ін ім вул р рр ст гр грн тис млн див напр т.д т.п т.зв проф акад
    """.split()
)
"""Words with a full stop behind which no sentence ends; in Spanish, Portuguese, Ukrainian and English."""


def sentences_end(text: str, backwards: bool = False) -> Iterator[int]:
    """The places behind which a new sentence begins, each followed by something; `backwards` from the last on.

    A sentence ends with . ! ? … or 。！？, closing quotes and brackets taken along, before a blank and a character
    that is no small letter (behind the wide marks a blank is not needed); or at an empty line. Not behind a common
    abbreviation (Sr. Dra. т. etc.), nor behind a single capital letter (an initial).

    Example:
        >>> list(sentences_end("¿Vienes? Sí. El Sr. Gil también."))
        [9, 13]
    """
    if not backwards:
        yield from (match.end() for match in _MARK.finditer(text) if _ends(text, match, strict=True))
        return
    size = 1 << 12
    while True:  # the last part of a long text first, twice as much each time
        start = max(0, len(text) - size)
        found = [m.end() for m in _MARK.finditer(text, start) if _ends(text, m, strict=True)]
        if found or start == 0:
            yield from reversed(found)
            return
        size *= 2


def sentence_parts(text: str) -> Iterator[tuple[str, bool]]:
    """The sentences of a text, line ends inside them read as blanks, and whether each ends inside the text.

    The last one ends if its last mark has a blank behind it; else more of it may follow.

    Example:
        >>> list(sentence_parts("Llueve. No salgo\\nhoy"))
        [('Llueve.', True), ('No salgo hoy', False)]
    """
    start = 0
    for match in _MARK.finditer(text):
        if _ends(text, match, strict=False):
            if sentence := _one_line(text[start : match.end()]).strip():
                yield sentence, True
            start = match.end()
    rest = text[start:]
    if rest.strip():
        yield _one_line(rest.lstrip()), False


def _ends(text: str, match: re.Match[str], strict: bool) -> bool:
    """Whether a sentence ends at this mark."""
    mark, following = match[0], text[match.end() : match.end() + 1]
    if not following and strict:
        return False
    if mark[0] in _WIDE or _EMPTY_LINE.search(mark):
        return True
    if following.islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    before = _WORD_BEFORE.search(text[max(0, match.start() - _LOOKED_BACK) : match.start() + 1])
    if before is None:
        return True
    word = before[1]
    return word.lower() not in _ABBREVIATIONS and not (len(word) == 1 and word.isupper())


def _one_line(sentence: str) -> str:
    return re.sub(r"[^\S\n]*\n\s*", " ", sentence)
