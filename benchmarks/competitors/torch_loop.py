"""A loop in Python over torch operations, as a person writes it who knows what is slow.

Gates are stacked, and the products with the input are one product for all steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear

from benchmarks.competitors.competitor import Competitor, Runner, torch_runner
from benchmarks.competitors.stacks import STACKS
from benchmarks.workloads import Case


def elman(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    h = x.new_zeros(x.shape[1], U.shape[1])
    outputs = []
    for driven in linear(x, W, b).unbind():
        h = torch.tanh(torch.addmm(driven, h, U.t()))
        outputs.append(h)
    return torch.stack(outputs)


def lstm(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    h = x.new_zeros(x.shape[1], U.shape[1])
    memory = h
    outputs = []
    for driven in linear(x, W, b).unbind():
        i, f, candidate, o = torch.addmm(driven, h, U.t()).chunk(4, 1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(candidate)
        h = torch.sigmoid(o) * torch.tanh(memory)
        outputs.append(h)
    return torch.stack(outputs)


def gru(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    size = U.shape[1]
    h = x.new_zeros(x.shape[1], size)
    gates, candidate = U[: 2 * size].t(), U[2 * size :].t()
    outputs = []
    for driven in linear(x, W, b).unbind():
        z, r = torch.sigmoid(torch.addmm(driven[:, : 2 * size], h, gates)).chunk(2, 1)
        proposed = torch.tanh(torch.addmm(driven[:, 2 * size :], r * h, candidate))
        h = (1 - z) * h + z * proposed
        outputs.append(h)
    return torch.stack(outputs)


def gru_reset_after(x: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    size = U.shape[1]
    h = x.new_zeros(x.shape[1], size)
    outputs = []
    for driven in linear(x, W, b).unbind():
        r, z, kept = torch.addmm(c, h, U.t()).chunk(3, 1)
        r = torch.sigmoid(driven[:, :size] + r)
        z = torch.sigmoid(driven[:, size : 2 * size] + z)
        h = (1 - z) * torch.tanh(driven[:, 2 * size :] + r * kept) + z * h
        outputs.append(h)
    return torch.stack(outputs)


Loop = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
LOOPS: dict[str, Loop] = {"elman": elman, "lstm": lstm, "gru": gru, "gru_reset_after": gru_reset_after}


def make(case: Case, change: Callable[[Loop], Loop] = lambda loop: loop) -> Runner | None:
    """The loop of the case's cell, passed through `change`."""
    name = case.workload.cell
    if name not in LOOPS or case.lengths:
        return None
    stack, loop = STACKS[name], change(LOOPS[name])
    W, U, b, c = (tensor.requires_grad_() for tensor in stack.join(case.weights))
    parameters = [W, U, b, c] if stack.second else [W, U, b]  # a bias that the cell lacks needs no gradient
    c.requires_grad_(stack.second is not None)
    return torch_runner(
        lambda x: loop(x, W, U, b, c), case, parameters, lambda found: stack.part(*(*found, b)[:4])
    )


COMPETITOR = Competitor("Python loop", make)
