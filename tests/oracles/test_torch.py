"""Elman, LSTM and GRU equal torch.nn with converted weights: outputs, final states, gradients of everything."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.oracles.torch_networks import NETWORKS, H, I, pair, same_weight_gradients

T, B = 9, 4
CLOSE = {"rtol": 0, "atol": 1e-12}
SHAPES = pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 1},
        {"num_layers": 1, "bidirectional": True},
        {"num_layers": 2, "batch_first": True},
        {"num_layers": 3, "bidirectional": True},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
    ],
    ids=["one layer", "bidirectional", "two layers, batch first", "three, bidirectional", "two, both"],
)
BY_NAME = pytest.mark.parametrize("name", NETWORKS)


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def drawn_states(ours, rows=B):
    leads = ours.num_layers * ours.directions
    return tuple(torch.randn(leads, rows, H, dtype=torch.float64) for _ in ours.cell.states)


def for_torch(states):
    return states if len(states) > 1 else states[0]


def leaves(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


def loss(output, states):
    """A scalar that weighs every number differently."""
    total = output.new_zeros(())
    for value in (output, *states):
        total = total + (value * torch.linspace(-1, 1, value.numel(), dtype=value.dtype).view_as(value)).sum()
    return total


@SHAPES
@BY_NAME
def test_outputs_states_and_all_gradients(name, options):
    theirs, ours = pair(name, **options)
    shape = (B, T, I) if options.get("batch_first") else (T, B, I)
    x, states = torch.randn(shape, dtype=torch.float64), drawn_states(ours)
    their_x, *their_states = leaves(x, *states)
    our_x, *our_states = leaves(x, *states)
    expected, expected_final = theirs(their_x, for_torch(tuple(their_states)))
    output, final = ours(our_x, tuple(our_states))
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(final, as_tuple(expected_final), strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)
    loss(expected, as_tuple(expected_final)).backward()
    loss(output, tuple(final)).backward()
    for mine, other in zip([our_x, *our_states], [their_x, *their_states], strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=1e-11)
    same_weight_gradients(name, theirs, ours)


@BY_NAME
def test_no_state_means_zeros(name):
    theirs, ours = pair(name, num_layers=2)
    x = torch.randn(T, B, I, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], **CLOSE)


@BY_NAME
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_sequence_without_a_batch(name, batch_first):
    theirs, ours = pair(name, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = torch.randn(T, I, dtype=torch.float64)
    states = tuple(torch.randn(4, H, dtype=torch.float64) for _ in ours.cell.states)
    expected, final = theirs(x, for_torch(states))
    output, state = ours(x, states)
    assert output.shape == (T, 2 * H)
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(state, as_tuple(final), strict=True):
        torch.testing.assert_close(mine[:, 0], other, **CLOSE)


@SHAPES
@BY_NAME
def test_ragged_batches_equal_packed_sequences(name, options):
    """Unsorted lengths; a PackedSequence allows no zero."""
    theirs, ours = pair(name, **options)
    lengths = torch.tensor([3, 9, 1, 6])
    batch_first = options.get("batch_first", False)
    x = torch.randn((B, T, I) if batch_first else (T, B, I), dtype=torch.float64)
    their_x, our_x = leaves(x, x)
    states = drawn_states(ours)
    packed = pack_padded_sequence(their_x, lengths, batch_first=batch_first, enforce_sorted=False)
    packed_output, expected_final = theirs(packed, for_torch(states))
    expected, _ = pad_packed_sequence(packed_output, batch_first=batch_first)
    output, final = ours(our_x, states, lengths=lengths)
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(final, as_tuple(expected_final), strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)
    loss(expected, as_tuple(expected_final)).backward()
    loss(output, tuple(final)).backward()
    torch.testing.assert_close(our_x.grad, their_x.grad, rtol=0, atol=1e-11)
    same_weight_gradients(name, theirs, ours)


@BY_NAME
@pytest.mark.parametrize(("time", "rows"), [(1, 1), (1, 5), (37, 1), (3, 37)])
def test_odd_and_single_sizes(name, time, rows):
    theirs, ours = pair(name, bidirectional=True)
    x = torch.randn(time, rows, I, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], **CLOSE)


@BY_NAME
def test_second_derivatives(name):
    theirs, ours = pair(name)
    x = torch.randn(4, 2, I, dtype=torch.float64)

    def curvature(network):
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(leaf)[0].square().sum(), leaf, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), leaf)[0]

    torch.testing.assert_close(curvature(ours), curvature(theirs), rtol=0, atol=1e-10)


@BY_NAME
def test_float32_stays_close_to_torch(name):
    theirs, ours = pair(name, num_layers=2)
    x = torch.randn(T, B, I)
    torch.testing.assert_close(ours.float()(x)[0], theirs.float()(x)[0], rtol=1e-5, atol=1e-6)
