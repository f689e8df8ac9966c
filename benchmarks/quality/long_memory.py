"""How long cells remember, against what papers reached: `python -m benchmarks.quality.long_memory [NAMES]`.

Every target is a task of `unrolled.data.synthetic`, a cell, a start, and a bound. A task counts as solved when its
criterion holds on the 2,000 latest sequences, each answered before it was trained on, and then on 2,560 fresh ones.
For the tasks of Hochreiter and Schmidhuber (1997) that is stricter than the paper: it stops at the first half, and its
networks get 0 to 2 of the 2,560 wrong. The bounds there are the sequences the paper's LSTM was trained on until it
stopped. Settings were found by hand, on seeds that are not those measured here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from unrolled.cells import skip_in_time
from unrolled.data.synthetic.adding import Adding, Adding1997
from unrolled.data.synthetic.copying import Copying
from unrolled.data.synthetic.long_range import LongRangeTask
from unrolled.data.synthetic.temporal_order import TemporalOrder, TemporalOrder3
from unrolled.equations import Cell
from unrolled.training.memory import Heard, MemorySettings, Trial, train_memory

FIRST_SEED = 100


@dataclass(frozen=True)
class Target:
    """What is to be reached: `wanted` in words, and `reached` by a trial."""

    task: LongRangeTask
    cell: str | Cell
    wanted: str
    settings: MemorySettings
    reached: Callable[[Trial], bool] = lambda trial: trial.solved


def gated(start: str, sequences: int, hidden: int = 16) -> MemorySettings:
    return MemorySettings(hidden, start, learning_rate=0.01, sequences=sequences)


def simple(start: str) -> MemorySettings:
    return MemorySettings(100, start, learning_rate=0.0005, clip=0.1, sequences=600_000, anneal=True)


TARGETS = {
    "adding-1997-100": Target(Adding1997(100), "lstm", "solved in < 74,000", gated("chrono:100", 74_000)),
    "adding-1997-500": Target(Adding1997(500), "lstm", "solved in < 209,000", gated("chrono:500", 209_000)),
    "adding-1997-1000": Target(
        Adding1997(1000), "lstm", "solved in < 853,000", gated("chrono:1000", 853_000)
    ),
    "order-2": Target(TemporalOrder(100), "lstm", "solved in < 31,390", gated("chrono:100", 31_390)),
    "order-3": Target(TemporalOrder3(100), "lstm", "solved in < 571,100", gated("chrono:100", 571_100)),
    "adding-600-lstm": Target(Adding(600), "lstm", "error < 1e-3", gated("chrono:600", 200_000)),
    "adding-600-gru": Target(Adding(600), "gru", "error < 1e-3", gated("chrono:600", 200_000)),
    "adding-150-lstm": Target(Adding(150), "lstm", "error < 1e-3", gated("chrono:150", 300_000)),
    "adding-150-irnn": Target(Adding(150), "elman_relu", "error < 1e-3", simple("irnn")),
    "copying-200-gru": Target(
        Copying(200),
        "gru",
        "loss < floor / 10",
        MemorySettings(128, "chrono:300", learning_rate=0.003, sequences=300_000),
    ),
    # Its second connection is as long as the wait: the memory is given, only what to do with it is learned.
    "copying-200-skip": Target(
        Copying(200),
        skip_in_time.set(k=210),
        "loss < floor / 10",
        MemorySettings(64, learning_rate=0.003, sequences=50_000),
    ),
    "adding-150-tanh": Target(
        Adding(150), "elman", "fails where IRNN does not", simple("roles"), lambda trial: not trial.solved
    ),
}


def main() -> None:
    asked = arguments()
    torch.set_num_threads(1)
    print(
        "| target | task, T | cell, start | wanted | floor | loss, median (best, worst) "
        "| reached | sequences | CPU minutes |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in asked.names or TARGETS:
        begun = time.process_time()
        trials = [trial(name, seed, asked.minutes) for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds)]
        print(row(name, trials, (time.process_time() - begun) / 60 / asked.seeds), flush=True)
    print(
        f"\n{asked.seeds} seeds, one thread; a training ends when it is solved, or out of sequences or minutes. "
        "Minutes are means."
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.long_memory", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAMES", help=f"of {', '.join(TARGETS)} [all]")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every target [3]")
    parser.add_argument("--minutes", type=float, help="of every training at most, by the clock [no limit]")
    asked = parser.parse_args()
    for name in asked.names:
        if name not in TARGETS:
            parser.error(f"no target is called {name}; they are {', '.join(TARGETS)}")
    return asked


def trial(name: str, seed: int, minutes: float | None) -> Trial:
    target = TARGETS[name]
    settings = replace(target.settings, minutes=minutes, seed=seed)
    found = train_memory(target.task, target.cell, settings, reporter(f"{name}, seed {seed}"))
    if found.reason == "interrupted":
        raise SystemExit("interrupted: an unfinished training is no result")
    return found


def reporter(name: str) -> Callable[[Heard], None]:
    """How it stands, every 10,000 sequences, on standard error: the table stays clean."""
    told = 0

    def report(heard: Heard) -> None:
        nonlocal told
        if heard.sequences // 10_000 > told:
            told = heard.sequences // 10_000
            stands = f"loss {heard.score.loss:.3g}, {heard.score.wrong:,} of {heard.score.sequences:,} wrong"
            print(
                f"{name}: {heard.sequences:,} sequences, {heard.seconds:.0f} s, {stands}",
                file=sys.stderr,
                flush=True,
            )

    return report


def row(name: str, trials: list[Trial], minutes: float) -> str:
    target = TARGETS[name]
    losses = [trial.loss for trial in trials]
    reached = sum(target.reached(trial) for trial in trials)
    used = sorted(trial.sequences for trial in trials)
    return (
        f"| {name} | {target.task.name}, {target.task.length} | {trials[0].cell}, {trials[0].initialise} "
        f"| {target.wanted} | {target.task.floor:.4f} "
        f"| {statistics.median(losses):.2g} ({min(losses):.2g}, {max(losses):.2g}) | {reached} of {len(trials)} "
        f"| {used[0]:,} to {used[-1]:,} | {minutes:.1f} |"
    )


if __name__ == "__main__":
    main()
