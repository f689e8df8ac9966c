"""What a language model drops while it trains."""

from __future__ import annotations

from dataclasses import dataclass, fields

from unrolled.errors import SettingError
from unrolled.layers.masks import checked_rate
from unrolled.layers.regularise import Regularise


@dataclass(frozen=True)
class Dropouts:
    """Shares from 0 to below 1, each of something else; what is kept is divided by the share that is kept.

    Args:
        embedding: of the words of the embedding, whole vectors, the same in a whole window (Gal and Ghahramani 2016).
        input: of the first layer's input, the same units at all steps.
        between: of what goes from layer to layer, the same units at all steps.
        output: of what the output layer reads, the same units at all steps.
        connections: of the entries of recurrent matrices, one mask a window (DropConnect).

    Paper: Merity et al. 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182.
    """

    embedding: float = 0.0
    input: float = 0.0
    between: float = 0.0
    output: float = 0.0
    connections: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            checked_rate(field.name, getattr(self, field.name))

    def regularise(self, layers: int) -> Regularise | None:
        """What of it happens within the recurrent layers; None if nothing does.

        Raises:
            SettingError: `between` where there is one layer.
        """
        if self.between and layers == 1:
            raise SettingError(
                f"dropouts.between (--dropout) is between layers, and there is one, got {self.between:g}; use 2 "
                "layers, or output (--dropout-output)"
            )
        if not (self.input or self.between or self.connections):
            return None
        rates = (self.input, *(self.between for _ in range(layers - 1)))
        return Regularise(input=rates, connections=self.connections)


NOTHING_DROPPED = Dropouts()
