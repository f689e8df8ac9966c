"""`unrolled train classify`: one label for each sequence."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.data.settings import ReadSettings
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.reservoir_settings import ReservoirSettings

MODEL = Group("Model", sort_key=1)
TRAINING = Group("Training", sort_key=2)
RESERVOIR = Group("Reservoir", sort_key=3)
DATA = Group("Data", sort_key=4)
RUN = Group("Run", sort_key=5)


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
    groups = (ClassifierSettings, ClassifySettings, ReservoirSettings, ReadSettings)
    known = [name for group in groups for name in group.model_fields]
    refuse_options(paths, [*known, "validation_data", "run", "json"], "unrolled train classify")
    from rich.console import Console

    from unrolled.training.classification import train_classifier
    from unrolled.training.progress import Progress

    with Progress(Console(stderr=json, highlight=False)) as progress:
        ended = train_classifier(
            paths, data, model, training, validation_data, run, progress.report, reservoir
        )
    progress.finished(ended.outcome)
    if json:
        print(json_format.dumps({"run": str(ended.path), **asdict(ended.outcome)}))
    else:
        print(f"Next: unrolled evaluate {ended.path} DATA, or unrolled predict {ended.path} DATA")
