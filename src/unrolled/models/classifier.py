"""The classifier: a sequence of any length in, the probabilities of its classes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from unrolled.cells import find
from unrolled.data.inputs import FrameInput, Input, input_from_json
from unrolled.data.labels import Labels
from unrolled.equations import Cell
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.models.front import Places, Symbols, front_of
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.pooling import Pooling


class Classifier(Kept):
    """Many-to-one: sequence -> front -> recurrent layers -> pooling over the steps -> linear -> logits.

        P(class | x) = softmax(V pool(h_1 ... h_T) + c)

    Args:
        input: what is read: an `Input` of `unrolled.data.inputs`, or I for frames of I numbers taken as they are.
        labels: the classes: `Labels`, their names, or C.
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        pooling: "last", "mean", "max" or "attention".
        embedding_size: I of a learned embedding of text (None: one-hot) or of what pictures are turned into.
        dropout: of the embedded symbols, between layers, and of the pooled vector.
        unknown: share of the symbols of a text read as `<unk>` while training.
        positions: so many first steps have a learned vector each, added to what is read there: where the place in the
            sequence counts, as in windows cut out around a site of DNA.

    Example:
        >>> model = Classifier(3, ["no", "yes"], "gru", hidden_size=8, pooling="mean")
        >>> model(torch.zeros(7, 2, 3), lengths=[7, 4]).shape  # (T, B, I) to (B, C)
        torch.Size([2, 2])

    Raises:
        SettingError: an unknown cell, pooling or option.
        ShapeError: rows without steps.
    """

    architecture: ClassVar[str] = "classifier"

    def __init__(
        self,
        input: Input | int,
        labels: Labels | Sequence[str] | int,
        cell: Cell | str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        *,
        pooling: str = "last",
        embedding_size: int | None = None,
        dropout: float = 0.0,
        unknown: float = 0.0,
        positions: int = 0,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.input = FrameInput.of(input) if isinstance(input, int) else input
        self.labels = Labels.of(labels)
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "classifier")
        self.reading = dict(reading or {})
        self.options = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "pooling": pooling,
            "embedding_size": embedding_size,
            "dropout": dropout,
            "unknown": unknown,
            "positions": positions,
        }
        self.front = front_of(self.input, embedding_size, unknown)
        self.places = Places(positions, self.front.size) if positions else None
        self.recurrent = Recurrent(
            self.cell,
            self.front.size,
            hidden_size,
            num_layers,
            bidirectional,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.pooling = Pooling(pooling, self.recurrent.output_size, self.recurrent.directions)
        self.output = nn.Linear(self.recurrent.output_size, len(self.labels))

    def forward(self, x: Ragged | Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """A ragged batch, or (T, B, ...) with the `lengths` (B,) of its rows, to logits (B, C)."""
        batch = x if isinstance(x, Ragged) else Ragged.from_padded(x, lengths)
        values = self.front(batch.values)
        if self.places is not None:
            values = self.places(batch.with_values(values))
        if isinstance(self.front, Symbols) and values.is_floating_point():
            values = self.dropout(values)
        outputs, _ = self.recurrent(batch.with_values(values))
        logits: Tensor = self.output(self.dropout(self.pooling(outputs)))
        return logits

    @torch.no_grad()
    def probabilities(self, x: Ragged | Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """P(class | row), (B, C); with several classes a row, the probability of each by itself."""
        logits = self(x, lengths)
        found: Tensor = logits.sigmoid() if self.labels.separator is not None else logits.softmax(1)
        return found

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options."""
        return dict(self.options)

    @property
    def contents(self) -> dict[str, Any]:
        """The input, the labels, and how files are read."""
        return {"input": self.input.to_json(), "labels": self.labels.to_json(), "reading": self.reading}

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        read, labels = input_from_json(contents["input"]), Labels.from_json(contents["labels"])
        return cls(read, labels, cell, **settings, reading=contents["reading"])
