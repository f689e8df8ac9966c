import pytest
import torch

from benchmarks import streaming
from benchmarks.agreement import Disagreement


def test_every_way_to_step_is_timed_on_one_thread(monkeypatch):
    seen = []

    def timed(calls, rounds):
        seen.append(torch.get_num_threads())
        return {name: [float(rounds)] for name in calls}

    monkeypatch.setattr(streaming, "interleaved", timed)
    torch.set_num_threads(2)
    found = streaming.measure(3)
    assert torch.get_num_threads() == 2
    assert seen == [1, 1]
    assert list(found["lstm"]) == ["unrolled stream", "unrolled layer", "torch.nn", "LSTMCell"]
    assert found["gru_reset_after"]["GRUCell"] == {"seconds": 3, "samples": [3]}


def test_who_loses_its_state_is_refused(monkeypatch):
    made = streaming.steppers

    def forgetful(cell):
        return made(cell) | {"forgetful": lambda frame: torch.zeros(1, 128)}

    monkeypatch.setattr(streaming, "steppers", forgetful)
    with torch.no_grad(), pytest.raises(Disagreement, match="forgetful, streamed: off by"):
        streaming._cell("lstm", 1)
