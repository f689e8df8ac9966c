import copy
import pickle

import pytest
import torch

from unrolled import cells
from unrolled.errors import EngineError
from unrolled.layers.ragged import Ragged
from unrolled.layers.reservoir import Drawing, draw_reservoir
from unrolled.layers.reservoir_sparse import SparseRecurrent


def made(name, hidden=32, density=0.05, dtype=torch.float64, **options):
    sizes = dict.fromkeys(cells.find(name).named_sizes, 8)
    layer = SparseRecurrent(name, 3, hidden, sizes=sizes, dtype=dtype, **options)
    draw_reservoir(layer, Drawing(density=density, seed=3))
    return layer.requires_grad_(False)


@pytest.mark.parametrize("name", list(cells.catalogue()))
def test_sparse_products_give_what_dense_ones_give(name):
    layer = made(name, num_layers=2)
    batch = Ragged.from_rows([torch.randn(n, 3, dtype=torch.float64) for n in (5, 0, 9, 2)])
    sparse, end = layer(batch)
    assert layer.engine == "sparse"
    layer.sparse = False
    assert layer.engine == "native"
    dense, expected = layer(batch)
    torch.testing.assert_close(sparse.values, dense.values, rtol=1e-10, atol=1e-12)
    for one, other in zip(end, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_both_directions_and_float32():
    layer = made("leaky", dtype=torch.float32, bidirectional=True)
    x = torch.randn(7, 4, 3)
    sparse, _ = layer(x)
    layer.sparse = False
    torch.testing.assert_close(sparse, layer(x)[0], rtol=1e-4, atol=1e-5)


def test_matrices_are_compressed_once_and_anew_when_they_change():
    layer = made("gru")
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    before, _ = layer(x)
    kept = {place: entry[1] for place, entry in layer._engine(layer.schedule, x)._kept.items()}
    assert kept and all(matrix.layout is torch.sparse_csr for matrix in kept.values())
    layer(x)
    again = layer._engine(layer.schedule, x)._kept
    assert all(again[place][1] is matrix for place, matrix in kept.items())
    draw_reservoir(layer, Drawing(density=0.05, seed=4))
    after, _ = layer(x)
    layer.sparse = False
    torch.testing.assert_close(after, layer(x)[0], rtol=1e-10, atol=1e-12)
    assert not torch.allclose(before, after)


def test_a_matrix_with_many_entries_is_multiplied_as_it_is():
    layer = made("leaky", density=0.5)
    layer(torch.randn(4, 2, 3, dtype=torch.float64))
    assert not layer._engine(layer.schedule, layer.cell_weights()["U"])._kept


def test_gradients_of_the_weights_are_refused():
    layer = made("leaky").requires_grad_(True)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    with pytest.raises(
        EngineError, match=r"sparse products give no gradients of the weights. Set sparse = False"
    ):
        layer(x)
    with torch.no_grad():
        layer(x)


def test_gradients_of_the_input_pass():
    layer = made("leaky")
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    layer(x)[0].square().sum().backward()
    sparse, x.grad = x.grad, None
    layer.sparse = False
    layer(x)[0].square().sum().backward()
    torch.testing.assert_close(sparse, x.grad)


def test_a_layer_that_has_run_is_copied():
    layer, x = made("leaky"), torch.randn(4, 2, 3, dtype=torch.float64)
    output, _ = layer(x)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again.engine == "sparse" and torch.equal(again(x)[0], output)
