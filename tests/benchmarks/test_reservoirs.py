"""The benchmark of reservoirs measures what it says."""

import math

import pytest
import torch

from benchmarks.quality import reservoirs


@pytest.mark.slow
def test_the_error_of_a_run_is_small_and_needs_the_readout(monkeypatch):
    series = torch.from_numpy(reservoirs.mackey_glass(reservoirs.TRAINING + 5 * 100 + 84))
    monkeypatch.setattr(reservoirs, "PLACES", 5)
    assert reservoirs.chaos_error(0, series) < 0.01
    monkeypatch.setattr(reservoirs, "CHAOS_RIDGE", 1e3)  # so strong that the mean is all it says
    assert reservoirs.chaos_error(0, series) > 0.3


@pytest.mark.slow
def test_utterances_are_read_and_told_apart(tmp_path, monkeypatch):
    lines = ["@problemName waves", "@dimensions 12", "@classLabel true 1 2", "@data"]
    for n in range(40):
        speaker = n % 2 + 1
        wave = [math.sin(t * 0.4 * speaker + n) for t in range(20 + n % 5)]
        lines.append(
            ":".join([*[",".join(f"{v * k:.6f}" for v in wave) for k in range(1, 13)], str(speaker)])
        )
    folder = tmp_path / "JapaneseVowels"
    folder.mkdir()
    for part in ("TRAIN", "TEST"):
        (folder / f"JapaneseVowels_{part}.ts").write_text("\n".join(lines) + "\n")
    read = reservoirs.read_utterances(folder / "JapaneseVowels_TRAIN.ts")
    assert len(read.rows) == 40 and read.rows[1].shape == (21, 12)
    assert read.speakers.tolist() == [0, 1] * 20
    assert float(read.rows[0][1, 2]) == pytest.approx(3 * math.sin(0.4), abs=1e-5)
    monkeypatch.setattr(reservoirs, "LEAKS", (0.3,))
    results, chosen = reservoirs.japanese_vowels(folder, range(2))
    assert chosen["leak"] == 0.3 and chosen["ridge"] in reservoirs.RIDGES
    assert min(results.values) > 0.9 and results.floor == 0.5
