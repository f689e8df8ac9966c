"""Named starts: what they give, for every cell, whatever its names; and how they are spelled."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from tests.renamed_cells import renamed
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers import Recurrent, starts
from unrolled.layers.starts import Chrono, Critical, Forget, Identity, Orthogonal, read_start

I, H = 3, 400
KEEPING = {
    "lstm": ("b_f", 1, "b_i"),
    "lstm_linear_output": ("b_f", 1, "b_i"),
    "lstm_peephole": ("b_f", 1, "b_i"),
    "lstm_projected": ("b_f", 1, "b_i"),
    "gru": ("b_z", -1, None),
    "gru_reset_after": ("b_z", 1, None),
    "gru_update_only": ("b_z", -1, None),
    "minimal_gated": ("b_f", -1, None),
    "mingru": ("b_z", -1, None),
    "minlstm": ("b_f", 1, "b_i"),
}


def weights(cell, how, hidden=H, inputs=I, seed=0):
    torch.manual_seed(seed)
    found = catalogue()[cell] if isinstance(cell, str) else cell
    sizes = dict.fromkeys(found.named_sizes, hidden)
    made = Recurrent(found, inputs, hidden, sizes=sizes, initialise=how, dtype=torch.float64)
    return {name: value.detach() for name, value in made.cell_weights().items()}


def written(body, signature):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return Cell.from_text(f"@cell\ndef c({signature}):\n{lines}")


def is_log_uniform(values, longest):
    """Whether e to the values looks like U(1, longest - 1): within it, and with its mean and spread."""
    steps = values.exp()
    middle, spread = longest / 2, (longest - 2) / math.sqrt(12)
    within = steps.min() >= 1 and steps.max() <= longest - 1
    return within and abs(steps.mean() - middle) < spread / 5 and abs(steps.std() - spread) < spread / 5


# --- chrono and forget -----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", KEEPING)
def test_chrono_spreads_the_time_scales_of_every_gated_cell(cell):
    forget, opens, write = KEEPING[cell]
    found, plain = weights(cell, "chrono:300"), weights(cell, "roles")
    assert is_log_uniform(opens * found[forget], 300)
    if write:
        assert torch.equal(found[write], -found[forget])
    for name in set(found) - {forget, write}:
        assert torch.equal(found[name], plain[name]), name


def test_chrono_follows_what_gates_do_and_not_what_they_are_called():
    turned = Cell.from_text(renamed(catalogue()["lstm"].text, 3))
    mine, other = weights("lstm", "chrono:50").values(), weights(turned, "chrono:50").values()
    assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))


def test_chrono_writes_into_the_parts_of_stacked_gates():
    found = weights("lstm_layer_norm", "chrono:100")
    parts = torch.stack([found[key] for key in ("beta_1", "beta_2", "b")])
    total = parts.sum(0).chunk(4)
    assert is_log_uniform(total[0], 100)
    assert torch.equal(total[1], -total[0])
    assert (total[2] == 0).all() and (total[3] == 0).all()
    assert (parts != 0).sum() == 2 * H  # one bias of each sum has all of it
    stacked = written(
        "z, c = split(W @ x + U @ h + b, 2)\nreturn sigmoid(z) * h + tanh(c)", "x, h, *, W, U, b"
    )
    bias = weights(stacked, "chrono:100")["b"]
    assert is_log_uniform(bias[:H], 100)
    assert (bias[H:] == 0).all()


@pytest.mark.parametrize(
    ("body", "sign", "size"),
    [
        ("z = sigmoid(W @ x + b)\nreturn h + z * (tanh(W @ x) - h)", -1, 1),
        ("z = sigmoid(W @ x - b)\nreturn z * h + (1 - z) * tanh(W @ x)", -1, 1),
        ("z = sigmoid(-(W @ x + b))\nreturn tanh(W @ x) + h * z", -1, 1),
        ("z = sigmoid(W @ x + b)\nq = sigmoid(W @ x)\nreturn (1 - z) * q * h + tanh(W @ x)", -1, 0),
    ],
)
def test_gates_in_other_forms(body, sign, size):
    cell = written(body, "x, h, *, W, b")
    if size:
        assert is_log_uniform(sign * weights(cell, "chrono:40")["b"], 40)
    else:
        with pytest.raises(SettingError, match="gate that keeps h, which has none"):
            weights(cell, "chrono:40")


def test_chrono_keeps_a_state_for_as_long_as_was_asked():
    """With no input and no candidate an LSTM's cell falls by sigmoid(b_f) a step: its time scale is 1 + u."""
    found = weights("lstm", "chrono:1000")
    keep = torch.sigmoid(found["b_f"])
    scales = 1 / (1 - keep)
    assert scales.min() >= 2 and scales.max() <= 1000
    assert 450 < scales.mean() < 550


@pytest.mark.parametrize("cell", KEEPING)
def test_forget_opens_the_gate_that_keeps(cell):
    forget, opens, _ = KEEPING[cell]
    found, plain = weights(cell, "forget:2.5"), weights(cell, "roles")
    assert (found[forget] == opens * 2.5).all()
    for name in set(found) - {forget}:
        assert torch.equal(found[name], plain[name]), name


def test_one_of_two_biases_takes_all_of_it():
    cell = written("f = sigmoid(W @ x + a + U @ h - b)\nreturn f * h + tanh(W @ x)", "x, h, *, W, U, a, b")
    found = weights(cell, "uniform+forget:2")
    assert torch.equal(found["a"] - found["b"], torch.full((H,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("how", ["chrono:9", "forget:1"])
@pytest.mark.parametrize("cell", sorted(set(catalogue()) - set(KEEPING) - {"lstm_layer_norm"}))
def test_cells_without_such_a_gate_are_refused_by_name(cell, how):
    with pytest.raises(SettingError, match=rf"the start {how} (needs a logistic gate|sets the bias).*{cell}"):
        weights(cell, how, 8)


# --- matrices --------------------------------------------------------------------------------------


def test_the_irnn_of_the_paper():
    found = weights("elman_relu", "irnn")
    assert torch.equal(found["U"], torch.eye(H, dtype=torch.float64))
    assert 0.0008 < found["W"].std() < 0.0012
    assert abs(found["W"].mean()) < 2e-4
    assert (found["b"] == 0).all()
    assert torch.equal(weights("elman_relu", "identity:0.01")["U"], 0.01 * found["U"])


def test_the_identity_in_stacked_and_joined_matrices():
    cell = written("z, c = split(W @ concat(x, h) + b, 2)\nreturn sigmoid(z) * h + tanh(c)", "x, h, *, W, b")
    found = weights(cell, "identity", 20)
    one = torch.eye(20, dtype=torch.float64)
    assert torch.equal(found["W"][:, I:], torch.cat([one, one]))
    assert 0 < found["W"][:, :I].abs().max() < 0.006
    assert (found["b"] == 0).all()
    normed = weights("lstm_layer_norm", "identity", 20)
    assert torch.equal(normed["W_h"], torch.cat([one] * 4))
    assert (normed["alpha_1"] == 1).all() and (normed["beta_2"] == 0).all()


@pytest.mark.parametrize("cell", ["elman_relu", "lstm", "clockwork"])
def test_orthogonal(cell):
    for name, value in weights(cell, "orthogonal", 16).items():
        if name[0] == "U":
            assert torch.allclose(value @ value.T, torch.eye(16, dtype=torch.float64), atol=1e-10)
    assert torch.equal(weights("elman_relu", "roles", 16)["U"], torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("radius", [1.0, 0.3, 1.7])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "leaky", "lstm_layer_norm"])
def test_critical_matrices_have_the_radius_that_was_asked(cell, radius):
    found = weights(cell, Critical(radius), 24)
    for name, value in found.items():
        if name[0] == "U" or (name == "W_h" and cell == "lstm_layer_norm"):
            for block in np.split(value.numpy(), len(value) // 24):
                assert np.abs(np.linalg.eigvals(block)).max() == pytest.approx(radius, rel=1e-9)
                assert np.linalg.norm(block @ block.T - np.eye(24) * radius**2) > 0.1  # drawn, not orthogonal


def test_critical_counts_only_the_blocks_that_are_read():
    matrix = weights("clockwork", "critical:0.8", 24)["U"].numpy()
    block = np.arange(24) // 6
    read = np.where(block[:, None] <= block[None, :], matrix, 0.0)
    assert np.abs(np.linalg.eigvals(read)).max() == pytest.approx(0.8, rel=1e-9)


@pytest.mark.parametrize("how", ["identity", "orthogonal", "critical"])
@pytest.mark.parametrize("cell", ["indrnn", "mingru", "minlstm"])
def test_cells_without_a_recurrent_matrix_are_refused_by_name(cell, how):
    with pytest.raises(SettingError, match=f"the start {how} needs a recurrent matrix, which {cell}"):
        weights(cell, how, 8)


def test_a_radius_needs_square_matrices():
    with pytest.raises(
        SettingError, match=r"critical:0.5 needs square recurrent matrices, jordan has one of \(6, 4\)"
    ):
        Recurrent("jordan", 3, 6, sizes={"output": 4}, initialise="critical:0.5")


# --- spelling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "meant", "printed"),
    [
        ("chrono:500", Chrono(500), "chrono:500"),
        ("chrono:12.5", Chrono(12.5), "chrono:12.5"),
        ("irnn", Identity(), "identity"),
        ("identity:0.01", Identity(0.01), "identity:0.01"),
        ("critical", Critical(1), "critical"),
        ("critical:0.95", Critical(0.95), "critical:0.95"),
        ("forget:-1", Forget(-1), "forget:-1"),
        (" orthogonal + chrono:1e4 ", Orthogonal() + Chrono(10000), "orthogonal+chrono:10000"),
        (
            "uniform+forget:1+orthogonal",
            starts.Uniform() + Forget(1) + Orthogonal(),
            "uniform+forget:1+orthogonal",
        ),
    ],
)
def test_a_start_reads_and_prints(spelled, meant, printed):
    assert read_start(spelled) == meant
    assert str(meant) == printed
    assert read_start(str(meant)) == meant
    assert read_start(meant) is meant


@pytest.mark.parametrize(
    "wrong",
    [
        "chron",
        "chrono",
        "chrono:",
        "chrono:long",
        "roles:1",
        "orthogonal:2",
        "forget",
        "",
        "chrono:5+",
        "Chrono:5",
        7,
    ],
)
def test_what_is_no_start_is_refused_with_the_list(wrong):
    with pytest.raises(
        SettingError, match=r"initialise must be one of roles, .*chrono:STEPS.* got .*Use one"
    ):
        Recurrent("lstm", I, 4, initialise=wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("chrono:2", "chrono takes a number above 2, got 2.0"),
        ("chrono:inf", "chrono takes a number above 2, got inf"),
        ("critical:0", "critical takes a number above 0"),
        ("identity:-1", "identity takes a number above 0"),
        ("forget:nan", "forget takes a number, got nan"),
        ("chrono:9+uniform", "uniform draws every parameter and must come first, got chrono:9\\+uniform"),
    ],
)
def test_numbers_and_orders_that_make_no_sense(wrong, said):
    with pytest.raises(SettingError, match=said):
        Recurrent("lstm", I, 4, initialise=wrong)
    with pytest.raises(SettingError, match="takes a number"):
        Chrono("500")


# --- in a layer ------------------------------------------------------------------------------------


def test_every_layer_and_direction_draws_its_own_and_draws_again():
    layer = Recurrent("lstm", I, 8, 2, True, initialise=Chrono(50))
    found = [layer.cell_weights(name)["b_f"].detach().clone() for name in layer.weights]
    assert len({tuple(value.tolist()) for value in found}) == 4
    layer.reset_parameters()
    assert not torch.equal(layer.cell_weights()["b_f"], found[0])
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert str(twin.initialise) == "chrono:50"


def test_several_starts_act_one_after_the_other():
    found = weights("lstm", "uniform+orthogonal+chrono:60", 16)
    assert torch.allclose(found["U_c"] @ found["U_c"].T, torch.eye(16, dtype=torch.float64), atol=1e-10)
    assert torch.equal(found["b_i"], -found["b_f"])
    bias = found["b_c"]
    assert 0 < bias.abs().max() <= 0.25  # uniform, 1 / sqrt(16)
    assert (weights("lstm", "orthogonal+chrono:60", 16)["b_c"] == 0).all()


def test_start_overrides_by_name_what_a_start_set():
    layer = Recurrent("lstm", I, 4, initialise="chrono:60", start={"b_f": 3.0})
    assert (layer.cell_weights()["b_f"] == 3).all()
    assert (layer.cell_weights()["b_i"] <= 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_other_precisions(dtype):
    torch.manual_seed(0)
    layer = Recurrent("lstm", I, 8, initialise="critical:0.9+chrono:100", dtype=dtype)
    assert layer.cell_weights()["b_f"].dtype == dtype
    matrix = layer.cell_weights()["U_f"].detach().double().numpy()
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(0.9, rel=0.02)
