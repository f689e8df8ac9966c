"""Every cell against its formula, written out again unit by unit from the paper or the lecture.

Nothing here calls a word of the language: plain floats, indices and sums.
"""

import math

import numpy as np
import pytest

from unrolled.cells import catalogue, find

I, T = 3, 9


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def times(matrix, vector):
    return [sum(matrix[j][k] * vector[k] for k in range(len(vector))) for j in range(len(matrix))]


def gate(squash, p, name, x, h, *extra):
    """squash(W_name x + U_name h + b_name + extra), unit by unit; a missing parameter counts as zero."""
    total = [0.0] * len(p["U_" + name])
    for product in (times(p["W_" + name], x), times(p["U_" + name], h), p.get("b_" + name), *extra):
        if product is not None:
            total = [total[j] + product[j] for j in range(len(total))]
    return [squash(a) for a in total]


def normalised(v, gain, bias):
    mean = sum(v) / len(v)
    variance = sum((a - mean) ** 2 for a in v) / len(v)
    return [(v[j] - mean) / math.sqrt(variance + 1e-5) * gain[j] + bias[j] for j in range(len(v))]


def simple_network(squash):
    def step(p, x, past, t):
        h = past["h"][0]
        inputs, feedback = times(p["W"], x), times(p["U"], h)
        return {"h": [squash(inputs[j] + feedback[j] + p["b"][j]) for j in range(len(h))]}

    return step


def jordan(p, x, past, t):
    y = past["y"][0]
    hidden = []
    for j in range(len(p["b_h"])):
        driven = sum(p["W_h"][j][i] * x[i] for i in range(len(x)))
        fed_back = sum(p["U_h"][j][k] * y[k] for k in range(len(y)))
        hidden.append(math.tanh(driven + fed_back + p["b_h"][j]))
    return {"y": [a + b for a, b in zip(times(p["W_y"], hidden), p["b_y"], strict=True)]}


def lstm(p, x, past, t, output=math.tanh, forget=True, peepholes=False):
    h, c = past["h"][0], past["c"][0]
    units = range(len(c))

    def peep(name, cell):
        return [p["p_" + name][j] * cell[j] for j in units] if peepholes else None

    i = gate(sigmoid, p, "i", x, h, peep("i", c))
    f = gate(sigmoid, p, "f", x, h, peep("f", c)) if forget else [1.0] * len(c)
    g = gate(math.tanh, p, "c", x, h)
    new = [f[j] * c[j] + i[j] * g[j] for j in units]
    o = gate(sigmoid, p, "o", x, h, peep("o", new))
    return {"h": [o[j] * output(new[j]) for j in units], "c": new}


def lstm_projected(p, x, past, t):
    new = lstm(p, x, past, t)
    return {**new, "h": times(p["V"], new["h"])}


def lstm_layer_norm(p, x, past, t):
    h, c = past["h"][0], past["c"][0]
    n = len(h)
    from_state = normalised(times(p["W_h"], h), p["alpha_1"], p["beta_1"])
    from_input = normalised(times(p["W_x"], x), p["alpha_2"], p["beta_2"])
    stacked = [from_state[j] + from_input[j] + p["b"][j] for j in range(4 * n)]
    f, i, o, g = (stacked[part * n : (part + 1) * n] for part in range(4))
    new = [sigmoid(f[j]) * c[j] + sigmoid(i[j]) * math.tanh(g[j]) for j in range(n)]
    read = normalised(new, p["alpha_3"], p["beta_3"])
    return {"h": [sigmoid(o[j]) * math.tanh(read[j]) for j in range(n)], "c": new}


def gru(p, x, past, t):
    h = past["h"][0]
    z, r = gate(sigmoid, p, "z", x, h), gate(sigmoid, p, "r", x, h)
    inputs, feedback = times(p["W"], x), times(p["U"], [r[j] * h[j] for j in range(len(h))])
    candidate = [math.tanh(inputs[j] + feedback[j] + p["b"][j]) for j in range(len(h))]
    return {"h": [h[j] + z[j] * (candidate[j] - h[j]) for j in range(len(h))]}


def gru_reset_after(p, x, past, t):
    h = past["h"][0]
    z, r = gate(sigmoid, p, "z", x, h), gate(sigmoid, p, "r", x, h)
    inputs, feedback = times(p["W"], x), times(p["U"], h)
    n = [math.tanh(inputs[j] + p["b"][j] + r[j] * (feedback[j] + p["c"][j])) for j in range(len(h))]
    return {"h": [n[j] + z[j] * (h[j] - n[j]) for j in range(len(h))]}


def gru_update_only(p, x, past, t):
    h = past["h"][0]
    z = gate(sigmoid, p, "z", x, h)
    candidate = simple_network(math.tanh)(p, x, past, t)["h"]
    return {"h": [h[j] + z[j] * (candidate[j] - h[j]) for j in range(len(h))]}


def minimal_gated(p, x, past, t):
    h = past["h"][0]
    f = gate(sigmoid, p, "f", x, h)
    inputs, feedback = times(p["W_h"], x), times(p["U_h"], [f[j] * h[j] for j in range(len(h))])
    candidate = [math.tanh(inputs[j] + feedback[j] + p["b_h"][j]) for j in range(len(h))]
    return {"h": [h[j] + f[j] * (candidate[j] - h[j]) for j in range(len(h))]}


def mingru(p, x, past, t):
    h = past["h"][0]
    new = []
    for j in range(len(h)):
        z = sigmoid(times(p["W_z"], x)[j] + p["b_z"][j])
        new.append(h[j] - z * h[j] + z * (times(p["W_h"], x)[j] + p["b_h"][j]))
    return {"h": new}


def minlstm(p, x, past, t):
    h = past["h"][0]
    new = []
    for j in range(len(h)):
        f = sigmoid(times(p["W_f"], x)[j] + p["b_f"][j])
        i = sigmoid(times(p["W_i"], x)[j] + p["b_i"][j])
        new.append((f * h[j] + i * (times(p["W_h"], x)[j] + p["b_h"][j])) / (f + i))
    return {"h": new}


def leaky(p, x, past, t, leak=0.3):
    h = past["h"][0]
    squashed = simple_network(math.tanh)(p, x, past, t)["h"]
    return {"h": [h[j] + leak * (squashed[j] - h[j]) for j in range(len(h))]}


def skip_in_time(p, x, past, t, k=4, one_step=True):
    recent, older = past["h"][0], past["h"][k - 1]
    new = []
    for j in range(len(recent)):
        total = times(p["W"], x)[j] + times(p["U_k"], older)[j] + p["b"][j]
        new.append(math.tanh(total + (times(p["U"], recent)[j] if one_step else 0.0)))
    return {"h": new}


def clockwork(p, x, past, t, periods=(1, 2, 4, 8)):
    h = past["h"][0]
    size = len(h) // len(periods)
    new = list(h)
    for j in range(len(h)):
        block = j // size
        if t % periods[block] == 0:
            slow_enough = range(block * size, len(h))
            feedback = sum(p["U"][j][k] * h[k] for k in slow_enough)
            new[j] = math.tanh(times(p["W"], x)[j] + feedback + p["b"][j])
    return {"h": new}


def indrnn(p, x, past, t):
    h = past["h"][0]
    return {"h": [max(0.0, times(p["W"], x)[j] + p["u"][j] * h[j] + p["b"][j]) for j in range(len(h))]}


FORMULAS = {
    "elman": simple_network(math.tanh),
    "elman_relu": simple_network(lambda a: max(0.0, a)),
    "elman_sigmoid": simple_network(sigmoid),
    "jordan": jordan,
    "lstm": lstm,
    "lstm_linear_output": lambda *moment: lstm(*moment, output=float),
    "lstm_no_bias": lstm,
    "lstm_projected": lstm_projected,
    "lstm_1997": lambda *moment: lstm(*moment, forget=False),
    "lstm_peephole": lambda *moment: lstm(*moment, peepholes=True),
    "lstm_layer_norm": lstm_layer_norm,
    "gru": gru,
    "gru_reset_after": gru_reset_after,
    "gru_update_only": gru_update_only,
    "minimal_gated": minimal_gated,
    "mingru": mingru,
    "minlstm": minlstm,
    "leaky": leaky,
    "skip_in_time": skip_in_time,
    "removed_connections": lambda *moment: skip_in_time(*moment, one_step=False),
    "clockwork": clockwork,
    "indrnn": indrnn,
}


def by_hand(step, sequence, parameters, initial):
    """Outputs and states of every step: the past is a growing list, newest first, that ends in the start."""
    p = {name: value.tolist() for name, value in parameters.items()}
    past = {name: [value.tolist()] * 20 for name, value in initial.items()}
    for t, x in enumerate(sequence.tolist()):
        new = step(p, x, past, t)
        past = {name: [new[name], *past[name]] for name in past}
    return {name: np.array(values[: len(sequence)][::-1]) for name, values in past.items()}


def drawn(cell, hidden_size, seed, sizes):
    generator = np.random.default_rng(seed)
    shapes = cell.parameter_shapes(I, hidden_size, **sizes)
    parameters = {name: generator.normal(0, 0.7, shape) for name, shape in shapes.items()}
    states = cell.state_sizes(I, hidden_size, **sizes)
    initial = {name: generator.normal(0, 0.7, size) for name, size in states.items()}
    return generator.normal(0, 1, (T, I)), parameters, initial


def check(cell, step, hidden_size, seed=0):
    sizes = dict.fromkeys(cell.named_sizes, 5)
    sequence, parameters, initial = drawn(cell, hidden_size, seed, sizes)
    result = cell.run(sequence, parameters, initial)
    expected = by_hand(step, sequence, parameters, initial)
    for name, values in expected.items():
        np.testing.assert_allclose(result.states[name], values, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(result.outputs, expected[cell.states[0]], rtol=1e-12, atol=1e-13)


def test_every_cell_of_the_catalogue_has_a_formula():
    assert set(FORMULAS) == set(catalogue())


@pytest.mark.parametrize("hidden_size", [4, 8])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_cell_is_its_formula(name, hidden_size):
    check(find(name), FORMULAS[name], hidden_size, seed=hidden_size)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_cell_of_one_unit_is_its_formula(name):
    hidden_size = 4 if name == "clockwork" else 1
    check(find(name), FORMULAS[name], hidden_size, seed=1)


def test_named_constants_enter_the_formula():
    check(find("leaky").set(leak=0.85), lambda *moment: leaky(*moment, leak=0.85), 4)
    check(find("skip_in_time").set(k=2), lambda *moment: skip_in_time(*moment, k=2), 4)
    check(find("removed_connections").set(k=1), lambda *moment: skip_in_time(*moment, k=1, one_step=False), 4)
    check(find("clockwork").set(periods=(1, 3)), lambda *moment: clockwork(*moment, periods=(1, 3)), 4)


def test_cells_that_contain_one_another():
    elman = find("elman")
    sequence, parameters, initial = drawn(elman, 4, 3, {})
    outputs = elman.run(sequence, parameters, initial).outputs
    np.testing.assert_array_equal(
        find("leaky").set(leak=1).run(sequence, parameters, initial).outputs, outputs
    )
    one_step = {"W": parameters["W"], "U_k": parameters["U"], "b": parameters["b"]}
    removed = find("removed_connections").set(k=1).run(sequence, one_step, initial).outputs
    np.testing.assert_array_equal(removed, outputs)
    clock = find("clockwork").set(periods=(1,)).run(sequence, parameters, initial).outputs
    np.testing.assert_array_equal(clock, outputs)


def test_removed_connections_are_k_interleaved_networks():
    cell = find("removed_connections").set(k=3)
    sequence, parameters, initial = drawn(cell, 4, 5, {})
    together = cell.run(sequence, parameters, initial).outputs
    every_third = cell.set(k=1).run(sequence[1::3], parameters, initial).outputs
    np.testing.assert_array_equal(together[1::3], every_third)
