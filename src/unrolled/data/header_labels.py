"""Labels in the headers of FASTA and FASTQ: a field of the header, a `key=value` in it, or a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unrolled.data.columns import are_classes
from unrolled.data.dialects import KNOWN_LABEL, folded
from unrolled.errors import SettingError

_SEPARATORS = re.compile(r"[|\s]+")
_KEY = re.compile(r"([^\W\d]\w*)[=:](.+)")
_PIECE = re.compile(r"\{(\w+)\}|(\*)")


class HeaderLabel:
    """Where the label stands in a header, such as `promoter|s17 length=57`.

    `2` is the second field, between blanks and `|`; `length` is what follows `length=` or `length:`; in a pattern such
    as `{label}|{id}` every part ends at the first place where the text behind it stands, the last one takes the
    rest, and `*` is a part that is not kept.

    Raises:
        SettingError: a pattern without `{label}`, or with a part twice.

    Example:
        >>> [HeaderLabel(said).fields("promoter|s17 length=57")["label"] for said in ("1", "length", "{label}|*")]
        ['promoter', '57', 'promoter']
    """

    def __init__(self, said: str) -> None:
        self.said = said
        self._names = [name for name, _ in _PIECE.findall(said) if name]
        self._expression: re.Pattern[str] | None = None
        if self._names or "*" in said or "{" in said:
            if self._names.count("label") != 1 or len(set(self._names)) < len(self._names):
                raise SettingError(
                    "--label for headers must be the number of a field, a key, or a pattern that names {label} once, "
                    f"such as {{label}}|{{id}}, got {said!r}"
                )
            self._expression = re.compile(_expression(said))

    def fields(self, header: str) -> dict[str, str]:
        """The label and the other named parts of a pattern; nothing where the header does not have them."""
        if self._expression is not None:
            match = self._expression.fullmatch(header)
            return dict(zip(self._names, match.groups(), strict=True)) if match else {}
        found = _fields(header)
        if self.said.isdecimal():
            number = int(self.said)
            return {"label": found[number - 1]} if 1 <= number <= len(found) else {}
        keys = _keys(found)
        return {"label": keys[self.said]} if self.said in keys else {}


def _expression(pattern: str) -> str:
    parts, end = [], 0
    for piece in _PIECE.finditer(pattern):
        parts += [re.escape(pattern[end : piece.start()]), "(.+?)" if piece[1] else ".+?"]
        end = piece.end()
    return "".join([*parts, re.escape(pattern[end:])])


def _fields(header: str) -> list[str]:
    return [field for field in _SEPARATORS.split(header) if field]


def _keys(fields: Sequence[str]) -> dict[str, str]:
    return {match[1]: match[2] for field in fields if (match := _KEY.fullmatch(field))}


def guessed(headers: Sequence[str]) -> HeaderLabel | None:
    """A key known as a label, else the key or field with the fewest different values; None if none looks like one.

    Example:
        >>> guessed(["s1|yes", "s2|no", "s3|yes"]).said
        '2'
    """
    if not headers:
        return None
    fields = [_fields(header) for header in headers]
    keys = [_keys(each) for each in fields]
    named = [key for key in keys[0] if all(key in each for each in keys)]
    kinds = {key: _kinds([each[key] for each in keys]) for key in named}
    for key in named:
        if folded(key) in KNOWN_LABEL and kinds[key]:
            return HeaderLabel(key)
    for number in range(min(map(len, fields))):
        values = [each[number] for each in fields]
        if not all(map(_KEY.fullmatch, values)):
            kinds[str(number + 1)] = _kinds(values)
    likely = [said for said in kinds if kinds[said]]
    return HeaderLabel(min(likely, key=lambda said: kinds[said])) if likely else None


def _kinds(values: Sequence[str]) -> int:
    return len(set(values)) if are_classes(values) else 0
