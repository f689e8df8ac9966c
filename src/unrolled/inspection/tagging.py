"""Predictions of a tagger for files, and how good they are."""

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
from unrolled.data.tag_schemes import NO_SCHEME, from_bio
from unrolled.data.word_input import WordInput
from unrolled.errors import DataError
from unrolled.inspection.entities import EntityCounts, marks_entities
from unrolled.inspection.evaluation import Evaluation, Grid
from unrolled.inspection.metrics import Confusion
from unrolled.models.tagger import Tagger

_AT_ONCE = 256
"""Sequences that are read and run together."""


@dataclass(frozen=True)
class Tagged:
    """One record, its T tags, and P(tag | the sequence) of every step (T, K) where they were asked for."""

    record: Record
    tags: tuple[str, ...]
    probabilities: NDArray[np.float32] | None


@torch.no_grad()
def tagged(model: Tagger, records: Iterable[Record], probabilities: bool = False) -> Iterator[Tagged]:
    """Tags in the order of the records, which are read as they are needed.

    Raises:
        DataError: a sequence that is empty, or not of the kind the model was trained on.
    """
    model.eval()
    remaining, names = iter(records), model.tags.names
    while part := list(islice(remaining, _AT_ONCE)):
        emissions = model(Sequences(encoded(model.input, record) for record in part).rows(range(len(part))))
        best = model.best(emissions)
        shares = model.marginals(emissions) if probabilities else [None] * len(part)
        for record, row, share in zip(part, best, shares, strict=True):
            tags = tuple(names[number] for number in row.tolist())
            yield Tagged(record, tags, None if share is None else share.numpy())


def predict(
    model: Tagger, paths: Sequence[str | Path], reading: ReadSettings, probabilities: bool = False
) -> Iterator[dict[str, Any]]:
    """A row for each step of the files: its place, the word or character, its tag, and probabilities if wished.

    Tags are in the scheme of the training data; probabilities are those of the BIO tags the model knows.
    """
    for number, found in enumerate(_found(model, paths, reading, probabilities), 1):
        record, tags = found.record, _as_trained(model, found.tags)
        symbols = record.values if isinstance(record.values, str | tuple) else None
        for step, tag in enumerate(tags):
            row: dict[str, Any] = {"file": record.place.file, "line": record.place.line, **record.columns}
            row |= {"sequence": number, "step": step + 1}
            if symbols is not None:
                row["symbol"] = symbols[step]
            row["prediction"] = tag
            if found.probabilities is not None:
                row |= _named(model, found.probabilities[step])
            yield row


def conll(
    model: Tagger, paths: Sequence[str | Path], reading: ReadSettings, probabilities: bool = False
) -> Iterator[str]:
    """Lines of a CoNLL file: word, tab, tag; a blank line behind every sequence.

    With probabilities a third column holds that of the tag the model chose. Frames have their number (from 1) in
    place of a word.
    """
    for found in _found(model, paths, reading, probabilities):
        values = found.record.values
        symbols = values if isinstance(values, str | tuple) else [str(n + 1) for n in range(len(values))]
        shares = _chosen(model, found)
        for symbol, tag, share in zip(symbols, _as_trained(model, found.tags), shares, strict=True):
            yield f"{symbol}\t{tag}{share}"
        yield ""


def _found(
    model: Tagger, paths: Sequence[str | Path], reading: ReadSettings, probabilities: bool
) -> Iterator[Tagged]:
    return tagged(model, open_records(paths, reading, labelled=False), probabilities)


def _as_trained(model: Tagger, tags: Sequence[str]) -> tuple[str, ...]:
    scheme = model.reading.get("scheme", NO_SCHEME)
    return from_bio(tags, scheme) if scheme != "BIO" else tuple(tags)


def _named(model: Tagger, probabilities: NDArray[np.float32]) -> dict[str, float]:
    pairs = zip(model.tags.names, probabilities.tolist(), strict=True)
    return {f"P({name})": round(p, 6) for name, p in pairs}


def _chosen(model: Tagger, found: Tagged) -> list[str]:
    if found.probabilities is None:
        return [""] * len(found.tags)
    chosen = [model.tags.index(tag) for tag in found.tags]
    return [f"\t{p:.4f}" for p in found.probabilities[np.arange(len(chosen)), chosen]]


def evaluate(model: Tagger, paths: Sequence[str | Path], reading: ReadSettings) -> Evaluation:
    """Entities found with the right borders and type where tags are BIO, and the share of right tags.

    Beside them stands the rule that gives every word the tag it had most often in training. A tag that was never
    seen in training counts as one that was not found.

    Raises:
        DataError: a sequence without a label for each step.
    """
    reader = open_records(paths, reading)
    counts = _Counts(model)
    for found in tagged(model, reader):
        counts.add(found)
    return Evaluation(
        "tag",
        counts.steps,
        "words" if isinstance(model.input, WordInput) else "steps",
        counts.scores(counts.tags, counts.entities),
        _floor(model),
        counts.scores(counts.usual_tags, counts.usual_entities),
        counts.grids(),
        (*reader.notes, *counts.notes()),
    )


def _floor(model: Tagger) -> str:
    usual = f"{model.usual.usual} for all steps"
    return f"each symbol's most frequent tag, {model.usual.usual} for others" if model.usual.others else usual


class _Counts:
    """What is counted while predictions come in: the model's tags and those of the trivial rule."""

    def __init__(self, model: Tagger) -> None:
        self.model = model
        self.names = {name: number for number, name in enumerate(model.tags.names)}
        self.tags, self.usual_tags = _Tags(self), _Tags(self)
        self.entities, self.usual_entities = EntityCounts(), EntityCounts()
        self.bio = marks_entities(model.tags.names)
        self.known, self.sequences = len(self.names), 0

    def add(self, found: Tagged) -> None:
        truth = _label(found.record, len(found.tags))
        usual = self.model.usual.tags(found.record.values)
        self.sequences += 1
        for tag in truth:
            self.names.setdefault(tag, len(self.names))
        self.tags.add(truth, found.tags)
        self.usual_tags.add(truth, usual)
        if self.bio:
            self._add_entities(found.record, truth, found.tags, usual)

    def _add_entities(
        self, record: Record, truth: Sequence[str], predicted: Sequence[str], usual: Sequence[str]
    ) -> None:
        try:
            self.entities.add(truth, predicted)
            self.usual_entities.add(truth, usual)
        except DataError as error:
            raise DataError(f"{record.place}: {error}") from error

    @property
    def steps(self) -> int:
        return len(self.tags.truth)

    def scores(self, tags: _Tags, entities: EntityCounts) -> dict[str, float]:
        confusion = tags.confusion()
        if not self.bio:
            return {"accuracy": confusion.accuracy, "macro F1": confusion.macro_f1}
        return {
            "entity F1": entities.f1(),
            "entity precision": entities.precision(),
            "entity recall": entities.recall(),
            "accuracy": confusion.accuracy,
        }

    def grids(self) -> tuple[Grid, ...]:
        if self.bio:
            return (_types(self.entities),)
        found, names = self.tags.confusion(), list(self.names)
        rows: list[tuple[str | float, ...]] = [
            (
                name,
                int(found.table[k].sum()),
                *(float(score[k]) for score in (found.precision, found.recall, found.f1)),
            )
            for k, name in enumerate(names)
        ]
        return (Grid("Tags", ("tag", "steps", "precision", "recall", "F1"), tuple(rows)),)

    def notes(self) -> list[str]:
        unseen = [name for name, number in self.names.items() if number >= self.known]
        return [f"never seen in training: {', '.join(unseen)}"] if unseen else []


class _Tags:
    """Pairs of numbers of tags."""

    def __init__(self, counts: _Counts) -> None:
        self.counts = counts
        self.truth: list[int] = []
        self.predicted: list[int] = []

    def add(self, truth: Sequence[str], predicted: Sequence[str]) -> None:
        self.truth += [self.counts.names[tag] for tag in truth]
        self.predicted += [self.counts.names[tag] for tag in predicted]

    def confusion(self) -> Confusion:
        return Confusion.of(self.truth, self.predicted, len(self.counts.names))


def _label(record: Record, steps: int) -> tuple[str, ...]:
    if not isinstance(record.label, tuple) or len(record.label) != steps:
        raise DataError(
            f"{record.place}: a sequence must have a label for each of its {steps} steps; add them, or name another "
            "--label"
        )
    return record.label


def _types(counts: EntityCounts) -> Grid:
    rows: list[tuple[str | float, ...]] = [
        (kind, counts.there[kind], counts.named[kind], counts.both[kind], *_scores(counts, kind))
        for kind in counts.types
    ]
    total = (counts.there.total(), counts.named.total(), counts.both.total())
    rows.append(("all", *total, *_scores(counts)))
    columns = ("type", "there", "named", "right", "precision", "recall", "F1")
    return Grid("Entities, with exact borders and type", columns, tuple(rows))


def _scores(counts: EntityCounts, kind: str | None = None) -> tuple[float, float, float]:
    return counts.precision(kind), counts.recall(kind), counts.f1(kind)
