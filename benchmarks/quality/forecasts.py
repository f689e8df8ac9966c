"""How well forecasters do on three series, one step ahead: `python -m benchmarks.quality.forecasts --data DIR`.

DIR holds airline-passengers.csv and monthly-sunspots.csv, monthly figures that are public. The last third of the
passengers and the last 20 % of the sunspots are the test part, which nothing here looks at before the end: the settings
below were chosen on a validation part inside of what comes before it. The model kept is the best on the last 15 % of
the training part. A ball flies through a box; test flights are others than those trained on.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.panel import Panel
from unrolled.data.panel_reader import read_panel
from unrolled.data.synthetic.ball import bouncing_ball
from unrolled.inspection.floors import Errors
from unrolled.inspection.forecasting import all_forecasts
from unrolled.models.folder import load_model
from unrolled.models.forecaster import Forecaster
from unrolled.training.events import Event, Validated
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.forecasting import train_on_panel

Model = dict[str, Any]

SERIES = ("passengers", "sunspots")
FLIGHTS, TEST_FLIGHTS, STEPS = 1000, 300, 60
WARM = 8
"""The first forecast of a flight is judged after so many steps."""


@dataclass(frozen=True)
class Task:
    """Data to train on, data to judge on from a step of each series, and the settings that were chosen."""

    name: str
    training: Panel
    test: Panel
    begins: int
    target: float
    unit: str
    model: Model
    course: dict[str, Any] = field(default_factory=dict)
    ball: bool = False

    def score(self, forecast: np.ndarray, truth: np.ndarray) -> float:
        """RMSE, of the ball the mean distance, in % of the side of the field."""
        if self.ball:
            return 100 * float(distances(forecast, truth).mean())
        return float(Errors(forecast, truth).rmse[0])


def distances(forecast: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Between places (R, n, 2)."""
    return np.hypot(*np.moveaxis(forecast - truth, -1, 0))


def series_task(folder: Path, name: str, share: float, target: float, model: Model, course: Model) -> Task:
    panel = read_panel([folder / f"{name}.csv"])
    (series,) = panel.series
    begins = len(series) - round(share * len(series))
    training = replace(panel, series=(series.until(begins),))
    return Task(f"{name}, RMSE", training, panel, begins, target, "", model, course)


def ball_task() -> Task:
    training = Panel.of(bouncing_ball(FLIGHTS, STEPS, seed=0), ("x", "y"))
    test = Panel.of(bouncing_ball(TEST_FLIGHTS, STEPS, seed=10_000), ("x", "y"))
    model = {"shape": "many-to-many", "scale": "panel", "relative": "last", "hidden": 64}
    course = {"batch": 64, "steps": STEPS, "updates": 3000, "validate_every": 200}
    return Task("ball, mean distance", training, test, WARM, 1.0, " %", model, course, ball=True)


def tasks(folder: Path | None) -> dict[str, Callable[[], Task]]:
    found: dict[str, Callable[[], Task]] = {"ball": ball_task}
    if folder is None:
        return found
    folder = folder / "series"
    passengers = {"log": True, "relative": "season", "read": "differences", "window": 12}
    sunspots = {"shape": "many-to-many", "relative": "none"}
    return {
        "passengers": lambda: series_task(folder, "airline-passengers", 1 / 3, 41.85, passengers, {}),
        "sunspots": lambda: series_task(folder, "monthly-sunspots", 0.2, 20.09, sunspots, {}),
        **found,
    }


def main() -> None:
    asked = arguments()
    available = tasks(asked.data)
    for name in asked.tasks or available:
        if name not in available:
            raise SystemExit(f"--data must name the folder of the series for {name}")
    print("| series | test forecasts | floors | target | mean of the seeds | worst and best | minutes each |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.tasks or available:
        print(row(available[name](), asked.seeds), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.forecasts", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the data sets; without it only the ball")
    parser.add_argument("--tasks", nargs="+", choices=[*SERIES, "ball"], help="some of them")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every task [3]")
    return parser.parse_args()


@dataclass(frozen=True)
class Result:
    """What one run reached on the test part."""

    score: float
    minutes: float
    near: float


def row(task: Task, seeds: int) -> str:
    results = [train(task, seed) for seed in range(seeds)]
    scores = [result.score for result in results]
    count, found = floors(task)
    rules = ", ".join(f"{name} {score:.2f}{task.unit}" for name, score in found.items())
    near = (
        f" ({100 * statistics.mean(result.near for result in results):.1f} % within 1 %)" if task.ball else ""
    )
    return (
        f"| {task.name} | {count:,} | {rules} | {task.target:.2f}{task.unit} | "
        f"{statistics.mean(scores):.2f}{task.unit}{near} | {max(scores):.2f}, {min(scores):.2f} | "
        f"{statistics.mean(result.minutes for result in results):.1f} |"
    )


def train(task: Task, seed: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        run = train_on_panel(
            task.training,
            ForecasterSettings(**task.model),
            ForecastSettings(**task.course, seed=seed),
            folder,
            reporter(f"{task.name}, seed {seed}"),
        )
        if run.outcome.reason == "interrupted":
            raise SystemExit("interrupted: an unfinished run is no result")
        made = all_forecasts(load_model(folder, Forecaster), task.test, [task.begins] * len(task.test))
    near = float((distances(made.values, made.truth) <= 0.01).mean()) if task.ball else float("nan")
    return Result(task.score(made.values, made.truth), run.outcome.seconds / 60, near)


def floors(task: Task) -> tuple[int, dict[str, float]]:
    """How many forecasts are judged, and what rules that learn nothing reach on them."""
    found: dict[str, list[np.ndarray]] = {"last value": [], "same month last year": [], "same velocity": []}
    truth = []
    for series in task.test:
        y, steps = series.values, np.arange(task.begins, len(series))
        truth.append(y[steps])
        found["last value"].append(y[steps - 1])
        found["same month last year"].append(y[steps - 12] if not task.ball else y[steps])
        found["same velocity"].append(2 * y[steps - 1] - y[steps - 2])
    del found["same month last year" if task.ball else "same velocity"]
    wanted = np.concatenate(truth)[:, None]
    return len(wanted), {
        name: task.score(np.concatenate(values)[:, None], wanted) for name, values in found.items()
    }


def reporter(name: str) -> Callable[[Event], None]:
    """Validations as they come, on standard error: the table stays clean."""

    def report(event: Event) -> None:
        if isinstance(event, Validated):
            line = f"{name}: update {event.update:,}, {event.seconds:.0f} s, loss {event.validation:.4g}"
            print(line, file=sys.stderr, flush=True)

    return report


if __name__ == "__main__":
    main()
