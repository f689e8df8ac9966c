"""The eigenvalues of every recurrent matrix, by its name in the equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.equations.graph import Graph, reachable
from unrolled.equations.groups import states_read
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.simplify import simplify
from unrolled.errors import SettingError
from unrolled.inspection.course import Course, Probe
from unrolled.inspection.figures import colour, drawing
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Model
from unrolled.layers.recurrent import Recurrent
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MatrixSpectrum(Finding):
    """One recurrent matrix of one layer: `eigenvalues` and `singular_values` (H,), the largest first."""

    layer: str
    name: str
    eigenvalues: NDArray[np.complex128]
    singular_values: Array

    @property
    def radius(self) -> float:
        """The spectral radius, the largest absolute eigenvalue: what many steps come to."""
        return float(np.abs(self.eigenvalues[0]))

    @property
    def norm(self) -> float:
        """The largest singular value: what one step can do at most."""
        return float(self.singular_values[0])


@dataclass(frozen=True)
class Spectrum(Finding):
    """The spectra of all recurrent matrices, layer by layer in the order of the equations."""

    matrices: tuple[MatrixSpectrum, ...]

    def to_dict(self) -> dict[str, Any]:
        """With the radius and the norm of each."""
        found = [{**one.to_dict(), "radius": one.radius, "norm": one.norm} for one in self.matrices]
        return {"matrices": found}

    def summary(self) -> str:
        """One line for each matrix."""
        lines = (
            f"{m.layer} {m.name}: spectral radius {m.radius:.3f}, norm {m.norm:.3f}" for m in self.matrices
        )
        return "\n".join(lines)

    def figure(self) -> Figure:
        """The eigenvalues in the complex plane, with the unit circle."""
        figure = drawing(self._title(), "real part", "imaginary part")
        figure.add_shape(
            type="circle", x0=-1, x1=1, y0=-1, y1=1, line={"color": "#888", "dash": "dot", "width": 1}
        )
        for number, one in enumerate(self.matrices):
            figure.add_scatter(
                x=one.eigenvalues.real,
                y=one.eigenvalues.imag,
                mode="markers",
                name=f"{one.layer} {one.name}, radius {one.radius:.2f}",
                marker={"color": colour(number), "size": 5, "opacity": 0.7},
            )
        figure.update_yaxes(scaleanchor="x", scaleratio=1)
        return figure

    def _title(self) -> str:
        if not self.matrices:
            return "No square matrix multiplies a state"
        largest = max(self.matrices, key=lambda one: one.radius)
        return f"The largest spectral radius is {largest.radius:.2f}, of {largest.name} in {largest.layer}"


def spectrum(model: Model) -> Spectrum:
    """Eigenvalues and singular values of every square matrix that multiplies something made of a state.

    What multiplies is taken as the equations use it: U without the blocks that `upper_blocks` sets to zero, and of
    `W @ concat(h, x)` the block of columns of h, called `W[h]`. A stack of gates, k H x H, is k matrices, `W_h[0]`,
    `W_h[1]`, ...

    Example:
        >>> from unrolled import Recurrent
        >>> [one.name for one in spectrum(Recurrent("gru", 3, 5)).matrices]
        ['U_z', 'U_r', 'U']
    """
    layer = layer_of(model)
    found = []
    for index, name in enumerate(layer._names()):
        parameters = {n: v.detach().double().cpu().numpy() for n, v in layer.cell_weights(name).items()}
        letters = layer._letters[index // layer.directions]
        for matrix, values in _recurrent(layer.running_cell.graph, parameters, letters):
            found.append(_of_matrix(name, matrix, values))
    return Spectrum(tuple(found))


def spectrum_probe(model: Model, every: int = 100) -> Probe:
    """A probe that keeps the spectral radius and the norm of every recurrent matrix every so many updates."""
    return Probe(lambda: _numbers(model), every)


def spectrum_course(models: Mapping[int, Model]) -> Course:
    """The same of checkpoints, by the number of their update."""
    probe = Probe(dict)
    for update, model in models.items():
        probe.measure = lambda model=model: _numbers(model)  # type: ignore[misc]
        probe.look(update)
    return probe.course()


def layer_of(model: Model) -> Recurrent:
    """The recurrent layer of a model, or the layer itself."""
    if isinstance(model, LanguageModel):
        return model.recurrent
    if isinstance(model, Recurrent):
        return model
    raise SettingError(
        f"expected a LanguageModel or a Recurrent, got {type(model).__name__}. Give one of these."
    )


def _numbers(model: Model) -> dict[str, float]:
    found = {}
    for one in spectrum(model).matrices:
        found[f"{one.layer} {one.name} radius"] = one.radius
        found[f"{one.layer} {one.name} norm"] = one.norm
    return found


def _of_matrix(layer: str, name: str, values: Array) -> MatrixSpectrum:
    eigenvalues = np.linalg.eigvals(values).astype(np.complex128)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    return MatrixSpectrum(
        layer, name, eigenvalues[order], np.asarray(np.linalg.svd(values, compute_uv=False))
    )


# --- which matrices, and what they are -----------------------------------------------------------


def _recurrent(
    graph: Graph, parameters: Mapping[str, Array], letters: Mapping[str, int]
) -> list[tuple[str, Array]]:
    """Name and value of every square matrix that multiplies something made of a state and feeds the next one."""
    simple = simplify(replace(graph, labels=()))
    reads = states_read(simple)
    feeding = reachable(simple.nodes, list(simple.next_states))
    matrices = _Matrices(simple, parameters, letters)
    found: dict[str, Array] = {}
    for i in sorted(feeding, key=lambda i: matrices.rank(i)):
        node = simple.nodes[i]
        if node.operation != "matmul" or not reads[node.operands[1]]:
            continue
        value, name = matrices.value(node.operands[0]), matrices.name(node.operands[0], node.operands[1])
        rows, columns = value.shape
        if rows == columns:
            found.setdefault(name, value)
        elif rows % columns == 0:
            found |= {f"{name}[{k}]": block for k, block in enumerate(np.split(value, rows // columns))}
    return list(found.items())


@dataclass(frozen=True)
class _Matrices:
    """The matrices of a simplified graph, computed from its parameters alone."""

    graph: Graph
    parameters: Mapping[str, Array]
    letters: Mapping[str, int]

    def rank(self, product: int) -> tuple[int, int]:
        """Products in the order in which the signature names their first parameter."""
        node = self.graph.nodes[product]
        return (
            min(reachable(self.graph.nodes, [node.operands[0]])) if node.operation == "matmul" else 0
        ), product

    def value(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if node.operation == "parameter":
            return self.parameters[node.value]
        if node.operation in ("number", "constant"):
            return self.graph.number(position)
        operands = [self.value(i) for i in node.operands]
        if node.operation == "columns":
            start, stop = (size.value(self.letters) for size in node.value)
            return operands[0][:, start:stop]
        if node.operation == "rows":
            index, count = node.value
            return np.split(operands[0], count)[index]
        if node.operation == "sum":
            return sum(sign * one for sign, one in zip(node.value, operands, strict=True))
        compute = OPERATIONS[node.operation].numpy
        assert compute is not None
        return compute(*operands)

    def name(self, position: int, vector: int) -> str:
        """As the equations write it, nearly."""
        node = self.graph.nodes[position]
        if node.operation in ("parameter", "constant"):
            return str(node.value)
        if node.operation == "number":
            return str(node.value)
        names = [self.name(i, vector) for i in node.operands]
        if node.operation == "columns":
            of = self.graph.nodes[vector]
            return f"{names[0]}[{of.value if of.operation == 'state' else ':'}]"
        if node.operation == "rows":
            return f"{names[0]}[{node.value[0]}]"
        if node.operation == "transpose":
            return f"{names[0]}.T"
        if node.operation == "sum":
            signs = ["+ " if sign > 0 else "- " for sign in node.value]
            return " ".join(map("".join, zip(signs, names, strict=True))).removeprefix("+ ")
        return names[0] if node.operation == "upper_blocks" else f"{node.operation}({', '.join(names)})"
