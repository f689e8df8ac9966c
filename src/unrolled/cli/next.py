"""`unrolled next`: what a trained model expects behind a text."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, Whole
from unrolled.cli.sample import visible, warn_unseen

if TYPE_CHECKING:
    from unrolled.generation.following import Continuations

_BAR = 30
"""Places of the longest bar, that of the likeliest."""


def next_command(
    run: Path,
    text: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    /,
    *,
    k: Annotated[Whole, Parameter(name=["-k", "--number"])] = 5,
    beam: Whole | None = None,
    symbols: Switch = False,
    json: Switch = False,
) -> None:
    """The likeliest next words after a text, with their probabilities.

    A model of words gives them at once. One of characters, bytes, n-grams or byte pairs is asked symbol by symbol for
    whole words: each counts with the probability that the word comes and ends there. A text that ends inside a word has
    this word completed; end it with a blank to begin a new one. Marks such as a full stop count as words.

    Examples:

    - `unrolled next runs/book "Estou cansada de" -k 5`
    - `unrolled next runs/book "Estou cansa"` (with a model of characters: cansada, cansado ...)
    - `unrolled next runs/book "Estou " --symbols` (the next characters themselves)

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    text
        The text to go on from, in quotes. [default: the beginning of a text]
    k
        How many to show.
    beam
        Beginnings of words that are followed at once; with more, rarer words are found. [default: 64]
    symbols
        Show the next symbols of the model instead of words, `<eos>` (the text ends) and `<unk>` among them.
    json
        Print one JSON object instead of bars; probabilities from 0 to 1.
    """
    from unrolled.errors import SettingError
    from unrolled.generation.following import BEAM, next_symbols, next_words, part_read
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    model = load_model(run, LanguageModel)
    if beam is not None and (symbols or model.vocabulary.unit == "word"):
        raise SettingError("--beam searches for words in smaller units than words; leave it out")
    seen = text if symbols else part_read(model.vocabulary, text)
    warn_unseen("the text", model.vocabulary.unseen(seen), model.vocabulary.unit)
    found = (
        next_symbols(model, text, k)
        if symbols
        else next_words(model, text, k, BEAM if beam is None else beam)
    )
    if json:
        kind = model.vocabulary.unit if symbols else "word"
        listed = [{"text": name, "probability": p} for name, p in found]
        print(json_format.dumps({"text": text, "unit": kind, "next": listed}))
    else:
        _print_bars(found)


def _print_bars(found: Continuations) -> None:
    from rich.cells import cell_len, set_cell_size

    names = [visible(name) for name, _ in found]
    width = max(map(cell_len, names), default=0)
    for name, (_, p) in zip(names, found, strict=True):
        bar = _bar(p / found[0][1]) if found[0][1] else ""
        sys.stdout.write(f"{set_cell_size(name, width)}  {100 * p:6.2f}%  {bar}".rstrip() + "\n")


def _bar(share: float) -> str:
    """A bar in eighths of a place."""
    eighths = round(share * _BAR * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
