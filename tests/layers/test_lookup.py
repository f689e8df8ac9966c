"""Inputs that pick the rows of a table: the same values and gradients as the rows themselves."""

import pytest
import torch
from torch.nn.functional import embedding

from unrolled import Ragged, Recurrent, Regularise, cell, cells
from unrolled.equations import tanh
from unrolled.errors import ShapeError
from unrolled.layers.lookup import input_matrices, looked_up, pays

T, B, V, I, H = 7, 5, 4, 3, 6


@cell
def outside(x, h, *, W, A, U, b):
    """Uses its input outside a product."""
    return tanh(W @ x + A @ tanh(x) + U @ h + b)


@cell
def shared(x, h, *, W, b):
    """The matrix of the input multiplies something else as well."""
    return tanh(W @ x + W @ (W.T @ h) + b)


def drawn(layer: Recurrent, rows: int = V):
    torch.manual_seed(0)
    indices = torch.randint(0, rows, (T, B))
    table = torch.randn(rows, layer.input_size, dtype=torch.float64, requires_grad=True)
    return indices, table


def gradients(layer, table, output):
    weights = output.detach().cos()
    return torch.autograd.grad((output * weights).sum(), [table, *layer.parameters()])


@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "gru_reset_after", "lstm_peephole", "jordan"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one", "deep"])
def test_indices_with_a_table_equal_the_rows_they_pick(name, options):
    found = cells.find(name)
    layer = Recurrent(found, I, H, dtype=torch.float64, sizes=dict.fromkeys(found.named_sizes, H), **options)
    indices, table = drawn(layer)
    assert pays(layer, indices, table)
    output, state = layer(indices, table=table)
    wanted, end = layer(embedding(indices, table))
    torch.testing.assert_close(output, wanted)
    for one, other in zip(state, end, strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(gradients(layer, table, output), gradients(layer, table, wanted), strict=True):
        torch.testing.assert_close(one, other)


def test_ragged_batches_and_batch_first():
    layer = Recurrent("gru", I, H, dtype=torch.float64, batch_first=True)
    indices, table = drawn(layer)
    torch.testing.assert_close(layer(indices, table=table)[0], layer(embedding(indices, table))[0])
    rows = Ragged(indices.flatten(), torch.tensor([20, 0, 15]))
    assert pays(layer, rows.values, table)
    found, wanted = layer(rows, table=table)[0], layer(rows.with_values(embedding(rows.values, table)))[0]
    torch.testing.assert_close(found.values, wanted.values)


def test_masks_of_layers_stay_the_same():
    layer = Recurrent(
        "lstm",
        I,
        H,
        2,
        dtype=torch.float64,
        dropout=0.3,
        regularise=Regularise(connections=0.4, recurrent=0.2),
    )
    indices, table = drawn(layer)
    torch.manual_seed(3)
    found = layer(indices, table=table)[0]
    torch.manual_seed(3)
    torch.testing.assert_close(found, layer(embedding(indices, table))[0])


@pytest.mark.parametrize("of", [outside, shared], ids=["outside", "shared"])
def test_cells_that_use_their_input_otherwise_are_given_the_rows(of):
    layer = Recurrent(of, I, H, dtype=torch.float64)
    indices, table = drawn(layer)
    assert input_matrices(of) == () and not pays(layer, indices, table)
    torch.testing.assert_close(layer(indices, table=table)[0], layer(embedding(indices, table))[0])


def test_the_table_is_taken_where_it_is_the_smaller_product():
    layer = Recurrent("gru", I, H, dtype=torch.float64)
    assert pays(layer, *drawn(layer, T * B - 1)) and not pays(layer, *drawn(layer, T * B))
    assert input_matrices(layer.cell) == ("W_z", "W_r", "W")


def test_dropout_of_the_input_needs_the_rows():
    layer = Recurrent("gru", I, H, dtype=torch.float64, regularise=Regularise(input=0.5))
    indices, table = drawn(layer)
    assert not pays(layer, indices, table) and pays(layer.eval(), indices, table)


def test_what_is_no_index_or_no_table_of_this_layer_is_refused():
    layer = Recurrent("gru", I, H)
    with pytest.raises(ShapeError, match=r"must be whole numbers"):
        looked_up(layer, torch.zeros(T, B, I), torch.zeros(V, I))
    with pytest.raises(ShapeError, match=r"must be \(V, I\) with I=3, got \(4, 2\)"):
        layer(torch.zeros(T, B, dtype=torch.long), table=torch.zeros(V, 2))
    with pytest.raises((ShapeError, IndexError), match=r"4"):
        layer(torch.full((T, B), V), table=torch.zeros(V, I))
