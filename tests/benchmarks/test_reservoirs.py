"""The benchmark of reservoirs measures what it says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.quality import forecasts, reservoirs
from unrolled.data.panel import Panel


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
    results = reservoirs.vowels_by_command(folder, range(2))
    assert min(results.values) > 0.9 and results.floor == 0.5


def test_series_are_judged_beyond_what_is_trained_on():
    """A wave in noise: the best forecast is off by the noise, the last value by more."""
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    panel = Panel.of([np.sin(np.arange(300) / 3) + noise])
    training = replace(panel, series=(panel.series[0].until(200),))
    task = forecasts.Task("wave", training, panel, 200, 1.0, "", {"window": 12})
    results = reservoirs.series_by_command(task, range(2))
    assert results.floor == pytest.approx(np.diff(panel.series[0].values[199:, 0]).std(), rel=0.05)
    assert 0.08 < min(results.values) <= max(results.values) < 0.2 < results.floor
    assert results.values[0] != results.values[1]
