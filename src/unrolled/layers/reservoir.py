"""Fixed weights of a reservoir, drawn by the role every parameter plays in the equations of its cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.engines.torch_operations import upper_blocks
from unrolled.equations import Cell
from unrolled.equations.operations import is_finite_number
from unrolled.errors import SettingError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.roles import Block, Roles
from unrolled.layers.starts import spectral_radius

NILPOTENT = 1e-12  # a radius below it is rounding


@dataclass(frozen=True)
class Drawing:
    """How the weights of a reservoir are drawn; every number is checked.

    Args:
        spectral_radius: of every recurrent matrix, see `draw_reservoir`.
        density: the share of a recurrent matrix that is not zero, in (0, 1].
        input_scaling: entries of what multiplies the input are uniform in +- this number.
        depth_scaling: the same for the layers above the first, which read the layer below.
        bias_scaling: what is added to a bias is uniform in +- this number.
        feedback: how many of the last inputs of the first layer are fed back outputs.
        feedback_scaling: entries of what multiplies them are uniform in +- this number.
        seed: of all that is drawn.

    Raises:
        SettingError: a number outside its range.
    """

    spectral_radius: float = 0.9
    density: float = 0.1
    input_scaling: float = 1.0
    depth_scaling: float = 1.0
    bias_scaling: float = 0.1
    feedback: int = 0
    feedback_scaling: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        scales = ("spectral_radius", "input_scaling", "depth_scaling", "bias_scaling", "feedback_scaling")
        for name in scales:
            value = getattr(self, name)
            if not is_finite_number(value) or value < 0:
                raise SettingError(f"{name} must be a number >= 0, got {value!r}. Correct it.")
        if not is_finite_number(self.density) or not 0 < self.density <= 1:
            raise SettingError(f"density must be in (0, 1], got {self.density!r}. Use 1 for full matrices.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise SettingError(f"seed must be a whole number from 0 to 2**63 - 1, got {self.seed!r}.")


@torch.no_grad()
def draw_reservoir(layer: Recurrent, drawing: Drawing) -> None:
    """Draw the weights of all layers and directions anew, the same ones for the same seed.

    By the role of a parameter, or of each of its blocks where `concat` or `split` cuts it:

    - a recurrent matrix (between a state and a state) has uniform entries, a share `density` of them not zero, and
      spectral radius max |eigenvalue| = `spectral_radius`. A gated cell has several: each of them, the gates' too, is
      scaled on its own, so that U of the candidate has the radius, and gates see sums of the same range. Where
      `upper_blocks` cuts a matrix, it is what is left that has the radius. One that is not square, as around a
      projection, has it as its largest singular value. The leak of a leaky cell is not part of it: for elman, and for
      leaky with any leak, radius < 1 and a small input let the state forget where it began.
    - a vector that multiplies a state (indrnn's u, peepholes) is the diagonal of such a matrix: its largest
      magnitude is the radius.
    - what multiplies the input or a static input is uniform in +- `input_scaling`, a bias keeps its usual start
      (1 for forget gates) plus what is uniform in +- `bias_scaling`. Gains of norms stay 1.

    Paper: Jaeger 2001, The echo state approach to analysing and training recurrent neural networks, GMD report 148;
    Lukosevicius 2012, A practical guide to applying echo state networks.
    """
    generator = torch.Generator().manual_seed(drawing.seed)
    for index, name in enumerate(layer._names()):
        depth = index // layer.directions
        roles = _Drawn(layer.cell, drawing, depth > 0, generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            for parameter, value in layer.cell_weights(name).items():
                drawn = torch.empty(value.shape, dtype=torch.float64)
                roles.draw(parameter, drawn, layer._letters[depth])
                value.copy_(drawn)


class _Drawn(Roles):
    """The roles of a cell, and random numbers for each."""

    def __init__(self, cell: Cell, drawing: Drawing, above: bool, generator: torch.Generator) -> None:
        super().__init__(cell)
        self.drawing = drawing
        self.above = above  # a layer that reads another one
        self.generator = generator

    def draw(self, name: str, value: Tensor, letters: Mapping[str, int]) -> None:
        """Fill one parameter."""
        self.fill(name, value, letters)  # for what keeps its usual start
        if value.dim() != 2:
            self._draw_vector(self.graph.leaf[name], value)
            return
        for block in self.blocks(name, value, letters):
            if block.recurrent:
                block.values.copy_(self._recurrent_matrix(block))
            elif block.driven:
                block.values.copy_(self._input_matrix(block.values, letters["I"]))

    def _recurrent_matrix(self, block: Block) -> Tensor:
        shape = block.values.shape
        kept = torch.rand(shape, dtype=torch.float64, generator=self.generator) < self.drawing.density
        drawn = self._uniform(block.values) * kept
        if block.groups is not None:
            drawn = upper_blocks(drawn, block.groups)
        found = spectral_radius(drawn)
        # A nilpotent matrix, as a small sparse one may be, cannot be scaled to a radius.
        return (
            drawn * (self.drawing.spectral_radius / found) if found > NILPOTENT else torch.zeros_like(drawn)
        )

    def _input_matrix(self, value: Tensor, inputs: int) -> Tensor:
        drawing = self.drawing
        drawn = self._uniform(value)
        if self.above:
            return drawn * drawing.depth_scaling
        by_input = drawn if drawn.shape[1] == inputs else drawn.t()  # W @ x or W.T @ x
        own = by_input.shape[1] - drawing.feedback
        by_input[:, :own] *= drawing.input_scaling
        by_input[:, own:] *= drawing.feedback_scaling
        return drawn

    def _draw_vector(self, position: int, value: Tensor) -> None:
        readers = self.readers.get(position, [])
        parts = [i for i in readers if self.graph.nodes[i].operation == "part"]
        for i in parts:
            index, count = self.graph.nodes[i].value
            self._draw_vector(i, value.chunk(count)[index])
        factors = [other for i in readers for other in self._multiplied_with(i, position)]
        if parts or any(map(self._is_norm, factors)):
            return
        if any(self.reads[i] for i in factors):
            drawn = self._uniform(value)
            value.copy_(drawn * (self.drawing.spectral_radius / drawn.abs().max()))
        elif self._is_added(position):
            value.add_(self._uniform(value) * self.drawing.bias_scaling)

    def _uniform(self, value: Tensor) -> Tensor:
        return torch.rand(value.shape, dtype=torch.float64, generator=self.generator) * 2 - 1
