"""The learned parameters of one layer in one direction, under the names of the equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn


class Weights(nn.Module):
    """Parameters by name, any name: `half` or `type` would collide with the attributes of a module.

    So they are reached as `weights["half"]`, and appear in `named_parameters()` and `state_dict()` as usual. Torch's
    parametrizations fit: `torch.nn.utils.parametrizations.weight_norm(layer.weights["l0"], "U")`.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = tuple(values)
        for name, value in values.items():
            self._parameters[name] = nn.Parameter(value)

    def __getitem__(self, name: str) -> Tensor:
        parameter = self._parameters.get(name)
        if parameter is None:  # parametrized: its value is computed from others
            value = getattr(self, name)
            assert isinstance(value, Tensor)
            return value
        return parameter

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def items(self) -> dict[str, Tensor]:
        """All parameters by name."""
        return {name: self[name] for name in self}

    def extra_repr(self) -> str:
        """One line: every name with its shape."""
        return ", ".join(f"{name} {tuple(self[name].shape)}" for name in self)
