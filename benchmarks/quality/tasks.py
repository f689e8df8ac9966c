"""How well classifiers learn real and generated data: `python -m benchmarks.quality.tasks --data DIR [names]`.

Every task is trained as `unrolled train classify` trains it, with the settings shown, and judged once on data that
training never saw: the archive's own test part, recordings of other takes, ten folds, or freshly generated videos. The
floor is always naming the most frequent class, or what is said. Each line gives the mean of the seeds, the worst and
the best, and the minutes of one run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.settings import ReadSettings
from unrolled.data.synthetic.shapes import write_moving_shapes
from unrolled.inspection.classification import evaluate
from unrolled.models.classifier import Classifier
from unrolled.models.folder import load_model
from unrolled.training.classification import train_classifier
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings

FOLDS = 10


@dataclass(frozen=True)
class Task:
    """What is trained and judged: pairs of training and test files for a seed."""

    name: str
    target: float
    floor: str
    pairs: Callable[[Path, Path, int], Sequence[tuple[list[Path], list[Path]]]]
    reading: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def archive(name: str) -> Callable[[Path, Path, int], list[tuple[list[Path], list[Path]]]]:
    """The training and test files of the UCR and UEA archives."""

    def pairs(data: Path, scratch: Path, seed: int) -> list[tuple[list[Path], list[Path]]]:
        folder = data / "series" / name
        return [([folder / f"{name}_TRAIN.ts"], [folder / f"{name}_TEST.ts"])]

    return pairs


def questions(data: Path, scratch: Path, seed: int) -> list[tuple[list[Path], list[Path]]]:
    return [([data / "classify" / "trec-train.txt"], [data / "classify" / "trec-test.txt"])]


def folds(data: Path, scratch: Path, seed: int) -> list[tuple[list[Path], list[Path]]]:
    """Ten parts of the splice windows, each left out once; the parts are drawn by the seed."""
    lines = (data / "dna" / "splice.data").read_text().splitlines(keepends=True)
    parts = np.array_split(np.random.default_rng(seed).permutation(len(lines)), FOLDS)
    made = []
    for fold, test in enumerate(parts):
        paths = scratch / f"train-{fold}.data", scratch / f"test-{fold}.data"
        rest = np.setdiff1d(np.arange(len(lines)), test)
        for path, index in zip(paths, (rest, test), strict=True):
            path.write_text("".join(lines[i] for i in index))
        made.append(([paths[0]], [paths[1]]))
    return made


def digits(data: Path, scratch: Path, seed: int) -> list[tuple[list[Path], list[Path]]]:
    """Takes 5 to 14 of every speaker and digit to train on, takes 0 to 4 to judge by."""
    files = sorted((data / "speech" / "fsdd").glob("*.wav"))
    taken = [int(path.stem.rsplit("_", 1)[1]) for path in files]
    training = [path for path, take in zip(files, taken, strict=True) if take >= 5]
    return [(training, [path for path, take in zip(files, taken, strict=True) if take < 5])]


def videos(data: Path, scratch: Path, seed: int) -> list[tuple[list[Path], list[Path]]]:
    """Moving shapes written to MP4 and read back; the videos to judge by come from another seed."""
    for name, count, start in (("train", 400, 2 * seed), ("test", 200, 2 * seed + 1)):
        (scratch / name).mkdir()
        write_moving_shapes(scratch / name, count, seed=1000 + start)
    return [([scratch / "train"], [scratch / "test"])]


TASKS = {
    "vowels": Task(
        "JapaneseVowels, 9 speakers",
        0.97,
        "nearest neighbour 95.14",
        archive("JapaneseVowels"),
        model={"hidden": 64, "dropout": 0.4, "pooling": "mean"},
        training={"validation": 0, "epochs": 60},
    ),
    "gestures": Task(
        "PickupGestureWiimoteZ, 10 gestures",
        0.65,
        "one class 10",
        archive("PickupGestureWiimoteZ"),
        model={"hidden": 64, "pooling": "mean"},
        training={"validation": 0, "epochs": 100, "batch": 8},
    ),
    "questions": Task(
        "TREC questions, 6 classes",
        0.88,
        "naive Bayes 75.4 (words), 83.0 (bigrams)",
        questions,
        reading={"encoding": "latin-1"},
        model={"dropout": 0.5, "embedding": 300},
        training={"epochs": 8, "learning_rate": 0.002},
    ),
    "splice": Task(
        "splice sites, 3 classes, 10 folds",
        0.955,
        "naive Bayes of positions 95.49",
        folds,
        reading={"kind": "dna"},
        model={"dropout": 0.2, "pooling": "attention", "positions": 60, "hidden": 64, "ngram": 3},
        training={"epochs": 8, "learning_rate": 0.005, "validation": 0},
    ),
    "digits": Task(
        "spoken digits, new takes",
        0.96,
        "one class 10",
        digits,
        reading={"label": "{label}_{speaker}_{index}"},
        training={"epochs": 30},
    ),
    "videos": Task(
        "direction of moving shapes in MP4",
        0.98,
        "one class 25",
        videos,
        reading={"label": "{label}_{index}"},
        training={"epochs": 20},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.tasks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TASKS), help=f"of {', '.join(TASKS)} [all]")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every task [3]")
    asked = parser.parse_args()
    print("| task | target | floor | accuracy | worst and best seed | minutes of a run |")
    print("|---|---|---|---|---|---|")
    for name in asked.names:
        print(
            row(TASKS[name], [judged(TASKS[name], asked.data, seed) for seed in range(asked.seeds)]),
            flush=True,
        )
    for name in asked.names:
        task = TASKS[name]
        print(f"\n{name}: {task.reading} {task.model} {task.training}")


def judged(task: Task, data: Path, seed: int) -> tuple[float, float]:
    """Accuracy over all test sequences of one seed, and minutes."""
    started, right, count = time.perf_counter(), 0.0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for training, test in task.pairs(data, Path(scratch), seed):
            reading = ReadSettings(**task.reading)
            with tempfile.TemporaryDirectory() as folder:
                train_classifier(
                    training,
                    reading,
                    ClassifierSettings(**task.model),
                    ClassifySettings(seed=seed, **task.training),
                    run=folder,
                )
                found = evaluate(load_model(folder, Classifier), test, reading)
            right += found.scores["accuracy"] * found.count
            count += found.count
            print(f"{task.name}, seed {seed}: {found.scores['accuracy']:.4f}", file=sys.stderr, flush=True)
    return right / count, (time.perf_counter() - started) / 60


def row(task: Task, results: Sequence[tuple[float, float]]) -> str:
    scores = [100 * score for score, _ in results]
    minutes = statistics.mean(minutes for _, minutes in results)
    return (
        f"| {task.name} | {100 * task.target:.1f} | {task.floor} | {statistics.mean(scores):.2f} | "
        f"{min(scores):.2f}, {max(scores):.2f} | {minutes:.1f} |"
    )


if __name__ == "__main__":
    main()
