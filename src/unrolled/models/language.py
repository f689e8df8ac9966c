"""The language model: symbol by symbol, the probabilities of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from unrolled.cells import find
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import State
from unrolled.models.kept import Kept, check_no_statics


class LanguageModel(Kept):
    """P(next symbol | all before): indices -> one-hot or embedding -> recurrent layers -> linear -> logits.

        h_t = cell(x_t, h_{t-1}),    P(symbol at t+1) = softmax(V h_t + c)

    Without `embedding_size` the input is one-hot, and an index picks a column of the cell's input matrices; a
    dense one-hot is never made. Named sizes of the cell (such as the output of a Jordan network) are
    `hidden_size`. `initialise` says how the recurrent layers start, as for `Recurrent`.

    `<eos>` is the symbol before a text: where it is read, the state starts anew. So P(text) is the probability of a
    text that begins at its beginning, whatever was read before, in training as in scoring and sampling.

    Raises:
        SettingError: an unknown cell (names the nearest), a cell with static inputs, a size below one.

    Example:
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> logits, state = model(torch.tensor([[1], [3]]))  # (T, B) = (2, 1)
        >>> tuple(logits.shape)
        (2, 1, 6)

    Paper: Mikolov et al. 2010, Recurrent neural network based language model.
    """

    architecture: ClassVar[str] = "language"

    def __init__(
        self,
        vocabulary: Vocabulary,
        cell: Cell | str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        embedding_size: int | None = None,
        *,
        initialise: str = "roles",
    ) -> None:
        super().__init__()
        for name, size in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            _check_size(name, size)
        self.vocabulary = vocabulary
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "language model")
        self.embedding = None
        if embedding_size is not None:
            _check_size("embedding_size", embedding_size)
            self.embedding = nn.Embedding(len(vocabulary), embedding_size)
        self.recurrent = Recurrent(
            self.cell,
            embedding_size or len(vocabulary),
            hidden_size,
            num_layers,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            initialise=initialise,
        )
        self.output = nn.Linear(self.recurrent.output_size, len(vocabulary))

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Indices `(T, B)` and the carried state, to logits `(T, B, V)` and the state after the last step."""
        inputs = tokens if self.embedding is None else self.embedding(tokens)
        begins = tokens == END
        # Most windows lie inside one text, and resets cost time in every step.
        hidden, state = self.recurrent(inputs, state, resets=begins if begins.any() else None)
        logits: Tensor = self.output(hidden)
        return logits, state

    @property
    def settings(self) -> dict[str, Any]:
        """What `__init__` needs besides the vocabulary and the cell to build this model again."""
        return {
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "embedding_size": None if self.embedding is None else self.embedding.embedding_dim,
        }

    @property
    def contents(self) -> dict[str, Any]:
        """The vocabulary, for `vocabulary.json`."""
        return self.vocabulary.to_json()

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        return cls(Vocabulary.from_json(contents), cell, **settings)

    def step(self, symbol: int, state: State | None) -> tuple[Tensor, State]:
        """One symbol in, the logits `(V,)` of the next one and the new state out."""
        logits, state = self(torch.tensor([[symbol]]), state)
        return logits[0, 0], state


def _check_size(name: str, size: int) -> None:
    if size < 1:
        raise SettingError(f"{name} must be at least 1, got {size}")
