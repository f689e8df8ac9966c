"""Cells that torch.nn also has, with torch's weights taken over one to one."""

import numpy as np
import pytest
import torch

from unrolled.cells import find

T, I, H = 11, 5, 6


def arrays(module):
    """The four tensors of a one-layer torch network: W, U and their two biases."""
    return [
        getattr(module, f"{name}_l0").detach().numpy()
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


def simple_weights(module):
    W, U, b, c = arrays(module)
    return {"W": W, "U": U, "b": b + c}


def gates(module, number):
    return zip(*(np.split(tensor, number) for tensor in arrays(module)), strict=True)


def lstm_weights(module):
    weights = {}
    for gate, (W, U, b, c) in zip("ifco", gates(module, 4), strict=True):
        weights |= {f"W_{gate}": W, f"U_{gate}": U, f"b_{gate}": b + c}
    return weights


def gru_weights(module):
    weights = {}
    for gate, (W, U, b, c) in zip(("_r", "_z", ""), gates(module, 3), strict=True):
        weights |= {f"W{gate}": W, f"U{gate}": U, f"b{gate}": b + c}
    *_, (_, _, weights["b"], weights["c"]) = gates(module, 3)
    return weights


TORCH = {
    "elman": (lambda: torch.nn.RNN(I, H), simple_weights),
    "elman_relu": (lambda: torch.nn.RNN(I, H, nonlinearity="relu"), simple_weights),
    "lstm": (lambda: torch.nn.LSTM(I, H), lstm_weights),
    "gru_reset_after": (lambda: torch.nn.GRU(I, H), gru_weights),
}


@pytest.mark.parametrize("given", [False, True], ids=["zero state", "given state"])
@pytest.mark.parametrize("name", TORCH)
def test_equals_torch(name, given):
    make, convert = TORCH[name]
    torch.manual_seed(7)
    module, cell = make().double(), find(name)
    x = torch.randn(T, I, dtype=torch.float64)
    starts = [torch.randn(1, H, dtype=torch.float64) for _ in cell.states] if given else None
    handed = None if starts is None else (tuple(starts) if len(starts) > 1 else starts[0])
    with torch.no_grad():
        output, final = module(x, handed)
    state = None if starts is None else {s: v[0].numpy() for s, v in zip(cell.states, starts, strict=True)}
    result = cell.run(x.numpy(), convert(module), state)
    np.testing.assert_allclose(result.outputs, output.numpy(), rtol=0, atol=1e-12)
    finals = final if isinstance(final, tuple) else (final,)
    for name_of_state, value in zip(cell.states, finals, strict=True):
        np.testing.assert_allclose(result.states[name_of_state][-1], value[0].numpy(), rtol=0, atol=1e-12)
