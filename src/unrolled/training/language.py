"""From text to a trained language model in a run folder: what `unrolled train lm` calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unrolled.cells import find
from unrolled.data.encoded import EncodedText, encode_corpus
from unrolled.data.streams import Stream
from unrolled.data.vocabulary import END, StoredIds, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError
from unrolled.inspection.course import Probe
from unrolled.inspection.gradient_flow import gradient_probe
from unrolled.inspection.spectrum import spectrum_probe
from unrolled.layers.growth import is_small, signal_growth
from unrolled.models.language import LanguageModel
from unrolled.models.language_dropouts import Dropouts
from unrolled.models.ngram import counting_floor, highest_order
from unrolled.training.events import Outcome, Prepared, Report
from unrolled.training.fit import fit
from unrolled.training.objectives import NextSymbol, perplexity
from unrolled.training.plan import counted, planned
from unrolled.training.presets import with_preset
from unrolled.training.run_folder import RunFolder
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

_PROBED, _PROBED_LAGS = 1024, 64
"""Probes read so many symbols, and look back so many steps from four places in them."""

_LOOKED_AT = 20
"""Steps over which the start is measured."""

_ROW, _ROWS = 1024, 64
"""Validation runs in rows of at least `_ROW` symbols, at most `_ROWS` of them: one row would be slow."""

_BY_CODE = ("character", "byte", "event")
"""Units whose symbols do not stand in the order of their frequency."""


@dataclass(frozen=True)
class Run:
    """A run that has ended: its folder and how it went."""

    path: Path
    outcome: Outcome


def train_language_model(
    paths: Sequence[str | Path] = (),
    data: DataSettings | None = None,
    model: ModelSettings | None = None,
    training: FitSettings | None = None,
    run: str | Path | None = None,
    report: Report = lambda event: None,
) -> Run:
    """Read text, train a language model on it, and leave a run folder.

    `paths` are files, folders or `-`; none means the Python language reference inside every CPython. `run` is
    the folder to make, `runs/lm-<date>-<n>` if not given. Nothing is written before the input has been checked.

    Raises:
        DataError: text that cannot be read, or is too short for one window.
        SettingError: an unknown cell, a value out of range, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.

    Example:
        >>> train_language_model(["book.txt"], training=FitSettings(minutes=5))  # doctest: +SKIP
        Run(path=PosixPath('runs/lm-2025-01-31-1'), outcome=Outcome(reason='finished', ...
    """
    training = training or FitSettings()
    data, model, training = (
        with_preset(data or DataSettings(), training.preset),
        with_preset(model or ModelSettings(), training.preset),
        with_preset(training, training.preset),
    )
    training = training.model_copy(update={"learning_rate": training.rate})
    cell = find(model.cell)
    text = encode_corpus(paths, data)
    _check_length(text, training)
    network = _first_model(text.vocabulary, cell, model, data.carried, training.seed)
    objective = NextSymbol(
        network,
        Stream(text.training, training.batch, _breaks(text.vocabulary)),
        validation_stream(text.validation, text.vocabulary),
        training.steps,
        training.seed,
        variable_steps=training.variable_steps,
        ar=training.ar,
        tar=training.tar,
    )
    folder = RunFolder("lm", run)
    folder.write_config(_config(paths, data, model, training))
    report(_prepared(folder.path, network, text, objective, training))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)  # what is dropped is drawn from it
        return Run(folder.path, fit(objective, training, folder, report, _probes(network, text, training)))


def validation_stream(tokens: StoredIds, vocabulary: Vocabulary) -> Stream:
    """The part that is validated on, in rows side by side."""
    return Stream(tokens, min(_ROWS, max(1, len(tokens) // _ROW)), _breaks(vocabulary))


def _breaks(vocabulary: Vocabulary) -> tuple[int, ...]:
    """A row begins with a text, else with a line, else with a word."""
    found = (vocabulary.symbols.index(symbol) for symbol in "\n " if symbol in vocabulary.symbols)
    return (END, *found)


def language_model(
    vocabulary: Vocabulary, cell: Cell, settings: ModelSettings, carry: bool = False
) -> LanguageModel:
    """A model as it is set, its weights drawn from torch's seed.

    Raises:
        SettingError: `adaptive` where symbols are not in the order of their frequency.
    """
    if settings.adaptive is not None and vocabulary.unit in _BY_CODE:
        raise SettingError(
            f"--adaptive groups symbols by how frequent they are, and {vocabulary.unit}s stand in the order of their "
            "codes; leave it out, or use --unit word or bpe"
        )
    return LanguageModel(
        vocabulary,
        cell,
        settings.hidden,
        settings.layers,
        settings.embedding,
        initialise=settings.initialise,
        tied=settings.tied,
        projection=settings.projection,
        adaptive=settings.cutoffs,
        carry=carry,
        dropouts=dropouts_of(settings),
    )


def dropouts_of(settings: ModelSettings) -> Dropouts:
    """What a model drops while it trains."""
    return Dropouts(
        settings.dropout_embedding,
        settings.dropout_input,
        settings.dropout,
        settings.dropout_output,
        settings.dropconnect,
    )


def _first_model(
    vocabulary: Vocabulary, cell: Cell, settings: ModelSettings, carry: bool, seed: int
) -> LanguageModel:
    """The model before training, the same for the same seed; the caller's random numbers do not move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return language_model(vocabulary, cell, settings, carry)
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise SettingError(
                f"a model with --hidden {settings.hidden} does not fit into memory; use a smaller --hidden"
            ) from error


def _probes(model: LanguageModel, text: EncodedText, settings: FitSettings) -> tuple[Probe, ...]:
    """What looks inside while it trains, on the beginning of the text kept out."""
    if settings.probe is None:
        return ()
    read = torch.from_numpy(text.validation[:_PROBED].astype(np.int64))
    lags = min(_PROBED_LAGS, len(read))
    return gradient_probe(model, read, every=settings.probe, lags=lags), spectrum_probe(model, settings.probe)


def _check_length(text: EncodedText, settings: FitSettings) -> None:
    symbols, needed = len(text.training), settings.steps * settings.batch
    if symbols >= needed:
        return
    steps = max(1, min(settings.steps, symbols // 8))
    batch = max(1, min(settings.batch, symbols // (4 * steps)))
    raise DataError(
        f"the text has {counted(symbols, text.vocabulary.unit)} to train on, less than one window of --steps "
        f"{settings.steps} x --batch {settings.batch} = {needed}; use more text, or --steps {steps} --batch {batch}"
    )


def _config(
    paths: Sequence[str | Path], data: DataSettings, model: ModelSettings, training: FitSettings
) -> dict[str, object]:
    return {
        "task": "lm",
        "paths": [os.fsencode(path).decode("utf-8", "replace") for path in paths],
        "data": data.model_dump(mode="json", exclude_none=True),
        "model": model.model_dump(exclude_none=True),
        "training": training.model_dump(exclude_none=True),
    }


def _prepared(
    run: Path, model: LanguageModel, text: EncodedText, objective: NextSymbol, training: FitSettings
) -> Prepared:
    recurrent, unit = model.recurrent, text.vocabulary.unit
    shape = f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units"
    each = f"{training.batch} x {training.steps} {unit}s each"
    return Prepared(
        run,
        f"{shape}, {model.number_of_parameters:,} parameters, V = {len(model.vocabulary):,} symbols",
        _amount(text),
        planned(training, objective.batches_per_epoch, each),
        (*text.notes, *_growth(model, text), _floor(text, objective)),
        unit=objective.unit,
        symbols=f"{unit}s",
    )


def _amount(text: EncodedText) -> str:
    """How much text there is, in characters and in symbols where these are others."""
    training, validation = text.characters
    said = f"{counted(text.documents, 'document')}, {training:,} characters to train on, {validation:,} to validate on"
    if text.vocabulary.unit == "character":
        return said
    return f"{said} ({len(text.training):,} and {counted(len(text.validation), text.vocabulary.unit)})"


def _floor(text: EncodedText, objective: NextSymbol) -> str:
    """What counting reaches on the validation text: a network that is not better has learned little."""
    orders = range(highest_order(text.vocabulary.unit) + 1)
    order, nats = counting_floor(text.training, text.validation, len(text.vocabulary), orders)
    figure = f"{nats * objective.scale:.3f} {objective.unit}"
    if objective.tells_perplexity:
        figure += f", perplexity {perplexity(nats):,.1f}"
    seen = counted(order, text.vocabulary.unit)
    return f"floor: counting what follows the last {seen} (Witten-Bell) reaches {figure}"


def _growth(model: LanguageModel, text: EncodedText) -> list[str]:
    """How the untrained model passes signals on from step to step, over the first symbols of the text."""
    if not is_small(model.recurrent):  # it would take seconds
        return []
    tokens = torch.from_numpy(text.training[:_LOOKED_AT].astype(np.int64))[:, None]
    x = tokens if model.embedding is None else model.embedding(tokens).detach()
    return [f"at the start: {signal_growth(model.recurrent, x)}"]
