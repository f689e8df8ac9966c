import json

import pytest
import torch

from unrolled.inspection import compare, speed

SIZES = {"--input": 3, "--hidden": 4, "--steps": 5, "--batch": 2, "--rounds": 1}


def flat(sizes):
    return [part for pair in sizes.items() for part in pair]


TINY = flat(SIZES)


@pytest.fixture
def quick(monkeypatch):
    """Samples of a moment, and a peak that is not measured."""
    monkeypatch.setattr(speed, "SHORTEST_SAMPLE", 1e-4)
    monkeypatch.setattr(compare, "fma_peak", lambda threads: 1e9)


def test_a_table_for_each_mode(unrolled):
    code, out, _ = unrolled("bench", "lstm", *TINY)
    lines = [line.split()[0] for line in out.splitlines() if line]
    assert code == 0
    assert lines[0] == "lstm:"
    assert lines.count("reference") == lines.count("nn.LSTM") == 2
    assert "T 5, B 2, I 3, H 4; 112 numbers in matrices" in out  # 4 (4 x 3 + 4 x 4)


@pytest.mark.parametrize("option", SIZES)
@pytest.mark.usefixtures("quick")
def test_every_option_changes_what_is_measured(unrolled, option):
    first, second = (
        json.loads(unrolled("bench", "elman", *flat(sizes), "--json")[1])
        for sizes in (SIZES, SIZES | {option: 2 + SIZES[option]})
    )
    if option == "--rounds":
        assert first["timed"][0]["spread"] == 0 != second["timed"][0]["spread"]
    else:
        assert first["size"] != second["size"]


@pytest.mark.usefixtures("quick")
def test_threads_are_set_for_the_run_alone(unrolled):
    before = torch.get_num_threads()
    assert json.loads(unrolled("bench", *TINY, "--threads", 2, "--json")[1])["threads"] == 2
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("quick")
def test_a_file_of_equations(unrolled, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def mine(v, s, *, A, B):\n    return tanh(A @ v + B @ s)\n")
    code, out, _ = unrolled("bench", path, *TINY)
    assert code == 0
    assert out.startswith("mine: ")
    assert "nn." not in out  # torch's have biases


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gruu"], "gru"),
        (["gru", "--steps", 0], "must be 1 or more"),
        (["gru", "--threads", 0], "--threads must be 1 or more"),
        (["gru", "--rounds", 0], "rounds must be 1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(refused, arguments, said):
    assert said in refused("bench", *arguments)
