"""Truncated gradients against loops that are cut by hand."""

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import SettingError
from unrolled.inspection.truncation import truncation
from unrolled.layers import Recurrent
from unrolled.models import LanguageModel

T, I, H = 9, 3, 4


def loss(output, steps):
    return output.pow(2).sum()


def step(weights, x, h):
    return torch.tanh(x @ weights["W"].T + h @ weights["U"].T + weights["b"])


def by_hand(layer, x, k1, k2):
    """The loss of every window of k1 steps goes back through the last k2 steps before the window's end."""
    weights = layer.cell_weights()
    total = 0
    for start in range(0, T, k1):
        stop = min(start + k1, T)
        cut, h = max(stop - k2, 0), torch.zeros(x.shape[1], H, dtype=torch.float64)
        for t in range(stop):
            h = step(weights, x[t], h.detach() if t <= cut else h)
            h = h.detach() if t < cut else h
            if t >= start:
                total = total + h.pow(2).sum()
    return [g.flatten() for g in torch.autograd.grad(total, list(layer.parameters()))]


@pytest.mark.parametrize("k1", [None, 1, 3])
def test_errors_and_cosines_by_hand(k1):
    layer = Recurrent("elman", I, H, dtype=torch.float64)
    x = torch.randn(T, 2, I, dtype=torch.float64)
    k2 = (1, 2, 4, 9)
    found = truncation(layer, x, loss, k2=k2, k1=k1)
    full = by_hand(layer, x, T, T)
    assert found.norm == pytest.approx(float(torch.cat(full).norm()))
    names = [name for name, _ in layer.named_parameters()]
    for n, k in enumerate(k2):
        cut = by_hand(layer, x, k if k1 is None else k1, k)
        for name, one, whole in zip(names, cut, full, strict=True):
            assert found.parameter_errors[name][n] == pytest.approx(
                float((one - whole).norm() / whole.norm()), abs=1e-12
            )
            cosine = float(one @ whole / (one.norm() * whole.norm()))
            assert found.parameter_cosines[name][n] == pytest.approx(cosine, abs=1e-12)
        one, whole = torch.cat(cut), torch.cat(full)
        assert found.errors[n] == pytest.approx(float((one - whole).norm() / whole.norm()), abs=1e-12)
        assert found.norms[n] == pytest.approx(float(one.norm()))
    assert found.errors[-1] < 1e-12 and found.cosines[-1] == pytest.approx(1)
    assert (found.errors[:2] > 1e-3).all()
    assert "of the gradient through 9 steps" in found.figure().layout.title.text
    assert found.summary().startswith("k2 = 1: error ")


@pytest.mark.parametrize("embedding", [None, 3])
def test_a_language_model_with_texts_that_begin_within(embedding):
    model = LanguageModel(Vocabulary.from_text(["abc "]), "gru", H, 1, embedding).double()
    symbols = [2, 3, 4, END, 5, 3, 2, 2, 4]
    found = truncation(model, torch.tensor(symbols), k2=[3, 9])
    model.zero_grad()
    read, total = torch.tensor([END, *symbols[:-1]])[:, None], 0
    state = None
    for start in range(0, 9, 3):
        logits, state = model(read[start : start + 3], state)
        state = state.detach()
        logs = torch.log_softmax(logits[:, 0], -1)
        total = total - logs[torch.arange(3), torch.tensor(symbols[start : start + 3])].sum() / 9
    total.backward()
    cut = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    logits, _ = model(read)
    torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor(symbols)).backward()
    full = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert found.errors[0] == pytest.approx(float((cut - full).norm() / full.norm()))
    assert found.errors[1] < 1e-12 and found.steps == 9


def test_it_leaves_no_trace_and_draws_no_masks():
    layer = Recurrent("gru", I, H, 2, dropout=0.5)
    numbers = torch.get_rng_state()
    x = torch.zeros(T, 1, I)
    one, two = (truncation(layer, x, loss, k2=[2]) for _ in range(2))
    assert one.norm == two.norm and torch.equal(numbers, torch.get_rng_state()) and layer.training
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_a_parameter_without_a_gradient_has_no_error():
    layer = Recurrent("elman", I, H)
    found = truncation(layer, torch.zeros(T, 1, I), loss, k2=[2])
    assert np.isnan(found.parameter_errors["weights.l0.W"]).all()
    assert found.to_dict()["parameter_errors"]["weights.l0.W"] == [None]


def test_what_cannot_be_done_is_refused():
    layer, x = Recurrent("gru", I, H), torch.zeros(T, 1, I)
    with pytest.raises(SettingError, match="a layer needs a loss"):
        truncation(layer, x)
    with pytest.raises(SettingError, match="k2 must be 1 or more steps, got 0"):
        truncation(layer, x, loss, k2=[0])
    with pytest.raises(SettingError, match="k2 must list one number"):
        truncation(layer, x, loss, k2=[])
    with pytest.raises(SettingError, match="a layer that runs forward only"):
        truncation(Recurrent("gru", I, H, bidirectional=True), x, loss)
    with pytest.raises(SettingError, match="a Recurrent and a tensor"):
        truncation(layer, "text", loss)
