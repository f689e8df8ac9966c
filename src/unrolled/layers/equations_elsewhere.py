"""What Keras, ONNX and torch compute, as their documentation states it: plain NumPy, one sequence, step by step.

Each function takes x (T, I) and the weights of one layer in one direction as that framework keeps them, and returns
the outputs (T, n). Nothing here knows a cell of ours: `weights_elsewhere` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Squash = Callable[[Array], Array]


def _sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def _relu(v: Array) -> Array:
    return np.maximum(v, 0)


SQUASHINGS: dict[str, Squash] = {"tanh": np.tanh, "relu": _relu}


def keras_simple_rnn(x: Array, kernel: Array, recurrent: Array, bias: Array, activation: str) -> Array:
    """`keras.layers.SimpleRNN`."""
    h, outputs = np.zeros(len(recurrent)), []
    for row in x:
        h = SQUASHINGS[activation](row @ kernel + bias + h @ recurrent)
        outputs.append(h)
    return np.stack(outputs)


def keras_lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """`keras.layers.LSTM`: columns i, f, c, o."""
    h, c, outputs = np.zeros(len(recurrent)), np.zeros(len(recurrent)), []
    for row in x:
        i, f, candidate, o = np.split(row @ kernel + h @ recurrent + bias, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(candidate)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def keras_gru(x: Array, kernel: Array, recurrent: Array, bias: Array, reset_after: bool) -> Array:
    """`keras.layers.GRU`: columns z, r, h; with `reset_after` the rows of the bias are the input's and the state's."""
    units = len(recurrent)
    h, outputs = np.zeros(units), []
    for row in x:
        if reset_after:
            of_x, of_h = row @ kernel + bias[0], h @ recurrent + bias[1]
            z, r = np.split(_sigmoid(of_x[: 2 * units] + of_h[: 2 * units]), 2)
            candidate = np.tanh(of_x[2 * units :] + r * of_h[2 * units :])
        else:
            of_x = row @ kernel + bias
            z, r = np.split(_sigmoid(of_x[: 2 * units] + h @ recurrent[:, : 2 * units]), 2)
            candidate = np.tanh(of_x[2 * units :] + (r * h) @ recurrent[:, 2 * units :])
        h = z * h + (1 - z) * candidate
        outputs.append(h)
    return np.stack(outputs)


def onnx_rnn(x: Array, W: Array, R: Array, B: Array, activation: str) -> Array:
    """The operator RNN in one direction: W (H, I), R (H, H), B (2H,)."""
    h, outputs = np.zeros(len(R)), []
    of_x, of_h = np.split(B, 2)
    for row in x:
        h = SQUASHINGS[activation](row @ W.T + h @ R.T + of_x + of_h)
        outputs.append(h)
    return np.stack(outputs)


def onnx_lstm(x: Array, W: Array, R: Array, B: Array) -> Array:
    """The operator LSTM in one direction: W (4H, I), R (4H, H), B (8H,), rows i, o, f, c."""
    h, c, outputs = np.zeros(R.shape[1]), np.zeros(R.shape[1]), []
    of_x, of_h = np.split(B, 2)
    for row in x:
        i, o, f, candidate = np.split(row @ W.T + h @ R.T + of_x + of_h, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(candidate)
        h = _sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def onnx_gru(x: Array, W: Array, R: Array, B: Array, linear_before_reset: int) -> Array:
    """The operator GRU in one direction: W (3H, I), R (3H, H), B (6H,), rows z, r, h."""
    h, outputs = np.zeros(R.shape[1]), []
    W_z, W_r, W_h = np.split(W, 3)
    R_z, R_r, R_h = np.split(R, 3)
    of_z, of_r, of_x, with_z, with_r, of_h = np.split(B, 6)
    for row in x:
        z = _sigmoid(row @ W_z.T + h @ R_z.T + of_z + with_z)
        r = _sigmoid(row @ W_r.T + h @ R_r.T + of_r + with_r)
        fed_back = r * (h @ R_h.T + of_h) if linear_before_reset else (r * h) @ R_h.T + of_h
        h = (1 - z) * np.tanh(row @ W_h.T + fed_back + of_x) + z * h
        outputs.append(h)
    return np.stack(outputs)


def torch_rnn(x: Array, W: Array, U: Array, b: Array, c: Array, activation: str) -> Array:
    """`torch.nn.RNN`."""
    h, outputs = np.zeros(len(U)), []
    for row in x:
        h = SQUASHINGS[activation](W @ row + b + U @ h + c)
        outputs.append(h)
    return np.stack(outputs)


def torch_lstm(x: Array, W: Array, U: Array, b: Array, c: Array, projection: Array | None = None) -> Array:
    """`torch.nn.LSTM`: rows i, f, g, o; `projection` is weight_hr."""
    memory, outputs = np.zeros(len(W) // 4), []
    h = np.zeros(U.shape[1])
    for row in x:
        i, f, g, o = np.split(W @ row + b + U @ h + c, 4)
        memory = _sigmoid(f) * memory + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(memory)
        h = h if projection is None else projection @ h
        outputs.append(h)
    return np.stack(outputs)


def torch_gru(x: Array, W: Array, U: Array, b: Array, c: Array) -> Array:
    """`torch.nn.GRU`: rows r, z, n."""
    h, outputs = np.zeros(U.shape[1]), []
    for row in x:
        of_x, of_h = np.split(W @ row + b, 3), np.split(U @ h + c, 3)
        r, z = _sigmoid(of_x[0] + of_h[0]), _sigmoid(of_x[1] + of_h[1])
        h = (1 - z) * np.tanh(of_x[2] + r * of_h[2]) + z * h
        outputs.append(h)
    return np.stack(outputs)
