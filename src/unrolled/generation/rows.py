"""Several texts going on from one prompt, side by side in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, Writer
from unrolled.layers.state import State
from unrolled.models.kept import evaluating
from unrolled.models.language import LanguageModel

_BLOCK = 8
_REMEMBERED = 256
"""What a writer may need of the prompt: whether a blank belongs before the next word, half a character."""


@torch.no_grad()
def begin(model: LanguageModel, prompt: Sequence[int]) -> tuple[Tensor, State]:
    """Read `<eos>` and the prompt, once: the logits (1, V) of what follows, and the state."""
    with evaluating(model):
        reading = model.read(torch.tensor([END, *prompt])[:, None])
    return _logits(model, reading.output[-1], [0]), reading.state


@torch.no_grad()
def advance(
    model: LanguageModel, symbols: Sequence[int], state: State, names: Sequence[int]
) -> tuple[Tensor, State]:
    """One symbol for every row: the logits (B, V) of the next ones.

    A row that goes by the same name (a whole number) gets the same bits, whatever other rows there are.
    """
    with evaluating(model):
        reading = model.read(torch.tensor(symbols)[None], state)
    return _logits(model, reading.output[0], names), reading.state


def _logits(model: LanguageModel, output: Tensor, names: Sequence[int]) -> Tensor:
    """The output layer on (B, H), in blocks of always the same size, every row at a place of its own.

    The engine gives a row the same bits in any batch, but torch's products depend on how many rows there are.
    """
    blocks: dict[int, list[int]] = {}
    for row, name in enumerate(names):
        blocks.setdefault(name // _BLOCK, []).append(row)
    found: list[Tensor] = [output] * len(names)
    for rows in blocks.values():
        places = [names[row] % _BLOCK for row in rows]
        block = output.new_zeros(_BLOCK, output.shape[1])
        block[places] = output[rows]
        logits = model.output.logits(block)
        for row, place in zip(rows, places, strict=True):
            found[row] = logits[place]
    return torch.stack(found)


def writer_behind(model: LanguageModel, prompt: Sequence[int]) -> Writer:
    """A writer that has written the prompt, and goes on from there."""
    writer = model.vocabulary.writer()
    for symbol in prompt[-_REMEMBERED:]:
        writer.write(symbol)
    return writer
