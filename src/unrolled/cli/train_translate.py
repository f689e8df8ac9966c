"""`unrolled train translate`: texts in, texts of another length out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import DATA, MODEL, RUN, TRAINING, options_of, show_training
from unrolled.data.pair_settings import PairSettings
from unrolled.training.translation_settings import TranslateSettings, TranslatorSettings


def translate(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    validation_data: Annotated[tuple[str, ...], Parameter(group=DATA, negative="")] = (),
    model: Annotated[TranslatorSettings, Parameter(name="*", group=MODEL)] = TranslatorSettings(),
    training: Annotated[TranslateSettings, Parameter(name="*", group=TRAINING)] = TranslateSettings(),
    data: Annotated[PairSettings, Parameter(name="*", group=DATA)] = PairSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a translator: it reads a text and writes another, such as a sentence in French or an answer.

    An encoder-decoder learns from pairs of texts: the encoder reads the source, the decoder writes the target symbol by
    symbol, with attention over the source. While it trains the decoder is given the true symbols; used, it reads its
    own. Nats per target symbol are counted on pairs that are kept out; all targets of a source stand on one side.

    A line of a file is `source TAB target`, and what follows is not looked at; CSV, JSON lines and Parquet have the
    columns that are named. Files may be packed (gzip, bzip2, xz, or a zip archive of one file).

    Examples:

    - `unrolled train translate fra-eng.zip --run runs/french`
    - `unrolled train translate dialogues.tsv --minutes 5`
    - `unrolled train translate pairs.csv --source English --target Deutsch --unit bpe --skip-bad`
    - `unrolled train translate pairs.jsonl --source question --target answer --condition state`
    - `unrolled evaluate runs/french test.tsv`, then `unrolled predict runs/french -` (line by line)

    Parameters
    ----------
    paths
        Files of pairs, or - for standard input.
    validation_data
        Files to validate on, instead of a share of the training data.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/translate-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    refuse_options(
        paths,
        [*options_of(TranslatorSettings, TranslateSettings, PairSettings), "validation_data"],
        "unrolled train translate",
    )
    from unrolled.training.translation import train_translator

    show_training(
        lambda report: train_translator(paths, data, model, training, validation_data, run, report),
        json,
        "unrolled evaluate {run} PAIRS, or unrolled predict {run} TEXTS",
    )
