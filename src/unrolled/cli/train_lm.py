"""`unrolled train lm`: a language model on text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import MODEL, RUN, TRAINING, options_of, show_training
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

DATA = Group("Text", sort_key=4)


def lm(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    model: Annotated[ModelSettings, Parameter(name="*", group=MODEL)] = ModelSettings(),
    training: Annotated[FitSettings, Parameter(name="*", group=TRAINING)] = FitSettings(),
    data: Annotated[DataSettings, Parameter(name="*", group=DATA)] = DataSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a language model on text, one character at a time.

    It learns the probability of every next character, with truncated backpropagation through time: the state is
    carried from window to window, the gradient stops at the window. Every file is a text of its own: it ends with
    `<eos>`, behind which the state starts anew. Bits per character count every character and every `<eos>` once;
    lower is better, and a text coded with this model would take that many bits for each character. The last 10 %
    of the text is kept out to validate on.

    Ctrl-C stops after the current update and keeps the best model. The run folder holds config.toml,
    metrics.jsonl, samples.jsonl, checkpoints/last and model.

    Examples:

    - `unrolled train lm` (the Python language reference that comes with Python)
    - `unrolled train lm book.txt --minutes 5 --run runs/book`
    - `unrolled train lm notes/ letters/ --cell lstm --layers 2 --hidden 256`
    - `cat *.py | unrolled train lm - --epochs 10`
    - `unrolled train lm book.txt --cell my_cell.txt` (equations of your own)

    Parameters
    ----------
    paths
        Text files (UTF-8, or UTF-16 with its mark), folders (all text files below), or - for standard input.
        Without any: the Python language reference that comes with Python.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/lm-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    refuse_options(paths, options_of(ModelSettings, FitSettings, DataSettings), "unrolled train lm")
    from unrolled.training.language import train_language_model

    show_training(
        lambda report: train_language_model(paths, data, model, training, run, report),
        json,
        "unrolled sample {run}",
    )
