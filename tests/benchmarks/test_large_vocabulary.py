import pytest

from benchmarks import large_vocabulary
from benchmarks.agreement import Disagreement
from benchmarks.large_vocabulary import Size
from unrolled.errors import SettingError

TINY = Size(N=5, V=7, H=3)


def test_both_are_measured_and_the_ratios_are_of_medians(monkeypatch, capsys):
    def interleaved(calls, rounds):
        for call in calls.values():
            assert [tuple(one.shape) for one in call()] == [(), (5, 3), (7, 3), (7,)]
        return {"unrolled": [0.002, 0.001, 0.9], "torch": [0.006] * rounds}

    monkeypatch.setattr(large_vocabulary, "interleaved", interleaved)
    monkeypatch.setattr(
        large_vocabulary,
        "peak",
        lambda name, size, learned: (10 if name == "torch" else 2 + 2 * learned) * 10**6,
    )
    large_vocabulary.main(["--rounds", "3", "--threads", "1", "--large", "N5V7H3", "--small", "N5V7H3"])
    out = capsys.readouterr().out
    assert "unrolled            4.0 MB          2.0 MB" in out
    assert "torch/ours             2.5             5.0" in out
    assert "unrolled        2.00 ms" in out and "torch           6.00 ms  +- 0%" in out
    assert out.count("torch takes 3.00 times as long") == 2


def test_a_loss_that_is_something_else_is_not_measured(monkeypatch):
    monkeypatch.setitem(
        large_vocabulary.WAYS, "unrolled", lambda *values: large_vocabulary.plain(*values) * 1.01
    )
    with pytest.raises(Disagreement, match="N5 V7 H3: losses"):
        large_vocabulary.check(TINY)


def test_a_size_is_read_or_refused():
    assert Size.read("n5,v7,h3") == TINY
    with pytest.raises(SettingError, match="written as N2240V50000H512, all at least 1, got 'N5V0H3'"):
        Size.read("N5V0H3")


@pytest.mark.slow
def test_the_peak_is_that_of_the_process():
    size = Size(N=1500, V=20_000, H=8)  # logits of 120 MB, the gradient of the weight 0.6 MB
    megabytes = {name: large_vocabulary.peak(name, size, True) / 1e6 for name in large_vocabulary.WAYS}
    # The logits, their softmax and the gradients of both are three at a time; a chunk of ours is 32 MB.
    assert 330 < megabytes["torch"] < 420
    assert 30 < megabytes["unrolled"] < 50
