"""How well models foresee the next frame of chorales: `python -m benchmarks.quality.music --data DIR`.

DIR holds music/jsb-chorales-quarter.json: 229 chorales to train on, 76 to validate on, 77 to judge by, in frames of a
quarter note. The score is the negative log-likelihood of a frame, summed over its 88 keys, in nats, and averaged over
all frames but the first of each piece; lower is better. A model predicts every key by itself, as those of the
published figures do (20,000 parameters: arXiv:1412.3555; 300,000: arXiv:1803.01271). Every run is stopped and its
weights are chosen by the validation part; the settings below were found by it alone. Pieces are not transposed. The
floor predicts each key from whether it sounded in the frame before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.data.settings import ReadSettings
from unrolled.inspection.evaluation import Evaluation
from unrolled.inspection.music import ALL, LATER, evaluate
from unrolled.models.folder import load_model
from unrolled.training.events import Event, Validated
from unrolled.training.music import train_music
from unrolled.training.music_settings import MusicSettings
from unrolled.training.settings import FitSettings, ModelSettings


@dataclass(frozen=True)
class Entry:
    """A model, and the published figure it is measured by."""

    target: float
    most: int
    """Parameters allowed."""
    model: dict[str, Any]
    recurrent: float
    """Dropout of the state."""
    training: dict[str, Any]


ENTRIES = {
    "gru, small": Entry(
        8.54,
        20_000,
        {"cell": "gru", "hidden": 41, "dropout_input": 0.2},
        0.3,
        {"learning_rate": 0.01, "epochs": 25},
    ),
    "lstm, small": Entry(
        8.67,
        20_000,
        {"cell": "lstm", "hidden": 34, "dropout_input": 0.2},
        0.2,
        {"learning_rate": 0.01, "epochs": 25},
    ),
    "tanh, small": Entry(
        9.10,
        20_000,
        {"cell": "elman", "hidden": 78, "dropout_input": 0.1},
        0.3,
        {"learning_rate": 0.003, "epochs": 25},
    ),
    "lstm, large": Entry(
        8.45,
        300_000,
        {"cell": "lstm", "hidden": 80, "dropout_input": 0.2, "dropout_output": 0.2},
        0.3,
        {"learning_rate": 0.01, "epochs": 30},
    ),
}


def main() -> None:
    asked = arguments()
    print(
        "| model | test | target | worst and best seed | first frames too | validation | minutes | parameters |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.models:
        runs = [train(asked, name, seed) for seed in range(asked.seeds)]
        print(row(name, runs), flush=True)
    first = runs[0].evaluation
    print(f"| floor | {first.floors[LATER]:.3f} | - | - | {first.floors[ALL]:.3f} | - | - | - |")
    print(f"\n{first.count:,} frames to judge by; floor: {first.floor}")
    print(f"nats per frame, lower is better; {asked.seeds} seeds; minutes on one thread")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.music", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with music/jsb-chorales-quarter.json"
    )
    parser.add_argument("--models", nargs="+", default=list(ENTRIES), choices=list(ENTRIES), help="[all]")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each [3]")
    return parser.parse_args()


@dataclass(frozen=True)
class Result:
    """What one run reached."""

    evaluation: Evaluation
    validation: float
    minutes: float
    parameters: int


def train(asked: argparse.Namespace, name: str, seed: int) -> Result:
    entry, path = ENTRIES[name], asked.data / "music" / "jsb-chorales-quarter.json"
    with tempfile.TemporaryDirectory() as folder:
        run = train_music(
            [path],
            MusicSettings(dropout_recurrent=entry.recurrent),
            model=ModelSettings(**entry.model),
            training=FitSettings(seed=seed, **entry.training),
            run=folder,
            report=reporter(f"{name}, seed {seed}"),
        )
        if run.outcome.reason == "interrupted":
            raise SystemExit("interrupted: an unfinished run is no result")
        model = load_model(folder)
    if model.number_of_parameters > entry.most:
        raise SystemExit(f"{name}: {model.number_of_parameters:,} parameters, more than {entry.most:,}")
    evaluation = evaluate(model, [path], ReadSettings())
    minutes = run.outcome.seconds / 60
    said = f"{name}, seed {seed}: test {evaluation.scores[LATER]:.3f}, {minutes:.1f} minutes"
    print(said, file=sys.stderr, flush=True)
    return Result(evaluation, run.outcome.best, minutes, model.number_of_parameters)


def reporter(name: str) -> Callable[[Event], None]:
    """Validations as they come, on standard error: the table stays clean."""

    def report(event: Event) -> None:
        if isinstance(event, Validated):
            line = (
                f"{name}: update {event.update:,}, {event.seconds:.0f} s, validation {event.validation:.3f}"
            )
            print(line + (" *" if event.best else ""), file=sys.stderr, flush=True)

    return report


def row(name: str, runs: list[Result]) -> str:
    test = [run.evaluation.scores[LATER] for run in runs]
    every = statistics.mean(run.evaluation.scores[ALL] for run in runs)
    validation = statistics.mean(run.validation for run in runs)
    minutes = statistics.mean(run.minutes for run in runs)
    return (
        f"| {name} | {statistics.mean(test):.3f} | {ENTRIES[name].target:.2f} | {max(test):.3f}, {min(test):.3f} | "
        f"{every:.3f} | {validation:.3f} | {minutes:.1f} | {runs[0].parameters:,} |"
    )


if __name__ == "__main__":
    main()
