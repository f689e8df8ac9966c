"""All options of a layer at once."""

import pytest
import torch

from unrolled.layers import Conditioned, Recurrent, Regularise
from unrolled.layers.state import Key, State

T, B, I = 4, 2, 3


def layer_of(engine, cell):
    torch.manual_seed(1)
    return Recurrent(
        cell,
        I,
        [4, 4],
        bidirectional=True,
        batch_first=True,
        initial_state="learned",
        merge="sum",
        residual=True,
        skip=True,
        projection=3,
        dropout=0.3,
        regularise=Regularise(
            input=0.2, recurrent=0.3, output=0.2, zoneout=0.25, values={"candidate": 0.2}, connections=0.3
        ),
        checkpoint="sqrt",
        engine=engine,
        dtype=torch.float64,
    )


def call(layer, start):
    """Output, final states and a record, as a function of input, condition and parameters."""
    resets = torch.tensor([[False, False, True, False], [False, True, False, False]])

    def run(x, condition, *parameters):
        begun = torch.func.functional_call(start, {}, (condition,))
        state = State(begun.cells, Key(11, torch.zeros(B, dtype=torch.int64)))
        names = [name for name, _ in layer.named_parameters()]
        given = dict(zip(names, parameters, strict=True))
        options = {"lengths": [T, 3], "resets": resets, "record": ("candidate",)}
        output, end, records = torch.func.functional_call(layer, given, (x, state), options)
        return (output, *end, *records["candidate"])

    return run


def arguments(layer):
    torch.manual_seed(2)
    x = torch.randn(B, T, I, dtype=torch.float64, requires_grad=True)
    condition = torch.randn(B, 2, dtype=torch.float64, requires_grad=True)
    return x, condition, *(p.detach().clone().requires_grad_() for p in layer.parameters())


@pytest.mark.parametrize("cell", ["gru", "lstm", "lstm_peephole"])
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_all_options_together_pass_gradcheck(engine, cell):
    layer = layer_of(engine, cell)
    assert layer.engine == engine
    torch.manual_seed(3)
    start = Conditioned(layer, 2)
    assert torch.autograd.gradcheck(call(layer, start), arguments(layer), fast_mode=True)


@pytest.mark.parametrize("cell", ["gru", "lstm", "lstm_peephole"])
def test_all_options_together_agree_between_the_engines(cell):
    layers = [layer_of(engine, cell) for engine in ("native", "reference")]
    torch.manual_seed(3)
    start = Conditioned(layers[0], 2)
    results = []
    for layer in layers:
        given = arguments(layers[0])
        values = call(layer, start)(*given)
        gradients = torch.autograd.grad(sum(v.square().sum() for v in values), given)
        results.append([*values, *gradients])
    for native, reference in zip(*results, strict=True):
        torch.testing.assert_close(native, reference, rtol=1e-10, atol=1e-12)
    assert all(g.abs().sum() > 0 for g in results[0][-len(given) :])
