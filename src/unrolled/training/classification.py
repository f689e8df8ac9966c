"""From labelled sequences to a trained classifier in a run folder: what `unrolled train classify` calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from unrolled.cells import find
from unrolled.data.gathered import Gathered, split
from unrolled.data.inputs import FrameInput, Input, PictureInput, TextInput
from unrolled.data.labels import Labels
from unrolled.data.records import Reader
from unrolled.data.sequences import Sequences, in_order
from unrolled.data.settings import ReadSettings
from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.layers.ragged import Ragged
from unrolled.models.classifier import Classifier
from unrolled.models.ridge import Piece
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.events import Prepared, Report
from unrolled.training.language import Run
from unrolled.training.objectives import Judgement, Unpenalised
from unrolled.training.plan import counted, extent, planned
from unrolled.training.reservoir_settings import ReservoirSettings
from unrolled.training.reservoirs import ReservoirTask, classifier_pieces, drawn, with_leak
from unrolled.training.supervised import (
    VALIDATED_AT_ONCE,
    both_parts,
    divided,
    drawn_batches,
    train_on_files,
)
from unrolled.training.task import Task

_EMBEDDINGS = {"word": 128, "character": 32}
_PICTURE = 64


@dataclass(frozen=True)
class Examples:
    """R encoded sequences and what is to be found: class numbers (R,), or 0 and 1 for every class (R, C)."""

    sequences: Sequences
    targets: Tensor

    def batch(self, index: NDArray[np.int64]) -> tuple[Ragged, Tensor]:
        return self.sequences.rows(index), self.targets[torch.from_numpy(index)]


class Classification(Unpenalised):
    """The cross entropy of the true class, or the binary ones of every class where sequences have several.

    loss = -1/B sum_b w(y_b) log P(y_b | x_b),   w = 1, or R / (C R_y) to balance classes
    """

    unit = "cross-entropy"
    scale = 1.0

    def __init__(
        self, model: Classifier, training: Examples, validation: Examples | None, settings: ClassifySettings
    ) -> None:
        assert settings.batch is not None, "chosen() fills what was left open"
        self.model, self.training, self.validation = model, training, validation
        self.batch, self.smoothing = settings.batch, settings.smoothing
        self.generator = np.random.default_rng(settings.seed)
        self.batches_per_epoch = -(-len(training.sequences) // self.batch)
        self.several = model.labels.separator is not None
        self.weights = _balanced(model.labels) if settings.balance else None

    def batches(self) -> Iterator[tuple[Ragged, Tensor]]:
        return drawn_batches(self.training.sequences, self.training.batch, self.batch, self.generator)

    def loss(self, batch: tuple[Ragged, Tensor], state: Any) -> tuple[Tensor, int, Any]:
        rows, targets = batch
        return self._loss(self.model(rows), targets, self.smoothing), rows.total, None

    def _loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        if self.several:
            wanted = targets * (1 - smoothing) + smoothing / 2
            return binary_cross_entropy_with_logits(logits, wanted, pos_weight=self.weights)
        return cross_entropy(logits, targets, self.weights, label_smoothing=smoothing)

    @torch.no_grad()
    def validate(self) -> Judgement | None:
        if self.validation is None:
            return None
        total, right, count = 0.0, 0.0, len(self.validation.sequences)
        for index in in_order(count, VALIDATED_AT_ONCE):
            rows, targets = self.validation.batch(index)
            logits = self.model(rows)
            total += float(self._loss(logits, targets)) * len(index)
            right += float(self._right(logits, targets).sum())
        return Judgement(total / count, {"accuracy": right / count}, (-right / count, total / count))

    def _right(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.several:
            return ((logits > 0) == (targets > 0.5)).to(logits.dtype).mean(1)
        return logits.argmax(1) == targets

    def sample(self) -> str:
        return ""


def train_classifier(
    paths: Sequence[str | Path],
    reading: ReadSettings | None = None,
    model: ClassifierSettings | None = None,
    training: ClassifySettings | None = None,
    validation_paths: Sequence[str | Path] = (),
    run: str | Path | None = None,
    report: Report = lambda event: None,
    reservoir: ReservoirSettings | None = None,
) -> Run:
    """Read labelled sequences, train a classifier on them, and leave a run folder.

    Nothing is written before the data has been read and checked. Validation data is `validation_paths`, or a share
    of the sequences drawn from every class.

    Raises:
        DataError: data that cannot be used, with file and line; one class only.
        SettingError: an unknown cell, a value out of range, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.
        MissingExtra: the package that reads this kind of file is not installed.
    """
    reading, reservoir = reading or ReadSettings(), reservoir or ReservoirSettings()
    model, training = reservoir.applied(model or ClassifierSettings(), training or ClassifySettings())
    cell = find(model.cell)

    def task_of(records: Reader, kept_out: Reader | None) -> Task:
        return classification_task(records, cell, model, training, kept_out, reading, reservoir)

    def used(task: Task) -> dict[str, Any]:
        drawn = task.reservoir if isinstance(task, ReservoirTask) else reservoir
        return drawn.used(model, task.settings)

    return train_on_files(
        "classify", paths, validation_paths, reading, training.seed, run, report, task_of, used
    )


def classification_task(
    records: Reader,
    cell: Cell,
    model: ClassifierSettings,
    training: ClassifySettings,
    validation: Reader | None = None,
    reading: ReadSettings | None = None,
    reservoir: ReservoirSettings | None = None,
) -> Task:
    """From records to what can be trained; the weights are drawn from torch's seed, those of a reservoir from that of
    `training`.

    Raises:
        DataError: records that cannot be used, with their place.
        SettingError: options that do not fit together.
    """
    reservoir = reservoir or ReservoirSettings()
    cell = with_leak(cell, reservoir)
    gathered = Gathered.of(records)
    kept_out = Gathered.of(validation) if validation else None
    names = gathered.names()
    trained, held = divided(len(names), kept_out, lambda: split(names, training.validation, training.seed))
    labels = Labels.fitted((names[i] for i in trained), training.several)
    settings = training.chosen(len(trained))
    read = fitted_input(gathered, trained, model, records.kind)
    network = built(read, labels, cell, model, reading or ReadSettings(), records)
    parts = both_parts(partial(examples, network), gathered, trained, held, kept_out)
    objective = Classification(network, *parts, settings)
    task = Task(objective, settings, _prepared(network, objective, settings, records))
    return _regressed(task, objective, reservoir) if reservoir.reservoir else task


def _regressed(task: Task, objective: Classification, reservoir: ReservoirSettings) -> ReservoirTask:
    """The same with fixed weights, and an output that is found by least squares."""
    model = objective.model

    def pieces(part: Examples) -> Iterator[Piece]:
        index = in_order(len(part.sequences), VALIDATED_AT_ONCE)
        return classifier_pieces(model, map(part.batch, index))

    validation = objective.validation
    reservoir.check_validated(validation is not None)
    return ReservoirTask(
        objective,
        task.settings,
        task.prepared,
        drawn(model, reservoir, task.settings.seed),
        lambda: pieces(objective.training),
        None if validation is None else lambda: pieces(validation),
        int(objective.training.sequences.lengths.sum()),
    )


def fitted_input(
    gathered: Gathered, index: NDArray[np.int64], settings: ClassifierSettings, kind: str
) -> Input:
    """How the sequences become numbers, from those that are trained on."""
    values = (gathered.value(int(i)) for i in index)
    if gathered.kind is np.ndarray:
        of_text = ("unit", "ngram", "lower", "minimum_count", *(["unknown"] if settings.unknown else []))
        settings.refuse(of_text, f"is for text, and the data is {kind}")
        pictures = gathered.raw.values.ndim == 4
        return PictureInput.fitted(values) if pictures else FrameInput.fitted(values)  # type: ignore[arg-type]
    unit = settings.unit or _usual_unit(gathered, kind)
    return TextInput.fitted(values, unit, settings.lower, settings.minimum_count, settings.ngram)  # type: ignore[arg-type]


def _usual_unit(gathered: Gathered, kind: str) -> str:
    """Words, unless it is DNA, or half of the first texts hold no space."""
    if kind == "dna":
        return "character"
    if gathered.kind is tuple:
        return "word"
    first = [str(gathered.value(i)).strip() for i in range(min(200, len(gathered)))]
    return "character" if sum(" " not in text for text in first) * 2 > len(first) else "word"


def built(
    read: Input,
    labels: Labels,
    cell: Any,
    settings: ClassifierSettings,
    reading: ReadSettings,
    reader: Reader,
) -> Classifier:
    """The model before training."""
    embedding = settings.embedding
    if isinstance(read, TextInput):
        embedding = embedding or _EMBEDDINGS[read.unit]
    elif isinstance(read, PictureInput):
        embedding = embedding or _PICTURE
    return Classifier(
        read,
        labels,
        cell,
        settings.hidden,
        settings.layers,
        settings.bidirectional,
        pooling=settings.pooling,
        embedding_size=embedding,
        dropout=_usual_dropout(read) if settings.dropout is None else settings.dropout,
        unknown=settings.unknown,
        positions=settings.positions,
        reading={**reading.model_dump(exclude_none=True), **reader.facts, "kind": reader.kind},
    )


def _usual_dropout(read: Input) -> float:
    """Words are many and rare; a letter or a frame that is dropped may be the one that counts."""
    return 0.3 if isinstance(read, TextInput) and read.unit == "word" else 0.1


def examples(model: Classifier, gathered: Gathered, index: NDArray[np.int64]) -> Examples:
    """Sequences and targets as numbers.

    Raises:
        DataError: a label that is not among the model's.
    """
    names = gathered.names()
    several = model.labels.separator is not None
    target = model.labels.indicator if several else model.labels.index
    targets = np.array([target(names[i], gathered.places[i]) for i in index])
    sequences = Sequences(model.input.encode(gathered.value(int(i))) for i in index)
    if (sequences.lengths == 0).any():
        place = gathered.places[index[int(sequences.lengths.argmin())]]
        raise DataError(f"{place}: the sequence holds nothing that can be read; remove it, or give it a step")
    return Examples(sequences, torch.from_numpy(targets))


def _balanced(labels: Labels) -> Tensor:
    counts = torch.tensor(labels.counts, dtype=torch.get_default_dtype()).clamp(min=1)
    if labels.separator is not None:
        return (labels.total - counts).clamp(min=1) / counts
    return labels.total / (len(labels) * counts)


def _prepared(
    model: Classifier,
    objective: Classification,
    settings: ClassifySettings,
    reader: Reader,
) -> Prepared:
    recurrent = model.recurrent
    both = ", both directions" if recurrent.bidirectional else ""
    lengths = objective.training.sequences.lengths
    held = 0 if objective.validation is None else len(objective.validation.sequences)
    return Prepared(
        None,
        f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units{both}, {model.options['pooling']} "
        f"over the steps, {model.number_of_parameters:,} parameters, {len(model.labels)} classes",
        f"{counted(len(lengths), 'sequence')} of {extent(lengths, 'step')} to train on, {held:,} to "
        f"validate on",
        planned(settings, objective.batches_per_epoch, f"{settings.batch} sequences each"),
        tuple(reader.notes),
        "data",
        objective.unit,
        "steps",
    )
