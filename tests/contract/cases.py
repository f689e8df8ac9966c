"""The cells every engine must run: the catalogue, random cells, and each of them with other parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tests.random_cells import random_cell, renamed
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.layers import Recurrent

RANDOM_CELLS = 12
NAMED_SIZE = 3
ENGINES = ("native", "reference")
# The engine of `layer_of`; tests that take every engine set it by a fixture.
current = {"engine": "reference"}


@dataclass(frozen=True)
class Case:
    """One cell of the contract table."""

    name: str
    cell: Cell

    @property
    def sizes(self) -> dict[str, int]:
        return {name: NAMED_SIZE + i for i, name in enumerate(self.cell.named_sizes)}


def cases() -> list[Case]:
    known = [Case(name, cell) for name, cell in catalogue().items()]
    drawn = [Case(f"random_{seed}", Cell.from_text(random_cell(seed).text)) for seed in range(RANDOM_CELLS)]
    return known + drawn


def renamed_cases() -> list[Case]:
    return [Case(f"{case.name}_renamed", Cell.from_text(renamed(case.cell.text, 7))) for case in cases()]


def layer_of(case: Case, hidden_size: int = 8, input_size: int = 5, **options: object) -> Recurrent:
    """A float64 layer with parameters of the order of one half."""
    torch.manual_seed(1)
    options = {"engine": current["engine"], "dtype": torch.float64, **options}
    layer = Recurrent(case.cell, input_size, hidden_size, sizes=case.sizes, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.6, 0.6)
    return layer


def random_state(layer: Recurrent, rows: int) -> dict[str, torch.Tensor]:
    blank = layer._start_state(rows)
    return {name: 0.5 * torch.randn_like(blank[name]) for name in blank.names}


def random_static(layer: Recurrent, rows: int) -> dict[str, torch.Tensor]:
    sizes = layer.cell.letters(layer.input_size, layer.hidden_size, **layer.sizes)
    return {
        name: torch.randn(rows, sizes[name], dtype=torch.float64) for name in layer.cell.signature.statics
    }


def arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
