"""`unrolled train classify`: one label for each sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.training_run import DATA, MODEL, RESERVOIR, RUN, TRAINING, options_of, show_training
from unrolled.data.settings import ReadSettings
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.reservoir_settings import ReservoirSettings


def classify(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    validation_data: Annotated[tuple[str, ...], Parameter(group=DATA, negative="")] = (),
    model: Annotated[ClassifierSettings, Parameter(name="*", group=MODEL)] = ClassifierSettings(),
    training: Annotated[ClassifySettings, Parameter(name="*", group=TRAINING)] = ClassifySettings(),
    reservoir: Annotated[ReservoirSettings, Parameter(name="*", group=RESERVOIR)] = ReservoirSettings(),
    data: Annotated[ReadSettings, Parameter(name="*", group=DATA)] = ReadSettings(),
    run: Annotated[Path | None, Parameter(group=RUN)] = None,
    json: Annotated[Switch, Parameter(group=RUN)] = False,
) -> None:
    """Train a classifier: one label for each text, sound, video, series, picture or piece of DNA.

    A recurrent network reads the sequence; what it gives at all steps becomes one vector, and that the probability
    of each class. Sequences may have any lengths. What the columns of a table or the names of files mean is guessed
    and shown; say it with `--text` and `--label` where the guess is wrong. The best model on the sequences kept out
    is kept.

    Tables (CSV, TSV, JSONL, Parquet) have a column of texts and one of labels; plain text has `label text` on every
    line. Files of sound, video and pictures take their label from the folder they are in, or from their names:
    `--label "{label}_{speaker}_{index}"`.

    Examples:

    - `unrolled train classify reviews.csv --text review --label stars`
    - `unrolled train classify train.tsv --validation-data dev.tsv --cell lstm --pooling attention`
    - `unrolled train classify recordings/ --label "{label}_{speaker}_{index}" --features mfcc`
    - `unrolled train classify genes.fasta --label "{id}|{label}" --epochs 20`
    - `unrolled train classify GESTURES_TRAIN.ts --hidden 64 --validation 0`
    - `unrolled train classify GESTURES_TRAIN.ts --reservoir --leak 0.1` (seconds instead of minutes)

    Parameters
    ----------
    paths
        Files of one kind, or folders that hold them.
    validation_data
        Files to validate on, instead of a share of the training data.
    run
        Folder to make for this run; it must not exist yet, or be empty. [default: runs/classify-DATE-N]
    json
        Print the result as JSON on standard output; progress goes to standard error.
    """
    refuse_options(
        paths,
        [
            *options_of(ClassifierSettings, ClassifySettings, ReservoirSettings, ReadSettings),
            "validation_data",
        ],
        "unrolled train classify",
    )
    from unrolled.training.classification import train_classifier

    show_training(
        lambda report: train_classifier(
            paths, data, model, training, validation_data, run, report, reservoir
        ),
        json,
        "unrolled evaluate {run} DATA, or unrolled predict {run} DATA",
    )
