"""How good echo-state networks are on two classical tasks: `python -m benchmarks.quality.reservoirs --data DIR`.

Mackey-Glass with a delay of 17: 400 leaky units read their own output and are trained on 3,000 steps, of which the
first 1,000 do not count. Then they run freely from 50 places of the series beyond, and what counts is the error 84
steps ahead, in the units of the series: its root mean square, divided by the standard deviation of the series. The
units see tanh(y - 1). Settings were chosen on a series with another start, and other seeds. (Jaeger & Haas 2004.)

JapaneseVowels: 270 utterances to train on and 370 to test, 12 numbers a step, nine speakers. 400 leaky units, ridge
regression on their mean. Leak, input scaling and ridge are chosen by five-fold cross-validation on the training
utterances with a seed of its own; the test utterances are looked at once per seed. DIR holds
JapaneseVowels/JapaneseVowels_TRAIN.ts and _TEST.ts.

By the command: the same utterances, and the passengers and sunspots of `benchmarks.quality.forecasts`, by what
`unrolled train classify --reservoir` and `unrolled train forecast --reservoir` do with their own defaults, the options
of `benchmarks.quality.forecasts` for what is read, and a validation part that is cut from the training part. DIR holds
airline-passengers.csv and monthly-sunspots.csv as well. Nothing was chosen on the test parts.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.quality import forecasts
from unrolled.data.settings import ReadSettings
from unrolled.data.synthetic.chaos import mackey_glass
from unrolled.data.ts import ts_series
from unrolled.inspection.classification import evaluate
from unrolled.inspection.forecasting import all_forecasts
from unrolled.layers.ragged import Ragged
from unrolled.models.classifier import Classifier
from unrolled.models.echo_state import EchoStateNetwork
from unrolled.models.folder import load_model
from unrolled.models.forecaster import Forecaster
from unrolled.training.classification import train_classifier
from unrolled.training.classify_settings import ClassifySettings
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.forecasting import train_on_panel
from unrolled.training.reservoir_settings import ForecastReservoirSettings, ReservoirSettings

HORIZON, TRAINING, WASHOUT, PLACES, APART = 84, 3000, 1000, 50, 100
CHAOS = {
    "leak": 0.522,
    "spectral_radius": 0.92,
    "bias_scaling": 0.389,
    "feedback_scaling": 1.067,
    "density": 0.2,
}
CHAOS_RIDGE = 3e-16
CHAOS_TARGET, VOWELS_TARGET = 2.8e-4, 0.97
LEAKS, SCALINGS = (0.2, 0.4, 0.7, 1.0), (0.1, 0.2, 0.4)
RIDGES = tuple(10.0**k for k in range(-7, 1))
FOLDS, TUNING_SEED = 5, 1000


@dataclass(frozen=True)
class Results:
    """One row of the table."""

    task: str
    target: float
    floor: float
    values: list[float]
    seconds: float

    def line(self) -> str:
        mean, spread = statistics.mean(self.values), statistics.stdev(self.values)
        return (
            f"| {self.task} | {self.target:.3g} | {self.floor:.3g} | {mean:.3g} | {spread:.2g} | "
            f"{min(self.values):.3g} to {max(self.values):.3g} | {len(self.values)} | {self.seconds:.0f} |"
        )


def main() -> None:
    asked = arguments()
    torch.set_num_threads(1)
    print("| task | target | trivial floor | mean | standard deviation | range | seeds | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    print(mackey_glass_84(range(asked.chaos_seeds)).line(), flush=True)
    if asked.data:
        results, chosen = japanese_vowels(asked.data / "series" / "JapaneseVowels", range(asked.vowel_seeds))
        print(results.line(), flush=True)
        print(
            vowels_by_command(asked.data / "series" / "JapaneseVowels", range(asked.vowel_seeds)).line(),
            flush=True,
        )
        tasks = forecasts.tasks(asked.data)
        for name in forecasts.SERIES:
            print(series_by_command(tasks[name](), range(asked.vowel_seeds)).line(), flush=True)
        print(f"\nJapaneseVowels: chosen on the training utterances: {chosen}")
    else:
        print("\nJapaneseVowels was left out: give --data DIR")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.reservoirs", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the data sets; without it only Mackey-Glass")
    parser.add_argument("--chaos-seeds", type=int, default=20, help="reservoirs on Mackey-Glass [20]")
    parser.add_argument("--vowel-seeds", type=int, default=10, help="reservoirs on everything else [10]")
    return parser.parse_args()


# --- Mackey-Glass --------------------------------------------------------------------------------


def mackey_glass_84(seeds: range) -> Results:
    begin = time.perf_counter()
    series = torch.from_numpy(mackey_glass(TRAINING + PLACES * APART + HORIZON, start=0.9))
    errors = [chaos_error(seed, series) for seed in seeds]
    places = TRAINING + APART * torch.arange(PLACES)
    last = root_mean_square(series[places - 1] - series[places + HORIZON - 1]) / deviation(series)
    seconds = time.perf_counter() - begin
    return Results("Mackey-Glass, NRMSE 84 steps ahead (last value)", CHAOS_TARGET, last, errors, seconds)


def chaos_error(seed: int, series: Tensor) -> float:
    """The normalised error 84 steps ahead of one reservoir, over all places."""
    squashed = torch.tanh(series - 1)
    network = EchoStateNetwork("leaky", 0, 400, 1, washout=WASHOUT, seed=seed, dtype="float64", **CHAOS)
    network.fit([(None, squashed[:TRAINING, None, None])], CHAOS_RIDGE, precise=True)
    places = TRAINING + APART * torch.arange(PLACES)
    before = squashed[places + torch.arange(-WASHOUT, 0)[:, None], None]
    with torch.no_grad():
        _, state = network(None, targets=before)
    outputs, _ = network.generate(HORIZON, state)
    # A run that has left the range of tanh has no inverse; it is taken at the border, and is far off there.
    ahead = torch.atanh(outputs[-1, :, 0].clamp(-0.999999, 0.999999)) + 1
    return root_mean_square(ahead - series[places + HORIZON - 1]) / deviation(series)


def root_mean_square(errors: Tensor) -> float:
    return float(errors.square().mean().sqrt())


def deviation(series: Tensor) -> float:
    return float(series.std(correction=0))


# --- JapaneseVowels ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Utterances:
    """Rows (T_i, 12) and their speakers (B,)."""

    rows: list[Tensor]
    speakers: Tensor

    def at(self, index: Tensor) -> tuple[Ragged, Tensor]:
        return Ragged.from_rows([self.rows[i] for i in index.tolist()]), self.speakers[index]

    def all(self) -> tuple[Ragged, Tensor]:
        return self.at(torch.arange(len(self.rows)))


def japanese_vowels(folder: Path, seeds: range) -> tuple[Results, dict[str, float]]:
    begin = time.perf_counter()
    training, test = (read_utterances(folder / f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST"))
    steps = torch.cat(training.rows)
    mean, scale = steps.mean(0), steps.std(0)
    training, test = (Utterances([(r - mean) / scale for r in u.rows], u.speakers) for u in (training, test))
    chosen = chosen_by_validation(training)
    accuracies = [accuracy(seed, training, test, chosen) for seed in seeds]
    floor = float(test.speakers.bincount().max() / len(test.rows))
    seconds = time.perf_counter() - begin
    task = "JapaneseVowels, accuracy (most frequent speaker)"
    return Results(task, VOWELS_TARGET, floor, accuracies, seconds), chosen


def read_utterances(path: Path) -> Utterances:
    """The series of a .ts file, and their classes counted from 0."""
    series = [
        (torch.from_numpy(values).float(), int(label or 0) - 1) for values, label, _ in ts_series(path, None)
    ]
    return Utterances([values for values, _ in series], torch.tensor([speaker for _, speaker in series]))


def reservoir(seed: int, leak: float, input_scaling: float) -> EchoStateNetwork:
    return EchoStateNetwork(
        "leaky",
        12,
        400,
        9,
        leak=leak,
        input_scaling=input_scaling,
        bias_scaling=0.5,
        readout="mean",
        seed=seed,
    )


def chosen_by_validation(training: Utterances) -> dict[str, float]:
    """The leak, input scaling and ridge with the fewest errors in cross-validation, then the least squared error."""
    found = []
    index = torch.arange(len(training.rows))
    for leak, scaling in itertools.product(LEAKS, SCALINGS):
        network = reservoir(TUNING_SEED, leak, scaling)
        folds = [
            network.fit(
                [training.at(index[index % FOLDS != fold])],
                RIDGES,
                validation=[training.at(index[index % FOLDS == fold])],
            )
            for fold in range(FOLDS)
        ]
        for k, ridge in enumerate(RIDGES):
            points = [path.points[k] for path in folds]
            score = sum(point.wrong or 0 for point in points), sum(point.error or 0 for point in points)
            found.append((score, {"leak": leak, "input_scaling": scaling, "ridge": ridge}))
    return min(found, key=lambda entry: entry[0])[1]


def accuracy(seed: int, training: Utterances, test: Utterances, chosen: dict[str, float]) -> float:
    network = reservoir(seed, chosen["leak"], chosen["input_scaling"])
    network.fit([training.all()], chosen["ridge"])
    rows, speakers = test.all()
    with torch.no_grad():
        answers, _ = network(rows)
    return float((answers.argmax(1) == speakers).double().mean())


# --- by the command ------------------------------------------------------------------------------


def vowels_by_command(folder: Path, seeds: range) -> Results:
    begin = time.perf_counter()
    train, test = (folder / f"JapaneseVowels_{part}.ts" for part in ("TRAIN", "TEST"))
    found = [command_accuracy(train, test, seed) for seed in seeds]
    speakers = read_utterances(test).speakers
    floor = float(speakers.bincount().max() / len(speakers))
    task = "JapaneseVowels by the command, accuracy (most frequent speaker)"
    return Results(task, VOWELS_TARGET, floor, found, time.perf_counter() - begin)


def command_accuracy(train: Path, test: Path, seed: int) -> float:
    with tempfile.TemporaryDirectory() as run:
        reservoir, course = ReservoirSettings(reservoir=True), ClassifySettings(seed=seed)
        train_classifier([train], training=course, run=run, reservoir=reservoir)
        return evaluate(load_model(run, Classifier), [test], ReadSettings()).scores["accuracy"]


def series_by_command(task: forecasts.Task, seeds: range) -> Results:
    begin = time.perf_counter()
    found = [command_error(task, seed) for seed in seeds]
    rule, floor = min(forecasts.floors(task)[1].items(), key=lambda entry: entry[1])
    seconds = time.perf_counter() - begin
    return Results(f"{task.name}, one step, by the command ({rule})", task.target, floor, found, seconds)


def command_error(task: forecasts.Task, seed: int) -> float:
    with tempfile.TemporaryDirectory() as run:
        train_on_panel(
            task.training,
            ForecasterSettings(**task.model),
            ForecastSettings(seed=seed),
            run,
            reservoir=ForecastReservoirSettings(reservoir=True),
        )
        made = all_forecasts(load_model(run, Forecaster), task.test, [task.begins] * len(task.test))
    return task.score(made.values, made.truth)


if __name__ == "__main__":
    main()
