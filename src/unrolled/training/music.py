"""From MIDI files or piano rolls to a trained model of music in a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.cells import find
from unrolled.data.music import Music, read_music
from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.data.sequences import batches
from unrolled.data.streams import Stream
from unrolled.data.text_settings import DataSettings
from unrolled.data.usual_keys import UsualKeys
from unrolled.data.vocabulary import END, Ids
from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.generation.music import draw_music
from unrolled.inspection.music import LATER, as_batch, frame_scores, judged
from unrolled.inspection.piano_roll import as_chords
from unrolled.layers.ragged import Ragged
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel, before, key_losses
from unrolled.training.events import Prepared, Report
from unrolled.training.language import Run, dropouts_of, language_model
from unrolled.training.music_settings import FRAME_DEFAULTS, MusicSettings, frame_course, with_defaults
from unrolled.training.objectives import Judgement, NextSymbol, Unpenalised
from unrolled.training.plan import counted, extent, planned
from unrolled.training.presets import with_preset
from unrolled.training.run_folder import RunFolder
from unrolled.training.settings import FitSettings, ModelSettings
from unrolled.training.task import Task

_SHOWN = 32
"""Frames of the sample that shows how far a model has come."""
_ROW, _ROWS = 512, 16
"""Events are validated in rows of at least `_ROW`, at most `_ROWS` of them."""
_OF_TEXTS = (
    "unit",
    "lower",
    "digits",
    "vocabulary",
    "minimum_count",
    "pretokenized",
    "ends",
    "carry",
    "encoding",
)


@dataclass(frozen=True)
class FrameBatch:
    """A window of frames of some pieces, row by row: those read, and those to be predicted, which are one later.

    Rows that have ended have no frame in it.
    """

    read: Ragged
    targets: Tensor
    begins: bool
    """Whether it is the first window of its pieces."""


class NextFrame(Unpenalised):
    """The frames of pieces, whole or in windows with carried state.

    loss = -1/N sum over the frames of log P(frame | all before it in its piece), first frames too
    """

    unit = "nats per frame"
    scale = 1.0

    def __init__(
        self,
        model: MusicModel,
        training: Sequence[Piece],
        validation: Sequence[Piece],
        settings: FitSettings,
        transpose: int = 0,
    ) -> None:
        self.model, self.training, self.validation = model, training, validation
        self.batch, self.steps, self.transpose = settings.batch, settings.steps, transpose
        self.generator = np.random.default_rng(settings.seed)
        self.seeds = count(settings.seed)
        self.lengths = np.array([len(piece) for piece in training])
        ordered = np.sort(self.lengths)[::-1]
        self.batches_per_epoch = int((-(-ordered[:: self.batch] // self.steps)).sum())

    def batches(self) -> Iterator[FrameBatch]:
        for index in batches(self.lengths, self.batch, self.generator):
            pieces = [moved(self.training[i], self.transpose, self.generator) for i in index.tolist()]
            yield from windows(as_batch(self.model, pieces), self.steps)

    def loss(self, batch: FrameBatch, state: Any) -> tuple[Tensor, int, Any]:
        logits, end = self.model(batch.read, None if batch.begins else state)
        number = len(batch.targets)
        return key_losses(logits.values, batch.targets).sum() / number, number, end

    def validate(self) -> Judgement | None:
        if not self.validation:
            return None
        scores = frame_scores(list(judged(self.model, self.validation)))
        return Judgement(scores.later, {"first frames too": scores.every, "note accuracy": scores.accuracy})

    def sample(self) -> str:
        return as_chords(draw_music(self.model, _SHOWN, seed=next(self.seeds))[0])


class NextEvent(NextSymbol):
    """The next symbol, in events; each epoch moves every piece anew, if pieces are moved at all."""

    def __init__(
        self,
        model: LanguageModel,
        training: Sequence[Piece],
        validation: Sequence[Piece],
        settings: FitSettings,
        transpose: int = 0,
    ) -> None:
        assert isinstance(model.vocabulary, EventVocabulary)
        self.vocabulary, self.pieces, self.rows = model.vocabulary, training, settings.batch
        self.transpose, self.generator = transpose, np.random.default_rng(settings.seed)
        held = events_of(self.vocabulary, validation)
        super().__init__(
            model,
            Stream(events_of(self.vocabulary, training), settings.batch, (END,)),
            Stream(held, min(_ROWS, max(1, len(held) // _ROW)), (END,)),
            settings.steps,
            settings.seed,
            variable_steps=settings.variable_steps,
            ar=settings.ar,
            tar=settings.tar,
        )

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.transpose:
            pieces = [moved(piece, self.transpose, self.generator) for piece in self.pieces]
            self.training = replace(self.training, tokens=events_of(self.vocabulary, pieces))
        return super().batches()

    def sample(self) -> str:
        return as_chords(draw_music(self.model, _SHOWN, seed=next(self.seeds))[0])


def moved(piece: Piece, most: int, generator: np.random.Generator) -> Piece:
    """A piece some semitones higher or lower, at most `most`, every move that the keys allow equally likely."""
    highest, lowest = piece.range_of_moves(most)
    return piece.moved(int(generator.integers(lowest, highest + 1))) if most else piece


def windows(frames: Ragged, steps: int) -> Iterator[FrameBatch]:
    """Pieces in windows of T frames.

    Example:
        >>> [(w.read.lengths.tolist(), w.targets.flatten().tolist()) for w in windows(Ragged(
        ...     torch.tensor([[1], [2], [3], [4]]), [3, 1]), steps=2)]
        [([2, 1], [1, 2, 4]), ([1, 0], [3])]
    """
    read = before(frames)
    lengths = torch.as_tensor(frames.lengths)
    step = torch.cat([torch.arange(length) for length in lengths.tolist()])
    for start in range(0, int(lengths.max()), steps):
        chosen = (step >= start) & (step < start + steps)
        left = (lengths - start).clamp(0, steps)
        yield FrameBatch(Ragged(read.values[chosen], left), frames.values[chosen], start == 0)


def events_of(vocabulary: EventVocabulary, pieces: Sequence[Piece]) -> Ids:
    """One stream of all pieces, `<eos>` behind each."""
    return np.concatenate([part for piece in pieces for part in (vocabulary.of_piece(piece), [END])])


def train_music(
    paths: Sequence[str | Path],
    music: MusicSettings | None = None,
    data: DataSettings | None = None,
    model: ModelSettings | None = None,
    training: FitSettings | None = None,
    run: str | Path | None = None,
    report: Report = lambda event: None,
) -> Run:
    """Read MIDI files or piano rolls, train a model of frames or of events on them, and leave a run folder.

    Where files say which pieces are to validate on, those are; else a share of the pieces is kept out, drawn by the
    seed, or the last share of the only piece. What they call test is not looked at. Of `data` only that share and
    `validate_on` mean something here.

    Raises:
        DataError: music that cannot be used, with its place; too little of it.
        SettingError: options that mean nothing for music, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.
        MissingExtra: MIDI, and mido is not installed.
    """
    music, data = music or MusicSettings(), data or DataSettings()
    model, training = model or ModelSettings(), training or FitSettings()
    data.refuse(_OF_TEXTS, "is for text, and this is music")
    found = read_music(paths, music.grid, music.low, music.keys)
    if data.validate_on is not None:
        apart = read_music([data.validate_on], found.grid, music.low, music.keys)
        found = replace(found, valid=apart.pieces or apart.valid or apart.test)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        found = divided(found, data.validation, training.seed)
        make = frame_task if music.kind == "frames" else event_task
        task = make(found, find(model.cell), music, model, training)
        folder = RunFolder("lm", run)
        folder.write_config(
            {
                "task": "lm",
                "paths": [str(path) for path in paths],
                "music": music.model_dump(exclude_none=True, by_alias=True),
                "data": {"validation": data.validation}
                | ({} if data.validate_on is None else {"validate_on": str(data.validate_on)}),
                "model": model.model_dump(exclude_none=True),
                "training": task.settings.model_dump(exclude_none=True),
            }
        )
        return Run(folder.path, task.train(folder, report))


def divided(music: Music, share: float, seed: int) -> Music:
    """Pieces to train on and to validate on; the files' own division, if they have one.

    Raises:
        DataError: nothing is left for one of them.
    """
    if not music.pieces:
        raise DataError("the files hold no pieces to train on; add a part train")
    if music.valid:
        return music
    if len(music.pieces) == 1:
        return _cut(music, share)
    order = np.random.default_rng(seed).permutation(len(music.pieces)).tolist()
    held = min(len(order) - 1, max(1, round(share * len(order))))
    kept, out = sorted(order[held:]), sorted(order[:held])
    return replace(
        music,
        pieces=tuple(music.pieces[i] for i in kept),
        valid=tuple(music.pieces[i] for i in out),
    )


def _cut(music: Music, share: float) -> Music:
    piece = music.pieces[0]
    border = len(piece) - max(2, round(share * len(piece)))
    if border < 2:
        raise DataError(
            f"{piece.name}: one piece of {counted(len(piece), 'frame')} cannot be trained and validated on; give more"
        )
    first, last = (
        Piece(piece.name, piece.frames[part], piece.low, piece.struck[part] | _begins(piece.frames[part]))
        for part in (slice(border), slice(border, None))
    )
    return replace(music, pieces=(first,), valid=(last,))


def _begins(frames: Any) -> Any:
    """The keys of the first frame, which are struck there for a piece that begins with it."""
    found = np.zeros_like(frames)
    found[:1] = frames[:1]
    return found


def frame_task(
    music: Music, cell: Cell, settings: MusicSettings, model: ModelSettings, training: FitSettings
) -> Task:
    """A model of frames, ready to be trained; the weights are drawn from torch's seed.

    Raises:
        SettingError: options that mean nothing for frames.
    """
    model.refuse(
        ["tied", "projection", "adaptive", "dropout_embedding"], "is about symbols; --as events has them"
    )
    training.refuse(
        ["preset", "probe", "variable_steps", "ar", "tar"], "is about symbols; --as events has them"
    )
    model, training = with_defaults(model, FRAME_DEFAULTS), with_defaults(training, FRAME_DEFAULTS)
    course = frame_course(len(music.pieces))
    if any(limit is not None for limit in (training.updates, training.epochs, training.minutes)):
        del course["epochs"]
    training = with_defaults(training, course)
    network = MusicModel(
        cell,
        model.hidden,
        model.layers,
        low=settings.low,
        keys=settings.keys,
        embedding_size=model.embedding,
        initialise=model.initialise,
        dropouts=dropouts_of(model),
        recurrent_dropout=settings.dropout_recurrent,
        grid=music.grid,
        usual=UsualKeys.counted(music.pieces),
        reading={"grid": music.grid},
    )
    network.start_from_usual()
    objective = NextFrame(network, music.pieces, music.valid, training, settings.transpose)
    floor = np.concatenate([network.usual.markov_losses(piece.frames)[1:] for piece in music.valid]).mean()
    note = f"{LATER} of the validation part, each key by the frame before: {floor:.2f} nats"
    each = f"{counted(training.batch, 'piece')} each"
    return Task(
        objective,
        training,
        _prepared(network, music, planned(training, objective.batches_per_epoch, each), (note,), "frames"),
    )


def event_task(
    music: Music, cell: Cell, settings: MusicSettings, model: ModelSettings, training: FitSettings
) -> Task:
    """A language model of events, ready to be trained; the weights are drawn from torch's seed.

    Raises:
        DataError: fewer events than one window.
    """
    model, training = with_preset(model, training.preset), with_preset(training, training.preset)
    training.refuse(["probe"], "is for texts")
    vocabulary = EventVocabulary.for_keys(settings.low, settings.keys, settings.wait, music.grid)
    network = language_model(vocabulary, cell, model)
    events = len(events_of(vocabulary, music.pieces))
    if events < training.batch * training.steps:
        raise DataError(
            f"the music has {counted(events, 'event')} to train on, less than one window of --steps {training.steps} x "
            f"--batch {training.batch}; give more, or a smaller --batch"
        )
    objective = NextEvent(network, music.pieces, music.valid, training, settings.transpose)
    each = f"{training.batch} x {training.steps} events each"
    note = f"V = {len(vocabulary)} symbols, {events:,} events to train on"
    return Task(
        objective,
        training,
        _prepared(network, music, planned(training, objective.batches_per_epoch, each), (note,), "events"),
    )


def _prepared(
    model: MusicModel | LanguageModel, music: Music, plan: str, notes: Sequence[str], symbols: str
) -> Prepared:
    recurrent = model.recurrent
    lengths = np.array([len(piece) for piece in music.pieces])
    return Prepared(
        None,
        f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units, "
        f"{model.number_of_parameters:,} parameters",
        f"{counted(len(lengths), 'piece')} of {extent(lengths, 'frame')} to train on, {len(music.valid):,} to validate "
        f"on; {counted(music.grid, 'frame')} in a quarter note",
        plan,
        (*music.notes, *notes),
        "music",
        "nats per frame" if symbols == "frames" else "bits per event",
        symbols,
    )
