"""How well a character language model learns a text: `python -m benchmarks.quality.characters PATH`.

The text is split as `unrolled train lm` splits it: the first 90 % to train on, the last 10 % to judge by. Everything
not given here is the library's own default, the number of updates too. Scores are means over the validation
characters; the model kept is the best of the run's validations, as in every run.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unrolled.data.encoded import encode_corpus
from unrolled.models import load_model
from unrolled.models.ngram import best_order
from unrolled.training.events import Event, Validated
from unrolled.training.language import train_language_model
from unrolled.training.settings import DEFAULT_UPDATES, FitSettings, ModelSettings

ORDERS = range(3, 8)


def main() -> None:
    asked = arguments()
    text = encode_corpus([asked.path])
    print("{:,} characters to train on, {:,} to judge by\n".format(*text.characters))
    order, floor = best_order(text.training, text.validation, len(text.vocabulary), ORDERS)
    limit = f"{asked.minutes:g} minutes" if asked.minutes else f"{asked.updates:,} updates"
    print("| model | nats per character | bits | worst and best seed, nats | minutes | parameters |")
    print("|---|---|---|---|---|---|")
    print(f"| counts, Witten-Bell of order {order} | {floor:.3f} | {floor / math.log(2):.3f} | - | - | - |")
    if asked.target:
        print(f"| target | {asked.target:.3f} | {asked.target / math.log(2):.3f} | - | - | - |")
    for cell in asked.cells:
        print(row(cell, [train(asked, cell, seed) for seed in range(asked.seeds)]), flush=True)
    print(
        f"\n{asked.seeds} seeds, {limit} each, {asked.hidden} units, {asked.layers} layer(s), one-hot input"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.characters", description=__doc__)
    parser.add_argument("path", type=Path, help="a text file")
    parser.add_argument("--cells", nargs="+", default=["gru"], help="cells of the catalogue [gru]")
    parser.add_argument("--hidden", type=int, default=ModelSettings().hidden)
    parser.add_argument("--layers", type=int, default=ModelSettings().layers)
    parser.add_argument("--updates", type=int, default=DEFAULT_UPDATES, help="of every run [3000]")
    parser.add_argument("--minutes", type=float, help="of every run, instead of updates")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every cell [3]")
    parser.add_argument("--target", type=float, help="a figure to print beside, nats per character")
    return parser.parse_args()


@dataclass(frozen=True)
class Result:
    """What one run reached: nats per character on the validation text, how long it took, how large it was."""

    nats: float
    minutes: float
    parameters: int


def train(asked: argparse.Namespace, cell: str, seed: int) -> Result:
    limits = {"minutes": asked.minutes} if asked.minutes else {"updates": asked.updates}
    with tempfile.TemporaryDirectory() as folder:
        run = train_language_model(
            [asked.path],
            model=ModelSettings(cell=cell, hidden=asked.hidden, layers=asked.layers),
            training=FitSettings(seed=seed, **limits),
            run=folder,
            report=reporter(f"{cell}, seed {seed}"),
        )
        if run.outcome.reason == "interrupted":
            raise SystemExit("interrupted: an unfinished run is no result")
        size = load_model(folder).number_of_parameters
    return Result(run.outcome.best * math.log(2), run.outcome.seconds / 60, size)


def reporter(name: str) -> Callable[[Event], None]:
    """Validations as they come, on standard error: the table stays clean."""

    def report(event: Event) -> None:
        if isinstance(event, Validated):
            line = f"{name}: update {event.update:,}, {event.seconds:.0f} s, {event.validation:.3f} bits"
            print(line, file=sys.stderr, flush=True)

    return report


def row(cell: str, results: list[Result]) -> str:
    nats = [result.nats for result in results]
    mean = statistics.mean(nats)
    minutes = statistics.mean(result.minutes for result in results)
    return (
        f"| {cell} | {mean:.3f} | {mean / math.log(2):.3f} | {max(nats):.3f}, {min(nats):.3f} | {minutes:.1f} | "
        f"{results[0].parameters:,} |"
    )


if __name__ == "__main__":
    main()
