"""Initial states from a vector, penalties and parametrized weights, each against its formula."""

import pytest
import torch
from torch.nn.utils import parametrizations

from unrolled.errors import ShapeError
from unrolled.layers import Conditioned, Ragged, Recurrent, activation_penalty, temporal_penalty

T, B = 5, 3


def test_every_state_begins_as_its_projection():
    layer = Recurrent("lstm", 2, 4, num_layers=2, bidirectional=True, dtype=torch.float64)
    start, v = Conditioned(layer, 6), torch.randn(B, 6, dtype=torch.float64)
    x = torch.randn(T, B, 2, dtype=torch.float64)
    h = torch.stack([v @ both[0].weight.T + both[0].bias for both in start.projections])
    c = torch.stack([v @ both[1].weight.T + both[1].bias for both in start.projections])
    torch.testing.assert_close(layer(x, start(v))[0], layer(x, (h, c))[0], rtol=1e-12, atol=1e-14)
    layer(x, start(v))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in start.parameters())


def test_all_values_before_the_first_step_are_the_projection():
    layer = Recurrent("skip_in_time", 2, 4)
    state = Conditioned(layer, 6)(torch.randn(B, 6))
    values = state.cells[0].values["h"]
    assert len(values) > 1
    assert all(torch.equal(value, values[0]) for value in values)


def test_a_condition_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"the condition must be \(B, 6\), got \(6,\)"):
        Conditioned(Recurrent("gru", 2, 4), 6)(torch.zeros(6))


def test_penalties_are_their_sums():
    h, lengths = torch.randn(T, B, 4), [5, 1, 3]
    rows = [h[:n, b] for b, n in enumerate(lengths)]
    squares = torch.cat([row.square().flatten() for row in rows])
    moves = torch.cat([(row[1:] - row[:-1]).square().flatten() for row in rows])
    ragged = Ragged.from_padded(h, lengths)
    torch.testing.assert_close(activation_penalty(ragged), squares.mean())
    torch.testing.assert_close(activation_penalty(h), h.square().mean())
    torch.testing.assert_close(temporal_penalty(ragged), moves.mean())
    torch.testing.assert_close(temporal_penalty(h, lengths), moves.mean())
    torch.testing.assert_close(temporal_penalty(h), h.diff(dim=0).square().mean())
    assert temporal_penalty(h[:1]) == 0
    h[lengths[1] :, 1] = float("nan")  # padding
    torch.testing.assert_close(temporal_penalty(h, lengths), moves.mean())
    with pytest.raises(ShapeError, match=r"the output must be \(T, B, n\), got \(5, 3\)"):
        temporal_penalty(h[..., 0])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_weight_may_be_parametrized_by_torch(engine):
    layer = Recurrent("elman", 2, 4, dtype=torch.float64, engine=engine)
    parametrizations.weight_norm(layer.weights["l0"], "U")
    with torch.no_grad():
        layer.weights["l0"].parametrizations.U.original0.mul_(0.5)
    length, direction = (getattr(layer.weights["l0"].parametrizations.U, f"original{i}") for i in (0, 1))
    plain = Recurrent("elman", 2, 4, dtype=torch.float64, engine=engine)
    with torch.no_grad():
        for name, value in layer.cell_weights().items():
            plain.cell_weights()[name].copy_(value)
    torch.testing.assert_close(
        layer.cell_weights()["U"], length * direction / direction.norm(dim=1, keepdim=True)
    )
    x = torch.randn(T, B, 2, dtype=torch.float64)
    assert torch.equal(layer(x)[0], plain(x)[0])
    layer(x)[0].square().sum().backward()
    assert length.grad.abs().sum() > 0
    assert {"weights.l0.parametrizations.U.original0", "weights.l0.W"} <= set(dict(layer.named_parameters()))
