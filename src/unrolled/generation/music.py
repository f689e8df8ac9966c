"""Drawing music from a model, frame by frame or event by event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Frames, Piece
from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.errors import DataError, SettingError
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel

_EVENTS_A_FRAME, _EVENTS_MORE = 32, 256
"""A model that hardly ever waits is stopped after so many events for each frame, and some more."""
_MOST = 10_000_000


def draw_music(
    model: MusicModel | LanguageModel,
    length: int = 64,
    temperature: float = 1.0,
    seed: int | None = None,
    number: int = 1,
    prime: Piece | None = None,
) -> list[Piece]:
    """Pieces that a model draws, several at once in a batch; each begins with `prime`.

        P(key sounds) = sigmoid(logit / temperature), every key by itself; 0: those with P > 1/2
        of events: P(event) = softmax(logits / temperature), 0: always the likeliest

    Every piece has random numbers of its own, from the seed and its place: the third piece is the same however many are
    drawn. A model of events may end a piece before its length is reached.

    Args:
        model: a `MusicModel`, or a language model of events.
        length: frames to draw behind the prime.
        temperature: below 1 makes likely notes likelier, above 1 evens chances out.
        seed: the same seed draws the same pieces; None: new ones every time.
        number: how many pieces.
        prime: what they begin with, in the keys and the grid of the model.

    Raises:
        SettingError: a value outside its range, a model that draws no music.
        DataError: a prime with other keys than the model's.
    """
    _check(length, temperature, number, seed)
    generators = _generators(seed, number)
    if isinstance(model, MusicModel):
        drawn = _draw_frames(model.eval(), length, temperature, generators, prime)
    elif isinstance(model.vocabulary, EventVocabulary):
        drawn = _draw_events(model.eval(), model.vocabulary, length, temperature, generators, prime)
    else:
        raise SettingError(f"this model draws {model.vocabulary.unit}s, no music; use unrolled sample")
    return drawn


def _check(length: int, temperature: float, number: int, seed: int | None) -> None:
    if not 0 <= temperature < float("inf"):
        raise SettingError(f"temperature must be 0 (always the likeliest) or more, got {temperature}")
    for name, value, most in (("length", length, _MOST), ("number", number, 100_000)):
        if not 1 <= value <= most:
            raise SettingError(f"{name} must be 1 to {most:,}, got {value:,}; correct it")
    if seed is not None and not 0 <= seed < 2**63:
        raise SettingError(f"the seed must be from 0 to 2^63 - 1, got {seed}")


def _generators(seed: int | None, number: int) -> list[torch.Generator]:
    """One for each piece."""
    rows = np.random.SeedSequence(seed).spawn(number)
    words = [int(row.generate_state(1, np.uint64)[0]) for row in rows]
    return [torch.Generator().manual_seed(word % 2**63) for word in words]


def _check_keys(prime: Piece, low: int, keys: int) -> None:
    if (prime.low, prime.keys) != (low, keys):
        raise DataError(
            f"{prime.name or 'the prime'}: must have the keys of the model, {low} to {low + keys - 1}, got {prime.low} "
            f"to {prime.low + prime.keys - 1}; read it so"
        )


@torch.no_grad()
def _draw_frames(
    model: MusicModel,
    length: int,
    temperature: float,
    generators: Sequence[torch.Generator],
    prime: Piece | None,
) -> list[Piece]:
    given = np.zeros((0, model.keys), bool)
    if prime is not None:
        _check_keys(prime, model.low, model.keys)
        given = prime.frames
    read = np.concatenate([np.zeros((1, model.keys), bool), given])
    logits, state = model(_as_rows(read, len(generators)))
    found = []
    for _ in range(length):
        frames = _drawn(logits[-1], temperature, generators)
        found.append(frames)
        logits, state = model(frames[None], state)
    made = torch.stack(found, 1).numpy().astype(bool)
    return [_joined(prime, given, frames, model.low) for frames in made]


def _as_rows(frames: Frames, rows: int) -> Tensor:
    """(T, K) as the same row B times, (T, B, K)."""
    return torch.from_numpy(frames).float()[:, None].expand(-1, rows, -1).contiguous()


def _drawn(logits: Tensor, temperature: float, generators: Sequence[torch.Generator]) -> Tensor:
    """One frame for each row, (B, K)."""
    if temperature == 0:
        return (logits > 0).to(logits.dtype)
    chances = torch.stack(
        [torch.rand(logits.shape[1], generator=each, dtype=torch.float64) for each in generators]
    )
    return (chances < (logits.double() / temperature).sigmoid()).to(logits.dtype)


def _joined(prime: Piece | None, given: Frames, drawn: Frames, low: int) -> Piece:
    """The prime and what was drawn; a key that goes on sounding across the border is one note."""
    frames = np.concatenate([given, drawn])
    piece = Piece("drawn", frames, low)
    if prime is None:
        return piece
    struck = piece.struck.copy()
    struck[: len(given)] = prime.struck
    return Piece("drawn", frames, low, struck)


@torch.no_grad()
def _draw_events(
    model: LanguageModel,
    vocabulary: EventVocabulary,
    length: int,
    temperature: float,
    generators: Sequence[torch.Generator],
    prime: Piece | None,
) -> list[Piece]:
    """Rows that ended leave the batch."""
    waits = np.array([int(s[4:]) if s.startswith("wait") else 0 for s in vocabulary.symbols])
    given = [] if prime is None else _begun(vocabulary, prime, waits)
    tokens = torch.tensor([END, *given])[:, None].expand(-1, len(generators)).contiguous()
    logits, state = model(tokens)
    found = [list(given) for _ in generators]
    steps = np.full(len(generators), int(waits[given].sum()) if given else 0)
    whole = length + int(steps[0])
    rows = np.arange(len(generators))
    for _ in range(_EVENTS_A_FRAME * length + _EVENTS_MORE):
        symbols = _drawn_symbols(logits[-1], temperature, [generators[row] for row in rows.tolist()])
        for row, symbol in zip(rows.tolist(), symbols, strict=True):
            found[row].append(symbol)
            steps[row] += waits[symbol]
        going = np.flatnonzero((steps[rows] < whole) & (np.array(symbols) != END))
        if not len(going):
            break
        rows = rows[going]
        kept = torch.from_numpy(going)
        logits, state = model(torch.tensor(symbols)[kept][None], state.rows(kept))
    return [_cut(vocabulary.piece(ids, "drawn"), whole) for ids in found]


def _begun(vocabulary: EventVocabulary, prime: Piece, waits: np.ndarray) -> list[int]:
    """The events of a piece that is going on: up to its last step, whatever still sounds there."""
    _check_keys(prime, vocabulary.low, vocabulary.number_of_keys)
    ids = vocabulary.of_piece(prime).tolist()
    places = np.flatnonzero(waits[ids]) if ids else np.zeros(0, np.int64)
    return ids[: int(places[-1]) + 1] if len(places) else []


def _drawn_symbols(logits: Tensor, temperature: float, generators: Sequence[torch.Generator]) -> list[int]:
    logits = logits.double().clone()
    logits[:, UNKNOWN] = -torch.inf
    if temperature == 0:
        return [int(i) for i in logits.argmax(1)]
    shares = torch.softmax(logits / temperature, 1)
    return [
        int(torch.multinomial(share, 1, generator=each))
        for share, each in zip(shares, generators, strict=True)
    ]


def _cut(piece: Piece, length: int) -> Piece:
    return Piece(piece.name, piece.frames[:length], piece.low, piece.struck[:length])


def sounding_notes(piece: Piece) -> Iterator[tuple[int, int, int]]:
    """Every note as MIDI note, first step, and the step behind its last; in order of the steps.

    Example:
        >>> list(sounding_notes(Piece.of([[60], [60, 62], [62]])))
        [(60, 0, 2), (62, 1, 3)]
    """
    nothing = np.zeros((1, piece.keys), bool)
    sounds = np.concatenate([piece.frames, nothing])
    struck = np.concatenate([piece.struck, nothing])
    for step, key in zip(*(each.tolist() for each in np.nonzero(piece.struck)), strict=True):
        # It goes on until it is silent, or struck again.
        ends = ~sounds[step + 1 :, key] | struck[step + 1 :, key]
        yield key + piece.low, step, step + 1 + int(ends.argmax())
