"""`unrolled train lm`: a language model on text, or on music."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import MODEL, RUN, TRAINING, options_of, show_training
from unrolled.training.music_settings import MusicSettings
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

if TYPE_CHECKING:
    from unrolled.training.events import Report
    from unrolled.training.language import Run

TEXT = Group("Text", sort_key=4)
MUSIC = Group("Music (--data music)", sort_key=5)


def lm(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: Annotated[Literal["text", "music"], Parameter(group=RUN)] = "text",
    model: Annotated[ModelSettings, Parameter(name="*", group=MODEL)] = ModelSettings(),
    training: Annotated[FitSettings, Parameter(name="*", group=TRAINING)] = FitSettings(),
    text: Annotated[DataSettings, Parameter(name="*", group=TEXT)] = DataSettings(),
    music: Annotated[MusicSettings, Parameter(name="*", group=MUSIC)] = MusicSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a language model: it learns the probability of every next symbol.

    Symbols are characters, words, bytes, byte pairs or n-grams (`--unit`); with `--data music` the keys of the next
    step, or events of MIDI files. The state is carried from window to window, the gradient stops at the window
    (truncated backpropagation through time). Every file is a text of its own: it ends with `<eos>`, behind which the
    state starts anew; `--ends` and `--carry` choose otherwise. Bits per symbol count every symbol and every `<eos>`
    once; lower is better, and a text coded with this model would take that many bits for each. The last 10 % of the
    text is kept out to validate on, and what mere counting reaches there is printed beside.

    Ctrl-C stops after the current update and keeps the best model. The run folder holds config.toml,
    metrics.jsonl, samples.jsonl, checkpoints/last and model.

    Examples:

    - `unrolled train lm` (the Python language reference that comes with Python)
    - `unrolled train lm book.txt --preset small --run runs/book` (ten minutes)
    - `unrolled train lm notes/ letters/ --cell lstm --layers 2 --hidden 256`
    - `unrolled train lm news.txt --unit word --vocabulary 9000 --ends sentence --embedding 128 --tied --hidden 128`
    - `unrolled train lm ptb.train.txt --unit word --pretokenized --validate-on ptb.valid.txt --preset awd`
    - `cat *.py | unrolled train lm - --unit bpe --epochs 10`
    - `unrolled train lm book.txt --cell my_cell.txt` (equations of your own)
    - `unrolled train lm chorales/ --data music --cell lstm`

    Parameters
    ----------
    paths
        Text files (UTF-8, or UTF-16 with its mark), folders (all text files below), or - for standard input.
        Without any: the Python language reference that comes with Python. Of music: MIDI files, folders of them, or
        piano rolls in JSON.
    data
        What is learned: text or music.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/lm-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    options = ["data", *options_of(ModelSettings, FitSettings, DataSettings, MusicSettings)]
    refuse_options(paths, options, "unrolled train lm")
    if data == "text":
        music.refuse(list(MusicSettings.model_fields), "is for --data music")

    def train(report: Report) -> Run:
        if data == "music":
            from unrolled.training.music import train_music

            return train_music(paths, music, text, model, training, run, report)
        from unrolled.training.language import train_language_model

        return train_language_model(paths, text, model, training, run, report)

    show_training(train, json, "unrolled sample {run}")
