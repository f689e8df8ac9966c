"""Drawing text from a language model, one symbol after the other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from unrolled.data.vocabulary import END
from unrolled.errors import SettingError
from unrolled.generation.constraint import Constraint
from unrolled.generation.filters import Filters, drawn
from unrolled.generation.rows import advance, begin, writer_behind
from unrolled.layers.state import State
from unrolled.models.language import LanguageModel

_DRAWN_AS_IT_IS = Filters()


def sample(
    model: LanguageModel,
    prompt: str = "",
    length: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_at_end: bool = True,
    *,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    constraint: Constraint | None = None,
) -> Iterator[str]:
    """Text drawn symbol by symbol, each piece given as soon as it is drawn; the prompt is not repeated.

    Reads `<eos>` and the prompt from a zero state, then draws at most `length` symbols. What the model has never
    seen of the prompt is read as `<unk>`; `<unk>` is never drawn. `<eos>` ends the sample, unless `stop_at_end` is
    false: then it is given as the text "<eos>" (or the line end it stands for) and the drawing goes on. The same seed
    gives the same text, that of the first row of `samples`; without a seed every call differs. The filters are those
    of `Filters`; with a `constraint` only what it lets through is drawn, until its match cannot go on.

    Raises:
        SettingError: a filter, the length or the seed outside its range (at the call, not at the first character).
    """
    filters = Filters(temperature, top_k, top_p, min_p, repetition_penalty)
    sampler = Sampler(model, prompt, 1, length, filters, seed, stop_at_end, constraint)
    return (piece for _, piece in sampler.run())


def samples(
    model: LanguageModel,
    prompt: str = "",
    number: int = 1,
    length: int = 200,
    filters: Filters = _DRAWN_AS_IT_IS,
    seed: int | None = None,
    stop_at_end: bool = True,
    constraint: Constraint | None = None,
) -> list[str]:
    """Several texts drawn side by side in one batch; text i is the same whatever `number` is.

    Raises:
        SettingError: a number, length or seed outside its range.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> samples(model, "ho", number=3, seed=1)[:2] == samples(model, "ho", number=2, seed=1)
        True
    """
    sampler = Sampler(model, prompt, number, length, filters, seed, stop_at_end, constraint)
    texts = [""] * number
    for row, piece in sampler.run():
        texts[row] += piece
    return texts


class Sampler:
    """Draws several texts from one prompt, each with random numbers of its own.

    Rows that have ended leave the batch. After `run` is through, `ended[i]` says whether text i came to its end:
    `<eos>`, or with a constraint a match that cannot go on; else the length ran out first. `symbols[i]` holds what
    was drawn, without that `<eos>`.

    Raises:
        SettingError: a number, length or seed outside its range; a constraint without `stop_at_end`.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompt: str = "",
        number: int = 1,
        length: int = 200,
        filters: Filters = _DRAWN_AS_IT_IS,
        seed: int | None = None,
        stop_at_end: bool = True,
        constraint: Constraint | None = None,
    ) -> None:
        check_length(length)
        if number < 1:
            raise SettingError(f"the number of samples must be at least 1, got {number}")
        if seed is not None and not 0 <= seed < 2**63:
            raise SettingError(f"the seed must be from 0 to 2^63 - 1, got {seed}")
        if constraint is not None and not stop_at_end:
            raise SettingError("a constrained text ends with its match; drawing cannot go on past the end")
        self.model, self.length, self.filters = model, length, filters
        self.stop_at_end, self.constraint = stop_at_end, constraint
        self.prompt: list[int] = model.vocabulary.encode(prompt).tolist()
        self.symbols: list[list[int]] = [[] for _ in range(number)]
        self.ended = [False] * number
        seed = secrets.randbelow(2**63) if seed is None else seed
        self._random = [np.random.default_rng([seed, row]) for row in range(number)]
        self._writers = [writer_behind(model, self.prompt) for _ in range(number)]
        if constraint is not None:
            self._writers = [constraint.writer(bool(self.prompt)) for _ in range(number)]
            self._states = [constraint.start] * number

    def run(self) -> Iterator[tuple[int, str]]:
        """Pieces of text as they are drawn, each with the number of its row."""
        rows = list(range(len(self.symbols)))
        if self._is_complete(0):  # all rows begin alike
            self.ended, rows = [True] * len(rows), []
        logits, state = begin(self.model, self.prompt)
        logits, state = logits.expand(len(rows), -1), state.rows([0] * len(rows))
        for step in range(self.length if rows else 0):
            for row, symbol in zip(rows, self._draw(logits, rows), strict=True):
                piece = self._write(row, symbol)
                if piece:
                    yield row, piece
            kept = [place for place, row in enumerate(rows) if not self.ended[row]]
            rows, state = self._remaining(rows, state, kept)
            if not rows or step == self.length - 1:
                break
            logits, state = advance(self.model, [self.symbols[row][-1] for row in rows], state, rows)
        for row in rows:
            yield from ((row, piece) for piece in [self._writers[row].end()] if piece)

    def _draw(self, logits: Tensor, rows: list[int]) -> list[int]:
        recent = allowed = None
        if self.filters.repetition_penalty != 1:
            recent = self._recent(rows)
        if self.constraint is not None:
            allowed = torch.stack([self.constraint.mask(self._states[row]) for row in rows])
            if not allowed.any(1).all():
                raise self.constraint.dead_end()
        uniform = torch.tensor([self._random[row].random() for row in rows], dtype=torch.float64)
        symbols: list[int] = drawn(self.filters.probabilities(logits, recent, allowed), uniform).tolist()
        return symbols

    def _recent(self, rows: list[int]) -> Tensor:
        """The last symbols of each row, (B, W), filled up with `<eos>`, which is not counted."""
        width = self.filters.repetition_window
        last = [[*self.prompt[-width:], *self.symbols[row][-width:]][-width:] for row in rows]
        longest = max(map(len, last))
        return torch.tensor([one + [END] * (longest - len(one)) for one in last], dtype=torch.long)

    def _write(self, row: int, symbol: int) -> str:
        """What a symbol adds to its text."""
        writer = self._writers[row]
        if symbol == END and self.stop_at_end:
            self.ended[row] = True
            return writer.end()
        self.symbols[row].append(symbol)
        piece = writer.write(symbol)
        if self.constraint is not None:
            self._states[row] = self.constraint.advance(self._states[row], symbol)
            if self._is_complete(row):
                self.ended[row] = True
                piece += writer.end()
        return piece

    def _is_complete(self, row: int) -> bool:
        return self.constraint is not None and self.constraint.complete(self._states[row])

    def _remaining(self, rows: list[int], state: State, kept: list[int]) -> tuple[list[int], State]:
        if len(kept) == len(rows):
            return rows, state
        return [rows[place] for place in kept], state.rows(kept)


def check_length(length: int) -> None:
    """Refuse a negative length (SettingError)."""
    if length < 0:
        raise SettingError(f"the length of a sample must be 0 or more, got {length}")
