"""Runs of one cell on the native engine, and the bits of everything they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from tests.contract.cases import Case, cases, layer_of, random_static
from unrolled.layers import Recurrent

ALL = cases()
CATALOGUED = [case for case in ALL if not case.name.startswith("random_")]
Bits = dict[str, Tensor]


def case_named(name: str) -> Case:
    return next(case for case in ALL if case.name == name)


def layer(
    case: Case, dtype: torch.dtype, hidden_size: int = 20, input_size: int = 7, **options: Any
) -> Recurrent:
    return layer_of(case, hidden_size, input_size, engine="native", dtype=dtype, **options)


def statics(layer: Recurrent, rows: int) -> dict[str, Tensor]:
    dtype = next(layer.parameters()).dtype
    return {name: value.to(dtype) for name, value in random_static(layer, rows).items()}


def warm_state(layer: Recurrent, rows: int) -> dict[str, Tensor]:
    """A carried state of random numbers, one tensor (L*D, B, n) for each name."""
    blank = layer._start_state(rows)
    return {name: 0.5 * torch.randn_like(blank[name]) for name in blank.names}


def row_of(values: Mapping[str, Tensor], rows: slice, dim: int) -> dict[str, Tensor]:
    return {name: value.narrow(dim, rows.start, rows.stop - rows.start) for name, value in values.items()}


def bits(
    layer: Recurrent,
    x: Tensor,
    state: Mapping[str, Tensor] | None = None,
    *,
    weights: Sequence[Tensor] | None = None,
    **options: Any,
) -> tuple[Bits, Bits]:
    """Everything a run gives by row (T or L*D first, B second), and the gradients of the parameters.

    The loss is `(output * weights[0]).sum() + (state * weights[1 ...]).sum()`, where weights default to ones.
    """
    x = x.detach().clone().requires_grad_()
    state = {name: value.detach().clone().requires_grad_() for name, value in (state or {}).items()}
    output, end = layer(x, state or None, **options)
    given = [output, *(end[name] for name in end.names)]
    weights = [torch.ones_like(value) for value in given] if weights is None else weights
    parameters = dict(layer.named_parameters())
    loss = sum((value * weight).sum() for value, weight in zip(given, weights, strict=True))
    wanted = [x, *state.values(), *parameters.values()]
    found = torch.autograd.grad(loss, wanted, materialize_grads=True)
    by_row = {
        "output": output,
        **{f"state {name}": end[name] for name in end.names},
        "gradient of x": found[0],
    }
    by_row |= {f"gradient of state {n}": g for n, g in zip(state, found[1:], strict=False)}
    by_parameter = dict(zip(parameters, found[1 + len(state) :], strict=True))
    return {name: value.detach() for name, value in by_row.items()}, by_parameter


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Every tensor has the same bits."""
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.shape == theirs[name].shape, name
        differ = int((value != theirs[name]).sum())
        assert torch.equal(value, theirs[name]), f"{name}: {differ} of {value.numel()} entries differ"


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
