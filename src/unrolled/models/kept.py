"""What every model is that can be kept in a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from torch import nn

from unrolled.equations import Cell
from unrolled.errors import SettingError


class Kept(nn.Module, ABC):
    """An nn.Module that says what it is made of, in numbers, names and equations: everything but its weights.

    `type(model).restored(model.contents, model.cell, model.settings)` has the structure of `model`, and its
    `state_dict` fills it.
    """

    architecture: ClassVar[str]
    """The name it goes by in `model.json`."""
    cell: Cell

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Sizes and options, as they go into `model.json`."""

    @property
    @abstractmethod
    def contents(self) -> dict[str, Any]:
        """What its numbers stand for (vocabulary, labels, scaling), as it goes into `vocabulary.json`."""

    @classmethod
    @abstractmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""

    @property
    def number_of_parameters(self) -> int:
        """P, all learned numbers together."""
        return sum(parameter.numel() for parameter in self.parameters())


def check_no_statics(cell: Cell, model: str) -> None:
    """Refuse a cell with static inputs for a model that has nothing to give them."""
    if cell.signature.statics:
        raise SettingError(
            f"{cell.name} has the static input {cell.signature.statics[0]}, which a {model} does not give; use a cell "
            "without static inputs"
        )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation, without dropout; afterwards as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
