"""Starts go by the role a parameter plays in the equations, never by its spelling."""

import math

import pytest
import torch

from tests.random_cells import random_cell_text
from tests.renamed_cells import renamed
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.layers import Recurrent

I, H = 6, 8


def weights(body, signature="x, h, *, W, U, b", decorator="@cell", **options):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    torch.manual_seed(0)
    made = Recurrent(
        Cell.from_text(f"{decorator}\ndef c({signature}):\n{lines}"), I, H, dtype=torch.float64, **options
    )
    return {name: value.detach() for name, value in made.cell_weights().items()}


def catalogued(name, **options):
    torch.manual_seed(0)
    sizes = dict.fromkeys(catalogue()[name].named_sizes, 5)
    made = Recurrent(name, I, H, dtype=torch.float64, sizes=sizes, **options)
    return {name: value.detach() for name, value in made.cell_weights().items()}


def is_orthogonal(matrix):
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    return torch.allclose(product, torch.eye(min(rows, columns), dtype=matrix.dtype), atol=1e-10)


def is_glorot(matrix):
    bound = math.sqrt(6 / sum(matrix.shape))
    return 0.8 * bound < matrix.abs().max() <= bound


@pytest.mark.parametrize(
    "name", ["elman", "gru", "gru_reset_after", "lstm", "leaky", "minimal_gated", "lstm_1997"]
)
def test_recurrent_matrices_are_orthogonal_and_input_matrices_glorot(name):
    for key, value in catalogued(name).items():
        if value.dim() == 2:
            assert is_orthogonal(value) if key.startswith("U") else is_glorot(value), key


def test_a_matrix_on_both_starts_by_its_columns():
    joint = weights("return tanh(W @ concat(h, x) + b)", "x, h, *, W, b")["W"]
    assert is_orthogonal(joint[:, :H])
    assert is_glorot(joint[:, H:])
    turned = weights("return tanh(W @ concat(x, h) + b)", "x, h, *, W, b")["W"]
    assert is_glorot(turned[:, :I])
    assert is_orthogonal(turned[:, I:])


def test_stacked_gates_start_as_separate_ones():
    stacked = weights("z, c = split(W @ x + U @ h + b, 2)\nreturn sigmoid(z) * h + tanh(c)")
    for block in stacked["U"].chunk(2):
        assert is_orthogonal(block)
    assert stacked["b"].tolist() == [1.0] * H + [0.0] * H


def test_a_part_that_nothing_reads_is_filled_too():
    found = weights("z, _ = split(W @ x + U @ h + b, 2)\nreturn tanh(z)")
    bound = math.sqrt(6 / (2 * H + I))
    assert found["W"][H:].abs().max() <= bound
    assert found["U"][H:].abs().max() <= 1
    assert (found["W"][H:] != 0).all()
    assert (found["b"] == 0).all()


def test_an_output_layer_is_not_recurrent():
    found = weights("return V @ h, tanh(W @ x + U @ h)", "x, h, *, V, W, U")
    assert is_glorot(found["V"])
    assert is_orthogonal(found["U"])


def test_the_jordan_network_feeds_its_output_back():
    found = catalogued("jordan")
    assert is_orthogonal(found["U_h"])
    assert is_glorot(found["W_h"])


@pytest.mark.parametrize(
    "body",
    [
        "return relu(W @ x + U @ h + b)",
        "v = b + U @ h\nreturn relu(v + W @ x)",
        "y = relu(U @ h - (b - W @ x))\nreturn y",
        "return relu(A @ concat(x, h) + b)",
    ],
)
def test_a_rectified_state_starts_from_the_identity(body):
    signature = "x, h, *, A, b" if "A @" in body else "x, h, *, W, U, b"
    found = weights(body, signature)
    block = found["A"][:, I:] if "A" in found else found["U"]
    assert torch.equal(block, torch.eye(H, dtype=torch.float64))


def test_only_what_goes_straight_into_the_rectified_state_does():
    found = weights("return tanh(relu(W @ x + U @ h + b))")
    assert not torch.equal(found["U"], torch.eye(H, dtype=torch.float64))
    assert is_orthogonal(found["U"])
    assert torch.equal(catalogued("elman_relu")["U"], torch.eye(H, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "open_gates"),
    [
        ("lstm", {"b_f"}),
        ("lstm_peephole", {"b_f"}),
        ("lstm_linear_output", {"b_f"}),
        ("lstm_1997", set()),
        ("gru", set()),
        ("gru_reset_after", {"b_z"}),
        ("minimal_gated", set()),
        ("elman", set()),
    ],
)
def test_the_bias_of_the_gate_that_keeps_a_state_is_one(name, open_gates):
    found = catalogued(name)
    for key, value in found.items():
        if key[0] == "b" or key == "c":
            assert (value == (1.0 if key in open_gates else 0.0)).all(), key


def test_one_of_two_biases_is_enough():
    found = weights("f = sigmoid(W @ x + a + U @ h + b)\nreturn f * h + tanh(W @ x)", "x, h, *, W, U, a, b")
    assert sorted([found["a"].sum().item(), found["b"].sum().item()]) == [0.0, H]


@pytest.mark.parametrize(
    "body",
    [
        "f = sigmoid(W @ x + U @ h + b)\nreturn f * tanh(h) + x_part",  # not the state itself
        "f = sigmoid(W @ x + U @ h + b)\nreturn (1 - f) * h + x_part",  # its complement
        "f = tanh(W @ x + U @ h + b)\nreturn f * h + x_part",  # no sigmoid
        "f = sigmoid(W @ x + U @ h + b)\nreturn f * h",  # no sum
    ],
)
def test_other_gates_start_at_zero(body):
    assert (weights(body.replace("x_part", "tanh(W @ x)"))["b"] == 0).all()


def test_the_gain_of_a_norm_is_one_and_vectors_on_a_state_are_small():
    found = catalogued("lstm_layer_norm")
    for key in ("alpha_1", "alpha_2", "alpha_3"):
        assert (found[key] == 1).all()
    for key in ("beta_1", "beta_2", "beta_3"):
        assert found[key].unique().tolist() in ([0.0], [0.0, 1.0])
    peephole = catalogued("lstm_peephole")["p_i"]
    assert peephole.abs().max() <= 0.1
    assert (peephole != 0).all()
    assert catalogued("indrnn")["u"].abs().max() <= 0.1


def test_the_joint_norm_of_stacked_gates_opens_one_forget_gate():
    found = catalogued("lstm_layer_norm")
    ones = torch.stack([found[key] for key in ("beta_1", "beta_2", "b")]).sum(0)
    assert ones.tolist() == [1.0] * H + [0.0] * 3 * H


def test_uniform_is_torchs_bound():
    for value in catalogued("lstm", initialise="uniform").values():
        bound = 1 / math.sqrt(H)
        assert value.abs().max() <= bound
        assert value.abs().max() > 0.5 * bound
        assert value.unique().numel() == value.numel()


@pytest.mark.parametrize(
    ("start", "check"),
    [
        ("identity", lambda U: torch.equal(U, torch.eye(H, dtype=U.dtype))),
        ("orthogonal", is_orthogonal),
        ("glorot", is_glorot),
        ("zero", lambda U: (U == 0).all()),
        ("one", lambda U: (U == 1).all()),
        (0.25, lambda U: (U == 0.25).all()),
        (torch.full((H, H), 3.0), lambda U: (U == 3).all()),
        (lambda value: value.fill_(7), lambda U: (U == 7).all()),
    ],
)
@pytest.mark.parametrize("how", ["roles", "uniform"])
def test_a_start_overrides_by_name_in_every_layer(start, check, how):
    made = Recurrent("elman", I, H, 2, True, start={"U": start}, initialise=how, dtype=torch.float64)
    for name in made.weights:
        assert check(made.cell_weights(name)["U"].detach())
        assert not check(made.cell_weights(name)["W"].detach()[:, : min(H, I)]) or how == "roles"
    made.cell_weights()["U"].data.fill_(-1)
    made.reset_parameters()
    assert check(made.cell_weights()["U"].detach())


CELLS = {**catalogue(), **{f"random_{seed}": Cell.from_text(random_cell_text(seed)) for seed in range(25)}}


@pytest.mark.parametrize("how", ["roles", "uniform"])
@pytest.mark.parametrize("name", CELLS)
def test_renamed_cells_draw_the_same_numbers(name, how):
    cell = CELLS[name]
    sizes = {size: 5 + i for i, size in enumerate(cell.named_sizes)}
    drawn = []
    for other in (cell, Cell.from_text(renamed(cell.text, 11))):
        torch.manual_seed(5)
        drawn.append(list(Recurrent(other, I, H, 2, sizes=sizes, initialise=how).parameters()))
    for mine, other in zip(*drawn, strict=True):
        assert torch.equal(mine, other)


def test_a_seed_draws_the_same_numbers_and_another_seed_does_not():
    def drawn(seed):
        torch.manual_seed(seed)
        return Recurrent("gru", I, H).cell_weights()["U"]

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_starts_are_rounded_full_ones(dtype):
    made = Recurrent("gru", I, H, dtype=dtype)
    U = made.cell_weights()["U"].detach().float()
    assert torch.allclose(U @ U.T, torch.eye(H), atol=0.03)


def test_a_network_without_input_warns_about_nothing(recwarn):
    Recurrent("lstm", 0, H)
    assert not recwarn.list
