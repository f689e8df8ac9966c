import pytest
import torch

from benchmarks import converted
from benchmarks.agreement import Disagreement
from benchmarks.workloads import Shape

TINY = Shape(T=4, B=3, I=5, H=6)


def test_both_models_are_timed_and_the_ratio_is_of_medians(monkeypatch, capsys):
    monkeypatch.setattr(converted, "interleaved", lambda calls, rounds: {
        "theirs": [calls["theirs"]()[0].item() * 0 + 0.006] * rounds, "ours": [0.001, 0.002, 0.9],
    })  # fmt: skip
    converted.main(["--rounds", "3", "--threads", "1", "--shape", "T4B3I5H6"])
    out = capsys.readouterr().out
    assert "T4 B3 I5 H6, 256 symbols, 1 threads" in out
    assert "read    GRU    runs on native" in out
    assert "torch.nn      6.00 ms  +- 0%" in out and "converted     2.00 ms" in out
    assert "converted is 3.00 times as fast" in out


def test_gradients_are_of_every_parameter():
    torch.manual_seed(0)
    model = converted.Tagger(TINY)
    symbols = torch.randint(converted.SYMBOLS, (5, 3))
    loss, *gradients = converted.training(model, symbols)()
    scores = model(symbols[:-1]).log_softmax(-1)
    expected = -scores.gather(-1, symbols[1:, :, None]).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    expected.backward()
    for mine, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)


def test_a_model_that_computes_something_else_is_not_timed(monkeypatch):
    def spoiled(model):
        with torch.no_grad():
            model.read.weight_hh_l1[0, 0] += 0.5
        return model, ""

    monkeypatch.setattr(converted.unrolled, "convert", spoiled)
    with pytest.raises(Disagreement, match="the converted model: losses"):
        converted.measure(1, TINY)
