"""How tags mark entities, and each way turned into the others.

An entity of type X is a run of words. BIO marks its first word B-X and the others I-X (Ramshaw & Marcus 1995, in the
form of CoNLL-2002, also called IOB2); IOB1 writes B-X only where another entity of type X ends just before; IO never
does, so such neighbours become one; BIOES marks last words E-X and single ones S-X, and BILOU calls these L-X and U-X.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unrolled.errors import DataError, SettingError

SCHEMES = ("IO", "IOB1", "BIO", "BIOES", "BILOU")
NO_SCHEME = "none"
"""Tags that are a class of their own each, such as parts of speech."""

OUTSIDE = "O"
_ALIASES = {"IOB": "BIO", "IOB2": "BIO", "IOBES": "BIOES"}
_TAG = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
_LASTS, _SINGLES = "EL", "SU"


class Entity(NamedTuple):
    """A run of words: the first, one after the last, and the type."""

    start: int
    end: int
    type: str


def recognised(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme of the tags of all sentences, or "none" where they mark no entities.

    What several schemes would write alike is called by the first of IO, IOB1, BIO; words outside only are BIO.

    Example:
        >>> recognised([["I-PER", "I-PER", "O"]]), recognised([["B-PER", "I-PER"]]), recognised([["NOUN"]])
        ('IO', 'BIO', 'none')
    """
    letters: set[str] = set()
    only_between = True
    for tags in sentences:
        before: tuple[str, str] | None = None
        for tag in tags:
            parts = _parts(tag)
            if parts is None and tag != OUTSIDE:
                return NO_SCHEME
            if parts is not None:
                letters.add(parts[0])
                if parts[0] == "B" and (before is None or before[1] != parts[1]):
                    only_between = False
            before = parts
    if letters & set("ES"):
        return NO_SCHEME if letters & set("LU") else "BIOES"
    if letters & set("LU"):
        return "BILOU"
    if letters == {"I"}:
        return "IO"
    return "IOB1" if letters and only_between else "BIO"


def is_bio(tags: Iterable[str]) -> bool:
    """Whether a set of tags can mark entities in BIO: nothing but O, B- and I-, and at least one B-.

    Example:
        >>> is_bio({"O", "B-PER", "I-PER"}), is_bio({"O", "NOUN"}), is_bio({"B-PER", "E-PER"})
        (True, False, False)
    """
    letters = {parts[0] if (parts := _parts(tag)) else tag for tag in tags}
    return "B" in letters and letters <= {"B", "I", OUTSIDE}


def entities(tags: Sequence[str]) -> set[Entity]:
    """The entities of one sentence in any scheme, as conlleval counts them: broken tags begin an entity, too.

    Raises:
        DataError: a tag that is neither O nor a letter of a scheme, `-` and a type.

    Example:
        >>> [tuple(entity) for entity in sorted(entities(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"]))]
        [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]
    """
    found: set[Entity] = set()
    start, before = 0, None
    for position, tag in enumerate([*tags, OUTSIDE]):
        parts = _parts(tag)
        if parts is None and tag != OUTSIDE:
            raise DataError(
                f"a tag of an entity must be O or such as B-PER or I-PER, got {tag!r}; correct it"
            )
        if before is not None and not _continues(before, parts):
            found.add(Entity(start, position, before[1]))
        if parts is not None and (before is None or not _continues(before, parts)):
            start = position
        before = parts
    return found


def _parts(tag: str) -> tuple[str, str] | None:
    match = _TAG.fullmatch(tag)
    return None if match is None else (match[1], match[2])


def _continues(before: tuple[str, str], here: tuple[str, str] | None) -> bool:
    """Whether an entity goes on from one word to the next."""
    return (
        here is not None
        and here[1] == before[1]
        and before[0] not in _LASTS + _SINGLES
        and here[0] not in "B" + _SINGLES
    )


def to_bio(tags: Sequence[str]) -> tuple[str, ...]:
    """The same entities in BIO, from any scheme; what BIO itself does not allow is mended as conlleval counts it.

    Example:
        >>> to_bio(["I-PER", "B-PER", "O", "S-LOC"])
        ('B-PER', 'B-PER', 'O', 'B-LOC')
    """
    found = [OUTSIDE] * len(tags)
    for start, end, kind in entities(tags):
        found[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(found)


def from_bio(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Tags in BIO, written in another scheme; IO joins neighbours of one type.

    Raises:
        SettingError: an unknown scheme.

    Example:
        >>> from_bio(["B-PER", "I-PER", "B-PER"], "BIOES")
        ('B-PER', 'E-PER', 'S-PER')
    """
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == NO_SCHEME:
        return tuple(tags)
    if scheme not in SCHEMES:
        raise SettingError(f"a scheme of tags must be {', '.join(SCHEMES)} or {NO_SCHEME}, got {scheme!r}")
    found = [OUTSIDE] * len(tags)
    ends: dict[int, str] = {}
    for start, end, kind in sorted(entities(tags)):
        letters = _letters(end - start, scheme, ends.get(start) == kind)
        found[start:end] = [f"{letter}-{kind}" for letter in letters]
        ends[end] = kind
    return tuple(found)


def _letters(length: int, scheme: str, after_its_kind: bool) -> str:
    if scheme in ("BIOES", "BILOU"):
        last, single = ("E", "S") if scheme == "BIOES" else ("L", "U")
        return single if length == 1 else "B" + "I" * (length - 2) + last
    first = "B" if scheme == "BIO" or (scheme == "IOB1" and after_its_kind) else "I"
    return first + "I" * (length - 1)
