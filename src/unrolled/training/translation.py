"""From pairs of texts to a trained encoder-decoder in a run folder: what `unrolled train translate` calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.cells import find
from unrolled.data.encoded_pairs import EncodedPairs, coverage, fit_pairs, short_enough
from unrolled.data.fitting import Fitted
from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Bad, Pair, Pairs, Usable, by_source, split_pairs
from unrolled.data.sequences import ahead, batches
from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.generation.translation import translate
from unrolled.inspection.translation import mean_nats
from unrolled.inspection.translation_scores import exact_match
from unrolled.layers.ragged import Ragged
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.training.events import Prepared, ReadSoFar, Report
from unrolled.training.language import Run
from unrolled.training.objectives import Judgement
from unrolled.training.plan import counted, extent, planned
from unrolled.training.run_folder import RunFolder
from unrolled.training.task import Task
from unrolled.training.translation_settings import TranslateSettings, TranslatorSettings

Batch = tuple[Ragged, Ragged]

_TRANSLATED, _SHOWN = 64, 3
"""Sources that are translated at a validation, and how many of them are shown."""

_EVERY = 0.5
"""Seconds between two reports while pairs are read."""


class PairTranslation:
    """The cross entropy of every symbol of the target, given the source and the symbols before it.

        loss = -1/M sum_m log P(y_m | source, y_1 ... y_{m-1})

    over the M symbols of a batch, each `<eos>` among them. What is differentiated has label smoothing in it; what is
    reported has not. A validation also translates a few sources, by the likeliest symbol at every step, and says
    which share matches a target exactly.
    """

    scale = 1.0

    def __init__(
        self,
        model: EncoderDecoder,
        training: EncodedPairs,
        validation: EncodedPairs | None,
        looked_at: Sequence[tuple[str, list[str]]],
        settings: TranslateSettings,
    ) -> None:
        assert settings.batch is not None, "chosen() fills what was left open"
        self.model, self.training, self.validation = model, training, validation
        self.looked_at, self.smoothing, self.rows = looked_at, settings.smoothing, settings.batch
        self.unit = f"nats per target {model.target.unit}"
        self.generator = np.random.default_rng(settings.seed)
        self.batches_per_epoch = -(-len(training) // self.rows)
        self.numbers = count(0, _SHOWN)

    def batches(self) -> Iterator[Batch]:
        drawn = batches(self.training.lengths, self.rows, self.generator)
        return ahead(self.training.batch(index) for index in drawn)

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, Any]:
        _, loss, symbols, state = self.penalised(batch, state)
        return loss, symbols, state

    def penalised(self, batch: Batch, state: Any) -> tuple[Tensor, Tensor, int, Any]:
        smoothed, nats, symbols = self.model.loss(*batch, smoothing=self.smoothing)
        return smoothed, torch.tensor(nats), symbols, None

    def pace(self, batch: Batch) -> float:
        return 1.0

    @torch.no_grad()
    def validate(self) -> Judgement | None:
        if self.validation is None:
            return None
        mean = mean_nats(self.model, self.validation)
        sources, references = zip(*self.looked_at, strict=True)
        return Judgement(
            mean, {"exact": exact_match(self.model.target, self._translated(sources), references)}
        )

    def sample(self) -> str:
        start = next(self.numbers) % len(self.looked_at)
        sources = [source for source, _ in self.looked_at[start : start + _SHOWN]]
        found = zip(sources, self._translated(sources), strict=True)
        return " | ".join(f"{source} → {text}" for source, text in found)

    def _translated(self, sources: Sequence[str]) -> list[str]:
        return [found[0].text for found in translate(self.model, sources, width=1)]


def train_translator(
    paths: Sequence[str | Path],
    reading: PairSettings | None = None,
    model: TranslatorSettings | None = None,
    training: TranslateSettings | None = None,
    validation_paths: Sequence[str | Path] = (),
    run: str | Path | None = None,
    report: Report = lambda event: None,
) -> Run:
    """Read pairs of texts, train an encoder-decoder on them, and leave a run folder.

    Nothing is written before the data has been read and checked. Validation data is `validation_paths`, or a share
    of the sources, each with all its targets.

    Raises:
        DataError: pairs that cannot be used, with file and line, unless they are left out.
        SettingError: an unknown cell, a value out of range, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.
        MissingExtra: byte pairs without the package tokenizers.
    """
    reading, model = reading or PairSettings(), model or TranslatorSettings()
    training = training or TranslateSettings()
    cell = find(model.cell)
    pairs = Pairs(paths, reading)
    kept_out = Pairs(validation_paths, reading) if validation_paths else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        task = translation_task(
            _reported(pairs, report),
            cell,
            model,
            training,
            None if kept_out is None else _reported(kept_out, report),
            reading,
            lambda: [*pairs.notes, *([] if kept_out is None else kept_out.notes)],
        )
        folder = RunFolder("translate", run)
        folder.write_config(
            {
                "task": "translate",
                "paths": [str(path) for path in paths],
                "validation_paths": [str(path) for path in validation_paths],
                "reading": reading.model_dump(exclude_none=True),
                "model": model.model_dump(exclude_none=True),
                "training": task.settings.model_dump(exclude_none=True),
            }
        )
        return Run(folder.path, task.train(folder, report))


def _reported(pairs: Iterable[Pair | Bad], report: Report) -> Iterator[Pair | Bad]:
    """The same pairs; while they are gone through, a report now and then says how far it has come."""
    begun = said = time.monotonic()
    for number, found in enumerate(pairs, 1):
        now = time.monotonic()
        if now - said > _EVERY:
            said = now
            report(ReadSoFar(number, now - begun, found.place.file))
        yield found


def translation_task(
    pairs: Iterable[Pair | Bad],
    cell: Cell,
    model: TranslatorSettings,
    training: TranslateSettings,
    validation: Iterable[Pair | Bad] | None = None,
    reading: PairSettings | None = None,
    notes: Callable[[], Sequence[str]] = list,
) -> Task:
    """From pairs to what can be trained; the weights are drawn from torch's seed.

    Raises:
        DataError: pairs that cannot be used, with their place, unless they are left out.
        SettingError: options that do not fit together.
    """
    reading = reading or PairSettings()
    usable = Usable(reading.skip_bad)
    found = list(usable(pairs))
    if not found:
        raise DataError("no pair is left to train on; give files with pairs")
    parts = _parts(found, None if validation is None else list(usable(validation)), training)
    kept, source, target = fit_pairs(parts[0], model.units(), reading.longest, usable)
    held = short_enough(parts[1], source.vocabulary, target.vocabulary, reading.longest, usable)
    settings = training.chosen(len(kept))
    network = built(source, target, cell, model, reading)
    encoded = [
        EncodedPairs.of(part, source.vocabulary, target.vocabulary) if part else None for part in (kept, held)
    ]
    assert encoded[0] is not None, "fit_pairs leaves one at least"
    looked_at = list(by_source(held or kept[: 20 * _TRANSLATED]).items())[:_TRANSLATED]
    objective = PairTranslation(network, encoded[0], encoded[1], looked_at, settings)
    said = (*notes(), *usable.notes(), coverage("source", source), coverage("target", target))
    return Task(objective, settings, _prepared(network, objective, settings, said))


def _parts(
    found: Sequence[Pair], kept_out: list[Pair] | None, training: TranslateSettings
) -> tuple[list[Pair], list[Pair]]:
    """What is trained on and what is validated on."""
    if kept_out is not None:
        return list(found), kept_out
    trained, held = split_pairs(found, training.validation, training.seed)
    return [found[i] for i in trained], [found[i] for i in held]


def built(
    source: Fitted, target: Fitted, cell: Cell, settings: TranslatorSettings, reading: PairSettings
) -> EncoderDecoder:
    """The model before training."""
    return EncoderDecoder(
        source.vocabulary,
        target.vocabulary,
        cell,
        settings.hidden,
        settings.layers,
        settings.embedding,
        bidirectional=settings.bidirectional,
        condition=settings.condition,
        attention=settings.attention,
        tied=settings.tied,
        dropout=settings.dropout,
        reading=reading.model_dump(include={"source", "target", "longest"}, exclude_none=True),
    )


def _prepared(
    model: EncoderDecoder, objective: PairTranslation, settings: TranslateSettings, notes: Sequence[str]
) -> Prepared:
    encoder, training = model.encoder, objective.training
    both = ", both directions" if encoder.bidirectional else ""
    condition = {"attention": "attention over the source"}.get(
        model.condition, f"condition {model.condition}"
    )
    held = 0 if objective.validation is None else len(objective.validation)
    shape = f"{model.cell.name}, {encoder.num_layers} x {encoder.hidden_size} units{both}"
    noun = model.target.unit
    return Prepared(
        None,
        f"{shape}, {condition}, {model.number_of_parameters:,} parameters, V = {len(model.source):,} and "
        f"{len(model.target):,}",
        f"{counted(len(training), 'pair')} of {extent(training.sources.lengths, model.source.unit)} and "
        f"{extent(training.targets.lengths - 1, noun)} to train on, {held:,} to validate on",
        planned(settings, objective.batches_per_epoch, f"{settings.batch} pairs each"),
        tuple(notes),
        "data",
        objective.unit,
        f"{noun}s",
    )
