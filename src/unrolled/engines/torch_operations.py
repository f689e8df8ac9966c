"""The words of the equations in torch, on values of shape (rows, n)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.equations import Graph, Node
from unrolled.equations.operations import LAYER_NORM_EPSILON, OPERATIONS, group_count

Value: TypeAlias = Tensor | float


def _tensors(a: Value, b: Value) -> tuple[Tensor, Tensor]:
    """Two operands as tensors; torch's maximum and minimum take no plain numbers."""
    like = a if isinstance(a, Tensor) else b
    assert isinstance(like, Tensor)
    return torch.as_tensor(a, dtype=like.dtype, device=like.device), torch.as_tensor(
        b, dtype=like.dtype, device=like.device
    )


def _layer_norm(v: Tensor) -> Tensor:
    return functional.layer_norm(v, v.shape[-1:], eps=LAYER_NORM_EPSILON)


def _negative(v: Value) -> Value:
    return -v


def _concat(*parts: Tensor) -> Tensor:
    """The parts side by side; a learned vector (n,) stands beside every row."""
    rows = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*rows, part.shape[-1]) for part in parts], -1)


def _where(condition: Value, a: Value, b: Value, dtype: torch.dtype) -> Tensor:
    """A choice between two plain numbers has torch's default dtype unless it is told another."""
    like = next((value for value in (condition, a, b) if isinstance(value, Tensor)), torch.empty(0))
    chosen = torch.as_tensor(condition, dtype=torch.bool, device=like.device)
    yes, no = (torch.as_tensor(value, dtype=dtype, device=like.device) for value in (a, b))
    return torch.where(chosen, yes, no)


ENTRYWISE: Mapping[str, Callable[..., Value]] = {
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": _negative,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "softplus": lambda v: torch.logaddexp(v, torch.zeros_like(v)),
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "maximum": lambda a, b: torch.maximum(*_tensors(a, b)),
    "minimum": lambda a, b: torch.minimum(*_tensors(a, b)),
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "layer_norm": _layer_norm,
    "softmax": lambda v: torch.softmax(v, -1),
    "concat": _concat,
    "matmul": lambda matrix, v: functional.linear(v, matrix),
}


@cache
def rounded(number: float, dtype: torch.dtype) -> float:
    """A number as it is in `dtype`: torch would compute with more of its digits beside a half tensor."""
    return float(torch.tensor(number, dtype=dtype))


def signed_sum(terms: Sequence[Value], signs: Sequence[int]) -> Value:
    """The terms added from left to right, which fixes the bits."""
    total = terms[0] if signs[0] > 0 else -terms[0]
    for term, sign in zip(terms[1:], signs[1:], strict=True):
        total = total + term if sign > 0 else total - term
    return total


def apply(
    graph: Graph, node: Node, operands: Sequence[Any], letters: Mapping[str, int], dtype: torch.dtype
) -> Any:
    """The value of a node that is neither a leaf nor a matter of time."""
    if all(isinstance(operand, float) for operand in operands) and node.operation != "sum":
        compute = OPERATIONS[
            node.operation
        ].numpy  # numbers are computed in float64 and rounded once, at their use
        assert compute is not None
        return float(compute(*operands))
    if dtype.itemsize < 4:
        operands = [rounded(value, dtype) if isinstance(value, float) else value for value in operands]
    if node.operation == "sum":
        return signed_sum(operands, node.value)
    if node.operation == "where":
        condition, yes, no = operands
        return _where(condition, yes, no, dtype)
    if node.operation == "part":
        index, count = node.value
        return operands[0].chunk(count, -1)[index]
    if node.operation == "rows":
        index, count = node.value
        return operands[0].chunk(count, -2)[index]
    if node.operation == "transpose":
        return operands[0].transpose(-1, -2)
    if node.operation == "columns":
        start, stop = (size.value(letters) for size in node.value)
        return operands[0][..., start:stop]
    if node.operation == "upper_blocks":
        return upper_blocks(operands[0], group_count(graph.number(node.operands[1])))
    return ENTRYWISE[node.operation](*operands)


def upper_blocks(matrix: Tensor, groups: int) -> Tensor:
    """The matrix with the blocks below the diagonal zero."""
    size = matrix.shape[-1]
    block = torch.arange(size, device=matrix.device) // (size // groups)
    return torch.where(block[:, None] <= block[None, :], matrix, torch.zeros_like(matrix))


def every(periods: float | tuple[float, ...], clock: Tensor, hidden_size: int, dtype: torch.dtype) -> Tensor:
    """1 on every n-th tick of `clock` (rows,), as (rows, 1), or as (rows, H) in equal blocks for a tuple."""
    entries = periods if isinstance(periods, tuple) else (periods,)
    ticks = torch.stack([clock % int(n) == 0 for n in entries], -1).to(dtype)
    if not isinstance(periods, tuple):
        return ticks
    return ticks.repeat_interleave(hidden_size // len(entries), -1)
