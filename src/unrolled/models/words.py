"""From words and their characters to one vector a word."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.data.inputs import UNKNOWN
from unrolled.data.word_input import LETTERS, SHAPE, SHAPES, WORD, WordInput
from unrolled.equations import Cell
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.models.front import Symbols
from unrolled.models.pooling import Pooling

_SHAPE_SIZE = 8


class Words(nn.Module):
    """Encoded words (N, 2 + C) to vectors (N, I): an embedding of the word, one of its shape, and its spelling.

    The spelling is read in both directions by a recurrent layer over the characters; the vector holds its last output
    in each. Words that stand several times in a batch are read once.

    Args:
        words: how words were encoded.
        size: of the embedding of words.
        cell: of the layer over the characters.
        letter_size: of the embedding of characters.
        spelling_size: H of the layer over the characters, in each direction.
        unknown: a; while training a word that occurred n times is read as `<unk>` with probability a / (a + n). Its
            spelling and its shape are still seen.
        dropout: of the embeddings of characters.

    Papers: Lample et al. 2016, Neural architectures for named entity recognition; Kiperwasser and Goldberg 2016
    (`unknown`).
    """

    hidden: Tensor

    def __init__(
        self,
        words: WordInput,
        size: int,
        cell: Cell,
        letter_size: int = 32,
        spelling_size: int = 32,
        unknown: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = Symbols(len(words.symbols), size)
        hidden = unknown / (unknown + torch.tensor(words.counts).clamp(min=1))
        self.register_buffer("hidden", hidden, persistent=False)
        self.shapes = Symbols(len(SHAPES), _SHAPE_SIZE)
        self.size = size + _SHAPE_SIZE
        self.spelled = words.characters > 0
        if self.spelled:
            self.letters = Symbols(words.alphabet, letter_size)
            self.dropout = nn.Dropout(dropout)
            sizes = dict.fromkeys(cell.named_sizes, spelling_size)
            self.spelling = Recurrent(cell, letter_size, spelling_size, bidirectional=True, sizes=sizes)
            self.last = Pooling("last", self.spelling.output_size, self.spelling.directions)
            self.size += self.spelling.output_size

    def forward(self, words: Tensor) -> Tensor:
        parts = [self.words(self._seen(words[:, WORD].long())), self.shapes(words[:, SHAPE].long())]
        if self.spelled:
            parts.append(self._spelling(words[:, LETTERS:]))
        return torch.cat(parts, 1)

    def _seen(self, symbols: Tensor) -> Tensor:
        """The symbols, some of them as `<unk>` while training."""
        if not self.training:
            return symbols
        hidden = torch.rand(symbols.shape, device=symbols.device) < self.hidden[symbols]
        return symbols.masked_fill(hidden, UNKNOWN)

    def _spelling(self, characters: Tensor) -> Tensor:
        different, place = characters.unique(dim=0, return_inverse=True)
        there = different > 0
        letters = self.dropout(self.letters(different[there].long()))
        outputs, _ = self.spelling(Ragged(letters, there.sum(1)))
        vectors: Tensor = self.last(outputs)
        return vectors[place]
