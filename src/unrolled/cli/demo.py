"""`unrolled demo`: from nothing to a trained model in under two minutes."""

from __future__ import annotations

from pathlib import Path

from unrolled.cli.options import Whole

RIGHT, WRONG = "the argument", "the agrument"
"""The same letters, two of them exchanged."""


def demo(*, minutes: float = 1.6, seed: Whole = 0, run: Path | None = None) -> None:
    """Train a small GRU on the Python language reference, watch it learn, then ask it something.

    Without arguments, without network: the text is the one `help()` shows, inside every CPython. Every line
    beginning with `|` was drawn from the model at that moment. Leaves its run in runs/.

    Parameters
    ----------
    minutes
        Minutes to train for.
    seed
        Fixes the first weights and the samples shown.
    run
        Folder to make for the run. [default: runs/lm-DATE-N]
    """
    from rich.console import Console

    from unrolled.cli.score import print_scores
    from unrolled.generation.score import score
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel
    from unrolled.training.language import train_language_model
    from unrolled.training.progress import Progress
    from unrolled.training.settings import FitSettings

    settings = FitSettings(minutes=minutes, seed=seed, validate_every=100)
    print(
        "A gated recurrent unit reads the Python language reference and learns to predict its next character.\n"
    )
    with Progress(Console(highlight=False)) as progress:
        ended = train_language_model(training=settings, run=run, report=progress.report)
    progress.finished(ended.outcome)
    model = load_model(ended.path, LanguageModel)
    print("\nDoes it notice a slip? How likely it finds two texts, in percent for every character:\n")
    print_scores(
        sorted((score(model, text) for text in (RIGHT, WRONG)), key=lambda one: -one.log_probability)
    )
    print("\nWhat to try next:")
    next_steps = {
        f'unrolled sample {ended.path} --prompt "The "': "more of its text",
        "unrolled train lm YOUR.txt --minutes 5": "the same on your text",
        "unrolled cells gru": "the equations it ran",
    }
    width = max(map(len, next_steps))
    for command, effect in next_steps.items():
        print(f"  {command:<{width}}  {effect}")
