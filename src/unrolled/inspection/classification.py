"""Predictions of a classifier for files, and how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.inputs import encoded
from unrolled.data.readers import open_records
from unrolled.data.records import Record
from unrolled.data.sequences import Sequences
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError
from unrolled.inspection.evaluation import Evaluation, Grid
from unrolled.inspection.metrics import Confusion
from unrolled.models.classifier import Classifier

_AT_ONCE = 256
"""Sequences that are read and run together."""


@dataclass(frozen=True)
class Prediction:
    """One record and P(class | its sequence), (C,)."""

    record: Record
    probabilities: NDArray[np.float32]

    def names(self, model: Classifier) -> list[str]:
        """The class, or with several classes a sequence those that are likelier than not."""
        if model.labels.separator is None:
            return [model.labels.names[int(self.probabilities.argmax())]]
        return [name for name, p in zip(model.labels.names, self.probabilities, strict=True) if p > 0.5]


def predictions(model: Classifier, records: Iterable[Record]) -> Iterator[Prediction]:
    """Predictions in the order of the records, which are read as they are needed.

    Raises:
        DataError: a sequence that is empty, or not of the kind the model was trained on.
    """
    model.eval()
    remaining = iter(records)
    while part := list(islice(remaining, _AT_ONCE)):
        rows = Sequences(encoded(model.input, record) for record in part).rows(range(len(part)))
        probabilities = model.probabilities(rows).numpy()
        yield from (Prediction(record, p) for record, p in zip(part, probabilities, strict=True))


def predict(
    model: Classifier, paths: Sequence[str | Path], reading: ReadSettings, probabilities: bool = False
) -> Iterator[dict[str, Any]]:
    """A row for each sequence of the files: its place, its other columns, the class, and probabilities if wished."""
    for prediction in predictions(model, open_records(paths, reading, labelled=False)):
        record = prediction.record
        row: dict[str, Any] = {"file": record.place.file, "line": record.place.line, **record.columns}
        row["prediction"] = (model.labels.separator or "").join(prediction.names(model))
        if probabilities:
            pairs = zip(model.labels.names, prediction.probabilities.tolist(), strict=True)
            row |= {f"P({name})": round(p, 6) for name, p in pairs}
        yield row


@torch.no_grad()
def evaluate(model: Classifier, paths: Sequence[str | Path], reading: ReadSettings) -> Evaluation:
    """Accuracy, macro F1 and who was taken for whom, beside always naming the most frequent class of the training.

    Raises:
        DataError: a label that was never seen in training, a sequence without label.
    """
    reader = open_records(paths, reading)
    if model.labels.separator is not None:
        return _several(model, reader)
    truth, predicted, surprise = [], [], 0.0
    for prediction in predictions(model, reader):
        truth.append(model.labels.index(_label(prediction.record), prediction.record.place))
        predicted.append(int(prediction.probabilities.argmax()))
        surprise -= float(np.log(max(prediction.probabilities[truth[-1]], np.finfo(np.float32).tiny)))
    found = Confusion.of(truth, predicted, len(model.labels))
    trivial = Confusion.of(truth, [model.labels.most_frequent] * len(truth), len(model.labels))
    return Evaluation(
        "classify",
        len(truth),
        "sequences",
        {"accuracy": found.accuracy, "macro F1": found.macro_f1, "cross-entropy": surprise / len(truth)},
        f"always {model.labels.names[model.labels.most_frequent]}",
        {"accuracy": trivial.accuracy, "macro F1": trivial.macro_f1},
        (_classes(model, found), _confusions(model, found)),
        tuple(reader.notes),
    )


def _label(record: Record) -> str:
    if not isinstance(record.label, str):
        raise DataError(f"{record.place}: a sequence must have one label; add it, or name another --label")
    return record.label


def _several(model: Classifier, records: Any) -> Evaluation:
    """Every class of every sequence is a yes or no of its own."""
    truth, predicted = [], []
    for prediction in predictions(model, records):
        truth.append(model.labels.indicator(_label(prediction.record), prediction.record.place) > 0.5)
        predicted.append(prediction.probabilities > 0.5)
    wanted, found = np.array(truth), np.array(predicted)
    usual = np.tile(np.array(model.labels.counts) * 2 > max(1, model.labels.total), (len(wanted), 1))
    return Evaluation(
        "classify",
        len(wanted),
        "sequences",
        _scores_of_sets(wanted, found),
        "for every class what most sequences say",
        _scores_of_sets(wanted, usual),
        notes=tuple(records.notes),
    )


def _scores_of_sets(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> dict[str, float]:
    hits, named, real = (truth & found).sum(), found.sum(), truth.sum()
    return {
        "exact match": float((truth == found).all(1).mean()),
        "accuracy of each class": float((truth == found).mean()),
        "micro F1": float(2 * hits / (named + real)) if named + real else 1.0,
    }


def _classes(model: Classifier, found: Confusion) -> Grid:
    rows = zip(
        model.labels.names, found.table.sum(1).tolist(), found.precision, found.recall, found.f1, strict=True
    )
    return Grid(
        "Classes",
        ("class", "sequences", "precision", "recall", "F1"),
        tuple((name, int(count), *(float(x) for x in scores)) for name, count, *scores in rows),
    )


def _confusions(model: Classifier, found: Confusion) -> Grid:
    names = model.labels.names
    rows = tuple((name, *row) for name, row in zip(names, found.table.tolist(), strict=True))
    return Grid("What each class (row) was taken for (columns)", ("", *names), rows, sparse=True)
