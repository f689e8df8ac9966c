"""How layers stand on each other: what the two directions give together, and what passes a layer by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.errors import SettingError, ShapeError

MERGES = ("concat", "sum", "separate")


@dataclass(frozen=True)
class Depth:
    """The connections of a stack of layers.

    `merge`: what the next layer reads of two directions, their concatenation or their sum; "separate" gives the last
    layer's as (T, B, D, n). `residual`: from the second layer on, a layer's output is added to its input. `skip`: the
    output is the concatenation of all layers' outputs.
    """

    merge: str = "concat"
    residual: bool = False
    skip: bool = False

    def __post_init__(self) -> None:
        if self.merge not in MERGES:
            raise SettingError(f"merge must be {', '.join(MERGES)}, got {self.merge!r}. Use one of these.")
        if self.merge == "separate" and self.skip:
            raise SettingError(
                "merge='separate' splits the last layer's output, skip=True gives all. Leave one out."
            )

    @property
    def is_plain(self) -> bool:
        """Whether each layer reads the concatenated output of the one below, and no more."""
        return self == Depth()

    def width(self, size: int, directions: int) -> int:
        """The size of a layer's output, both directions of `size` together."""
        return size if self.merge == "sum" else directions * size

    def check(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Refuse a layer that its input cannot pass by."""
        for layer, (below, above) in enumerate(zip(inputs, outputs, strict=True)):
            if self.residual and layer > 0 and below != above:
                raise ShapeError(
                    f"residual=True adds the input of layer {layer}, of size {below}, to its output, of size {above}. "
                    f"Give all layers one width."
                )

    def joined(self, layer: int, below: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        """The output (..., n) of a layer from those of its directions."""
        if len(outputs) == 1:
            values = outputs[0]
        else:
            values = outputs[0] + outputs[1] if self.merge == "sum" else torch.cat(list(outputs), -1)
        return values + below if self.residual and layer > 0 else values

    def output(self, layers: Sequence[Tensor]) -> Tensor:
        """The output of the stack from those of its layers."""
        return torch.cat(list(layers), -1) if self.skip and len(layers) > 1 else layers[-1]

    def directions(self, output: Tensor, directions: int) -> Tensor:
        """The result (T, B, n) as the caller wishes it."""
        return output.unflatten(-1, (directions, -1)) if self.merge == "separate" else output


def widths(hidden_size: int | Sequence[int], num_layers: int | None) -> list[int]:
    """The hidden size of every layer."""
    if not isinstance(hidden_size, Sequence):
        return [hidden_size] * (1 if num_layers is None else num_layers)
    if not hidden_size or (num_layers is not None and num_layers != len(hidden_size)):
        raise ShapeError(
            f"hidden_size must have one entry for each of the layers, got {list(hidden_size)} and "
            f"num_layers={num_layers}. Leave num_layers out."
        )
    return list(hidden_size)
