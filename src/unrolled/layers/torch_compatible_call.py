"""Calls of torch's recurrent classes: which ones our engines run, and torch's own words for those nobody can run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import find
from unrolled.engines import Engine, Job, choose
from unrolled.engines.engine import Steps
from unrolled.engines.zeros import is_traced, read_only_zeros
from unrolled.errors import ShapeError
from unrolled.layers.gate_stacks import TORCH

KERNELS = "torch_kernels"
CELLS = {"RNN_TANH": "elman", "RNN_RELU": "elman_relu", "GRU": "gru_reset_after", "LSTM": "lstm"}
"""The catalogued cell that torch's mode is."""


def cell_name(module: nn.Module) -> str | None:
    """The catalogued cell that a module of torch's classes runs; None for an RNNCell that torch would refuse too."""
    if isinstance(module, nn.RNNBase):
        return "lstm_projected" if module.proj_size else CELLS[module.mode]
    if isinstance(module, nn.RNNCell):
        return {"tanh": "elman", "relu": "elman_relu"}.get(module.nonlinearity)
    return "lstm" if isinstance(module, nn.LSTMCell) else "gru_reset_after"


@lru_cache(maxsize=64)
def engine_of(cell: str, device: torch.device, dtype: torch.dtype, name: str | None) -> Engine:
    """The engine that runs a catalogued cell; worked out once for each place and dtype."""
    return choose(find(cell).schedule(), device, dtype, name)


@lru_cache(maxsize=256)
def letters_of(cell: str, input_size: int, hidden_size: int, projection: int) -> dict[str, int]:
    """The sizes of a catalogued cell."""
    return find(cell).letters(input_size, hidden_size, **({"projection": projection} if projection else {}))


def is_autocast(device: torch.device) -> bool:
    """Whether autocast is on, and may be asked there."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def named_weights(
    cell: str, W: Tensor, U: Tensor, biases: Sequence[Tensor | None], projection: Tensor | None
) -> dict[str, Tensor]:
    """Torch's stacked parameters by the names of the catalogued cell: slices of their rows, and sums of two biases."""
    stack = TORCH[cell]
    b, c = biases
    if b is None or c is None:
        b = c = read_only_zeros((len(W),), W.dtype, W.device)
    else:
        b, c = stack.summed(b, c)
    found = stack.part(W, U, b, c)
    return found | {stack.projection: projection} if stack.projection and projection is not None else found


def job(
    cell: str,
    letters: dict[str, int],
    parameters: dict[str, Tensor],
    steps: Steps,
    x: Tensor,
    states: Sequence[Tensor],
) -> Job:
    """One layer in one direction: x (N, I), each of the states (1, B, n)."""
    made = find(cell)
    rows, device = states[0].shape[1], x.device
    named = dict(zip(made.states, states, strict=True))
    return Job(
        schedule=made.schedule(),
        letters=letters,
        parameters=parameters,
        steps=steps,
        x=x,
        states=named,
        start={
            name: read_only_zeros((rows, value.shape[2]), value.dtype, device)
            for name, value in named.items()
        },
        clock=read_only_zeros((rows,), torch.int64, device),
    )


@torch.compiler.disable  # type: ignore[untyped-decorator]
def untraced(function: Callable[..., Any], *given: Any) -> Any:
    """Call a function; when Dynamo left a module out of its graph, all that its call runs is left out as well."""
    return function(*given)


def is_operator(engine: str) -> bool:
    """Whether a run must be one operator, for what traces it."""
    return is_traced() and engine == "native"


def fits(value: object, like: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a value is a tensor of this shape that goes with the parameters: same device and dtype."""
    return (
        isinstance(value, Tensor)
        and tuple(value.shape) == shape
        and value.device == like.device
        and (value.dtype == like.dtype or is_autocast(like.device))
    )


def fits_packed(packed: PackedSequence, input_size: int, like: Tensor) -> bool:
    """Whether a PackedSequence holds together: steps that never grow, and one row of data for each."""
    counts = packed.batch_sizes.tolist()
    falling = all(a >= b for a, b in pairwise(counts)) and all(n > 0 for n in counts)
    return bool(counts) and falling and fits(packed.data, like, (sum(counts), input_size))


def cast(value: Any, dtype: torch.dtype) -> Any:
    """Every tensor of a call in the parameters' dtype."""
    if isinstance(value, PackedSequence):
        return PackedSequence(value.data.to(dtype), *value[1:])
    if isinstance(value, (tuple, list)):
        return tuple(cast(one, dtype) for one in value)
    return value.to(dtype) if isinstance(value, Tensor) else value


def refuse(module: nn.Module, by_torch: Callable[..., Any], given: Sequence[Any], wanted: str) -> NoReturn:
    """Raise what torch raises for a call, and say behind it what would have been right."""
    try:
        with torch.no_grad():
            by_torch(module, *given)
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        said = str(error.args[0]) if error.args else str(error)
        raise type(error)(f"{said.rstrip().removesuffix('.')}. {wanted}") from None
    raise ShapeError(f"the arguments do not fit. {wanted}")
