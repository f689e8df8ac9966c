"""From text to a trained language model in a run folder: what `unrolled train lm` calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from unrolled.cells import find
from unrolled.data.streams import Stream, encode_documents, split_documents
from unrolled.data.text import Document, Texts, read_texts
from unrolled.data.vocabulary import Ids, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError
from unrolled.inspection.course import Probe
from unrolled.inspection.gradient_flow import gradient_probe
from unrolled.inspection.spectrum import spectrum_probe
from unrolled.layers.growth import is_small, signal_growth
from unrolled.models.language import LanguageModel
from unrolled.training.events import Outcome, Prepared, Report
from unrolled.training.fit import fit
from unrolled.training.objectives import NextSymbol
from unrolled.training.plan import counted, planned
from unrolled.training.run_folder import RunFolder
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

_LISTED = 8
"""Notes name so many skipped files and unseen characters, and count the others."""

_PROBED, _PROBED_LAGS = 1024, 64
"""Probes read so many symbols, and look back so many steps from four places in them."""

_LOOKED_AT = 20
"""Steps over which the start is measured."""

_ROW, _ROWS = 1024, 64
"""Validation runs in rows of at least `_ROW` characters, at most `_ROWS` of them: one row would be slow."""


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
    """Read text, train a character language model on it, and leave a run folder.

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
    data, model, training = data or DataSettings(), model or ModelSettings(), training or FitSettings()
    cell = find(model.cell)
    texts = read_texts(paths)
    split = Split.of(texts.documents, data)
    _check_length(len(split.training), training)
    network = _first_model(split.vocabulary, cell, model, training.seed)
    objective = NextSymbol(
        network,
        split.training_stream(training.batch),
        split.validation_stream,
        training.steps,
        training.seed,
    )
    folder = RunFolder("lm", run)
    folder.write_config(_config(paths, data, model, training))
    report(_prepared(folder.path, network, texts, split, objective, training))
    probes = _probes(network, split.validation, training)
    return Run(folder.path, fit(objective, training, folder, report, probes))


@dataclass(frozen=True)
class Split:
    """The text as symbols: what is trained on, and what is kept out and never shapes the vocabulary."""

    vocabulary: Vocabulary
    training: Ids
    validation: Ids
    unseen: str

    @classmethod
    def of(cls, documents: Sequence[Document], settings: DataSettings) -> Split:
        training, validation = split_documents(documents, settings.validation)
        if not training or not validation:
            part = "validation" if training else "training"
            raise DataError(f"the text is too short: no character is left for {part}; use more text")
        vocabulary = Vocabulary.from_text((document.text for document in training), settings.minimum_count)
        return cls(
            vocabulary,
            encode_documents(training, vocabulary),
            encode_documents(validation, vocabulary),
            vocabulary.unseen("".join(document.text for document in validation)),
        )

    def training_stream(self, rows: int) -> Stream:
        return Stream(self.training, rows, self._breaks)

    @property
    def validation_stream(self) -> Stream:
        return Stream(self.validation, min(_ROWS, max(1, len(self.validation) // _ROW)), self._breaks)

    @property
    def _breaks(self) -> tuple[int, ...]:
        """A row begins with a line, else with a word."""
        known = [symbol for symbol in "\n " if not self.vocabulary.unseen(symbol)]
        return tuple(self.vocabulary.encode("".join(known)).tolist())


def _first_model(vocabulary: Vocabulary, cell: Cell, settings: ModelSettings, seed: int) -> LanguageModel:
    """The model before training, the same for the same seed; the caller's random numbers do not move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return LanguageModel(
                vocabulary,
                cell,
                settings.hidden,
                settings.layers,
                settings.embedding,
                initialise=settings.initialise,
            )
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise SettingError(
                f"a model with --hidden {settings.hidden} does not fit into memory; use a smaller --hidden"
            ) from error


def _probes(model: LanguageModel, validation: Ids, settings: FitSettings) -> tuple[Probe, ...]:
    """What looks inside while it trains, on the beginning of the text kept out."""
    if settings.probe is None:
        return ()
    text = torch.from_numpy(validation[:_PROBED])
    lags = min(_PROBED_LAGS, len(text))
    return gradient_probe(model, text, every=settings.probe, lags=lags), spectrum_probe(model, settings.probe)


def _check_length(characters: int, settings: FitSettings) -> None:
    needed = settings.steps * settings.batch
    if characters >= needed:
        return
    steps = max(1, min(settings.steps, characters // 8))
    batch = max(1, min(settings.batch, characters // (4 * steps)))
    raise DataError(
        f"the text has {characters} characters to train on, less than one window of --steps {settings.steps} x "
        f"--batch {settings.batch} = {needed}; use more text, or --steps {steps} --batch {batch}"
    )


def _config(
    paths: Sequence[str | Path], data: DataSettings, model: ModelSettings, training: FitSettings
) -> dict[str, object]:
    return {
        "task": "lm",
        "paths": [os.fsencode(path).decode("utf-8", "replace") for path in paths],
        "data": data.model_dump(exclude_none=True),
        "model": model.model_dump(exclude_none=True),
        "training": training.model_dump(exclude_none=True),
    }


def _prepared(
    run: Path, model: LanguageModel, texts: Texts, split: Split, objective: NextSymbol, training: FitSettings
) -> Prepared:
    recurrent = model.recurrent
    shape = f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units"
    return Prepared(
        run,
        f"{shape}, {model.number_of_parameters:,} parameters, V = {len(model.vocabulary)} symbols",
        f"{counted(len(texts.documents), 'document')}, {len(split.training):,} characters to train on, "
        f"{len(split.validation):,} to validate on",
        planned(
            training, objective.batches_per_epoch, f"{training.batch} x {training.steps} characters each"
        ),
        (*_notes(texts, split), *_growth(model, split)),
    )


def _growth(model: LanguageModel, split: Split) -> list[str]:
    """How the untrained model passes signals on from step to step, over the first symbols of the text."""
    if not is_small(model.recurrent):  # it would take seconds
        return []
    tokens = torch.from_numpy(split.training[:_LOOKED_AT])[:, None]
    x = tokens if model.embedding is None else model.embedding(tokens).detach()
    return [f"at the start: {signal_growth(model.recurrent, x)}"]


def _notes(texts: Texts, split: Split) -> list[str]:
    notes = []
    if texts.converted:
        notes.append(f"line ends CRLF read as LF in {counted(texts.converted, 'file')}")
    notes += [f"skipped {reason}" for reason in texts.skipped[:_LISTED]]
    if len(texts.skipped) > _LISTED:
        notes.append(f"skipped {counted(len(texts.skipped) - _LISTED, 'more file')}")
    if split.unseen:
        shown = " ".join(repr(symbol) for symbol in split.unseen[:_LISTED])
        more = " ..." if len(split.unseen) > _LISTED else ""
        number = counted(len(split.unseen), "character")
        notes.append(f"not in the vocabulary, read as <unk>: {number} of the validation text, {shown}{more}")
    return notes
