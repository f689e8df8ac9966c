"""Inputs that are rows of a table: the input matrices meet the table once, not every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unrolled.engines import Job
from unrolled.engines.zeros import is_traced
from unrolled.equations import Cell
from unrolled.errors import ShapeError
from unrolled.layers.ragged import Ragged

if TYPE_CHECKING:
    from unrolled.layers.recurrent import Recurrent


def looked_up(layer: Recurrent, x: Any, table: Tensor) -> tuple[Any, Tensor | None]:
    """Indices and their table (V, I), or the rows they pick and None where the table would not pay.

    W table^T has V columns, W x one for every step: with fewer rows than steps the table is the smaller product, and
    the steps only pick its columns, as they do for one-hot vectors.
    """
    indices = x.values if isinstance(x, Ragged) else x
    if not isinstance(indices, Tensor) or indices.is_floating_point() or indices.is_nested:
        raise ShapeError("with table= the input must be whole numbers, (T, B) or a Ragged. Give the indices.")
    if table.dim() != 2 or table.shape[1] != layer.input_size:
        raise ShapeError(
            f"table= must be (V, I) with I={layer.input_size}, got {tuple(table.shape)}. Change one of them."
        )
    if pays(layer, indices, table):
        return x, table
    rows = torch.nn.functional.embedding(indices.long(), table)
    return (x.with_values(rows) if isinstance(x, Ragged) else rows), None


def pays(layer: Recurrent, indices: Tensor, table: Tensor) -> bool:
    """Whether the matrices are multiplied with the table: it is small, and nothing else needs the rows."""
    small = len(table) < indices.numel()
    return small and not _drops_input(layer) and not is_traced() and bool(input_matrices(layer.cell))


def _drops_input(layer: Recurrent) -> bool:
    if not layer.training or layer.regularise is None:
        return False
    rate = layer.regularise.input
    return bool(rate[0] if isinstance(rate, Sequence) else rate)


@lru_cache(maxsize=64)
def input_matrices(cell: Cell) -> tuple[str, ...]:
    """The matrices that multiply the input and nothing else; none if the input is used in any other way."""
    graph = cell.graph
    source = graph.leaf[graph.signature.input]
    users = [node for node in graph.nodes if source in node.operands]
    if source in (graph.output, *graph.next_states) or any(node.operation != "matmul" for node in users):
        return ()
    places = {node.operands[0] for node in users}
    alone = all(source in node.operands for node in graph.nodes if places & set(node.operands))
    names = tuple(name for name in graph.signature.parameters if graph.leaf[name] in places)
    return names if alone and len(names) == len(places) else ()


def with_table(job: Job, cell: Cell, table: Tensor) -> Job:
    """The job whose indices are columns of W table^T (n, V), the matrices that take the place of the W (n, I)."""
    matrices = {name: job.parameters[name] @ table.T for name in input_matrices(cell)}
    return replace(job, parameters={**job.parameters, **matrices}, letters={**job.letters, "I": len(table)})
