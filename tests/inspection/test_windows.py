"""Windows of a long run against calls of the layer on the same steps."""

import pytest
import torch

from unrolled.errors import SettingError
from unrolled.inspection.reading import at_rest, call_of
from unrolled.inspection.windows import Trajectory
from unrolled.layers import Recurrent

T, I, H = 19, 3, 8
STARTS, STOPS = torch.tensor([0, 0, 2, 5, 11, 13]), torch.tensor([1, 4, 9, 12, 18, 19])


def layer_of(cell, engine=None, **options):
    torch.manual_seed(4)
    return Recurrent(cell, I, H, 2, dtype=torch.float64, engine=engine, **options)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("reset", [None, 8])
@pytest.mark.parametrize(
    "cell", ["elman", "lstm", "gru", "skip_in_time", "clockwork", "mingru", "lstm_layer_norm"]
)
def test_outputs_and_gradients_are_those_of_the_whole_run(cell, reset, engine):
    layer = layer_of(cell, engine, initial_state="learned", residual=True)
    for value in layer.initial.parameters():
        torch.nn.init.normal_(value)
    x = torch.randn(T, 1, I, dtype=torch.float64)
    resets = None if reset is None else (torch.arange(T) == reset)[:, None]
    with at_rest(layer):
        windows = Trajectory(call_of(layer, x, resets=resets))
        steps = (STARTS + torch.arange(7)[:, None]).clamp(max=T - 1)
        cut = x[:, 0][steps].requires_grad_()
        output = windows.last_outputs(cut, STARTS, STOPS)
        weights = torch.randn_like(output)
        (gradient,) = torch.autograd.grad((output * weights).sum(), cut)
        for b, (start, stop) in enumerate(zip(STARTS.tolist(), STOPS.tolist(), strict=True)):
            whole = x.clone().requires_grad_()
            expected = layer(whole, resets=resets)[0][stop - 1, 0]
            torch.testing.assert_close(output[b], expected, rtol=1e-9, atol=1e-12)
            (full,) = torch.autograd.grad((expected * weights[b]).sum(), whole)
            torch.testing.assert_close(
                gradient[: stop - start, b], full[start:stop, 0], rtol=1e-9, atol=1e-12
            )
            assert (gradient[stop - start :, b] == 0).all()


def test_the_native_engine_does_not_run_windows_again(monkeypatch):
    layer = layer_of("gru", "native")
    x = torch.randn(T, 1, I, dtype=torch.float64)
    windows = Trajectory(call_of(layer, x))
    monkeypatch.setattr(type(windows.engine), "run", lambda *given: pytest.fail("run again"))
    cut = x[:, 0][STARTS + torch.arange(1)[:, None]].requires_grad_()
    windows.last_outputs(cut, STARTS, STARTS + 1).sum().backward()
    assert cut.grad.abs().sum() > 0


@pytest.mark.parametrize("cell", ["lstm", "skip_in_time", "clockwork"])
def test_the_state_before_a_step(cell):
    layer = layer_of(cell)
    x = torch.randn(T, 1, I, dtype=torch.float64)
    _, carried = layer(torch.randn(3, 1, I, dtype=torch.float64))
    found = Trajectory(call_of(layer, x, carried)).state_before([0, 1, 7])
    for row, step in enumerate((0, 1, 7)):
        expected = layer(x[:step], carried)[1] if step else carried
        for one, other in zip(found.cells, expected.cells, strict=True):
            assert one.clock[row] == other.clock[0]
            for name in other.values:
                torch.testing.assert_close(one.values[name][:, row], other.values[name][:, 0])


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(SettingError, match="got 2 rows and bidirectional=False"):
        Trajectory(call_of(layer_of("gru"), torch.zeros(T, 2, I, dtype=torch.float64)))
    with pytest.raises(SettingError, match="got 1 rows and bidirectional=True"):
        Trajectory(call_of(layer_of("gru", bidirectional=True), torch.zeros(T, 1, I, dtype=torch.float64)))
