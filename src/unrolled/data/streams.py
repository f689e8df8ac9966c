"""Documents as one long stream of symbols, cut into rows and windows for training with carried state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unrolled.data.text import Document
from unrolled.data.vocabulary import END, Ids, Vocabulary
from unrolled.errors import DataError, SettingError

IGNORED = -1
"""The target of a place that holds no symbol; losses leave it out."""


def split_documents(
    documents: Sequence[Document], fraction: float = 0.1
) -> tuple[list[Document], list[Document]]:
    """Training and validation documents: the last `fraction` of all characters is validation.

    A document on the border is cut in two; its first part then has no `<eos>`, for it does not end there.
    """
    if not 0 < fraction < 1:
        raise SettingError(f"the validation share must be between 0 and 1, got {fraction}")
    left = round((1 - fraction) * sum(len(document.text) for document in documents))
    training: list[Document] = []
    validation: list[Document] = []
    for document in documents:
        head, tail = document.text[:left], document.text[left:]
        left -= len(head)
        if head:
            training.append(replace(document, text=head, ends=document.ends and not tail))
        if tail:
            validation.append(replace(document, text=tail))
    return training, validation


def encode_documents(documents: Sequence[Document], vocabulary: Vocabulary) -> Ids:
    """One stream `(N,)`: every character of every document, `<eos>` behind each document that ends."""
    end = np.array([END])
    pieces = [
        piece
        for document in documents
        for piece in (vocabulary.encode(document.text), end[: int(document.ends)])
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


@dataclass(frozen=True)
class Stream:
    """A stream `(N,)` laid out as B rows of neighbouring symbols, the first rows one longer where N asks for it.

    Every symbol is a target exactly once per pass. The first input of every row is `<eos>`, the symbol that
    precedes a text, so that the probability of a first symbol is trained.

    Example:
        >>> stream = Stream(np.array([2, 3, 4, 5, 6]), batch=2)
        >>> for inputs, targets in stream.windows(2):
        ...     print(inputs.tolist(), targets.tolist())
        [[1, 1], [2, 5]] [[2, 5], [3, 6]]
        [[3, 6]] [[4, -1]]
    """

    tokens: Ids
    batch: int

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise SettingError(f"a batch must have at least one row, got {self.batch}")
        if len(self.tokens) < self.batch:
            raise DataError(
                f"a stream of {len(self.tokens)} symbols cannot fill {self.batch} rows; use a smaller batch"
            )

    @property
    def row_length(self) -> int:
        """Symbols in the longest row."""
        return -(-len(self.tokens) // self.batch)

    def number_of_windows(self, steps: int) -> int:
        return -(-self.row_length // steps)

    def windows(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, both `(T, B)`, in order; carry the state from one to the next.

        T is `steps`, less in the last window. A row that is one shorter than the others has the target
        `IGNORED` at the very end.
        """
        if steps < 1:
            raise SettingError(f"a window must have at least one step, got {steps}")
        for start in range(0, self.row_length, steps):
            yield self._window(start, min(start + steps, self.row_length))

    def _window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        shortest, longer = divmod(len(self.tokens), self.batch)
        rows = np.arange(self.batch)
        first = rows * shortest + np.minimum(rows, longer)
        step = np.arange(start, stop)[:, None]
        place = first + step
        targets = self.tokens[np.minimum(place, len(self.tokens) - 1)]
        targets = np.where(step < shortest + (rows < longer), targets, IGNORED)
        inputs = np.where(step == 0, END, self.tokens[place - 1])
        return torch.from_numpy(inputs), torch.from_numpy(targets)
