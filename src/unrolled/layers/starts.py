"""Starts that help long memories, by name or as objects: `Recurrent(..., initialise="chrono:500")`.

A start is spelled `name` or `name:number`; several are joined by `+` and applied one after the other, on top of the
library's own: `"orthogonal+chrono:500"`. `starts.Orthogonal() + starts.Chrono(500)` is the same, and prints as it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor, nn

from unrolled.engines.torch_operations import upper_blocks
from unrolled.equations import Cell
from unrolled.equations.operations import is_finite_number
from unrolled.errors import SettingError
from unrolled.layers.gates import Keeper, keepers
from unrolled.layers.roles import Block, Roles, orthogonal


class Drawn:
    """The parameters of one layer while they are started: `values` by name, and what each of them does."""

    def __init__(self, cell: Cell, values: Mapping[str, Tensor], letters: Mapping[str, int]) -> None:
        self.cell, self.values, self.letters = cell, values, letters
        self.roles = Roles(cell)

    def blocks(self) -> Iterator[Block]:
        """Every column block of every matrix."""
        for name, value in self.values.items():
            if value.dim() == 2:
                blocks = self.roles.blocks(name, value, self.letters)
                yield from (block for block in blocks if not block.whole)

    def recurrent(self, scheme: Scheme) -> list[Block]:
        """The recurrent blocks; SettingError if the cell has none."""
        found = [block for block in self.blocks() if block.recurrent]
        if not found:
            raise SettingError(
                f"the start {scheme} needs a recurrent matrix, which {self.cell.name} does not have. "
                "Take another start, or set parameters by name with start=."
            )
        return found

    def keepers(self, scheme: Scheme) -> list[Keeper]:
        """The gates that keep a state; SettingError if the cell has none, or one without a bias."""
        found = keepers(self.roles.graph)
        if not found:
            raise SettingError(
                f"the start {scheme} needs a logistic gate that keeps a state, which {self.cell.name} does not have. "
                "Take another start, or a gated cell."
            )
        for keeper in found:
            if any(not gate.biases for gate in keeper.keeps):
                raise SettingError(
                    f"the start {scheme} sets the bias of the gate that keeps {keeper.state}, which has none in "
                    f"{self.cell.name}. Add a bias to its equations, or take another start."
                )
        return found


class Scheme(ABC):
    """A way to start the parameters of a layer: a frozen dataclass with one number at most."""

    name: ClassVar[str]

    @abstractmethod
    def apply(self, drawn: Drawn) -> None:
        """Change the parameters."""

    def __add__(self, other: Scheme) -> Joined:
        return Joined((*steps(self), *steps(other)))

    def __str__(self) -> str:
        for field in _numbers(type(self)):
            number = getattr(self, field.name)
            return self.name if number == field.default else f"{self.name}:{number:.12g}"
        return self.name


@dataclass(frozen=True)
class ByRole(Scheme):
    """What each parameter does decides: recurrent matrices orthogonal, input matrices Glorot, biases of forget gates 1.

    The recurrent matrix of a rectified state is the identity.
    """

    name = "roles"

    def apply(self, drawn: Drawn) -> None:
        for name, value in drawn.values.items():
            drawn.roles.fill(name, value, drawn.letters)


@dataclass(frozen=True)
class Uniform(Scheme):
    """Every parameter U(-1/sqrt(H), 1/sqrt(H)), as in PyTorch."""

    name = "uniform"

    def apply(self, drawn: Drawn) -> None:
        hidden = drawn.letters["H"]
        bound = 1 / math.sqrt(hidden) if hidden else 0.0
        for value in drawn.values.values():
            nn.init.uniform_(value, -bound, bound)


@dataclass(frozen=True)
class Identity(Scheme):
    """Recurrent matrices c times the identity, input matrices N(0, 0.001^2), biases 0 (Le et al. 2015).

    With a rectified state this is the IRNN of arXiv:1504.00941: a step changes nothing but by its input. The paper
    takes c = 1, or 0.01 for short memories. Stacked matrices get one identity for each block of square shape.
    """

    scale: float = 1.0
    name = "identity"

    def __post_init__(self) -> None:
        _check(self, self.scale, above=0)

    def apply(self, drawn: Drawn) -> None:
        for block in drawn.recurrent(self):
            for part in squares(block.values):
                nn.init.eye_(part).mul_(self.scale)
        for block in drawn.blocks():
            if block.driven and not block.recurrent:
                nn.init.normal_(block.values, 0.0, 0.001)
        for name, value in drawn.values.items():
            if value.dim() == 1 and drawn.roles.is_bias(name):
                nn.init.zeros_(value)


@dataclass(frozen=True)
class Orthogonal(Scheme):
    """Recurrent matrices orthogonal, those of rectified states too (Saxe et al. 2014, arXiv:1312.6120)."""

    name = "orthogonal"

    def apply(self, drawn: Drawn) -> None:
        for block in drawn.recurrent(self):
            orthogonal(block.values)


@dataclass(frozen=True)
class Critical(Scheme):
    """Recurrent matrices N(0, 1/H), scaled until their largest eigenvalue has a chosen modulus (Jaeger 2001, GMD 148).

    At 1 a linear network neither fades nor explodes. Of a stacked matrix every square block is scaled.
    """

    radius: float = 1.0
    name = "critical"

    def __post_init__(self) -> None:
        _check(self, self.radius, above=0)

    def apply(self, drawn: Drawn) -> None:
        for block in drawn.recurrent(self):
            for part in squares(block.values):
                if part.shape[0] != part.shape[1]:
                    raise SettingError(
                        f"the start {self} needs square recurrent matrices, {drawn.cell.name} has one of "
                        f"{tuple(part.shape)}. Take orthogonal, or sizes that are equal."
                    )
                nn.init.normal_(part, 0.0, 1 / math.sqrt(len(part)))
                part.mul_(self.radius / spectral_radius(part, block.groups))


@dataclass(frozen=True)
class Chrono(Scheme):
    """Gates that keep a state over 1 to T steps from the start on (Tallec and Ollivier 2018, arXiv:1804.11188).

        b_f = log u,   b_i = -b_f,   u ~ U(1, T - 1)

    so that a unit forgets, and is written, at a rate of 1 / (1 + u). A gate that keeps when it is closed, as the
    update gate z of `gru`, gets -log u; one without an input gate of its own needs no b_i. The gates are found by what
    they do in the equations, whatever their names.

    Args:
        longest: T, the longest time scale in steps; above 2.
    """

    longest: float
    name = "chrono"

    def __post_init__(self) -> None:
        _check(self, self.longest, above=2)

    def apply(self, drawn: Drawn) -> None:
        for keeper in drawn.keepers(self):
            size = len(keeper.keeps[0].biases[0].within(drawn.values))
            like = next(iter(drawn.values.values()))
            steps = torch.empty(size, dtype=torch.float32, device=like.device).uniform_(1, self.longest - 1)
            for gate in keeper.keeps:
                gate.set(drawn.values, steps.log().to(like.dtype))
            for gate in keeper.writes:
                if gate.biases:
                    gate.set(drawn.values, -steps.log().to(like.dtype))


@dataclass(frozen=True)
class Forget(Scheme):
    """A chosen bias b of the gates that keep a state, so that they keep sigmoid(b) (Gers et al. 2000, Jozefowicz 2015).

    A gate that keeps when it is closed, as the update gate z of `gru`, gets -b.
    """

    bias: float
    name = "forget"

    def __post_init__(self) -> None:
        _check(self, self.bias)

    def apply(self, drawn: Drawn) -> None:
        for keeper in drawn.keepers(self):
            for gate in keeper.keeps:
                gate.set(drawn.values, self.bias)


@dataclass(frozen=True)
class Joined(Scheme):
    """Some schemes, one after the other; what draws every parameter comes first."""

    schemes: tuple[Scheme, ...]
    name = "joined"

    def __post_init__(self) -> None:
        for scheme in self.schemes[1:]:
            if isinstance(scheme, WHOLE):
                raise SettingError(
                    f"the start {scheme} draws every parameter and must come first, got {self}. Put it first."
                )

    def apply(self, drawn: Drawn) -> None:
        for scheme in self.schemes:
            scheme.apply(drawn)

    def __str__(self) -> str:
        return "+".join(map(str, self.schemes))


WHOLE = (ByRole, Uniform)
SCHEMES: Mapping[str, type[Scheme]] = {
    "roles": ByRole,
    "uniform": Uniform,
    "identity": Identity,
    "irnn": Identity,
    "orthogonal": Orthogonal,
    "critical": Critical,
    "chrono": Chrono,
    "forget": Forget,
}
SPELLINGS = (
    "roles, uniform, identity or irnn, identity:SCALE, orthogonal, critical, critical:RADIUS, chrono:STEPS, "
    "forget:BIAS"
)


def steps(scheme: Scheme) -> tuple[Scheme, ...]:
    """The schemes that one consists of."""
    return scheme.schemes if isinstance(scheme, Joined) else (scheme,)


def read_start(spelled: str | Scheme) -> Scheme:
    """The start that is spelled `name`, `name:number`, or several of them joined by `+`.

    >>> read_start("orthogonal+chrono:500") == Orthogonal() + Chrono(500)
    True
    >>> str(Identity() + Forget(2))
    'identity+forget:2'

    Raises SettingError for what is none, with the list of all.
    """
    if isinstance(spelled, Scheme):
        return spelled
    if not isinstance(spelled, str):
        raise _unknown(spelled)
    read = tuple(_read_one(part.strip(), spelled) for part in spelled.split("+"))
    return read[0] if len(read) == 1 else Joined(read)


def _read_one(part: str, spelled: str) -> Scheme:
    name, colon, number = part.partition(":")
    if name not in SCHEMES:
        raise _unknown(spelled)
    kind = SCHEMES[name]
    numbers = _numbers(kind)
    required = any(field.default is MISSING for field in numbers)
    if not (numbers if colon else not required):
        raise _unknown(spelled)
    if not colon:
        return kind()
    try:
        value = float(number)
    except ValueError:
        raise _unknown(spelled) from None
    return kind(value)  # type: ignore[call-arg]


def _unknown(spelled: object) -> SettingError:
    return SettingError(
        f"initialise must be one of {SPELLINGS}, or several joined by +, got {spelled!r}. Use one of these."
    )


def _numbers(kind: type[Scheme]) -> tuple[Field[float], ...]:
    return fields(kind)  # type: ignore[arg-type]


def _check(scheme: Scheme, number: float, above: float = -math.inf) -> None:
    if not is_finite_number(number) or number <= above:
        wanted = "a number" if above == -math.inf else f"a number above {above:g}"
        raise SettingError(f"the start {scheme.name} takes {wanted}, got {number!r}. Correct it.")


def squares(matrix: Tensor) -> Iterable[Tensor]:
    """The square blocks of a stacked matrix, or the matrix itself."""
    rows, columns = matrix.shape
    return matrix.split(columns) if rows > columns > 0 and rows % columns == 0 else (matrix,)


def spectral_radius(matrix: Tensor, groups: int | None = None) -> float:
    """max |eigenvalue| of a square matrix (n, n), the largest singular value of another one; in float64.

    With `groups`, of what `upper_blocks` leaves of the matrix.
    """
    whole = matrix.detach().double()
    whole = upper_blocks(whole, groups) if groups else whole
    if not whole.numel():
        return 0.0
    if whole.shape[0] == whole.shape[1]:
        return float(torch.linalg.eigvals(whole).abs().max())
    return float(torch.linalg.matrix_norm(whole, 2))
