"""Fixed weights: what is drawn has the radius, the density and the scales that were asked for."""

import numpy as np
import pytest
import torch

from unrolled import cells
from unrolled.equations import cell, concat, tanh
from unrolled.errors import SettingError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.reservoir import Drawing, draw_reservoir
from unrolled.layers.starts import spectral_radius


def drawn(name, inputs=3, hidden=60, depth=1, bidirectional=False, sizes=None, **drawing):
    layer = Recurrent(name, inputs, hidden, depth, bidirectional, sizes=sizes, dtype=torch.float64)
    draw_reservoir(layer, Drawing(**drawing))
    return layer


def weights(layer, place="l0"):
    return {name: value.detach().numpy() for name, value in layer.cell_weights(place).items()}


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize("name", ["elman", "leaky", "gru", "lstm", "minimal_gated", "skip_in_time"])
def test_every_recurrent_matrix_has_the_radius_and_the_density(name):
    layer = drawn(name, hidden=80, spectral_radius=0.7, density=0.2)
    found = {key: value for key, value in weights(layer).items() if value.shape == (80, 80)}
    assert len(found) == {"gru": 3, "lstm": 4, "minimal_gated": 2, "skip_in_time": 2}.get(name, 1)
    for matrix in found.values():
        assert radius(matrix) == pytest.approx(0.7, rel=1e-9)
        assert np.count_nonzero(matrix) / matrix.size == pytest.approx(0.2, abs=0.03)


def test_what_upper_blocks_leaves_has_the_radius():
    matrix = weights(drawn("clockwork", hidden=40, density=1.0, spectral_radius=0.5))["U"]
    block = np.arange(40) // 10
    assert np.count_nonzero(matrix[block[:, None] > block]) == 0
    assert radius(matrix) == pytest.approx(0.5, rel=1e-9)


def test_a_matrix_that_is_not_square_has_it_as_its_largest_singular_value():
    found = weights(drawn("jordan", hidden=30, sizes={"output": 4}, spectral_radius=0.6, density=1.0))
    assert found["U_h"].shape == (30, 4)
    assert np.linalg.svd(found["U_h"])[1][0] == pytest.approx(0.6, rel=1e-9)
    assert np.linalg.svd(found["W_y"])[1][0] == pytest.approx(0.6, rel=1e-9)


def test_a_vector_that_multiplies_a_state_is_a_diagonal():
    assert np.abs(weights(drawn("indrnn", spectral_radius=0.8))["u"]).max() == pytest.approx(0.8)
    assert np.abs(weights(drawn("lstm_peephole", spectral_radius=0.8))["p_o"]).max() == pytest.approx(0.8)


def test_input_feedback_and_bias_have_their_scales():
    found = weights(
        drawn("leaky", 5, 400, input_scaling=0.5, feedback=2, feedback_scaling=3.0, bias_scaling=0.25)
    )
    assert 0.49 < np.abs(found["W"][:, :3]).max() <= 0.5
    assert 2.9 < np.abs(found["W"][:, 3:]).max() <= 3.0
    assert 0.24 < np.abs(found["b"]).max() <= 0.25
    assert abs(found["W"][:, 3:].mean()) < 0.3


def test_forget_gates_stay_open_and_norms_stay_one():
    found = weights(drawn("lstm", bias_scaling=0.1))
    assert 0.9 <= found["b_f"].min() < 0.95 and 1.05 < found["b_f"].max() <= 1.1
    assert np.abs(found["b_i"]).max() <= 0.1
    layer = weights(drawn("lstm_layer_norm", bias_scaling=0.1))
    ones = [
        value for value in layer.values() if value.ndim == 1 and np.array_equal(value, np.ones_like(value))
    ]
    assert ones


@cell
def stacked(x, h, *, W, b):
    """One matrix for both, as `W [x, h]` writes it."""
    return tanh(W @ concat(x, h) + b)


@cell
def turned(x, h, *, W, U, b):
    """A matrix written the other way round."""
    return tanh(W.T @ x + U.T @ h + b)


def test_column_blocks_have_roles_of_their_own():
    matrix = weights(drawn(stacked, 4, 50, input_scaling=0.3, feedback=1, feedback_scaling=2.0))["W"]
    assert np.abs(matrix[:, :3]).max() <= 0.3 < np.abs(matrix[:, 3]).max() <= 2
    assert radius(matrix[:, 4:]) == pytest.approx(0.9, rel=1e-9)


def test_a_transposed_matrix_is_fed_back_by_rows():
    found = weights(drawn(turned, 4, 50, input_scaling=0.3, feedback=1, feedback_scaling=2.0))
    assert np.abs(found["W"][:3]).max() <= 0.3 < np.abs(found["W"][3]).max() <= 2
    assert radius(found["U"]) == pytest.approx(0.9, rel=1e-9)


def test_layers_above_the_first_have_their_own_scale_and_directions_their_own_numbers():
    layer = drawn("leaky", 3, 40, 2, True, input_scaling=0.5, depth_scaling=0.05)
    assert np.abs(weights(layer, "l1")["W"]).max() <= 0.05 < np.abs(weights(layer)["W"]).max()
    assert not np.allclose(weights(layer)["U"], weights(layer, "l0_reverse")["U"])
    assert radius(weights(layer, "l1_reverse")["U"]) == pytest.approx(0.9, rel=1e-9)


def test_the_seed_says_everything_and_moves_nothing():
    before = torch.random.get_rng_state()
    layers = [Recurrent("gru", 3, 20) for _ in range(3)]
    torch.random.set_rng_state(before)
    for layer, seed in zip(layers, (5, 5, 6), strict=True):
        draw_reservoir(layer, Drawing(seed=seed))
    assert torch.equal(torch.random.get_rng_state(), before)
    one, same, other = (dict(layer.named_parameters()) for layer in layers)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", list(cells.catalogue()))
def test_every_cell_of_the_catalogue_can_be_one(name):
    sizes = dict.fromkeys(cells.find(name).named_sizes, 8)
    layer = drawn(name, 3, 16, sizes=sizes)
    output, _ = layer(torch.randn(30, 2, 3, dtype=torch.float64))
    assert output.isfinite().all() and output.std() > 0


@pytest.mark.parametrize("leak", [0.3, 1.0])
def test_the_state_forgets_where_it_began(leak):
    layer = drawn(cells.find("leaky").set(leak=leak), 1, 100, spectral_radius=0.9, input_scaling=0.5)
    x = torch.randn(300, 2, 1, dtype=torch.float64)[:, :1].expand(300, 2, 1)
    output, _ = layer(x, torch.randn(1, 2, 100, dtype=torch.float64))
    apart = (output[:, 0] - output[:, 1]).norm(dim=-1)
    assert apart[-1] < 1e-6 * apart[0]


def test_the_radius_of_known_matrices():
    turn = torch.tensor([[0.0, -2.0], [2.0, 0.0]])
    assert spectral_radius(turn) == pytest.approx(2.0)
    assert spectral_radius(torch.tensor([[0.0, 5.0], [0.0, 0.0]])) == pytest.approx(0.0)
    assert spectral_radius(torch.tensor([[3.0], [4.0]])) == pytest.approx(5.0)


def test_a_matrix_that_cannot_have_the_radius_is_zero():
    found = weights(drawn("leaky", 1, 2, density=1e-6))["U"]
    assert np.array_equal(found, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"spectral_radius": -0.1}, "spectral_radius must be a number >= 0, got -0.1"),
        ({"input_scaling": float("nan")}, "input_scaling must be a number >= 0, got nan"),
        ({"density": 0.0}, r"density must be in \(0, 1\], got 0.0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_refusals(options, told):
    with pytest.raises(SettingError, match=told):
        Drawing(**options)
