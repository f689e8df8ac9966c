"""The benchmark of long memories: its rows say what its trainings did."""

import sys

import pytest

from benchmarks.quality import long_memory
from benchmarks.quality.long_memory import TARGETS, Target
from unrolled.data.synthetic.adding import Adding
from unrolled.data.synthetic.parity import RunningParity
from unrolled.training.memory import Answerer, MemorySettings, train_memory


@pytest.fixture
def printed(capsys, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["long_memory", *arguments])
        long_memory.main()
        return [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][
            1:
        ]

    return run


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_can_be_trained(name):
    target = TARGETS[name]
    Answerer(target.task, target.cell, target.settings)


def test_a_row_for_each_target_with_the_spread_of_its_seeds(printed, monkeypatch):
    easy = Target(RunningParity(2), "lstm", "solved", MemorySettings(16, learning_rate=0.03))
    fails = Target(
        Adding(4), "elman", "fails", MemorySettings(4, sequences=40), lambda trial: not trial.solved
    )
    monkeypatch.setattr(long_memory, "TARGETS", {"easy": easy, "fails": fails})
    first, second = printed("--seeds", "2")
    trials = [
        train_memory(easy.task, "lstm", MemorySettings(16, learning_rate=0.03, seed=s)) for s in (100, 101)
    ]
    used = sorted(trial.sequences for trial in trials)
    assert first[0] == "| easy" and first[6] == "2 of 2"
    assert first[7] == f"{used[0]:,} to {used[1]:,}"
    assert second[0] == "| fails" and second[6:8] == ["2 of 2", "40 to 40"]
    losses = [
        train_memory(fails.task, "elman", MemorySettings(4, sequences=40, seed=s)).loss for s in (100, 101)
    ]
    assert second[5].endswith(f"({min(losses):.2g}, {max(losses):.2g})")
    assert printed("fails", "--seeds", "1")[0][6] == "1 of 1"


def test_an_unknown_target_is_refused(printed, capsys):
    with pytest.raises(SystemExit):
        printed("adding-1")
    assert "no target is called adding-1; they are adding-1997-100" in capsys.readouterr().err
