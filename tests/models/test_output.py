import doctest
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from unrolled.errors import SettingError, ShapeError
from unrolled.layers import linear_cross_entropy as fused
from unrolled.models import output as module
from unrolled.models.output import Output

N, H, V = 40, 12, 30
CUTOFFS = (5, 9, 20)


@pytest.fixture(autouse=True)
def chunks_of_seven_rows(monkeypatch):
    monkeypatch.setattr(fused, "CHUNK", 7 * V)


def kinds():
    embedding = nn.Embedding(V, 4).double()
    return {
        "plain": Output(H, V).double(),
        "projected": Output(H, V, projection=5).double(),
        "tied": Output(H, V, projection=4, tied=embedding.weight).double(),
        "adaptive": Output(H, V, adaptive=CUTOFFS).double(),
        "adaptive, projected": Output(H, V, projection=7, adaptive=[10]).double(),
    }


KINDS = tuple(kinds())


def batch():
    hidden = torch.randn(N, H, dtype=torch.float64, requires_grad=True)
    targets = torch.arange(N) % V
    targets[::7] = -1
    return hidden, targets


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_logits(kind):
    output = kinds()[kind]
    hidden, targets = batch()
    leaves = [hidden, *output.parameters()]
    found = output.loss(hidden, targets)
    true = cross_entropy(output.logits(hidden), targets, ignore_index=-1)
    torch.testing.assert_close(found, true, rtol=1e-12, atol=0)
    for mine, exact in zip(
        torch.autograd.grad(found, leaves), torch.autograd.grad(true, leaves), strict=True
    ):
        torch.testing.assert_close(mine, exact, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ignored", [-1, 0, 6])
def test_log_probabilities_are_those_of_the_logits(kind, ignored):
    output = kinds()[kind]
    hidden, targets = batch()
    targets = targets.clamp(min=min(ignored, 0))
    found = output.log_probabilities(hidden, targets, ignored)
    all_of_them = output.logits(hidden).log_softmax(-1)
    counted = targets != ignored
    expected = all_of_them[torch.arange(N), targets] * counted
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        output.loss(hidden, targets, ignored), -found.sum() / counted.sum(), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_logits_keep_the_leading_dimensions(kind):
    output = kinds()[kind]
    hidden = torch.randn(2, 3, H, dtype=torch.float64)
    logits = output(hidden)
    assert logits.shape == (2, 3, V)
    torch.testing.assert_close(logits[1, 2], output.logits(hidden[1, 2]), rtol=1e-12, atol=1e-14)


def test_the_plain_layer_starts_and_computes_as_nn_linear_does():
    torch.manual_seed(3)
    linear = nn.Linear(H, V)
    after = torch.rand(1)
    torch.manual_seed(3)
    output = Output(H, V)
    assert torch.equal(torch.rand(1), after)
    assert list(output.state_dict()) == ["weight", "bias"]
    hidden = torch.randn(4, H)
    assert torch.equal(output.logits(hidden), linear(hidden))
    output.load_state_dict(nn.Linear(H, V).state_dict())


def test_a_projection_by_hand():
    output = Output(H, V, projection=5)
    assert {name: tuple(value.shape) for name, value in output.state_dict().items()} == {
        "weight": (V, 5),
        "bias": (V,),
        "projection.weight": (5, H),
    }
    hidden = torch.randn(3, H)
    by_hand = hidden @ output.projection.weight.t() @ output.weight.t() + output.bias
    torch.testing.assert_close(output.logits(hidden), by_hand)


def test_tied_weights_are_one_parameter_with_gradients_from_both_places():
    embedding = nn.Embedding(V, H).double()
    output = Output(H, V, tied=embedding.weight)
    assert output.weight is embedding.weight
    assert output.bias.dtype == torch.float64 and not output.bias.any()
    both = nn.ModuleList([embedding, output])
    assert sum(value.numel() for value in both.parameters()) == V * H + V
    _, targets = batch()
    symbols = targets.clamp(min=0)
    output.loss(embedding(symbols), targets).backward()
    apart = embedding.weight.detach().clone().requires_grad_()
    read = embedding.weight.detach()[symbols].requires_grad_()
    cross_entropy(read @ apart.t(), targets, ignore_index=-1).backward()
    looked_up = torch.zeros_like(apart).index_add(0, symbols, read.grad)
    torch.testing.assert_close(embedding.weight.grad, apart.grad + looked_up, rtol=1e-10, atol=1e-14)


def test_the_adaptive_softmax_is_that_of_torch():
    wide = 4**3  # torch's last tail would read nothing at all below
    output = Output(wide, V, adaptive=CUTOFFS).double()
    theirs = nn.AdaptiveLogSoftmaxWithLoss(wide, V, list(CUTOFFS)).double()
    theirs.load_state_dict(output.adaptive.state_dict())
    hidden = torch.randn(N, wide, dtype=torch.float64, requires_grad=True)
    _, targets = batch()
    counted = targets != -1
    torch.testing.assert_close(output.logits(hidden), theirs.log_prob(hidden), rtol=1e-12, atol=1e-14)
    log_probabilities, loss = theirs(hidden[counted], targets[counted])
    torch.testing.assert_close(output.loss(hidden, targets), loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        output.log_probabilities(hidden, targets)[counted], log_probabilities, rtol=1e-12, atol=0
    )
    output.loss(hidden, targets).backward()
    mine, hidden.grad = hidden.grad, None
    theirs(hidden[counted], targets[counted])[1].backward()
    torch.testing.assert_close(mine, hidden.grad, rtol=1e-10, atol=1e-14)
    for one, other in zip(output.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("cutoffs", [(1,), (29,), CUTOFFS, range(1, 30)])
def test_adaptive_probabilities_sum_to_one(cutoffs):
    output = Output(H, V, adaptive=cutoffs).double()
    hidden, _ = batch()
    ones = torch.ones(N, dtype=torch.float64)
    torch.testing.assert_close(output.logits(hidden).exp().sum(-1), ones, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_predict_costs_nothing(kind):
    output = kinds()[kind]
    hidden, targets = batch()
    loss = output.loss(hidden, torch.full_like(targets, -1))
    loss.backward()
    assert loss.item() == 0
    assert all(not value.grad.any() for value in output.parameters())
    assert output.loss(hidden[:0], targets[:0]).item() == 0
    assert output.log_probabilities(hidden[:0], targets[:0]).shape == (0,)


def test_it_learns_a_distribution():
    torch.manual_seed(0)
    for output in (Output(1, 4), Output(1, 4, adaptive=[2])):
        optimizer = torch.optim.LBFGS(output.parameters(), max_iter=200, line_search_fn="strong_wolfe")
        targets = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3])
        entropy = 0.5 * math.log(2) + 0.25 * math.log(4) + 0.25 * math.log(8)

        def closure(output=output, optimizer=optimizer, targets=targets):
            optimizer.zero_grad()
            loss = output.loss(torch.ones(8, 1), targets)
            loss.backward()
            return loss

        optimizer.step(closure)
        assert closure().item() == pytest.approx(entropy, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tied": (V, 4)},
            "embedding has 4 numbers a symbol, but the output layer reads 12; give --projection 4",
        ),
        ({"tied": (V, 4), "projection": 5}, "reads 5; give --projection 4"),
        ({"tied": (V + 1, H)}, r"tied weights must be \(30, E\), one row by symbol, got \(31, 12\)"),
        ({"tied": (V, H), "adaptive": (3,)}, "adaptive softmax has its own weights"),
        ({"adaptive": (0,)}, r"increase within 1 .. 29 \(there are 30 symbols\), got 0"),
        ({"adaptive": (V,)}, "got 30"),
        ({"adaptive": (9, 5)}, "got 9, 5"),
        ({"projection": 0}, "projection must be at least 1, got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    if "tied" in settings:
        settings = {**settings, "tied": nn.Parameter(torch.zeros(settings["tied"]))}
    with pytest.raises(SettingError, match=message):
        Output(H, V, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_outside_of_the_symbols_are_refused(kind):
    hidden, targets = batch()
    targets[3] = V
    with pytest.raises(ShapeError, match=r"targets must be in 0 .. 29 or -1 for ignored, got 30"):
        kinds()[kind].loss(hidden, targets)


def test_the_example():
    outcome = doctest.testmod(module)
    assert outcome.attempted and not outcome.failed
