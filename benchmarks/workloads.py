"""What is timed: a cell at a size, its weights, its input, and the answer that every competitor must give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unrolled.cells import catalogue, find
from unrolled.errors import SettingError
from unrolled.inspection.speed import matrix_entries, operations
from unrolled.layers import Recurrent

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shape:
    """T steps, B rows, I input size, H hidden size."""

    T: int
    B: int
    I: int
    H: int

    @classmethod
    def read(cls, text: str) -> Shape:
        """`T100B32I64H128`, with or without commas."""
        found = re.fullmatch(r"T(\d+),?B(\d+),?I(\d+),?H(\d+)", text, re.IGNORECASE)
        if found is None or min(map(int, found.groups())) < 1:
            raise SettingError(f"a shape must be written as T100B32I64H128, all at least 1, got {text!r}")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"T{self.T} B{self.B} I{self.I} H{self.H}"


SHAPES = tuple(
    map(
        Shape.read,
        (
            "T100B32I64H128",
            "T100B32I256H256",
            "T200B64I512H512",
            "T100B128I100H1024",
            "T1000B1I64H128",
        ),
    )
)
CELLS = ("lstm", "gru", "gru_reset_after", "elman")


def recurrent_cells() -> tuple[str, ...]:
    """Every cell of the catalogue that has a matrix inside the time loop."""
    return tuple(
        name
        for name, cell in catalogue().items()
        if any(phase.products for phase in cell.schedule().step) and not cell.signature.statics
    )


@dataclass(frozen=True)
class Workload:
    """A cell at a shape; ragged rows have lengths from 10 to 100 % of T."""

    cell: str
    shape: Shape
    ragged: bool = False

    def __str__(self) -> str:
        return f"{self.cell} {self.shape}{' ragged' * self.ragged}"

    @cached_property
    def lengths(self) -> list[int] | None:
        """The steps of each row, at equal distances and shuffled; None when every row has T."""
        if not self.ragged:
            return None
        lengths = np.linspace(max(1, self.shape.T // 10), self.shape.T, self.shape.B).round().astype(int)
        return [int(length) for length in np.random.default_rng(0).permutation(lengths)]

    @property
    def steps(self) -> int:
        """Real steps of all rows together."""
        return sum(self.lengths) if self.lengths else self.shape.T * self.shape.B

    @property
    def entries(self) -> int:
        """Numbers in the matrices of the cell."""
        cell = find(self.cell)
        return matrix_entries(
            cell, self.shape.I, self.shape.H, **dict.fromkeys(cell.named_sizes, self.shape.H)
        )

    def operations(self, training: bool) -> int:
        """Floating point operations of one run; with `training` the backward run counts too."""
        return operations(self.entries, self.steps, training)


@dataclass(frozen=True)
class Case:
    """A workload with its numbers, float32: `weights` by name, `x` (T, B, I), `gradient` of the loss by the output."""

    workload: Workload
    weights: Mapping[str, Tensor]
    x: Tensor
    gradient: Tensor

    @property
    def lengths(self) -> list[int] | None:
        """The steps of each row, or None."""
        return self.workload.lengths


def layer_of(workload: Workload, engine: str | None = None) -> Recurrent:
    """A layer over the workload's cell; named sizes are H."""
    cell, shape = find(workload.cell), workload.shape
    sizes = dict.fromkeys(cell.named_sizes, shape.H)
    return Recurrent(cell, shape.I, shape.H, sizes=sizes, initialise="uniform", engine=engine)


def make_case(workload: Workload, seed: int = 0) -> Case:
    """The workload with drawn numbers; nothing but zero stands in the padding."""
    torch.manual_seed(seed)
    layer, shape = layer_of(workload), workload.shape
    weights = {name: value.detach().clone() for name, value in layer.cell_weights().items()}
    real = torch.ones(shape.T, shape.B, 1)
    if workload.lengths:
        real = (torch.arange(shape.T)[:, None] < torch.tensor(workload.lengths))[..., None].float()
    x = torch.randn(shape.T, shape.B, shape.I) * real
    return Case(workload, weights, x, torch.randn(shape.T, shape.B, layer.output_size) * real)
