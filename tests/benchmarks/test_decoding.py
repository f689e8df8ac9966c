import pytest
import torch

from benchmarks import decoding
from benchmarks.agreement import Disagreement
from unrolled.data.vocabulary import END
from unrolled.models.folder import save_model

TINY = ["--number", "5", "--symbols", "20", "--hidden", "8", "--rounds", "3", "--threads", "1"]


def test_both_are_measured_and_the_ratio_is_of_medians(monkeypatch, capsys):
    def timed(calls, rounds):
        ours, theirs = (call() for call in calls.values())
        assert [one[0].symbols for one in ours] == theirs
        assert all(len(symbols) == 12 for symbols in theirs)
        return {decoding.OURS: [0.5, 0.1, 0.05], decoding.LOOP: [1.0] * rounds}

    monkeypatch.setattr(decoding, "interleaved", timed)
    decoding.main(TINY)
    out = capsys.readouterr().out
    assert "5 texts, beam of 5, batches of 64, V=20, H=8, attention, 1 threads" in out
    assert "side by side        50.0 texts/s" in out
    assert "one by one takes 10.0 times as long" in out


@pytest.mark.parametrize("condition", ["attention", "context", "state"])
@pytest.mark.parametrize("width", [1, 4])
def test_models_whose_outputs_end_agree_too(condition, width):
    model, texts = decoding.drawn_model(20, 8, condition), decoding.drawn_texts(20, 20)
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
        model.output.bias[END] = 0.5
    decoding.check(model, texts, width, None, 7)
    assert len({len(symbols) for symbols in decoding.loop(model, texts, width, None)}) > 3


def test_searches_that_differ_are_not_timed(monkeypatch):
    model, texts = decoding.drawn_model(20, 8, "attention"), decoding.drawn_texts(5, 20)
    monkeypatch.setattr(decoding, "loop", lambda *given: [(3, 3)] * 5)
    with pytest.raises(Disagreement, match=r"one by one \(3, 3\)"):
        decoding.check(model, texts, 5, 12, 64)
    with pytest.raises(SystemExit, match=r"benchmarks.decoding: .*one by one \(3, 3\)"):
        decoding.main(TINY)


def test_a_trained_model_is_measured_on_given_texts(tmp_path, capsys):
    save_model(decoding.drawn_model(20, 8, "state"), tmp_path / "model")
    (tmp_path / "texts").write_text("w1 w2 w3\n\nw4\nw5 w5\n")
    given = ["--run", str(tmp_path), "--texts", str(tmp_path / "texts"), "--rounds", "2", "--threads", "1"]
    decoding.main([*given, "--number", "2"])
    assert "2 texts, beam of 5, batches of 64, V=20, H=8, state" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        decoding.main(given[:2])
    assert "--run and --texts go together" in capsys.readouterr().err
