"""How well a model knows what comes next in music."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.music import Music, read_music
from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.data.settings import ReadSettings
from unrolled.data.usual_keys import shifted
from unrolled.data.vocabulary import END
from unrolled.errors import DataError, FolderError
from unrolled.inspection.evaluation import Evaluation, Grid
from unrolled.layers.ragged import Ragged
from unrolled.models.kept import Kept
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel, before, key_losses

_AT_ONCE, _EVENTS_AT_ONCE = 64, 16
"""Pieces that run together; of events fewer, for each has the probabilities of all."""
_HARDEST = 5

LATER, ALL, ACCURACY = "NLL per frame", "NLL per frame, first ones too", "note accuracy"
Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """One piece with -log P of every frame (T,) in nats, and P of every key (T, K)."""

    piece: Piece
    losses: Losses
    probabilities: NDArray[np.float32]


@torch.no_grad()
def judged(model: MusicModel, pieces: Sequence[Piece]) -> Iterator[Judged]:
    """Every piece from its beginning, in the order given.

    Raises:
        DataError: pieces with other keys than the model's.
    """
    model.eval()
    for start in range(0, len(pieces), _AT_ONCE):
        part = pieces[start : start + _AT_ONCE]
        batch = as_batch(model, part)
        logits, _ = model(before(batch))
        # In double precision, for sums over long pieces.
        losses = key_losses(logits.values.double(), batch.values).sum(-1)
        probabilities = logits.values.sigmoid()
        lengths = [len(piece) for piece in part]
        for piece, loss, share in zip(part, losses.split(lengths), probabilities.split(lengths), strict=True):
            yield Judged(piece, loss.numpy(), share.numpy())


def as_batch(model: MusicModel, pieces: Sequence[Piece]) -> Ragged:
    """The frames of pieces, values (N, K) of 0 and 1.

    Raises:
        DataError: a piece with other keys than the model's.
    """
    for piece in pieces:
        if (piece.low, piece.keys) != (model.low, model.keys):
            raise DataError(
                f"{piece.name or 'a piece'}: its keys are {piece.low} to {piece.low + piece.keys - 1}, the model's "
                f"{model.low} to {model.low + model.keys - 1}; read it with the keys of the model"
            )
    frames = np.concatenate([piece.frames for piece in pieces])
    return Ragged(torch.from_numpy(frames).to(torch.get_default_dtype()), [len(piece) for piece in pieces])


@dataclass(frozen=True)
class FrameScores:
    """Means over the frames of all pieces together, in nats, of -log P(frame | all before it).

        P(frame) = product over the keys,   later = 1/n sum over pieces, sum over t = 2 ... T of -log P(frame t)

    `later` counts as published tables for piano rolls do: -log P is summed over the 88 keys of a frame, and averaged
    over all frames that have one before them, long pieces counting for more; so does the code of arXiv:1803.01271,
    which reads frames 1 to T - 1 and predicts 2 to T. `every` counts first frames too, predicted from silence.
    `accuracy` is that of Bay et al. 2009: notes foretold (P > 1/2) that came, as a share of those foretold or come.
    """

    later: float
    every: float
    accuracy: float
    frames: int
    """That have one before them."""


def frame_scores(found: Sequence[Judged]) -> FrameScores:
    """How well frames were foretold.

    Raises:
        DataError: no piece has two frames.
    """
    count = sum(len(each.losses) - 1 for each in found)
    if not count:
        raise DataError("a score needs a piece of two frames or more; give longer pieces")
    said = [(each.probabilities > 0.5, each.piece.frames) for each in found]
    return FrameScores(*_means([each.losses for each in found]), _accuracy(said), count)


def _means(losses: Sequence[Losses]) -> tuple[float, float]:
    """Over frames that have one before them, and over all."""
    later = np.concatenate([each[1:] for each in losses])
    return float(later.mean()), float(np.concatenate(losses).mean())


def evaluate(model: Kept, paths: Sequence[str | Path], reading: ReadSettings) -> Evaluation:
    """Negative log-likelihood of frames beside that of rules which look at one key and one frame at most.

    Of a language model of events, that of events and, as sums of them, of frames. A file that is split into parts is
    judged by its test part (else its validation part).

    Raises:
        DataError: music that cannot be read, pieces without two frames.
        FolderError: the model is none of music.
        SettingError: options about tables and texts.
    """
    reading.refuse(("text", "label", "encoding", "delimiter"), "is for tables and texts, and this is music")
    if isinstance(model, LanguageModel) and isinstance(model.vocabulary, EventVocabulary):
        return _evaluate_events(model, model.vocabulary, paths)
    if not isinstance(model, MusicModel):
        raise FolderError("this must be a model of music, got another kind; name another run")
    music = read_music(paths, model.reading.get("grid"), model.low, model.keys)
    pieces, notes = _judged_part(music)
    found = list(judged(model, pieces))
    scores = frame_scores(found)
    frames = [piece.frames for piece in pieces]
    markov = [model.usual.markov_losses(each) for each in frames]
    mean = [model.usual.mean_losses(each) for each in frames]
    floor = dict(zip((LATER, ALL), _means(markov), strict=True)) | {
        ACCURACY: _accuracy([(model.usual.foretold(each), each) for each in frames])
    }
    rules: tuple[tuple[str | float, ...], ...] = (
        ("each key by the frame before", *floor.values()),
        (
            "how often each key sounds",
            *_means(mean),
            _accuracy([(np.broadcast_to(model.usual.mean > 0.5, each.shape), each) for each in frames]),
        ),
        ("all stays as it is", "-", "-", _accuracy([(shifted(each), each) for each in frames])),
    )
    return Evaluation(
        "music",
        scores.frames,
        "frames",
        {LATER: scores.later, ALL: scores.every, ACCURACY: scores.accuracy},
        "P(key | the same key in the frame before), counted in training",
        floor,
        (Grid("Rules, nats", ("rule", LATER, ALL, ACCURACY), rules), _hardest(found)),
        notes,
    )


def _judged_part(music: Music) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    for name, part in (("test", music.test), ("validation", music.valid)):
        if part:
            return part, (*music.notes, f"the {name} part of what is split into parts: {len(part):,} pieces")
    return music.pieces, music.notes


def _accuracy(pairs: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> float:
    """Of keys foretold and keys that came (T, K), without the first frames."""
    right = sum(int((foretold & came)[1:].sum()) for foretold, came in pairs)
    either = sum(int((foretold | came)[1:].sum()) for foretold, came in pairs)
    return right / max(1, either)


def _hardest(found: Sequence[Judged]) -> Grid:
    ranked = sorted(
        (each for each in found if len(each.losses) > 1), key=lambda each: -each.losses[1:].mean()
    )
    rows = tuple(
        (each.piece.name, len(each.losses), float(each.losses[1:].mean())) for each in ranked[:_HARDEST]
    )
    return Grid("The least foreseen", ("piece", "frames", LATER), rows)


# --- events ----------------------------------------------------------------------------------------


@torch.no_grad()
def event_losses(model: LanguageModel, pieces: Sequence[Piece]) -> list[Losses]:
    """-log P of every event of every piece and of its `<eos>`, in nats, each piece from its beginning."""
    vocabulary = model.vocabulary
    assert isinstance(vocabulary, EventVocabulary)
    model.eval()
    found: list[Losses] = []
    for start in range(0, len(pieces), _EVENTS_AT_ONCE):
        ids = [vocabulary.of_piece(piece) for piece in pieces[start : start + _EVENTS_AT_ONCE]]
        longest = max(map(len, ids)) + 1
        # END behind the end: it is predicted once, the rest is not counted.
        rows = np.full((longest + 1, len(ids)), END)
        for column, row in enumerate(ids):
            rows[1 : len(row) + 1, column] = row
        tokens = torch.from_numpy(rows)
        logits, _ = model(tokens[:-1])
        logs = logits.double().log_softmax(-1).gather(-1, tokens[1:, :, None])[..., 0]
        found += [-logs[: len(row) + 1, column].numpy() for column, row in enumerate(ids)]
    return found


def _evaluate_events(
    model: LanguageModel, vocabulary: EventVocabulary, paths: Sequence[str | Path]
) -> Evaluation:
    music = read_music(paths, vocabulary.grid, vocabulary.low, vocabulary.number_of_keys)
    pieces, notes = _judged_part(music)
    losses = event_losses(model, pieces)
    together = np.concatenate(losses)
    events, frames = len(together), sum(map(len, pieces))
    return Evaluation(
        "music",
        events,
        "events",
        {
            "nats per event": float(together.mean()),
            "perplexity": float(np.exp(together.mean())),
            "nats per frame": float(together.sum() / frames),
        },
        "every event equally likely",
        {
            "nats per event": float(np.log(len(vocabulary))),
            "perplexity": float(len(vocabulary)),
            "nats per frame": float(np.log(len(vocabulary)) * events / frames),
        },
        (),
        notes,
    )


def predict(
    model: MusicModel, paths: Sequence[str | Path], reading: ReadSettings, probabilities: bool = False
) -> Iterator[dict[str, Any]]:
    """A row for each frame: its notes, those foretold (P > 1/2), and -log P of the frame in nats.

    With `probabilities` also P of every key that sounds or had at least 1 %, as `60:0.97 64:0.83`.
    """
    reading.refuse(("text", "label", "encoding", "delimiter"), "is for tables and texts, and this is music")
    music = read_music(paths, model.reading.get("grid"), model.low, model.keys)
    for each in judged(model, (*music.pieces, *music.valid, *music.test)):
        for step, (notes, share) in enumerate(zip(each.piece.notes(), each.probabilities, strict=True)):
            foretold = (np.flatnonzero(share > 0.5) + model.low).tolist()
            row: dict[str, Any] = {
                "piece": each.piece.name,
                "frame": step + 1,
                "notes": " ".join(map(str, notes)),
                "prediction": " ".join(map(str, foretold)),
                "nats": round(float(each.losses[step]), 6),
            }
            if probabilities:
                likely = sorted({*notes, *(np.flatnonzero(share >= 0.01) + model.low).tolist()})
                row["probabilities"] = " ".join(f"{note}:{share[note - model.low]:.4f}" for note in likely)
            yield row
