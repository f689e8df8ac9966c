"""The music model: frame by frame, the probability of every key in the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from unrolled.cells import find
from unrolled.data.piano_roll import HIGHEST, KEYS, LOW
from unrolled.data.usual_keys import UsualKeys
from unrolled.equations import Cell
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.regularise import Regularise
from unrolled.layers.state import State
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.language_dropouts import NOTHING_DROPPED, Dropouts

Batch = TypeVar("Batch", Tensor, Ragged)


class MusicModel(Kept):
    """P(next frame | all frames before), every key by itself: frame of 0 and 1 -> recurrent layers -> linear -> logits.

        h_t = cell(x_t, h_{t-1}),    P(key k sounds at t+1) = sigmoid(V h_t + c)_k
        P(frame at t+1) = product over k of P(key k)

    Given what was before, keys are independent: what sounds together is learned as far as h_t tells it. The first
    frame of a piece is predicted from a frame without a note.

    Args:
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers: of the recurrent layers.
        low, keys: the lowest key as a MIDI note, and how many K there are.
        embedding_size: I, a linear map of the frame before the recurrent layers (None: the frame itself).
        initialise: how the recurrent layers start, as for `Recurrent`.
        dropouts: what is dropped while it trains; of the frames read, of what passes between layers and of what the
            output layer reads the same units at all steps, and entries of recurrent matrices.
        recurrent_dropout: share dropped of the states that recurrent matrices read, the same units at all steps.
        grid: frames in a quarter note, for writing.
        usual: what is usual in the training files, to judge the model by; nothing was counted unless given.
        reading: how the training files were read.

    Example:
        >>> model = MusicModel("gru", hidden_size=8)
        >>> logits, state = model(torch.zeros(5, 2, 88))  # (T, B, K)
        >>> tuple(logits.shape)
        (5, 2, 88)

    Raises:
        SettingError: an unknown cell, a cell with static inputs, a size below one, keys outside 0 to 127.

    Paper: Boulanger-Lewandowski et al. 2012, Modeling temporal dependencies in high-dimensional sequences,
    arXiv:1206.6392 (there the RNN of Table 1).
    """

    architecture: ClassVar[str] = "music"

    def __init__(
        self,
        cell: Cell | str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        *,
        low: int = LOW,
        keys: int = KEYS,
        embedding_size: int | None = None,
        initialise: str = "roles",
        dropouts: Dropouts = NOTHING_DROPPED,
        recurrent_dropout: float = 0.0,
        grid: int = 1,
        usual: UsualKeys | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "music model")
        sizes = {"hidden_size": hidden_size, "num_layers": num_layers, "keys": keys, "grid": grid}
        for name, size in {**sizes, "embedding_size": embedding_size}.items():
            if size is not None and size < 1:
                raise SettingError(f"{name} must be at least 1, got {size}; correct it")
        if low < 0 or low + keys - 1 > HIGHEST:
            raise SettingError(
                f"keys must lie within 0 to {HIGHEST}, got {low} to {low + keys - 1}; correct them"
            )
        self.low, self.keys, self.grid = low, keys, grid
        self.dropouts, self.recurrent_dropout = dropouts, recurrent_dropout
        self.usual = usual or UsualKeys(np.zeros((2, keys, 2), np.int64))
        self.reading = dict(reading or {})
        self.embedding = None if embedding_size is None else nn.Linear(keys, embedding_size, bias=False)
        self.recurrent = Recurrent(
            self.cell,
            embedding_size or keys,
            hidden_size,
            num_layers,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            initialise=initialise,
            regularise=self._regularise(num_layers),
        )
        self.output = nn.Linear(self.recurrent.output_size, keys)

    def _regularise(self, layers: int) -> Regularise | None:
        given = self.dropouts
        if given.embedding:
            raise SettingError("dropouts.embedding is of symbols, and frames are none; use dropouts.input")
        if not self.recurrent_dropout and given == NOTHING_DROPPED:
            return None
        return Regularise(
            input=(given.input, *(given.between for _ in range(layers - 1))),
            recurrent=self.recurrent_dropout,
            output=given.output,
            connections=given.connections,
        )

    def forward(self, frames: Batch, state: State | None = None) -> tuple[Batch, State]:
        """The frames read, and the logits of the frame that follows each.

        Args:
            frames: 0 and 1, (T, B, K), or ragged with values (N, K).
            state: what an earlier call returned.

        Returns:
            Logits of the same shape, and the `State` after the last frame of every row.
        """
        values = frames.values if isinstance(frames, Ragged) else frames
        if values.shape[-1] != self.keys:
            raise ShapeError(
                f"frames must be (T, B, {self.keys}) or ragged (N, {self.keys}), got {tuple(values.shape)}; give "
                "every key of the model"
            )
        x = values.to(self.output.weight.dtype)
        x = x if self.embedding is None else self.embedding(x)
        if isinstance(frames, Ragged):
            hidden, end = self.recurrent(frames.with_values(x), state)
            return hidden.with_values(self.output(hidden.values)), end
        hidden, end = self.recurrent(x, state)
        return self.output(hidden), end

    @torch.no_grad()
    def start_from_usual(self) -> None:
        """Before training: every key is as probable as it is usual, whatever was before: c_k = log P_k / (1 - P_k).

        Most keys hardly ever sound. From even chances, learning that is most of what a network does at first.
        """
        mean = torch.from_numpy(self.usual.mean)
        self.output.bias.copy_((mean / (1 - mean)).log())

    def frame_losses(self, frames: Ragged) -> Tensor:
        """-log P(frame | all before it in its row) of every frame, in nats, (N,); values (N, K), whole pieces.

        Example:
            >>> model = MusicModel(hidden_size=2)
            >>> for parameter in model.parameters():
            ...     _ = parameter.data.zero_()
            >>> model.frame_losses(Ragged(torch.zeros(3, 88), [3]))[0].item() / 88  # log 2 for every key
            0.69314...
        """
        logits, _ = self(before(frames))
        return key_losses(logits.values, frames.values).sum(-1)

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options."""
        return {
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "embedding_size": None if self.embedding is None else self.embedding.out_features,
            "dropouts": asdict(self.dropouts),
            "recurrent_dropout": self.recurrent_dropout,
        }

    @property
    def contents(self) -> dict[str, Any]:
        """The keys, the grid, what is usual, and how files are read."""
        return {
            "low": self.low,
            "keys": self.keys,
            "grid": self.grid,
            "usual": self.usual.to_json(),
            "reading": self.reading,
        }

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        dropouts, usual = Dropouts(**settings["dropouts"]), UsualKeys.from_json(contents["usual"])
        return cls(cell, **{**settings, **contents, "dropouts": dropouts, "usual": usual})


def before(frames: Ragged) -> Ragged:
    """What is read to predict each frame: the one before it, and before the first of every row a frame without a note.

    Example:
        >>> before(Ragged(torch.tensor([[1], [2], [3]]), [2, 1])).values.flatten().tolist()
        [0, 1, 0]
    """
    values = frames.values.roll(1, 0)
    values[first_frames(frames)] = 0
    return frames.with_values(values)


def first_frames(frames: Ragged) -> Tensor:
    """Where the rows begin in the values, (R,) of the R rows that have a frame."""
    lengths = torch.as_tensor(frames.lengths)
    return (lengths.cumsum(0) - lengths)[lengths > 0]


def key_losses(logits: Tensor, frames: Tensor) -> Tensor:
    """-log P of every key of every frame, in nats: (..., K) to (..., K)."""
    return binary_cross_entropy_with_logits(logits, frames.to(logits.dtype), reduction="none")
