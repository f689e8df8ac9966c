"""`unrolled score`: how likely a trained model finds texts."""

from __future__ import annotations

import json as json_format
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unrolled.cli.options import Switch
from unrolled.cli.sample import shown, visible, warn_unseen
from unrolled.cli.waiting import counting

if TYPE_CHECKING:
    from unrolled.generation.score import Comparison, Score, Symbol

_WIDEST = 24
"""Places a piece of a text may take above its probability; longer ones are cut."""

_MANY = 1000
"""Odds above this are powers of ten."""


def score(
    run: Path,
    /,
    *texts: str,
    file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    end: Switch = False,
    json: Switch = False,
) -> None:
    """How likely a trained language model finds texts: the likeliest first.

    By the chain rule, P(text) is the product of the probabilities of its symbols (the characters, words, bytes ... the
    model reads), each given those before it; the first is given the start of a text (of a line, where the model was
    trained on one long text). Printed are log P (nats, the natural logarithm), the perplexity (as uncertain as a
    choice among so many symbols), bits per character, and every symbol's probability in percent. Several texts are
    compared with the likeliest: how many times as likely that is, and where they part. A longer text is less likely
    than its own beginning: compare texts of one length by log P, others by perplexity.

    Examples:

    - `unrolled score runs/book "hola" "azsx"`
    - `unrolled score runs/book "The apple and pear salad" "The apple and pair salad"`
    - `unrolled score runs/book "The end." --end` (that the text ends there counts too)
    - `unrolled score runs/book --file sentences.txt` (every line a text; a line for each, ranked)
    - `unrolled score runs/book "hola" --json`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    texts
        The texts to compare, each in quotes; one that begins with a hyphen stands behind `--`.
    file
        A file with a text in every line, or - for standard input; empty lines are passed over.
    end
        Count the end of the text (`<eos>`) as one more symbol.
    json
        Print a JSON list instead of the table; probabilities from 0 to 1.
    """
    from unrolled.errors import SettingError
    from unrolled.generation.score import score as score_text
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    if texts and file is not None:
        raise SettingError("texts come from the command line or from --file, got both; leave one out")
    if not texts and file is None:
        raise SettingError(
            f'no text to score; give one or more in quotes: unrolled score {run} "hola" "azsx"'
        )
    model = load_model(run, LanguageModel)
    asked = texts if file is None else _lines(file)
    unseen = dict.fromkeys(piece for text in asked for piece in model.vocabulary.unseen(text))
    warn_unseen("the text", unseen, model.vocabulary.unit)
    scores = [score_text(model, text, end) for text in counting(asked, "scoring")]
    scores.sort(key=lambda one: -one.log_probability)
    if json:
        print(json_format.dumps([_as_dict(one, scores[0]) for one in scores]))
    elif file is None:
        print_scores(scores)
    else:
        print_ranking(scores)


def _lines(file: str) -> list[str]:
    """The texts of a file, one a line."""
    from unrolled.data.text import read_texts
    from unrolled.errors import DataError

    (document,) = read_texts([file]).documents if not Path(file).is_dir() else [None]
    if document is None:
        raise DataError(f"{file}: is a folder; name a file with a text in every line")
    lines = [line for line in document.text.split("\n") if line.strip()]
    if not lines:
        raise DataError(f"{file}: no text in any line; give a file with a text in every line")
    return lines


def print_scores(scores: list[Score]) -> None:
    """One line of totals per text, under it each piece above its probability in percent; then how they compare."""
    from rich.console import Console
    from rich.text import Text

    from unrolled.generation.score import compare

    console = Console(highlight=False)
    comparisons = [compare(scores[0], other) for other in scores[1:]]
    for number, one in enumerate(scores, 1):
        name = shown(repr(one.text)) if len(scores) == 1 else f"{number}  {shown(repr(one.text))}"
        console.print(
            Text(name, style="bold"), Text(f"  {_totals(one)}"), sep="", soft_wrap=True, markup=False
        )
        parted = [c.place for c in comparisons] if number == 1 else [comparisons[number - 2].place]
        console.print(_symbols(one, console.width, {place for place in parted if place is not None}))
    for number, comparison in enumerate(comparisons, 2):
        line = f"1 is {_odds(comparison)} as likely as {number}{_parting(comparison, number)}"
        console.print(line, markup=False, soft_wrap=True)


def print_ranking(scores: list[Score]) -> None:
    """A line for each text: its place, log P, the perplexity, the odds of the first against it."""
    from unrolled.generation.score import compare

    unit = scores[0].unit
    sys.stdout.write(f"place  log P  perplexity per {unit}  odds of the first  text\n")
    for number, one in enumerate(scores, 1):
        odds = _odds(compare(scores[0], one))
        figures = f"{number}  {one.log_probability:.3f}  {one.perplexity:,.2f}  {odds}"
        sys.stdout.write(f"{figures}  {shown(one.text)}\n")


def _totals(one: Score) -> str:
    return (
        f"log P {one.log_probability:.3f}   perplexity {one.perplexity:,.2f} per {one.unit}   "
        f"{one.bits_per_character:.3f} bits per character"
    )


def _odds(comparison: Comparison) -> str:
    """How many times as likely the first is."""
    if comparison.odds <= _MANY:
        return f"{comparison.odds:.3g} times"
    return f"10^{comparison.log_odds / math.log(10):.1f} times"


def _parting(comparison: Comparison, number: int) -> str:
    if comparison.place is None:
        return "; the model reads them as the same symbols"
    sides = zip((1, number), comparison.symbols, strict=True)
    said = [f"{_side(symbol)} in {text}" for text, symbol in sides]
    return f"; they part at symbol {comparison.place + 1}: {said[0]}, {said[1]}"


def _side(symbol: Symbol | None) -> str:
    return "nothing more" if symbol is None else f"{visible(symbol[0])!r} ({100 * symbol[1]:.3g}%)"


def _symbols(one: Score, width: int, parted: set[int]) -> Any:
    """Columns wide enough for every piece, as many side by side as the terminal has room for."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    pieces = [visible(symbol)[:_WIDEST] for symbol, _ in one.symbols]
    column = max(6, *map(cell_len, pieces)) + 2
    across = max(1, (width - 2) // column)
    grid = Table.grid(padding=(0, 1), collapse_padding=True)
    for start in range(0, len(pieces), across):
        places = range(start, min(start + across, len(pieces)))
        style = {place: "reverse" if place in parted else "" for place in places}
        grid.add_row("", *(Text(pieces[i], justify="right", style=style[i]) for i in places))
        chances = (f"{100 * one.symbols[i][1]:5.1f}%" for i in places)
        grid.add_row("", *(Text(chance, justify="right", style="dim") for chance in chances))
    return grid


def _as_dict(one: Score, likeliest: Score) -> dict[str, Any]:
    from unrolled.generation.score import compare

    comparison = compare(likeliest, one)
    return {
        "text": one.text,
        "unit": one.unit,
        "log_probability": one.log_probability,
        "perplexity": one.perplexity if math.isfinite(one.perplexity) else None,
        "bits_per_character": one.bits_per_character,
        "log_odds": comparison.log_odds,
        "parts_at": comparison.place,
        "symbols": [{"symbol": symbol, "probability": p} for symbol, p in one.symbols],
    }
