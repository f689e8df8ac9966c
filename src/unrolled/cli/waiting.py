"""What a terminal shows while a command works and has nothing to print yet."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

_EVERY = 0.5
"""Seconds between two counts."""


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A line on standard error that moves, and goes when the work is done; nothing where nobody looks."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(Text(what)):
        yield


def counting(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The same items; on a terminal a line on standard error counts them."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    said = time.monotonic()
    with console.status(Text(what)) as status:
        for number, item in enumerate(items, 1):
            if time.monotonic() - said > _EVERY:
                said = time.monotonic()
                status.update(Text(f"{what}  {number:,} lines"))
            yield item
