"""Kinds of options that cyclopts reads too freely."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated

from cyclopts import Parameter, Token

from unrolled.errors import SettingError


def _whole(kind: type, tokens: Sequence[Token]) -> int:
    # The default reading rounds 1.5 to 2 without a word.
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"must be a whole number, got {tokens[0].value}") from None


Whole = Annotated[int, Parameter(converter=_whole)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def refuse_options(arguments: Iterable[str], known: Iterable[str], command: str) -> None:
    """Refuse what looks like an option among arguments that may be `-`, naming the nearest known option."""
    for argument in arguments:
        if argument.startswith("-") and argument != "-":
            near = difflib.get_close_matches(argument, [f"--{name.replace('_', '-')}" for name in known], n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise SettingError(f"unknown option: {argument}.{meant} Try: {command} --help")
