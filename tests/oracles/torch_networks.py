"""torch.nn networks with their weights taken over into layers of ours, any depth, both directions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unrolled.layers import Recurrent

I, H = 5, 7

Named = dict[str, Tensor]


def simple(W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Named:
    return {"W": W, "U": U, "b": b + c}


def lstm(W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Named:
    """torch stacks the gates as i, f, candidate, o."""
    named = {}
    for gate, *parts in zip("ifco", W.chunk(4), U.chunk(4), (b + c).chunk(4), strict=True):
        named |= dict(zip((f"W_{gate}", f"U_{gate}", f"b_{gate}"), parts, strict=True))
    return named


def gru(W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Named:
    """torch stacks the gates as r, z, candidate; the candidate keeps its two biases apart."""
    (W_r, W_z, W_n), (U_r, U_z, U_n) = W.chunk(3), U.chunk(3)
    (b_r, b_z, b_n), (c_r, c_z, c_n) = b.chunk(3), c.chunk(3)
    gates = {"W_r": W_r, "U_r": U_r, "b_r": b_r + c_r, "W_z": W_z, "U_z": U_z, "b_z": b_z + c_z}
    return {**gates, "W": W_n, "U": U_n, "b": b_n, "c": c_n}


NETWORKS: dict[str, tuple[Callable[..., nn.Module], Callable[..., Named]]] = {
    "elman": (nn.RNN, simple),
    "elman_relu": (lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k), simple),
    "lstm": (nn.LSTM, lstm),
    "gru_reset_after": (nn.GRU, gru),
}


def torch_weights(theirs: nn.Module, ending: str) -> list[Tensor]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(theirs, f"{name}_{ending}") for name in names]


def pair(name: str, **options: object) -> tuple[nn.Module, Recurrent]:
    """A torch network in float64 and the layer with its weights."""
    make, convert = NETWORKS[name]
    theirs = make(I, H, **options).double()
    ours = Recurrent(name, I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for ending in ours.weights:
            for key, value in convert(*torch_weights(theirs, ending)).items():
                ours.cell_weights(ending)[key].copy_(value)
    return theirs, ours


def same_weight_gradients(name: str, theirs: nn.Module, ours: Recurrent) -> None:
    """Every gradient of ours is torch's, block by block; the two biases of torch have one gradient."""
    convert = NETWORKS[name][1]
    for ending in ours.weights:
        W, U, b, c = (tensor.grad for tensor in torch_weights(theirs, ending))
        # Two biases that were added have one gradient; the candidate's second bias in the GRU has its own.
        expected = convert(W, U, b, torch.zeros_like(c)) | {
            key: value for key, value in convert(W, U, torch.zeros_like(b), c).items() if key == "c"
        }
        for key, value in ours.cell_weights(ending).items():
            torch.testing.assert_close(
                value.grad, expected[key], rtol=0, atol=1e-11, msg=lambda m, k=key: f"{k}: {m}"
            )
