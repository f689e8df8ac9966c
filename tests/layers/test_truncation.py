"""Truncated BPTT against plain runs that are cut off by hand."""

import pytest
import torch

from unrolled.errors import SettingError
from unrolled.layers import Recurrent
from unrolled.layers.truncation import truncated

T, B = 11, 3


def layer_of(cell, **options):
    torch.manual_seed(3)
    return Recurrent(cell, 4, 8, dtype=torch.float64, **options)


def input_of(layer):
    x = torch.randn(T, B, 4, dtype=torch.float64)
    return x.transpose(0, 1).contiguous() if layer.batch_first else x


def by_hand(layer, x, start, stop, k2):
    """Output of the window and gradients: one run up to stop - k2, whose state is cut off, and one from there."""
    cut, state, skipped = max(stop - k2, 0), None, []
    if cut > 0:
        with torch.no_grad():
            output, state = layer(x[:cut])
        skipped = [output[start:cut]] if cut > start else []
    output, _ = layer(x[cut:stop], state)
    return torch.cat([*skipped, output[max(start - cut, 0) :]])


def gradients(layer, output):
    layer.zero_grad()
    if output.requires_grad:
        (output * torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)).sum().backward()
    return [p.grad.clone() for p in layer.parameters()]


@pytest.mark.parametrize("cell", ["elman", "lstm", "skip_in_time", "clockwork"])
@pytest.mark.parametrize(
    ("k1", "k2"), [(3, 3), (4, 2), (4, 1), (2, 5), (3, 11), (1, 4), (11, 4), (20, 20), (5, 30)]
)
def test_a_window_has_the_gradients_of_its_last_k2_steps(cell, k1, k2):
    layer = layer_of(cell)
    x, seen = input_of(layer), 0
    for window in truncated(layer, x, k1, k2):
        assert (window.start, window.stop) == (seen, min(seen + k1, T))
        expected = by_hand(layer, x, window.start, window.stop, k2)
        torch.testing.assert_close(window.output, expected, rtol=0, atol=1e-14)
        found = gradients(layer, window.output)
        for ours, theirs in zip(found, gradients(layer, expected), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
        seen = window.stop
    assert seen == T


def test_outputs_and_last_state_are_those_of_one_run():
    layer = layer_of("gru", num_layers=2)
    x = input_of(layer)
    windows = list(truncated(layer, x, 4, 6))
    whole, state = layer(x)
    assert torch.equal(torch.cat([window.output for window in windows]), whole)
    assert torch.equal(windows[-1].state["h"], state["h"])


def test_rows_end_restart_and_are_forced_where_they_would_be_in_one_run():
    layer = layer_of("gru", batch_first=True)
    x, lengths, resets = input_of(layer), [11, 4, 0], torch.rand(B, T) < 0.3
    windows = list(truncated(layer, x, 3, 5, lengths=lengths, resets=resets))
    whole, state = layer(x, lengths=lengths, resets=resets)
    assert torch.equal(torch.cat([window.output for window in windows], 1), whole)
    assert torch.equal(windows[-1].state["h"], state["h"])


def test_a_window_runs_with_the_weights_that_the_update_before_it_left():
    layer = layer_of("elman")
    x = input_of(layer)
    windows = truncated(layer, x, 4, 8)
    next(windows)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0.5)
    second = next(windows)
    expected, _ = layer(x[:8])  # all eight steps again, with what the weights are now
    assert torch.equal(second.output, expected[4:])


def test_a_learned_start_is_learned_as_far_as_gradients_reach():
    layer = layer_of("elman", initial_state="learned")
    reached = []
    for window in truncated(layer, input_of(layer), 3, 6):
        layer.zero_grad()
        window.output.sum().backward()
        grad = layer.initial["l0"]["h"].grad
        reached.append(grad is not None and bool(grad.abs().sum() > 0))
    assert reached == [True, True, False, False]


@pytest.mark.parametrize(("name", "k"), [("k1", {"k1": 0}), ("k2", {"k1": 2, "k2": 0}), ("k1", {"k1": 2.5})])
def test_steps_must_be_whole_and_positive(name, k):
    layer = layer_of("elman")
    with pytest.raises(SettingError, match=f"{name} must be a whole number of steps >= 1, got"):
        truncated(layer, input_of(layer), **k)


def test_a_layer_that_runs_in_both_directions_is_refused():
    layer = layer_of("elman", bidirectional=True)
    with pytest.raises(SettingError, match="runs forward only, got bidirectional=True"):
        truncated(layer, input_of(layer), 3)
