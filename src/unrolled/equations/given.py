"""The arrays of one NumPy run: every name known, every shape as inferred, and the sizes they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.equations.graph import Graph
from unrolled.equations.operations import Vector
from unrolled.equations.sizes import INPUT, Size
from unrolled.equations.source import expression
from unrolled.errors import ShapeError


def arrays(
    graph: Graph, kind: str, known: Sequence[str], given: Mapping[str, ArrayLike]
) -> dict[str, Vector]:
    """The values of `given` in float64; refuses names that are not `known`."""
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ShapeError(
                f"{graph.signature.name} has no {kind} {name}, it has: {listed}. Use these names."
            )
    return {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}


def inputs(graph: Graph, sequence: ArrayLike) -> Vector:
    """The sequence (T, I) in float64."""
    found = np.asarray(sequence, dtype=np.float64)
    if found.ndim != 2:
        raise ShapeError(
            f"{graph.signature.name} runs one sequence (T, I), got shape {found.shape}. Reshape it."
        )
    return found


def letters_of(graph: Graph, sequence: Vector, given: Mapping[str, Vector]) -> dict[str, int]:
    """The sizes that the arrays of a run tell, all of them checked; `given` must have every leaf but the states."""
    name = graph.signature.name
    for needed in (*graph.signature.parameters, *graph.signature.statics):
        if needed not in given:
            raise ShapeError(f"{name} needs a value for {needed}. Give it.")
    letters = {INPUT: sequence.shape[1]}
    shapes = {leaf: (graph.shapes[graph.leaf[leaf]], value.shape) for leaf, value in given.items()}
    sizes = [
        pair
        for wanted, got in shapes.values()
        if len(wanted) == len(got)
        for pair in zip(wanted, got, strict=True)
    ]
    for _ in range(len(sizes) + 1):
        for size, length in sizes:
            _solve(size, length, letters)
    used = {str(atom) for shape in graph.shapes for size in shape for atom, _ in size.terms}
    if missing := used - set(letters):
        raise ShapeError(
            f"{name}: nothing given tells the size {min(missing)}. Give state= with its vectors."
        )
    for leaf, (wanted, got) in shapes.items():
        expected = tuple(size.value(letters) for size in wanted)
        if expected != got:
            raise ShapeError(f"{leaf} of {name} must have shape {expected}, got {got}. Reshape it.")
    input_fits(graph, letters)
    return letters


def input_fits(graph: Graph, letters: Mapping[str, int]) -> None:
    """Refuse an input size other than the one equations fix, as in `sizes={"x": "H"}`, and say why they do."""
    size = graph.size(graph.leaf[graph.signature.input])
    if size.value(letters) != letters[INPUT]:
        raise ShapeError(
            f"{graph.signature.name} runs only where I = {size}, got I = {letters[INPUT]} and {size} = "
            f"{size.value(letters)}: {_why_input_has(size, graph)}. Choose equal sizes."
        )


def _why_input_has(size: Size, graph: Graph) -> str:
    """The matrix that multiplies the input and something else, if there is one."""
    name = graph.signature.input
    vectors: dict[int, list[int]] = {}
    for node in graph.nodes:
        if node.operation == "matmul":
            vectors.setdefault(node.operands[0], []).append(node.operands[1])
    for matrix, multiplied in vectors.items():
        if graph.leaf[name] in multiplied and len(multiplied) > 1:
            both = " and ".join(expression(graph.nodes, i) for i in sorted(multiplied))
            return f"{expression(graph.nodes, matrix)} multiplies both {both}"
    return f"{name} is joined entry by entry to vectors of size {size}"


def _solve(size: Size, length: int, letters: dict[str, int]) -> None:
    """Learn the one unknown letter of a size, if there is just one."""
    unknown = [(str(atom), count) for atom, count in size.terms if str(atom) not in letters]
    if len(unknown) == 1:
        rest = sum(count * letters[str(atom)] for atom, count in size.terms if str(atom) in letters)
        letters[unknown[0][0]] = int((length - rest) / unknown[0][1])


def by_step(what: str, value: NDArray[Any], steps: int, size: int | None = None) -> NDArray[Any]:
    """A value of every step, (T,) or (T, size)."""
    wanted = (steps,) if size is None else (steps, size)
    if value.shape != wanted:
        raise ShapeError(f"{what} must have shape {wanted}, got {value.shape}. Give one value for each step.")
    return value
