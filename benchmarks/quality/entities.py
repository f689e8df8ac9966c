"""How well a tagger finds entities in noisy text: `python -m benchmarks.quality.entities --data DIR`.

DIR/tagging/wnut17 holds train.conll, dev.conll and test.conll (WNUT-17). The model is trained on the first, chosen by
the second and judged once by the third: F1 of entities with exact borders and type, in percent, as conlleval counts
them. A CRF is compared with a softmax, everything else alike and the library's own default. The floor gives every word
the tag it had most often in training. No vectors from outside are used.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unrolled.data.settings import ReadSettings
from unrolled.inspection.evaluation import Evaluation
from unrolled.inspection.tagging import evaluate
from unrolled.models.folder import load_model
from unrolled.models.tagger import Tagger
from unrolled.training.events import Event, Validated
from unrolled.training.tag_settings import TaggerSettings, TagSettings
from unrolled.training.tagging import train_tagger

FOLDER = Path("tagging", "wnut17")
TARGET = 20.0
OUTPUTS = ("crf", "softmax")
SCORES = ("entity F1", "entity precision", "entity recall")


def main() -> None:
    asked = arguments()
    results = {
        output: [train(asked, output, seed) for seed in range(asked.seeds)] for output in asked.outputs
    }
    first = next(iter(results.values()))[0].evaluation
    print(f"{first.count:,} {first.counted} to judge by; floor: {first.floor}\n")
    print("| model | test F1 | worst and best seed | precision | recall | dev F1 | minutes | parameters |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| target | {asked.target:.1f} | - | - | - | - | 10 | - |")
    print(f"| floor | {' | '.join(shown(first.floors))} | - | - | - |")
    for output, runs in results.items():
        print(row(output, runs))
    print(f"\n{asked.seeds} seeds; F1 in percent; a run ends {limit(asked)}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.entities", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the data sets; tagging/wnut17 is read"
    )
    parser.add_argument("--outputs", nargs="+", default=OUTPUTS, choices=OUTPUTS, help="[both]")
    parser.add_argument("--cell", default=TaggerSettings().cell)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each [3]")
    parser.add_argument("--epochs", type=float, help="of every run, instead of the default")
    parser.add_argument("--target", type=float, default=TARGET, help="F1 to print beside [20]")
    return parser.parse_args()


def limit(asked: argparse.Namespace) -> str:
    return f"after {asked.epochs:g} epochs" if asked.epochs else "as it does by default"


@dataclass(frozen=True)
class Result:
    """What one run reached."""

    evaluation: Evaluation
    dev: float
    minutes: float
    parameters: int


def train(asked: argparse.Namespace, output: str, seed: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        run = train_tagger(
            [asked.data / FOLDER / "train.conll"],
            model=TaggerSettings(cell=asked.cell, output=output),
            training=TagSettings(seed=seed, epochs=asked.epochs),
            validation_paths=[asked.data / FOLDER / "dev.conll"],
            run=folder,
            report=reporter(f"{output}, seed {seed}"),
        )
        if run.outcome.reason == "interrupted":
            raise SystemExit("interrupted: an unfinished run is no result")
        model = load_model(folder, Tagger)
    evaluation = evaluate(model, [asked.data / FOLDER / "test.conll"], ReadSettings())
    dev, minutes = run.outcome.scores["entity F1"], run.outcome.seconds / 60
    print(
        f"{output}, seed {seed}: test F1 {100 * evaluation.scores['entity F1']:.1f}",
        file=sys.stderr,
        flush=True,
    )
    return Result(evaluation, dev, minutes, model.number_of_parameters)


def reporter(name: str) -> Callable[[Event], None]:
    """Validations as they come, on standard error: the table stays clean."""

    def report(event: Event) -> None:
        if isinstance(event, Validated):
            score = 100 * event.scores["entity F1"]
            line = f"{name}: update {event.update:,}, {event.seconds:.0f} s, dev F1 {score:.1f}"
            print(line + (" *" if event.best else ""), file=sys.stderr, flush=True)

    return report


def shown(scores: dict[str, float]) -> list[str]:
    f1, precision, recall = (f"{100 * scores[name]:.1f}" for name in SCORES)
    return [f1, "-", precision, recall]


def row(output: str, runs: list[Result]) -> str:
    scores = {name: [100 * run.evaluation.scores[name] for run in runs] for name in SCORES}
    f1 = scores["entity F1"]
    means = [f"{statistics.mean(scores[name]):.1f}" for name in SCORES]
    spread = f"{min(f1):.1f}, {max(f1):.1f}"
    dev = 100 * statistics.mean(run.dev for run in runs)
    minutes = statistics.mean(run.minutes for run in runs)
    return (
        f"| {output} | {means[0]} | {spread} | {means[1]} | {means[2]} | {dev:.1f} | {minutes:.1f} | "
        f"{runs[0].parameters:,} |"
    )


if __name__ == "__main__":
    main()
