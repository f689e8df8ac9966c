"""Layers are ordinary modules: copies, files, optimisers, and the transforms of torch.func."""

import copy
import io
import pickle

import pytest
import torch
from torch.func import functional_call, grad, jacrev, vmap

from tests.contract.cases import Case, layer_of, random_static
from unrolled.cells import catalogue
from unrolled.layers import Recurrent

CLOSE = {"rtol": 0, "atol": 1e-11}
BY_NAME = pytest.mark.parametrize("name", catalogue())


def made(name, **options):
    return layer_of(Case(name, catalogue()[name]), **options)


def batch(layer, rows=3):
    return torch.randn(4, rows, layer.input_size, dtype=torch.float64), random_static(layer, rows)


@BY_NAME
def test_copies_and_pickles_compute_the_same(name):
    layer = made(name, num_layers=2, bidirectional=True, initial_state="learned")
    x, static = batch(layer)
    expected, _ = layer(x, static=static)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    others = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(file, weights_only=False)]
    for other in others:
        assert torch.equal(other(x, static=static)[0], expected)
        assert repr(other) == repr(layer)
        assert other.cell == layer.cell
        with torch.no_grad():
            next(other.parameters()).add_(1)
    assert torch.equal(layer(x, static=static)[0], expected)


@pytest.mark.parametrize("assign", [False, True])
@BY_NAME
def test_a_state_dict_moves_everything(name, assign):
    layer, other = made(name, initial_state="learned"), made(name, initial_state="learned")
    with torch.no_grad():
        for value in other.parameters():
            value.normal_()
    x, static = batch(layer)
    other.load_state_dict(layer.state_dict(), assign=assign)
    assert torch.equal(other(x, static=static)[0], layer(x, static=static)[0])


@BY_NAME
def test_func_grad_is_the_gradient_of_autograd(name):
    layer = made(name)
    x, static = batch(layer)
    parameters = dict(layer.named_parameters())

    def loss(values, x):
        return (
            functional_call(layer, values, (x,), {"static": static, "lengths": [4, 2, 0]})[0].square().sum()
        )

    found = grad(loss, argnums=(0, 1))({key: value.detach() for key, value in parameters.items()}, x)
    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad(
        loss(parameters, leaf), [*parameters.values(), leaf], materialize_grads=True
    )
    for mine, other in zip([*found[0].values(), found[1]], expected, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


@BY_NAME
def test_vmap_of_grad_gives_the_gradient_of_every_row(name):
    layer = made(name)
    x, static = batch(layer)
    parameters = {key: value.detach() for key, value in layer.named_parameters()}

    def loss(values, x, static):
        return functional_call(layer, values, (x,), {"static": static})[0].square().sum()

    together = vmap(grad(loss), (None, 1, 0))(parameters, x, static)
    for b in range(3):
        alone = grad(loss)(parameters, x[:, b], {key: value[b] for key, value in static.items()})
        for key, value in alone.items():
            torch.testing.assert_close(together[key][b], value, **CLOSE)


@pytest.mark.parametrize("name", ["gru", "clockwork", "skip_in_time", "mingru"])
def test_vmap_over_resets_and_states(name):
    layer = made(name)
    x, _ = batch(layer)
    resets = torch.rand(5, 4, 3) < 0.4
    starts = torch.randn(5, 1, 3, 8, dtype=torch.float64)
    together = vmap(lambda cut, start: layer(x, start, resets=cut)[0])(resets, starts)
    for i in range(5):
        torch.testing.assert_close(together[i], layer(x, starts[i], resets=resets[i])[0], **CLOSE)


def test_vmap_over_rows_of_indices():
    layer = Recurrent("gru", 7, 4, dtype=torch.float64)
    symbols = torch.randint(0, 7, (5, 3))
    together = vmap(lambda row: layer(row)[0], 1)(symbols)
    torch.testing.assert_close(together, layer(symbols)[0].transpose(0, 1), **CLOSE)


@BY_NAME
def test_jacrev_is_causal(name):
    layer = made(name)
    x = torch.randn(3, layer.input_size, dtype=torch.float64)
    static = {key: value[0] for key, value in random_static(layer, 1).items()}
    slopes = jacrev(lambda v: layer(v, static=static)[0])(x)
    assert slopes.shape == (3, layer.output_size, 3, layer.input_size)
    for t in range(3):
        assert (slopes[t, :, t + 1 :] == 0).all()
    assert (slopes != 0).any()


def test_an_optimiser_lowers_the_loss():
    torch.manual_seed(0)
    layer = Recurrent("lstm", 3, 8, 2)
    optimiser = torch.optim.Adam(layer.parameters(), 0.02)
    x, target = torch.randn(6, 4, 3), torch.randn(6, 4, 8).tanh()
    losses = []
    for _ in range(60):
        loss = (layer(x)[0] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_no_gradient_is_recorded_where_none_is_wanted():
    layer = made("gru")
    with torch.no_grad():
        output, state = layer(torch.randn(4, 2, 5, dtype=torch.float64))
    assert not output.requires_grad
    assert not state["h"].requires_grad
