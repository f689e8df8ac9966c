"""`unrolled sample`: text drawn from a trained model."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, Whole


def sample(
    run: Path,
    /,
    *,
    prompt: Annotated[str, Parameter(show_default=False, allow_leading_hyphen=True)] = "",
    length: Whole = 500,
    temperature: float = 0.8,
    top_k: Whole | None = None,
    top_p: float | None = None,
    seed: Whole | None = None,
    past_end: Switch = False,
    json: Switch = False,
) -> None:
    """Draw text from a trained language model; characters appear as they are drawn.

    The prompt is printed, then what the model draws after it. Characters of the prompt that the model has never
    seen are read as `<unk>`, and said; `<unk>` itself is never drawn. The end of a text, `<eos>`, ends the sample.

    Examples:

    - `unrolled sample runs/book --prompt "Once upon" --length 300`
    - `unrolled sample runs/book --temperature 0` (always the likeliest character)
    - `unrolled sample runs/book --top-p 0.9 --seed 7` (the same text every time)

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    prompt
        The text to go on from. [default: the beginning of a text]
    length
        Characters to draw at most.
    temperature
        Below 1 makes likely characters likelier, above 1 evens them out, 0 always takes the likeliest.
    top_k
        Draw only from the K likeliest characters.
    top_p
        Draw only from the fewest likeliest characters whose probabilities sum to P, above 0 to 1.
    seed
        A whole number; the same seed draws the same text. [default: a new one every time]
    past_end
        Go on after `<eos>`, which then is printed, until the length is reached.
    json
        Print one JSON object with the prompt and the text once it is complete.
    """
    from unrolled.generation.sampling import sample as draw
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    model = load_model(run, LanguageModel)
    warn_unseen("the prompt", model.vocabulary.unseen(prompt))
    characters = draw(model, prompt, length, temperature, top_k, top_p, seed, not past_end)
    if json:
        print(json_format.dumps({"prompt": prompt, "text": "".join(characters)}))
        return
    sys.stdout.write(shown(prompt))
    for character in characters:
        sys.stdout.write(shown(character))
        sys.stdout.flush()
    sys.stdout.write("\n")


def shown(text: str) -> str:
    """Text for a terminal: control characters other than tab and newline must not reach it."""
    if not sys.stdout.isatty():
        return text
    return "".join(
        c if c in "\n\t" or c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def warn_unseen(what: str, unseen: str) -> None:
    """Say on standard error which characters are read as `<unk>`."""
    if unseen:
        listed = " ".join(ascii(symbol) if not symbol.isprintable() else repr(symbol) for symbol in unseen)
        print(
            f"unrolled: {what} has characters this model has never seen, read as <unk>: {listed}",
            file=sys.stderr,
        )
