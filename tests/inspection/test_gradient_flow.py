"""Gradient flow against networks whose Jacobian is known, runs cut in two, and loops written out by hand."""

import math

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import cell
from unrolled.errors import DataError, SettingError
from unrolled.inspection.gradient_flow import gradient_flow, gradient_probe, memory_of, rate_of, verdict_of
from unrolled.inspection.jacobian import step_jacobians
from unrolled.layers import Recurrent, Regularise
from unrolled.models import LanguageModel

H, I = 12, 3


@cell
def linear(x, h, *, W, U, b):
    return W @ x + U @ h + b


def linear_layer(matrix):
    return Recurrent(linear, I, H, start={"U": torch.as_tensor(matrix)}, dtype=torch.float64)


def orthogonal():
    return np.linalg.qr(np.random.default_rng(0).standard_normal((H, H)))[0]


def inputs(time=120, rows=2):
    return torch.randn(time, rows, I, dtype=torch.float64)


def total(output):
    return output.sum(-1)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.9, "vanishing"), (0.97, "vanishing"), (1.0, "healthy"), (1.1, "exploding")]
)
def test_a_scaled_orthogonal_matrix_has_its_factor_as_the_rate(factor, verdict):
    flow = gradient_flow(linear_layer(factor * orthogonal()), inputs(), total, lags=100)
    np.testing.assert_allclose(flow.norms[0], math.sqrt(H) * factor ** np.arange(1, 101), rtol=1e-9)
    np.testing.assert_allclose(flow.low, flow.high, rtol=1e-9)  # linear: the same for every row
    assert flow.rates[0] == pytest.approx(factor, rel=1e-9)
    assert flow.verdict == verdict and flow.verdicts == (verdict,)
    expected = 1 + math.log(10) / -math.log(factor) if verdict == "vanishing" else math.inf
    assert flow.memories[0] == pytest.approx(expected)
    assert verdict in flow.figure().layout.title.text


@pytest.mark.parametrize(("radius", "verdict"), [(0.9, "vanishing"), (1.0, "healthy"), (1.1, "exploding")])
@pytest.mark.parametrize("seed", range(5))
def test_the_verdict_on_any_matrix_is_that_of_its_spectral_radius(radius, verdict, seed):
    matrix = np.random.default_rng(seed).standard_normal((H, H))
    matrix *= radius / np.abs(np.linalg.eigvals(matrix)).max()
    flow = gradient_flow(linear_layer(matrix), inputs(200), total, lags=150)
    gradient, norms = np.ones(H), []
    for _ in range(150):
        gradient = matrix.T @ gradient
        norms.append(np.linalg.norm(gradient))
    np.testing.assert_allclose(flow.norms[0], norms, rtol=1e-8)
    assert flow.verdict == verdict
    assert rate_of(flow.norms[0, 50:]) == pytest.approx(radius, rel=0.01)


def by_cutting(layer, x, loss, lag):
    """The norm at a lag, of a run that is cut there."""
    border = len(x) - lag
    state = layer(x[:border])[1] if border else layer._start_state(x.shape[1])
    state = state.map(lambda value: value.detach().clone().requires_grad_())
    output, _ = layer(x[border:], state)
    tensors = [v for one in state.cells for v in one.values.values()]
    found = iter(torch.autograd.grad(loss(output[-1]).sum(), tensors))
    squares = [sum(next(found).square().sum((0, 2)) for _ in one.values) for one in state.cells]
    return [float(square.sqrt().mean()) for square in squares]


@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "jordan", "skip_in_time", "clockwork", "mingru"])
def test_any_deep_network_has_the_gradients_of_a_run_cut_in_two(name):
    sizes = {"output": 4} if name == "jordan" else {}
    layer = Recurrent(name, I, 8, 2, sizes=sizes, dtype=torch.float64)
    x = inputs(11)
    flow = gradient_flow(layer, x, lambda output: output.pow(3).sum(-1), lags=11)
    assert flow.layers == ("l0", "l1")
    for lag in (1, 2, 5, 11):
        expected = by_cutting(layer, x, lambda output: output.pow(3).sum(-1), lag)
        np.testing.assert_allclose(flow.norms[:, lag - 1], expected, rtol=1e-9, atol=1e-15)


def test_states_are_also_given_one_by_one():
    flow = gradient_flow(Recurrent("lstm", I, 8, dtype=torch.float64), inputs(30, 1), total, lags=20)
    together = np.sqrt(flow.states["h"] ** 2 + flow.states["c"] ** 2)  # one row: no mean lies between
    np.testing.assert_allclose(together, flow.norms, rtol=1e-12)
    assert (flow.states["h"] > 0).all() and (flow.states["c"] > 0).all()


def test_two_directions_against_a_loop_written_out():
    """Two bidirectional layers; the value handed to the next step is a tensor of its own."""
    layer = Recurrent("elman", I, 4, 2, bidirectional=True, dtype=torch.float64)
    x, position = inputs(14, 3), 6
    handed = {}
    values = list(x)
    for depth in range(2):
        ways = []
        for end in ("", "_reverse"):
            w = layer.cell_weights(f"l{depth}{end}")
            h, out = torch.zeros(3, 4, dtype=torch.float64), [None] * 14
            for t in range(14)[:: -1 if end else 1]:
                handed[depth, end, t] = h = h.clone().requires_grad_() if not h.requires_grad else h.clone()
                out[t] = torch.tanh(values[t] @ w["W"].T + h @ w["U"].T + w["b"])
                h = out[t]
            ways.append(out)
        values = [torch.cat(pair, -1) for pair in zip(*ways, strict=True)]
    keys, tensors = zip(*handed.items(), strict=True)
    found = torch.autograd.grad(values[position].square().sum(), tensors, allow_unused=True)
    norms = {k: 0.0 if g is None else float(g.norm(dim=-1).mean()) for k, g in zip(keys, found, strict=True)}
    flow = gradient_flow(layer, x, lambda output: output.square().sum(-1), position=position)
    assert flow.lags.tolist() == list(range(1, 8))  # as many as there are on both sides
    for number, (depth, end) in enumerate([(0, ""), (0, "_reverse"), (1, ""), (1, "_reverse")]):
        steps = [position + k if end else position - k for k in range(7)]
        np.testing.assert_allclose(
            flow.norms[number], [norms[depth, end, t] for t in steps], rtol=1e-9, atol=1e-14
        )


def test_a_reset_ends_the_gradient():
    resets = torch.zeros(30, 2, dtype=torch.bool)
    resets[20] = True
    flow = gradient_flow(
        Recurrent("gru", I, 5, dtype=torch.float64), inputs(30), total, lags=30, resets=resets
    )
    assert (flow.norms[0, :9] > 0).all() and (flow.norms[0, 9:] == 0).all()
    assert flow.memories[0] <= 10 and flow.verdict == "vanishing"


def test_the_layout_of_a_layer_does_not_matter():
    layer = Recurrent("gru", I, 5, dtype=torch.float64, batch_first=True)
    x = inputs(20)
    found = gradient_flow(layer, x.transpose(0, 1), total, lags=15)
    layer.batch_first = False
    np.testing.assert_array_equal(found.norms, gradient_flow(layer, x, total, lags=15).norms)


TEXT = "the cat sat on the mat and the dog lay on the log. " * 3


@pytest.mark.parametrize("embedding", [None, 5])
@pytest.mark.parametrize("name", ["lstm", "skip_in_time"])
def test_a_language_model_against_its_own_call_cut_in_two(name, embedding):
    model = LanguageModel(Vocabulary.from_text([TEXT]), name, 8, 2, embedding).double()
    flow = gradient_flow(model, TEXT, lags=10, rows=3)
    targets = torch.from_numpy(model.vocabulary.encode(TEXT))
    read = torch.cat([torch.tensor([1]), targets[:-1]])[:, None]
    ends = np.linspace(0, len(TEXT) - 10, 3).round().astype(int) + 9
    for lag in (1, 4, 10):
        norms = []
        for end in ends:
            border = end - lag + 1
            state = model(read[:border])[1] if border else model.recurrent._start_state(1)
            state = state.map(lambda value: value.detach().clone().requires_grad_())
            logits, _ = model(read[border : end + 1], state)
            loss = -torch.log_softmax(logits[-1, 0], -1)[targets[end]]
            tensors = [v for one in state.cells for v in one.values.values()]
            # The very first step reads <eos>, which starts anew: what was carried has no part in it.
            found = iter(torch.autograd.grad(loss, tensors, allow_unused=True))
            norms.append(
                [math.sqrt(sum(float(next(found).square().sum()) for _ in c.values)) for c in state.cells]
            )
        np.testing.assert_allclose(flow.norms[:, lag - 1], np.mean(norms, 0), rtol=1e-9)


def test_it_leaves_no_trace():
    layer = Recurrent("gru", I, 5, 2, dropout=0.5, regularise=Regularise(recurrent=0.3))
    layer.cell_weights("l0")["U"].requires_grad_(False)
    layer(torch.randn(4, 2, I))[0].sum().backward()
    before = [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in layer.parameters()]
    numbers = torch.get_rng_state()
    x = torch.zeros(30, 2, I)
    once = gradient_flow(layer, x, total, lags=20)
    np.testing.assert_array_equal(once.norms, gradient_flow(layer, x, total, lags=20).norms)
    assert torch.equal(numbers, torch.get_rng_state()) and layer.training
    for parameter, (wanted, gradient) in zip(layer.parameters(), before, strict=True):
        assert parameter.requires_grad is wanted
        assert parameter.grad is None if gradient is None else torch.equal(parameter.grad, gradient)


def test_a_probe_follows_training():
    layer = linear_layer(0.8 * orthogonal())
    probe = gradient_probe(layer, inputs(60), total, every=2, lags=50)
    for update in range(1, 6):
        found = probe(update)
        assert (found is None) == (update % 2 == 1)
        if update == 2:
            with torch.no_grad():
                layer.cell_weights()["U"].mul_(1.25)
    course = probe.course()
    assert course.updates.tolist() == [2, 4]
    np.testing.assert_allclose(course.values["l0 rate"], [0.8, 1.0], rtol=1e-9)
    np.testing.assert_allclose(course.values["l0 memory"], [1 + math.log(10) / -math.log(0.8), 50])
    np.testing.assert_allclose(course.values["l0 left"], [0.8**49, 1.0], rtol=1e-9)
    assert len(course.figure("l0 rate").data) == 1 and len(course.figure().data) == 3


def test_memory_is_where_the_norm_stays_below_a_tenth():
    assert memory_of(np.array([1.0, 0.05, 0.5, 0.05])) == pytest.approx(3 + math.log(5) / math.log(10))
    assert memory_of(np.array([1.0, 0.5, 0.0])) == 2
    assert memory_of(np.array([1.0, 0.5, 0.2])) == math.inf
    assert memory_of(np.array([0.0, 0.0])) == 0
    assert math.isnan(rate_of(np.array([1.0, 0.0])))
    assert verdict_of(np.array([1.0, 3.0, math.inf])) == "exploding"
    assert verdict_of(np.array([0.0, 0.0])) == "vanishing"


def test_what_cannot_be_done_is_refused():
    layer = Recurrent("gru", I, 5)
    with pytest.raises(SettingError, match="a layer needs a loss"):
        gradient_flow(layer, torch.zeros(5, 1, I))
    with pytest.raises(SettingError, match=r"position must be a step of the input, below T=5, got 5"):
        gradient_flow(layer, torch.zeros(5, 1, I), total, position=5)
    with pytest.raises(SettingError, match="lags and rows must be 1 or more, got 0 and 16"):
        gradient_flow(layer, torch.zeros(5, 1, I), total, lags=0)
    with pytest.raises(SettingError, match="expected a LanguageModel or a Recurrent, got Linear"):
        gradient_flow(torch.nn.Linear(2, 2), torch.zeros(5, 1, I), total)
    model = LanguageModel(Vocabulary.from_text([TEXT]), "gru", 4)
    with pytest.raises(DataError, match="must have 10 symbols or more to look back 10 steps, got 3"):
        gradient_flow(model, "the", lags=10)
    with pytest.raises(SettingError, match="sets its own resets"):
        step_jacobians(model, TEXT, resets=torch.zeros(3, 1, dtype=torch.bool))
