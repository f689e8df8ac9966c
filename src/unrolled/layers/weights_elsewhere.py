"""Weights of one layer in one direction to and from Keras, ONNX and torch, as plain arrays.

A framework stacks the gates of a cell in an order of its own and may keep two biases where one is enough. Neither Keras
nor ONNX has to be installed. With `verify=True` a short random sequence runs through that framework's documented
equations with its arrays, and through the cell with ours; DataError when the two differ.

The cells: `elman`, `elman_relu`, `lstm`, `gru_reset_after` everywhere; `gru` (reset before the product) in Keras and
ONNX, whose z keeps the old state where ours takes the new one, so its sign is turned; `lstm_projected` in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.cells import find
from unrolled.errors import DataError, SettingError, ShapeError
from unrolled.layers import equations_elsewhere as elsewhere
from unrolled.layers.gate_stacks import TORCH, Stack, gates

Array = NDArray[Any]
Given = Mapping[str, Any]

KERAS = {
    "elman": Stack(gates("-")),
    "elman_relu": Stack(gates("-")),
    "lstm": Stack(gates("i f c o")),
    "gru": Stack(gates("z r -")),
    "gru_reset_after": Stack(gates("z r -"), second="c"),
}
ONNX = {**KERAS, "lstm": Stack(gates("i o f c"))}
TURNED = ("W_z", "U_z", "b_z")
STEPS = 5


# --- Keras -----------------------------------------------------------------------------------------


def from_keras(cell: str, weights: Sequence[Any], *, verify: bool = True) -> dict[str, Array]:
    """The weights of a Keras layer by the names of a cell.

    Args:
        cell: `lstm` for LSTM, `gru_reset_after` for GRU (reset_after=True, its default), `gru` for GRU with
            reset_after=False, `elman` and `elman_relu` for SimpleRNN with tanh and relu.
        weights: `layer.get_weights()`: kernel (I, G), recurrent_kernel (H, G), and with use_bias the bias (G,), or
            (2, G) with reset_after; G is H for every gate.
        verify: compare Keras' equations with the cell on a short random sequence.

    Raises SettingError for another cell, ShapeError for arrays that do not fit, DataError when the two differ.

    Example:
        >>> H, I = 3, 2
        >>> weights = from_keras("lstm", [np.ones((I, 4 * H)), np.eye(H, 4 * H), np.arange(4 * H)])
        >>> weights["b_c"]
        array([6, 7, 8])
    """
    stack = _stack(KERAS, cell, "Keras")
    arrays = [_array(one) for one in weights]
    if len(arrays) not in (2, 3):
        raise ShapeError(
            f"weights must be kernel, recurrent_kernel and bias, got {len(arrays)} arrays. Use layer.get_weights()."
        )
    kernel, recurrent, *rest = arrays
    width = kernel.shape[-1]
    rows = (2, width) if stack.second else (width,)
    bias = rest[0] if rest else np.zeros(rows, kernel.dtype)
    _fits("bias", bias, rows)
    b, c = (bias[0], bias[1]) if stack.second else (bias, np.zeros_like(bias))
    found = _named(stack, cell, kernel.T, recurrent.T, b, c)
    if verify:
        _compare(cell, found, "Keras", _keras(cell, [kernel, recurrent, bias]))
    return found


def to_keras(cell: str, weights: Given, *, verify: bool = True) -> list[Array]:
    """The weights of a cell as `layer.set_weights` of the Keras layer takes them; the reverse of `from_keras`.

    Args:
        cell: as for `from_keras`.
        weights: by the names of the cell: `layer.cell_weights()` of a `Recurrent`.
        verify: compare Keras' equations with the cell on a short random sequence.

    Example:
        >>> weights = from_keras("gru", [np.ones((2, 9)), np.eye(3, 9), np.arange(9.0)])
        >>> [one.shape for one in to_keras("gru", weights)]
        [(2, 9), (3, 9), (9,)]
    """
    stack = _stack(KERAS, cell, "Keras")
    W, U, b, c = _stacked(stack, cell, weights)
    found = [W.T.copy(), U.T.copy(), np.stack([b, c]) if stack.second else b]
    if verify:
        _compare(cell, _arrays(weights), "Keras", _keras(cell, found))
    return found


def _keras(cell: str, weights: Sequence[Array]) -> Callable[[Array], Array]:
    wide = [one.astype(np.float64) for one in weights]
    kernel, recurrent, bias = wide
    if cell == "lstm":
        return lambda x: elsewhere.keras_lstm(x, kernel, recurrent, bias)
    if cell in ("gru", "gru_reset_after"):
        return lambda x: elsewhere.keras_gru(x, kernel, recurrent, bias, cell == "gru_reset_after")
    return lambda x: elsewhere.keras_simple_rnn(x, kernel, recurrent, bias, _squashing(cell))


# --- ONNX ------------------------------------------------------------------------------------------


def from_onnx(
    cell: str, W: Any, R: Any, B: Any = None, *, direction: int = 0, verify: bool = True
) -> dict[str, Array]:
    """The inputs W, R and B of an ONNX operator by the names of a cell.

    Args:
        cell: `lstm` for LSTM (without peepholes), `gru_reset_after` for GRU with linear_before_reset=1, `gru` for GRU
            with linear_before_reset=0, its default, `elman` and `elman_relu` for RNN with Tanh and Relu.
        W: (D, G, I); G is H for every gate.
        R: (D, G, H).
        B: (D, 2G), or none for zeros.
        direction: 0, or 1 for the reverse one of a bidirectional operator.
        verify: compare the operator's equations with the cell on a short random sequence.

    Raises SettingError for another cell, ShapeError for arrays that do not fit, DataError when the two differ.

    Example:
        >>> weights = from_onnx("gru", np.ones((1, 6, 3)), np.ones((1, 6, 2)))
        >>> sorted(weights)
        ['U', 'U_r', 'U_z', 'W', 'W_r', 'W_z', 'b', 'b_r', 'b_z']
    """
    stack = _stack(ONNX, cell, "ONNX")
    one_way = [_direction(name, one, direction) for name, one in (("W", W), ("R", R))]
    width = len(one_way[0])
    both = np.zeros(2 * width, one_way[0].dtype) if B is None else _direction("B", B, direction)
    _fits("B", both, (2 * width,))
    found = _named(stack, cell, *one_way, *np.split(both, 2))
    if verify:
        _compare(cell, found, "ONNX", _onnx(cell, *one_way, both))
    return found


def to_onnx(cell: str, weights: Given, *, verify: bool = True) -> dict[str, Array]:
    """The inputs W (1, G, I), R (1, G, H) and B (1, 2G) of the ONNX operator; the reverse of `from_onnx`.

    Args:
        cell: as for `from_onnx`, which says what linear_before_reset must be.
        weights: by the names of the cell: `layer.cell_weights()` of a `Recurrent`.
        verify: compare the operator's equations with the cell on a short random sequence.

    Example:
        >>> weights = from_onnx("elman", np.ones((1, 4, 3)), np.ones((1, 4, 4)))
        >>> {name: one.shape for name, one in to_onnx("elman", weights).items()}
        {'W': (1, 4, 3), 'R': (1, 4, 4), 'B': (1, 8)}
    """
    stack = _stack(ONNX, cell, "ONNX")
    W, U, b, c = _stacked(stack, cell, weights)
    both = np.concatenate([b, c])
    if verify:
        _compare(cell, _arrays(weights), "ONNX", _onnx(cell, W, U, both))
    return {"W": W[None], "R": U[None], "B": both[None]}


def _direction(name: str, value: Any, direction: int) -> Array:
    array = _array(value)
    if array.ndim != (2 if name == "B" else 3) or not 0 <= direction < len(array):
        wanted = "(D, 2G)" if name == "B" else "(D, G, n)"
        raise ShapeError(
            f"{name} must be {wanted} with a direction {direction}, got {array.shape}. Give the operator's input."
        )
    one: Array = array[direction]
    return one


def _onnx(cell: str, *weights: Array) -> Callable[[Array], Array]:
    W, R, B = (one.astype(np.float64) for one in weights)
    if cell == "lstm":
        return lambda x: elsewhere.onnx_lstm(x, W, R, B)
    if cell in ("gru", "gru_reset_after"):
        return lambda x: elsewhere.onnx_gru(x, W, R, B, int(cell == "gru_reset_after"))
    return lambda x: elsewhere.onnx_rnn(x, W, R, B, _squashing(cell))


# --- torch -----------------------------------------------------------------------------------------


def from_torch(cell: str, weights: Given, layer: str = "l0", *, verify: bool = True) -> dict[str, Array]:
    """The weights of a torch.nn network by the names of a cell.

    Args:
        cell: `lstm` or `lstm_projected` for LSTM, `gru_reset_after` for GRU, `elman` and `elman_relu` for RNN.
        weights: its `state_dict()`: weight_ih_l0 (G, I), weight_hh_l0 (G, H), and with bias bias_ih_l0 and
            bias_hh_l0 (G,); G is H for every gate.
        layer: `l0`, `l0_reverse`, `l1`, ...
        verify: compare torch's equations with the cell on a short random sequence.

    Raises SettingError for another cell or layer, ShapeError for arrays that do not fit, DataError when they differ.

    Example:
        >>> layer = torch.nn.GRU(3, 2)
        >>> from_torch("gru_reset_after", layer.state_dict())["U_z"].shape
        (2, 2)
    """
    stack = _stack(TORCH, cell, "torch")
    given = {
        name.removesuffix(f"_{layer}"): _array(one) for name, one in weights.items() if name.endswith(layer)
    }
    wanted = ["weight_ih", "weight_hh", *(["weight_hr"] if stack.projection else [])]
    if not set(wanted) <= set(given):
        listed = " and ".join(f"{name}_{layer}" for name in wanted)
        raise SettingError(
            f"weights must have {listed}, got {', '.join(weights)}. Use the state_dict() of the network."
        )
    W, U = given["weight_ih"], given["weight_hh"]
    b, c = (given.get(name, np.zeros(len(W), W.dtype)) for name in ("bias_ih", "bias_hh"))
    found = _named(stack, cell, W, U, b, c)
    if stack.projection:
        found[stack.projection] = given["weight_hr"].copy()
    if verify:
        _compare(cell, found, "torch", _torch(cell, W, U, b, c, given.get("weight_hr")))
    return found


def to_torch(cell: str, weights: Given, layer: str = "l0", *, verify: bool = True) -> dict[str, Array]:
    """The weights of a cell by the names of torch's `state_dict`; the reverse of `from_torch`.

    Args:
        cell: as for `from_torch`.
        weights: by the names of the cell: `layer.cell_weights()` of a `Recurrent`.
        layer: `l0`, `l0_reverse`, `l1`, ...
        verify: compare torch's equations with the cell on a short random sequence.

    Example:
        >>> from unrolled import Recurrent
        >>> weights = to_torch("lstm", Recurrent("lstm", 3, 2).cell_weights())
        >>> list(weights)
        ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
    """
    stack = _stack(TORCH, cell, "torch")
    W, U, b, c = _stacked(stack, cell, weights)
    found = {"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": c}
    if stack.projection:
        found["weight_hr"] = _array(weights[stack.projection])
    if verify:
        _compare(cell, _arrays(weights), "torch", _torch(cell, W, U, b, c, found.get("weight_hr")))
    return {f"{name}_{layer}": one for name, one in found.items()}


def _torch(cell: str, *weights: Array | None) -> Callable[[Array], Array]:
    W, U, b, c, projection = (None if one is None else one.astype(np.float64) for one in weights)
    assert W is not None and U is not None and b is not None and c is not None
    if cell in ("lstm", "lstm_projected"):
        return lambda x: elsewhere.torch_lstm(x, W, U, b, c, projection)
    if cell == "gru_reset_after":
        return lambda x: elsewhere.torch_gru(x, W, U, b, c)
    return lambda x: elsewhere.torch_rnn(x, W, U, b, c, _squashing(cell))


# --- what they share -------------------------------------------------------------------------------


def _squashing(cell: str) -> str:
    return "relu" if cell == "elman_relu" else "tanh"


def _stack(known: Mapping[str, Stack], cell: str, framework: str) -> Stack:
    if cell not in known:
        raise SettingError(f"{framework} has no cell {cell!r}; it has {', '.join(known)}. Use one of these.")
    return known[cell]


def _array(value: Any) -> Array:
    """A NumPy array of what may be a tensor."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()  # NumPy has no bfloat16
    return np.asarray(value)


def _arrays(weights: Given) -> dict[str, Array]:
    return {name: _array(value) for name, value in weights.items()}


def _fits(name: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ShapeError(
            f"{name} must be {shape}, got {array.shape}. Check the cell, and that nothing is transposed."
        )


def _named(stack: Stack, cell: str, W: Array, U: Array, b: Array, c: Array) -> dict[str, Array]:
    """Stacked arrays, W (G, I), U (G, n), two biases (G,), by the names of the cell."""
    count = len(stack.gates)
    if W.ndim != 2 or len(W) % count:
        raise ShapeError(
            f"the input's weights must have {count} gates of H each, got {W.shape}. Check the cell, and that nothing "
            "is transposed."
        )
    columns = U.shape[-1] if stack.projection else len(W) // count
    _fits("the state's weights, one row for each gate and unit,", U, (len(W), columns))
    for bias in (b, c):
        _fits("each bias", bias, (len(W),))
    into, back, of_x, of_h = (torch.from_numpy(np.ascontiguousarray(one)) for one in (W, U, b, c))
    parts = stack.part(into, back, *stack.summed(of_x, of_h))
    return _turned(cell, {name: one.numpy().copy() for name, one in parts.items()})


def _stacked(stack: Stack, cell: str, weights: Given) -> list[Array]:
    """W (G, I), U (G, n) and two biases (G,) of the weights by name."""
    given = _arrays(weights)
    wanted = find(cell).parameter_shapes(1, 1, **dict.fromkeys(find(cell).named_sizes, 1))
    if set(given) != set(wanted):
        raise SettingError(
            f"weights must have {', '.join(wanted)}, got {', '.join(given)}. Use layer.cell_weights()."
        )
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in _turned(cell, given).items()
    }
    return [one.numpy() for one in stack.join(tensors)]


def _turned(cell: str, weights: dict[str, Array]) -> dict[str, Array]:
    """sigmoid(-a) = 1 - sigmoid(a): for `gru`, whose z takes the new state where theirs keeps the old one."""
    if cell != "gru":
        return weights
    return {name: -one if name in TURNED else one for name, one in weights.items()}


def _compare(cell: str, weights: Given, framework: str, theirs: Callable[[Array], Array]) -> None:
    """Run a short random sequence through both; the same numbers up to the rounding of the weights."""
    wide = {name: np.asarray(one, np.float64) for name, one in weights.items()}
    first = next(iter(wide.values()))
    x = np.random.default_rng(0).standard_normal((STEPS, first.shape[1]))
    expected, found = theirs(x), find(cell).run(x, wide).outputs
    kind = next(iter(weights.values())).dtype
    close = max(1e-10, 100 * float(np.finfo(kind).eps) if kind.kind == "f" else 0.0)
    if not np.allclose(found, expected, rtol=close, atol=close, equal_nan=True):
        worst = float(np.abs(found - expected).max())
        raise DataError(
            f"{cell} with these weights differs from {framework}'s equations by {worst:.3g}. Check the order of the "
            "arrays and the options of the layer."
        )
