"""The step Jacobian told in a sentence, against linear networks whose matrices are known, and finite differences."""

import math

import numpy as np
import pytest
import torch

from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers import Recurrent
from unrolled.layers.growth import signal_growth
from unrolled.layers.state import CellState, State

LINEAR = Cell.from_text("@cell\ndef linear(x, h, *, W, U):\n    return W @ x + U @ h\n")
T, B, I = 12, 3, 2


def linear(U):
    return Recurrent(LINEAR, I, len(U), start={"U": U.float()})


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("exact", [True, False])
def test_a_linear_network_has_the_norm_of_its_matrix_and_the_growth_of_its_power(exact):
    U = drawn(7, 7) / 3
    found = signal_growth(linear(U), drawn(T, B, I), exact=exact)
    norm = np.linalg.norm(U.double().numpy(), 2)
    power = np.linalg.norm(np.linalg.matrix_power(U.double().numpy(), T), 2) ** (1 / T)
    assert found.norms.shape == (T, B) and found.growth.shape == (B,)
    assert found.norms.numpy() == pytest.approx(np.full((T, B), norm), rel=1e-3 if not exact else 1e-7)
    assert found.growth.numpy() == pytest.approx(np.full(B, power), rel=1e-3 if not exact else 1e-7)
    assert found.rate == pytest.approx(power, rel=1e-3)


@pytest.mark.parametrize(
    ("scale", "verdict", "said"),
    [
        (
            0.9,
            "fade",
            "Signals fade to a tenth in 22 steps: x 0.9 a step, and no single step does more than x 0.9.",
        ),
        (
            1.0,
            "keep",
            "Signals are kept over these 100 steps: x 1 a step, and no single step does more than x 1.",
        ),
        (0.98, "keep", "Signals are kept over these 100 steps: x 0.98 a step"),
        (1.1, "explode", "Signals explode, ten times as large in 24 steps: x 1.1 a step"),
        (0.0, "fade", "Signals fade to a tenth in 1 step: x 0 a step"),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_a_scaled_rotation_is_told_for_what_it_is(scale, verdict, said, exact):
    rotation, _ = torch.linalg.qr(drawn(6, 6).double())
    found = signal_growth(linear(scale * rotation), torch.zeros(100, 2, I), exact=exact)
    assert found.verdict == verdict
    assert str(found).startswith(said)
    if 0 < scale < 1:
        assert found.tenfold == pytest.approx(math.log(10) / -math.log(scale), rel=1e-4)


def test_signals_that_grow_beyond_any_float_are_still_measured():
    found = signal_growth(linear(100 * torch.eye(3)), torch.zeros(400, 1, I))
    assert found.rate == pytest.approx(100)
    assert found.verdict == "explode"


def one_step(layer, x, before):
    """What a step makes of all states in one vector, by the NumPy oracle of the cell."""
    parameters = {name: value.detach().double().numpy() for name, value in layer.cell_weights().items()}
    parts, start = [], 0
    for size in layer.cell.state_sizes(I, layer.widths[0], **layer.sizes).values():
        parts.append(before[start : start + size])
        start += size
    answer = layer.cell(x, *parts, **parameters)
    states = answer if isinstance(answer, tuple) else (answer,)
    return np.concatenate(states[-len(parts) :])


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "jordan", "minlstm", "indrnn"])
def test_jacobians_against_finite_differences_of_the_oracle(cell):
    torch.manual_seed(2)
    sizes = dict.fromkeys(catalogue()[cell].named_sizes, 4)
    layer = Recurrent(cell, I, 5, sizes=sizes)
    x = drawn(T, 1, I)
    found = signal_growth(layer, x)
    state = np.zeros(sum(layer.cell.state_sizes(I, 5, **sizes).values()))
    product = np.eye(len(state))
    for t in range(T):
        inputs, h = x[t, 0].double().numpy(), 1e-6
        moved = [
            one_step(layer, inputs, state + h * e) - one_step(layer, inputs, state - h * e)
            for e in np.eye(len(state))
        ]
        jacobian = np.stack(moved, 1) / (2 * h)
        assert float(found.norms[t, 0]) == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-4, abs=1e-7), t
        product, state = jacobian @ product, one_step(layer, inputs, state)
    if cell != "indrnn":  # whose rectified units may all have died
        assert float(found.growth[0]) == pytest.approx(np.linalg.norm(product, 2) ** (1 / T), rel=1e-4)


@pytest.mark.parametrize("cell", ["skip_in_time", "clockwork", "lstm", "gru"])
def test_the_product_of_the_steps_is_the_derivative_of_the_whole(cell):
    """Of all that is carried at the end by all at the start: histories, clocks and two layers included."""
    torch.manual_seed(3)
    layer = Recurrent(cell, I, 8, 2, dtype=torch.float64, engine="reference")
    _, start = layer(drawn(6, 1, I).double())
    x, shapes = drawn(5, 1, I).double(), [v.shape for c in start.cells for v in c.values.values()]

    def end(flat):
        parts = iter(flat.split([shape.numel() for shape in shapes]))
        cells = [
            CellState({n: next(parts).reshape(v.shape) for n, v in c.values.items()}, c.clock)
            for c in start.cells
        ]
        _, after = layer(x, State(cells))
        return torch.cat([v.flatten() for c in after.cells for v in c.values.values()])

    flat = torch.cat([v.detach().flatten() for c in start.cells for v in c.values.values()])
    whole = torch.autograd.functional.jacobian(end, flat)
    found = signal_growth(layer, x, start)
    assert found.rate == pytest.approx(float(torch.linalg.matrix_norm(whole, 2)) ** (1 / 5), rel=1e-6)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "skip_in_time", "clockwork"])
def test_both_ways_to_measure_agree(cell):
    layer, x = Recurrent(cell, I, 8, 2), drawn(T, B, I)
    exact, iterated = (signal_growth(layer, x, exact=way) for way in (True, False))
    assert iterated.norms.numpy() == pytest.approx(exact.norms.numpy(), rel=1e-2)
    assert iterated.growth.numpy() == pytest.approx(exact.growth.numpy(), rel=1e-2)
    assert (iterated.norms <= exact.norms * (1 + 1e-9)).all()


def test_the_clock_the_state_and_the_layout_count():
    layer, x = Recurrent("clockwork", I, 8), drawn(T, B, I)
    whole = signal_growth(layer, x)
    _, middle = layer(x[:5])
    rest = signal_growth(layer, x[5:], middle)
    assert rest.norms.numpy() == pytest.approx(whole.norms[5:].numpy(), rel=1e-5)
    layer.batch_first = True
    assert torch.equal(signal_growth(layer, x.transpose(0, 1)).norms, whole.norms)


def test_a_delayed_state_is_carried_with_its_history():
    cell = Cell.from_text("@cell\ndef late(x, h, *, W, U):\n    return W @ x + U @ delayed(h, 3)\n")
    found = signal_growth(Recurrent(cell, I, 4, start={"U": 0.125 * torch.eye(4)}), drawn(300, 1, I))
    assert found.norms.numpy() == pytest.approx(np.ones((300, 1)))
    assert found.rate == pytest.approx(0.5, rel=0.01)  # an eighth in three steps


def test_the_layer_stays_as_it_is():
    layer = Recurrent("gru", I, 4)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    signal_growth(layer, drawn(4, 1, I))
    assert layer.engine == "native" and layer.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in layer.parameters())
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_what_has_no_step_is_refused():
    with pytest.raises(SettingError, match="bidirectional layer has no step"):
        signal_growth(Recurrent("gru", I, 4, bidirectional=True), drawn(T, B, I))
    with pytest.raises(SettingError, match=r"got an input of shape \(0, 3, 2\)"):
        signal_growth(Recurrent("gru", I, 4), drawn(0, B, I))


def test_chrono_keeps_what_other_starts_lose():
    torch.manual_seed(0)
    x = drawn(60, 2, I)
    rates = {
        how: signal_growth(Recurrent("lstm", I, 12, initialise=how), x).rate
        for how in ("roles", "chrono:500")
    }
    assert rates["roles"] < 0.97 < 0.99 < rates["chrono:500"] < 1.02
