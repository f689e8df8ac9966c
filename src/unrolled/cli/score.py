"""`unrolled score`: how likely a trained model finds texts."""

from __future__ import annotations

import json as json_format
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.cli.options import Switch
from unrolled.cli.sample import shown, warn_unseen

if TYPE_CHECKING:
    from unrolled.generation.score import Score


def score(
    run: Path,
    /,
    *texts: str,
    end: Switch = False,
    json: Switch = False,
) -> None:
    """How likely a trained language model finds texts: the likeliest first.

    By the chain rule, P(text) is the product of the probabilities of its characters, each given those before it;
    the first is given the start of a text (of a line, where the model was trained on one long text). Printed are
    log P (nats, the natural logarithm), the perplexity (as uncertain as a choice among so many characters), bits
    per character, and every character's probability in percent. A longer text is less likely than its own
    beginning: compare texts of one length by log P, others by perplexity.

    Examples:

    - `unrolled score runs/book "hola" "azsx"`
    - `unrolled score runs/book "The end." --end` (that the text ends there counts too)
    - `unrolled score runs/book "hola" --json`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    texts
        The texts to compare, each in quotes; one that begins with a hyphen stands behind `--`.
    end
        Count the end of the text (`<eos>`) as one more character.
    json
        Print a JSON list instead of the table; probabilities from 0 to 1.
    """
    from unrolled.errors import SettingError
    from unrolled.generation.score import score as score_text
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    if not texts:
        raise SettingError(
            f'no text to score; give one or more in quotes: unrolled score {run} "hola" "azsx"'
        )
    model = load_model(run, LanguageModel)
    warn_unseen("the text", model.vocabulary.unseen("".join(texts)))
    scores = sorted((score_text(model, text, end) for text in texts), key=lambda one: -one.log_probability)
    if json:
        print(json_format.dumps([_as_dict(one) for one in scores]))
    else:
        print_scores(scores)


def print_scores(scores: list[Score]) -> None:
    """One line of totals per text, and under it each character above its probability in percent."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for one in scores:
        console.print(
            Text(shown(repr(one.text)), style="bold"),
            Text(
                f"  log P {one.log_probability:.3f}   perplexity {one.perplexity:,.2f}   "
                f"{one.bits_per_character:.3f} bits per character"
            ),
            sep="",
            soft_wrap=True,
        )
        console.print(_characters(one, console.width, Table, Text))


def _characters(one: Score, width: int, table: Any, text: Any) -> Any:
    """Columns of six places, as many side by side as the terminal has room for."""
    across = max(1, (width - 2) // 8)
    grid = table.grid(padding=(0, 1), collapse_padding=True)
    for start in range(0, len(one.characters), across):
        part = one.characters[start : start + across]
        grid.add_row("", *(text(_visible(symbol), justify="right") for symbol, _ in part))
        grid.add_row("", *(text(f"{100 * p:5.1f}%", justify="right", style="dim") for _, p in part))
    return grid


def _visible(symbol: str) -> str:
    if symbol == " ":
        return "\N{OPEN BOX}"
    return symbol if symbol.isprintable() else ascii(symbol)[1:-1]


def _as_dict(one: Score) -> dict[str, Any]:
    perplexity = one.perplexity if math.isfinite(one.perplexity) else None
    return {
        "text": one.text,
        "log_probability": one.log_probability,
        "perplexity": perplexity,
        "bits_per_character": one.bits_per_character,
        "characters": [{"character": symbol, "probability": p} for symbol, p in one.characters],
    }
