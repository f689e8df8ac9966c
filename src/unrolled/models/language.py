"""The language model: symbol by symbol, the probabilities of the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from unrolled.cells import find
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import State
from unrolled.models.embedding import tied_embedding
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.language_dropouts import NOTHING_DROPPED, Dropouts
from unrolled.models.output import Output


@dataclass(frozen=True)
class Reading:
    """What the recurrent layers made of symbols: `output` (T, B, H), what the output layer reads; `raw`, the same
    before dropout; and the state after the last step."""

    output: Tensor
    raw: Tensor
    state: State


class LanguageModel(Kept):
    """P(next symbol | all before): indices -> one-hot or embedding -> recurrent layers -> linear -> logits.

        h_t = cell(x_t, h_{t-1}),    P(symbol at t+1) = softmax(V h_t + c)

    Without `embedding_size` the input is one-hot, and an index picks a column of the cell's input matrices; a
    dense one-hot is never made. Named sizes of the cell (such as the output of a Jordan network) are
    `hidden_size`.

    `<eos>` is the symbol before a text: where it is read, the state starts anew. So P(text) is the probability of a
    text that begins at its beginning, whatever was read before, in training as in scoring and sampling. With `carry`
    the state goes on behind it: for sentences that follow each other in one text.

    Args:
        vocabulary: the V symbols.
        cell: of the recurrent layers, a `Cell` or the name of one.
        hidden_size: H.
        num_layers: L.
        embedding_size: E of a learned vector for every symbol.
        initialise: how the recurrent layers start, as for `Recurrent`.
        tied: the output layer's weights are the embedding's (Press and Wolf 2017, arXiv:1608.05859).
        projection: P, a linear map H -> P before the output layer; with `tied` it must be E, unless H is.
        adaptive: cutoffs of an adaptive softmax, for large vocabularies in the order of their frequency (Grave et al.
            2017, arXiv:1609.04309).
        carry: whether the state goes on behind `<eos>`.
        dropouts: what is dropped while it trains.

    Raises:
        SettingError: an unknown cell (names the nearest), a cell with static inputs, a size below one, options that
            need an embedding without one.

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
        tied: bool = False,
        projection: int | None = None,
        adaptive: Sequence[int] = (),
        carry: bool = False,
        dropouts: Dropouts = NOTHING_DROPPED,
    ) -> None:
        super().__init__()
        sizes = {"embedding_size": embedding_size, "projection": projection}
        for name, size in {"hidden_size": hidden_size, "num_layers": num_layers, **sizes}.items():
            _check_size(name, size)
        _check_embedding(embedding_size, tied, dropouts)
        self.vocabulary, self.carry, self.dropouts = vocabulary, carry, dropouts
        self.tied, self.projection, self.adaptive = tied, projection, tuple(adaptive)
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "language model")
        self.embedding = None
        if embedding_size is not None:
            make = tied_embedding if tied else nn.Embedding
            self.embedding = make(len(vocabulary), embedding_size)
        self.recurrent = Recurrent(
            self.cell,
            embedding_size or len(vocabulary),
            hidden_size,
            num_layers,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            initialise=initialise,
            regularise=dropouts.regularise(num_layers),
        )
        self.output = self._output_layer()

    def _output_layer(self) -> Output:
        weight = None
        if self.tied and self.embedding is not None:
            weight = self.embedding.get_parameter("weight")
        return Output(
            self.recurrent.output_size,
            len(self.vocabulary),
            projection=self.projection,
            tied=weight,
            adaptive=self.adaptive,
        )

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Indices `(T, B)` and the carried state, to logits `(T, B, V)` and the state after the last step.

        With an adaptive softmax they are logarithms of probabilities.
        """
        reading = self.read(tokens, state)
        return self.output.logits(reading.output), reading.state

    def read(self, tokens: Tensor, state: State | None = None) -> Reading:
        """Indices `(T, B)` and the carried state, to what the output layer reads; no logits are computed."""
        begins = tokens == END
        # Most windows lie inside one text, and resets cost time in every step.
        resets = begins if not self.carry and begins.any() else None
        raw, state = self.recurrent(tokens, state, resets=resets, table=self._table())
        return Reading(self._dropped(raw), raw, state)

    def _table(self) -> Tensor | None:
        """The embedding, some symbols dropped while it trains."""
        if self.embedding is None:
            return None
        weight = self.embedding.weight
        if not self.training or not self.dropouts.embedding:
            return weight
        return weight * dropout(weight.new_ones(len(weight), 1), self.dropouts.embedding)

    def _dropped(self, raw: Tensor) -> Tensor:
        if not self.training or not self.dropouts.output:
            return raw
        return raw * dropout(torch.ones_like(raw[:1]), self.dropouts.output)

    @property
    def settings(self) -> dict[str, Any]:
        """What `__init__` needs besides the vocabulary and the cell to build this model again."""
        return {
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "embedding_size": None if self.embedding is None else self.embedding.embedding_dim,
            "tied": self.tied,
            "projection": self.projection,
            "adaptive": list(self.adaptive),
            "carry": self.carry,
            "dropouts": asdict(self.dropouts),
        }

    @property
    def contents(self) -> dict[str, Any]:
        """The vocabulary, for `vocabulary.json`."""
        return self.vocabulary.to_json()

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        dropouts = Dropouts(**settings.get("dropouts", {}))
        return cls(Vocabulary.from_json(contents), cell, **{**settings, "dropouts": dropouts})

    def step(self, symbol: int, state: State | None) -> tuple[Tensor, State]:
        """One symbol in, the logits `(V,)` of the next one and the new state out."""
        logits, state = self(torch.tensor([[symbol]]), state)
        return logits[0, 0], state


def _check_size(name: str, size: int | None) -> None:
    if size is not None and size < 1:
        raise SettingError(f"{name} must be at least 1, got {size}")


def _check_embedding(size: int | None, tied: bool, dropouts: Dropouts) -> None:
    if size is not None:
        return
    wants = {"tied": tied, "dropouts.embedding": dropouts.embedding, "dropouts.input": dropouts.input}
    for name, value in wants.items():
        if value:
            raise SettingError(
                f"{name} is about the embedding, and the input is one-hot; set embedding_size (--embedding) too"
            )
