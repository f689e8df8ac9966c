"""From sequences with a label for each step to a trained tagger: what `unrolled train tag` calls."""

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

from unrolled.cells import find
from unrolled.data.gathered import Gathered, split
from unrolled.data.inputs import FrameInput, Input, PictureInput, TextInput
from unrolled.data.labels import Labels
from unrolled.data.records import Reader
from unrolled.data.sequences import Sequences, in_order
from unrolled.data.settings import ReadSettings
from unrolled.data.usual_tags import UsualTags
from unrolled.data.word_input import WordInput
from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.inspection.entities import EntityCounts, marks_entities
from unrolled.layers.ragged import Ragged
from unrolled.models.crf import follows
from unrolled.models.tagger import Tagger
from unrolled.training.events import Prepared, Report
from unrolled.training.language import Run
from unrolled.training.objectives import Judgement, Unpenalised
from unrolled.training.plan import counted, extent, planned
from unrolled.training.supervised import (
    VALIDATED_AT_ONCE,
    both_parts,
    divided,
    drawn_batches,
    train_on_files,
)
from unrolled.training.tag_settings import TaggerSettings, TagSettings
from unrolled.training.task import Task

_WORDS, _CHARACTERS, _PICTURE = 64, 32, 64
_LETTERS = 24
"""Characters that are read of a word."""


@dataclass(frozen=True)
class TaggedExamples:
    """R encoded sequences, and the numbers of their tags, (T,) each."""

    sequences: Sequences
    tags: Sequences

    def batch(self, index: NDArray[np.int64]) -> tuple[Ragged, Ragged]:
        return self.sequences.rows(index), self.tags.rows(index)


class Tagging(Unpenalised):
    """The negative log-likelihood of the true tags, for each step.

    loss = -1/N sum over rows log P(y_1 ... y_T | x_1 ... x_T)
    """

    unit = "nats per step"
    scale = 1.0

    def __init__(
        self,
        model: Tagger,
        training: TaggedExamples,
        validation: TaggedExamples | None,
        settings: TagSettings,
    ) -> None:
        assert settings.batch is not None, "chosen() fills what was left open"
        self.model, self.training, self.validation = model, training, validation
        self.batch = settings.batch
        self.generator = np.random.default_rng(settings.seed)
        self.batches_per_epoch = -(-len(training.sequences) // self.batch)
        self.bio = marks_entities(model.tags.names)

    def batches(self) -> Iterator[tuple[Ragged, Ragged]]:
        return drawn_batches(self.training.sequences, self.training.batch, self.batch, self.generator)

    def loss(self, batch: tuple[Ragged, Ragged], state: Any) -> tuple[Tensor, int, Any]:
        rows, tags = batch
        return self.model.loss(rows, tags), rows.total, None

    @torch.no_grad()
    def validate(self) -> Judgement | None:
        if self.validation is None:
            return None
        total, right, found = 0.0, 0, EntityCounts()
        for index in in_order(len(self.validation.sequences), VALIDATED_AT_ONCE):
            rows, tags = self.validation.batch(index)
            emissions = self.model(rows)
            best = self.model.best(emissions)
            total += float(self.model.loss_of(emissions, tags.values)) * rows.total
            right += int((best.values == tags.values).sum())
            if self.bio:
                self._count(found, tags, best)
        steps = int(self.validation.sequences.starts[-1])
        score = {"entity F1": found.f1()} if self.bio else {"accuracy": right / steps}
        return Judgement(total / steps, score, (-next(iter(score.values())), total / steps))

    def _count(self, found: EntityCounts, truth: Ragged, predicted: Ragged) -> None:
        names = self.model.tags.names
        for wanted, given in zip(truth, predicted, strict=True):
            found.add([names[i] for i in wanted.tolist()], [names[i] for i in given.tolist()])

    def sample(self) -> str:
        return ""


def train_tagger(
    paths: Sequence[str | Path],
    reading: ReadSettings | None = None,
    model: TaggerSettings | None = None,
    training: TagSettings | None = None,
    validation_paths: Sequence[str | Path] = (),
    run: str | Path | None = None,
    report: Report = lambda event: None,
) -> Run:
    """Read sequences with a label for each step, train a tagger on them, and leave a run folder.

    Nothing is written before the data has been read and checked. Validation data is `validation_paths`, or a share
    of the sequences. The best model by entity F1 is kept where tags are BIO, else the best by accuracy.

    Raises:
        DataError: data that cannot be used, with file and line; one tag only, labels that do not fit the steps.
        SettingError: an unknown cell, a value out of range, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.
        MissingExtra: the package that reads this kind of file is not installed.
    """
    reading, model, training = reading or ReadSettings(), model or TaggerSettings(), training or TagSettings()
    cell = find(model.cell)

    def task_of(records: Reader, kept_out: Reader | None) -> Task:
        return tagging_task(records, cell, model, training, kept_out, reading)

    def used(task: Task) -> dict[str, Any]:
        return {
            "model": model.model_dump(exclude_none=True),
            "training": task.settings.model_dump(exclude_none=True),
        }

    return train_on_files("tag", paths, validation_paths, reading, training.seed, run, report, task_of, used)


def tagging_task(
    records: Reader,
    cell: Cell,
    model: TaggerSettings,
    training: TagSettings,
    validation: Reader | None = None,
    reading: ReadSettings | None = None,
) -> Task:
    """From records to what can be trained; the weights are drawn from torch's seed.

    Raises:
        DataError: records that cannot be used, with their place.
        SettingError: options that do not fit together.
    """
    gathered = Gathered.of(records)
    kept_out = Gathered.of(validation) if validation else None
    tags = step_labels(gathered)
    trained, held = divided(len(tags), kept_out, lambda: _split(tags, training.validation, training.seed))
    settings = training.chosen(len(trained))
    network = _built(gathered, tags, trained, cell, model, reading or ReadSettings(), records)
    parts = both_parts(partial(tagged_examples, network), gathered, trained, held, kept_out)
    objective = Tagging(network, *parts, settings)
    return Task(objective, settings, _prepared(network, objective, settings, records))


def _split(
    tags: list[tuple[str, ...]], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to validate on; a sequence with a tag that no other one to train on has is trained on."""
    trained, held = split([""] * len(tags), share, seed)
    seen = {tag for i in trained for tag in tags[i]}
    rare = []
    for i in held:
        if not seen.issuperset(tags[i]):
            rare.append(i)
            seen.update(tags[i])
    return np.union1d(trained, np.array(rare, np.int64)), np.setdiff1d(held, rare)


def step_labels(gathered: Gathered) -> list[tuple[str, ...]]:
    """The labels where every record has one for each step.

    Raises:
        DataError: a record without labels, or with one for all of it.
    """
    for label, place in zip(gathered.labels, gathered.places, strict=True):
        if not isinstance(label, tuple):
            found = "none" if label is None else "one for all of it"
            raise DataError(
                f"{place}: a sequence must have a label for each step, got {found}; add them, or use "
                "unrolled train classify"
            )
    return [label for label in gathered.labels if isinstance(label, tuple)]


def fitted_input(gathered: Gathered, index: NDArray[np.int64], settings: TaggerSettings) -> Input:
    """How the sequences become numbers, from those that are trained on: words, characters, frames or pictures."""
    values = (gathered.value(int(i)) for i in index)
    if settings.output == "softmax":
        settings.refuse(("constrained",), "is for --output crf")
    if gathered.kind is tuple:
        letters = _LETTERS if settings.spelling else 0
        return WordInput.fitted(values, settings.lower, settings.minimum_count, letters)
    settings.refuse(("lower",), "is for words, and the data holds none")
    if gathered.kind is str:
        return TextInput.fitted(map(str, values), "character", False, settings.minimum_count)
    of_text = ("minimum_count", *(["unknown"] if settings.unknown else []))
    settings.refuse(of_text, "is for text, and the data is numbers")
    pictures = gathered.raw.values.ndim == 4
    return PictureInput.fitted(values) if pictures else FrameInput.fitted(values)  # type: ignore[arg-type]


def _built(
    gathered: Gathered,
    tags: list[tuple[str, ...]],
    index: NDArray[np.int64],
    cell: Cell,
    settings: TaggerSettings,
    reading: ReadSettings,
    reader: Reader,
) -> Tagger:
    """The model before training."""
    read = fitted_input(gathered, index, settings)
    usual_size = {WordInput: _WORDS, TextInput: _CHARACTERS, PictureInput: _PICTURE}
    labels = Labels.fitted(tag for i in index for tag in tags[i])
    return Tagger(
        read,
        labels,
        cell,
        settings.hidden,
        settings.layers,
        settings.bidirectional,
        output=settings.output,
        constrained=settings.constrained and settings.output == "crf" and _regular(tags),
        embedding_size=settings.embedding or usual_size.get(type(read)),
        letter_size=settings.letters,
        spelling_size=max(1, settings.spelling),
        dropout=settings.dropout,
        unknown=settings.unknown,
        usual=UsualTags.fitted((gathered.value(int(i)), tags[i]) for i in index),
        reading={**reading.model_dump(exclude_none=True), **reader.facts, "kind": reader.kind},
    )


def _regular(tags: list[tuple[str, ...]]) -> bool:
    """Whether all rows are BIO, and none does what the scheme forbids: then the model need not either."""
    if not marks_entities({tag for row in tags for tag in row}):
        return False
    return all(follows(a, b) for row in tags for a, b in zip(("O", *row), row, strict=False))


def tagged_examples(model: Tagger, gathered: Gathered, index: NDArray[np.int64]) -> TaggedExamples:
    """Sequences and tags as numbers.

    Raises:
        DataError: a tag that is not among the model's, more or fewer tags than steps.
    """
    tags = step_labels(gathered)

    def numbers(i: int) -> NDArray[np.int64]:
        return np.array([model.tags.index(tag, gathered.places[i]) for tag in tags[i]], np.int64)

    sequences = Sequences(model.input.encode(gathered.value(int(i))) for i in index)
    wanted = Sequences(numbers(int(i)) for i in index)
    for i, steps, given in zip(index, sequences.lengths, wanted.lengths, strict=True):
        if steps != given:
            raise DataError(
                f"{gathered.places[i]}: the sequence must have a label for each of its {steps} steps, got {given}; "
                "correct it"
            )
    return TaggedExamples(sequences, wanted)


def _prepared(model: Tagger, objective: Tagging, settings: TagSettings, reader: Reader) -> Prepared:
    recurrent = model.recurrent
    both = ", both directions" if recurrent.bidirectional else ""
    output = "CRF" if model.crf else "softmax"
    lengths = objective.training.sequences.lengths
    held = 0 if objective.validation is None else len(objective.validation.sequences)
    steps = "words" if isinstance(model.input, WordInput) else "steps"
    return Prepared(
        None,
        f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units{both}, {output}, "
        f"{model.number_of_parameters:,} parameters, {len(model.tags)} tags",
        f"{counted(len(lengths), 'sequence')} of {extent(lengths, steps.removesuffix('s'))} to train on, {held:,} "
        "to validate on",
        planned(settings, objective.batches_per_epoch, f"{settings.batch} sequences each"),
        tuple(reader.notes),
        "data",
        objective.unit,
        steps,
    )
