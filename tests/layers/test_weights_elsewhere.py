"""Weights to and from Keras, ONNX and torch against equations written out unit by unit."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from unrolled.cells import find
from unrolled.errors import DataError, SettingError, ShapeError
from unrolled.layers import Recurrent, weights_elsewhere
from unrolled.layers.weights_elsewhere import from_keras, from_onnx, from_torch, to_keras, to_onnx, to_torch

T, I, H, P = 6, 3, 4, 2
CLOSE = {"rtol": 0, "atol": 1e-12}
KERAS_CELLS = ("elman", "elman_relu", "lstm", "gru", "gru_reset_after")
TORCH_CELLS = ("elman", "elman_relu", "lstm", "lstm_projected", "gru_reset_after")
GATES = {"elman": 1, "elman_relu": 1, "lstm": 4, "lstm_projected": 4, "gru": 3, "gru_reset_after": 3}


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 0.6, shape)


# --- each convention, unit by unit -----------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def weighed(vector, weights):
    return sum(float(a) * float(b) for a, b in zip(vector, weights, strict=True))


class Gates:
    """The pre-activation of any gate and unit, whatever the order: `order` is the framework's."""

    def __init__(self, order, into, back, of_x, of_h, units=H):
        self.order, self.into, self.back, self.of_x, self.of_h, self.units = (
            order,
            into,
            back,
            of_x,
            of_h,
            units,
        )

    def place(self, gate, unit):
        return self.order.index(gate) * self.units + unit

    def x(self, gate, unit, x):
        k = self.place(gate, unit)
        return weighed(x, self.into[k]) + self.of_x[k]

    def h(self, gate, unit, h, bias=True):
        k = self.place(gate, unit)
        return weighed(h, self.back[k]) + (self.of_h[k] if bias else 0)

    def both(self, gate, unit, x, h):
        return self.x(gate, unit, x) + self.h(gate, unit, h)


def by_hand(kind, gates, sequence):
    """The outputs (T, H) of an Elman network, an LSTM or a GRU, with the gates of `gates`."""
    h, c, outputs = [0.0] * len(gates.back[0]), [0.0] * gates.units, []
    for x in sequence:
        if kind == "lstm":
            i, f, o = ([sigmoid(gates.both(g, j, x, h)) for j in range(gates.units)] for g in "ifo")
            new = [math.tanh(gates.both("c", j, x, h)) for j in range(gates.units)]
            c = [f[j] * c[j] + i[j] * new[j] for j in range(gates.units)]
            h = [o[j] * math.tanh(c[j]) for j in range(gates.units)]
        elif kind.startswith("gru"):
            z, r = ([sigmoid(gates.both(g, j, x, h)) for j in range(gates.units)] for g in "zr")
            if kind == "gru_reset_after":
                fed_back = [r[j] * gates.h("n", j, h) for j in range(gates.units)]
            else:
                kept = [r[j] * h[j] for j in range(gates.units)]
                fed_back = [gates.h("n", j, kept) for j in range(gates.units)]
            new = [math.tanh(gates.x("n", j, x) + fed_back[j]) for j in range(gates.units)]
            h = [z[j] * h[j] + (1 - z[j]) * new[j] for j in range(gates.units)]
        else:
            squash = math.tanh if kind == "elman" else lambda a: max(a, 0.0)
            h = [squash(gates.both("n", j, x, h)) for j in range(gates.units)]
        outputs.append(h)
    return np.array(outputs)


ORDER = {
    "keras": {"lstm": "ifco", "gru": "zrn", "gru_reset_after": "zrn", "elman": "n", "elman_relu": "n"},
    "onnx": {"lstm": "iofc", "gru": "zrn", "gru_reset_after": "zrn", "elman": "n", "elman_relu": "n"},
    "torch": {"lstm": "ifco", "gru_reset_after": "rzn", "elman": "n", "elman_relu": "n"},
}


def keras_weights(cell):
    width = GATES[cell] * H
    return [drawn(I, width), drawn(H, width), drawn(*((2, width) if cell == "gru_reset_after" else (width,)))]


def keras_by_hand(cell, weights, x):
    kernel, recurrent, bias = weights
    of_x, of_h = bias if cell == "gru_reset_after" else (bias, np.zeros_like(bias))
    return by_hand(cell, Gates(ORDER["keras"][cell], kernel.T, recurrent.T, of_x, of_h), x)


def onnx_weights(cell, directions=1):
    width = GATES[cell] * H
    return drawn(directions, width, I), drawn(directions, width, H), drawn(directions, 2 * width)


def onnx_by_hand(cell, W, R, B, x, direction=0):
    of_x, of_h = np.split(B[direction], 2)
    return by_hand(cell, Gates(ORDER["onnx"][cell], W[direction], R[direction], of_x, of_h), x)


def ours(cell, weights, x):
    sizes = dict.fromkeys(find(cell).named_sizes, P)
    start = {name: torch.from_numpy(value) for name, value in weights.items()}
    layer = Recurrent(cell, I, H, sizes=sizes, start=start, dtype=torch.float64)
    with torch.no_grad():
        return layer(torch.from_numpy(x))[0].numpy()


# --- both ways -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", KERAS_CELLS)
def test_from_keras(cell):
    weights, x = keras_weights(cell), drawn(T, I)
    np.testing.assert_allclose(
        ours(cell, from_keras(cell, weights), x), keras_by_hand(cell, weights, x), **CLOSE
    )


@pytest.mark.parametrize("cell", KERAS_CELLS)
def test_to_keras(cell):
    layer, x = Recurrent(cell, I, H, dtype=torch.float64, initialise="uniform"), drawn(T, I)
    weights = to_keras(cell, layer.cell_weights())
    assert [one.shape for one in weights] == [one.shape for one in keras_weights(cell)]
    with torch.no_grad():
        found = layer(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(found, keras_by_hand(cell, weights, x), **CLOSE)


@pytest.mark.parametrize("cell", KERAS_CELLS)
@pytest.mark.parametrize("direction", [0, 1])
def test_from_onnx(cell, direction):
    (W, R, B), x = onnx_weights(cell, 2), drawn(T, I)
    weights = from_onnx(cell, W, R, B, direction=direction)
    np.testing.assert_allclose(ours(cell, weights, x), onnx_by_hand(cell, W, R, B, x, direction), **CLOSE)


@pytest.mark.parametrize("cell", KERAS_CELLS)
def test_to_onnx(cell):
    layer, x = Recurrent(cell, I, H, dtype=torch.float64, initialise="uniform"), drawn(T, I)
    found = to_onnx(cell, layer.cell_weights())
    assert [one.shape for one in found.values()] == [one.shape for one in onnx_weights(cell)]
    with torch.no_grad():
        expected = layer(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(onnx_by_hand(cell, found["W"], found["R"], found["B"], x), expected, **CLOSE)


def torch_network(cell, **options):
    make = {"lstm": torch.nn.LSTM, "lstm_projected": torch.nn.LSTM, "gru_reset_after": torch.nn.GRU}
    options |= {"nonlinearity": "relu"} if cell == "elman_relu" else {}
    options |= {"proj_size": P} if cell == "lstm_projected" else {}
    return make.get(cell, torch.nn.RNN)(I, H, dtype=torch.float64, **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_torch_both_ways(cell, bias):
    network, x = torch_network(cell, bias=bias), drawn(T, I)
    with torch.no_grad():
        expected = network(torch.from_numpy(x))[0].numpy()
    weights = from_torch(cell, network.state_dict())
    np.testing.assert_allclose(ours(cell, weights, x), expected, **CLOSE)
    again = torch_network(cell)
    again.load_state_dict({name: torch.from_numpy(one) for name, one in to_torch(cell, weights).items()})
    with torch.no_grad():
        np.testing.assert_allclose(again(torch.from_numpy(x))[0].numpy(), expected, **CLOSE)


def test_torch_layers_and_directions_by_name():
    network = torch.nn.GRU(I, H, 2, bidirectional=True, dtype=torch.float64)
    layer = Recurrent("gru_reset_after", I, H, 2, bidirectional=True, dtype=torch.float64)
    for name in layer.weights:
        for key, value in from_torch("gru_reset_after", network.state_dict(), name).items():
            layer.cell_weights(name)[key].data.copy_(torch.from_numpy(value))
    x = torch.randn(T, 2, I, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[0], network(x)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", KERAS_CELLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_there_and_back_is_the_same_to_the_bit_and_keeps_the_dtype(cell, dtype):
    shapes = find(cell).parameter_shapes(I, H)
    weights = {name: drawn(*shape).astype(dtype) for name, shape in shapes.items()}
    others = [from_keras(cell, to_keras(cell, weights)), from_onnx(cell, **to_onnx(cell, weights))]
    if cell != "gru":
        others.append(from_torch(cell, to_torch(cell, weights)))
    for other in others:
        assert set(other) == set(weights)
        for name, value in weights.items():
            assert other[name].dtype == dtype
            np.testing.assert_array_equal(other[name], value)


def test_biases_left_out_are_zero():
    kernel, recurrent, _ = keras_weights("gru_reset_after")
    assert (from_keras("gru_reset_after", [kernel, recurrent])["c"] == 0).all()
    W, R, _ = onnx_weights("lstm")
    assert (from_onnx("lstm", W, R)["b_o"] == 0).all()


def test_results_share_no_memory_with_what_was_given():
    network = torch_network("lstm_projected")
    for value in from_torch("lstm_projected", network.state_dict()).values():
        value += 1
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = from_torch("lstm_projected", network.state_dict())
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value)
    assert np.abs(weights["V"]).max() < 1


def test_bfloat16_is_read():
    weights = from_torch("elman", torch.nn.RNN(I, H, dtype=torch.bfloat16).state_dict())
    assert weights["W"].dtype == np.float32


# --- verification and errors -----------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["gru", "gru_reset_after", "lstm"])
def test_verification_notices_a_wrong_order(cell, monkeypatch):
    swapped = weights_elsewhere.KERAS | {
        name: type(stack)(stack.gates[1::-1] + stack.gates[2:], stack.second)
        for name, stack in weights_elsewhere.KERAS.items()
        if len(stack.gates) > 1
    }
    monkeypatch.setattr(weights_elsewhere, "KERAS", swapped)
    with pytest.raises(DataError, match=f"{cell} with these weights differs from Keras's equations by"):
        from_keras(cell, keras_weights(cell))
    monkeypatch.setattr(weights_elsewhere, "ONNX", swapped)
    with pytest.raises(DataError, match=f"{cell} with these weights differs from ONNX's equations by"):
        from_onnx(cell, *onnx_weights(cell))
    from_keras(cell, keras_weights(cell), verify=False)


def test_wrong_cells_are_refused():
    with pytest.raises(
        SettingError, match=r"Keras has no cell 'mingru'; it has elman, elman_relu, lstm, gru"
    ):
        from_keras("mingru", [])
    with pytest.raises(SettingError, match=r"torch has no cell 'gru'; it has elman"):
        to_torch("gru", {})
    with pytest.raises(SettingError, match=r"ONNX has no cell 'lstm_projected'"):
        from_onnx("lstm_projected", 1, 2)


def test_arrays_that_do_not_fit_are_refused():
    kernel, recurrent, bias = keras_weights("lstm")
    with pytest.raises(ShapeError, match=r"got 1 arrays. Use layer.get_weights"):
        from_keras("lstm", [kernel])
    with pytest.raises(ShapeError, match=r"must have 4 gates of H each, got \(3, 16\). Check the cell"):
        from_onnx("lstm", kernel[None], recurrent.T[None])
    with pytest.raises(ShapeError, match=r"must be \(16, 4\), got \(4, 16\)"):
        from_keras("lstm", [kernel, recurrent.T, bias])
    with pytest.raises(ShapeError, match=r"bias must be \(2, 12\), got \(12,\)"):
        from_keras("gru_reset_after", keras_weights("gru"))
    with pytest.raises(ShapeError, match=r"W must be \(D, G, n\) with a direction 1, got \(1, 16, 3\)"):
        from_onnx("lstm", *onnx_weights("lstm"), direction=1)
    with pytest.raises(ShapeError, match=r"B must be \(32,\), got \(16,\)"):
        from_onnx("lstm", *onnx_weights("lstm")[:2], np.zeros((1, 16)))
    with pytest.raises(
        SettingError, match=r"weights must have weight_ih_l1 and weight_hh_l1, got weight_ih_l0"
    ):
        from_torch("lstm", torch_network("lstm").state_dict(), "l1")
    with pytest.raises(SettingError, match=r"weights must have W, U, b, got W. Use layer.cell_weights"):
        to_onnx("elman", {"W": kernel})


def test_nothing_of_keras_or_onnx_is_imported():
    program = "import sys, unrolled.layers.weights_elsewhere\nprint(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert loaded.isdisjoint({"keras", "tensorflow", "onnx", "onnxruntime"})
