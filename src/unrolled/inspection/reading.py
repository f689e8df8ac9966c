"""How a model reads what it is inspected on: a language model a text, a layer its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.errors import DataError, SettingError
from unrolled.layers.arguments import Arguments, Batch, arrange
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import State
from unrolled.models.kept import evaluating as evaluating
from unrolled.models.language import LanguageModel

Model = LanguageModel | Recurrent
Text = str | Sequence[int] | Tensor
"""What a language model reads: a text, or the indices of its symbols."""


@dataclass(frozen=True)
class Call:
    """A layer and what it is called with: `x` (T, B, I) or (T, B), `resets` (T, B) or None, `static` (B, n)."""

    layer: Recurrent
    x: Tensor
    resets: Tensor | None
    static: Mapping[str, Tensor]
    state: State | None

    @property
    def steps(self) -> int:
        """T"""
        return self.x.shape[0]

    @property
    def rows(self) -> int:
        """B"""
        return self.x.shape[1]


def call_of(
    model: Model,
    data: Text | Tensor,
    state: State | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> Call:
    """What a language model does with a text, or a layer with an input, as a call of a layer in time order."""
    if isinstance(model, LanguageModel):
        if resets is not None or static:
            raise SettingError(
                "a language model sets its own resets; give resets= and static= with a layer only"
            )
        inputs, _ = symbols_of(model, data)
        return _reading(model, inputs[:, None], state)
    if not isinstance(model, Recurrent):
        raise SettingError(
            f"expected a LanguageModel or a Recurrent, got {type(model).__name__}. Give one of these."
        )
    given = Arguments(model._like(), data, None, resets, {}, static or {}, None)  # type: ignore[arg-type]
    batch: Batch = arrange(model, given, state)
    return Call(model, batch.x, batch.resets, batch.static, batch.state)


def _reading(model: LanguageModel, inputs: Tensor, state: State | None = None) -> Call:
    """Symbols (T, B) as a call of the model's layers."""
    begins = inputs == END
    x = inputs if model.embedding is None else model.embedding(inputs).detach()
    return Call(model.recurrent, x, begins if begins.any() and not model.carry else None, {}, state)


def symbols_of(model: LanguageModel, text: Text | Tensor) -> tuple[Tensor, Tensor]:
    """The symbols a model reads, and those it has to predict, one further: both (n,); `<eos>` is read first."""
    if isinstance(text, str):
        targets = torch.from_numpy(np.asarray(model.vocabulary.encode(text)).astype(np.int64))
    else:
        targets = torch.as_tensor(text).long()
    if targets.dim() != 1 or not len(targets):
        raise DataError("a text must have at least one symbol, got none; give a longer text")
    if int(targets.min()) < 0 or int(targets.max()) >= len(model.vocabulary):
        raise DataError(
            f"symbols must lie from 0 to V-1 = {len(model.vocabulary) - 1}, got {int(targets.min())} to "
            f"{int(targets.max())}; encode the text with the model's vocabulary"
        )
    return torch.cat([targets.new_tensor([END]), targets[:-1]]), targets


def characters_of(model: LanguageModel, text: Text | Tensor) -> tuple[str, ...]:
    """Every symbol of a text as a person reads it; what is unknown stays what it was."""
    _, targets = symbols_of(model, text)
    shown = [model.vocabulary.symbols[i] for i in targets.tolist()]
    if isinstance(text, str):
        pieces = model.vocabulary.split(text)
        shown = [p if i == UNKNOWN else s for p, s, i in zip(pieces, shown, targets.tolist(), strict=True)]
    return tuple(shown)


def places_of(model: LanguageModel, text: str) -> NDArray[np.int64]:
    """Where in the text the last character of every symbol stands, (n,); of parts of a character, the one before."""
    places, end = [], 0
    for piece in model.vocabulary.split(text):
        found = text.find(piece, end)
        end = end if found < 0 else found + len(piece)
        places.append(max(0, end - 1))
    return np.array(places, dtype=np.int64)


def surfaces_of(model: LanguageModel, text: str) -> tuple[str, ...]:
    """The text in one piece for each symbol, with the blanks before it; a symbol without a place by its name."""
    found, end = [], 0
    for symbol, place in zip(characters_of(model, text), places_of(model, text).tolist(), strict=True):
        found.append(text[end : place + 1] or symbol)
        end = max(end, place + 1)
    return tuple(found)


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """The model in evaluation, its parameters without gradients; afterwards all as it was."""
    wanted = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    with evaluating(model):
        try:
            for parameter, _ in wanted:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter, requires in wanted:
                parameter.requires_grad_(requires)
