"""Over how many steps cells remember: a long-range task at several lengths, for several cells, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from unrolled.cells import find
from unrolled.data.synthetic.tasks import find_task
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.inspection.figures import colour, drawing
from unrolled.training.memory import Answerer, Heard, MemorySettings, Trial, train_memory

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LENGTH = "T"
"""Stands for the length of the task in the spelling of a start: `chrono:T`."""


@dataclass(frozen=True)
class Contender:
    """A cell and how it is started, spelled `cell` or `cell@start`: `lstm@chrono:T`, T being the task's length."""

    cell: Cell
    start: str

    @classmethod
    def read(cls, spelled: str, start: str = "roles") -> Contender:
        """The contender that is spelled so; `start` is for those that name none."""
        cell, at, own = spelled.rpartition("@")
        return cls(find(cell), own) if at else cls(find(spelled), start)

    @property
    def name(self) -> str:
        """As it was spelled, without the start that every cell has by itself."""
        return self.cell.name if self.start == "roles" else f"{self.cell.name}@{self.start}"

    def settings(self, given: MemorySettings, length: int) -> MemorySettings:
        """The settings for one length."""
        return replace(given, initialise=self.start.replace(LENGTH, str(length)))


@dataclass(frozen=True)
class Point:
    """All trials, one for each seed, of a contender at a length."""

    contender: str
    length: int
    trials: tuple[Trial, ...]

    @property
    def success(self) -> float:
        """The share of the trials that solved the task."""
        return sum(trial.solved for trial in self.trials) / len(self.trials)

    @property
    def share_of_floor(self) -> float:
        """The median loss on the test, as a share of the floor."""
        losses = sorted(trial.loss for trial in self.trials)
        return losses[len(losses) // 2] / self.trials[0].floor


@dataclass(frozen=True)
class MemorySpan:
    """Success against length: the points of each contender, by contender and then by length.

    `complete` is false when the run was interrupted; what is there is what had been trained before.
    """

    task: str
    criterion: str
    points: tuple[Point, ...]
    complete: bool = True

    @property
    def contenders(self) -> tuple[str, ...]:
        """Their names, in the order they were given."""
        return tuple(dict.fromkeys(point.contender for point in self.points))

    @property
    def lengths(self) -> tuple[int, ...]:
        """In ascending order."""
        return tuple(sorted({point.length for point in self.points}))

    def of(self, contender: str) -> list[Point]:
        """The points of one contender."""
        return [point for point in self.points if point.contender == contender]

    def reach(self, contender: str) -> int:
        """The longest length up to which all trials of a contender solved the task; 0 if there is none."""
        reached = 0
        for point in sorted(self.of(contender), key=lambda point: point.length):
            if point.success < 1:
                break
            reached = point.length
        return reached

    def figure(self) -> Figure:
        """The loss as a share of the floor against the length; filled marks are solved by all seeds."""
        far = ", ".join(f"{name} to {self.reach(name) or 'no length'}" for name in self.contenders)
        figure = drawing(
            f"{self.task}, solved: {far}", "length T", "loss, as a share of what is reached without memory"
        )
        for number, name in enumerate(self.contenders):
            points = self.of(name)
            figure.add_scatter(
                x=[point.length for point in points],
                y=[max(point.share_of_floor, 1e-9) for point in points],
                name=name,
                mode="lines+markers",
                line={"color": colour(number)},
                marker={
                    "size": 10,
                    "symbol": ["circle" if p.success == 1 else "circle-open" for p in points],
                },
                text=[_said(point) for point in points],
                hovertemplate="T = %{x}<br>%{y:.2g} of the floor<br>%{text}",
            )
        figure.add_hline(
            y=1.0, line={"color": "#888", "dash": "dot", "width": 1}, annotation_text="no memory"
        )
        figure.update_yaxes(type="log", exponentformat="power")
        figure.update_xaxes(type="log", tickvals=list(self.lengths))
        return figure


def _said(point: Point) -> str:
    solved = sum(trial.solved for trial in point.trials)
    used = max(trial.sequences for trial in point.trials)
    return f"{solved} of {len(point.trials)} solved, at most {used:,} sequences"


@dataclass(frozen=True)
class Standing:
    """Which trial runs, how it stands if it has begun, and how it went if it is over."""

    contender: str
    length: int
    seed: int
    number: int
    trials: int
    heard: Heard | None = None
    trial: Trial | None = None


Tell: TypeAlias = Callable[[Standing], None]


def memory_span(
    task: str,
    contenders: Sequence[Contender],
    lengths: Sequence[int],
    settings: MemorySettings | None = None,
    seeds: int = 1,
    tell: Tell = lambda standing: None,
) -> MemorySpan:
    """Train every contender on a long-range task at every length, once for each seed.

    All that cannot be trained is refused before anything is. Ctrl-C ends the run with what has been trained so far.

    Args:
        task: its name, one of `unrolled.data.synthetic.tasks.TASKS`.
        contenders: cells with their starts.
        lengths: T; what that means, a task says.
        settings: of every trial; the start is the contender's, seeds count from the one given.
        seeds: trials of each contender at each length.
        tell: is told how it goes.

    Raises SettingError for unknown names, lengths too short and cells that a start does not fit.
    """
    settings = settings or MemorySettings()
    if seeds < 1 or not contenders or not lengths:
        raise SettingError(
            f"one cell, one length and one seed are needed at least, got {len(contenders)}, {len(lengths)} and {seeds}."
        )
    tasks = {length: find_task(task, length) for length in sorted(set(lengths))}
    planned = [(one, length) for one in dict.fromkeys(contenders) for length in tasks]
    for one, length in planned:
        Answerer(tasks[length], one.cell, one.settings(settings, length))
    criterion = tasks[min(tasks)].criterion
    points, done = list[Point](), 0
    for one, length in planned:
        trials = list[Trial]()
        for seed in range(settings.seed, settings.seed + seeds):
            done += 1
            standing = Standing(one.name, length, seed, done, len(planned) * seeds)
            trial = _trial(one, tasks[length].length, task, replace(settings, seed=seed), standing, tell)
            if trial.reason == "interrupted":
                return MemorySpan(
                    task, tasks[length].criterion, _with(points, one, length, trials), complete=False
                )
            trials.append(trial)
        points.append(Point(one.name, length, tuple(trials)))
    return MemorySpan(task, criterion, tuple(points))


def _trial(
    one: Contender, length: int, task: str, settings: MemorySettings, standing: Standing, tell: Tell
) -> Trial:
    def hear(heard: Heard) -> None:
        tell(replace(standing, heard=heard))

    tell(standing)
    trial = train_memory(find_task(task, length), one.cell, one.settings(settings, length), hear)
    tell(replace(standing, trial=trial))
    return trial


def _with(points: list[Point], one: Contender, length: int, trials: list[Trial]) -> tuple[Point, ...]:
    """What there is when a run is interrupted."""
    return (*points, Point(one.name, length, tuple(trials))) if trials else tuple(points)
