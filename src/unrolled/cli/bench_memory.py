"""`unrolled bench memory`: over how many steps cells remember."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

from cyclopts import Parameter

from unrolled.cli.options import Switch, Whole
from unrolled.errors import FolderError, SettingError

if TYPE_CHECKING:
    from unrolled.training.memory_span import MemorySpan, Point, Standing

INTERRUPTED = 130


def memory(
    task: str = "adding",
    /,
    *,
    cell: Annotated[tuple[str, ...], Parameter(negative="")] = ("lstm", "gru"),
    lengths: str = "50,100,200",
    initialise: str = "roles",
    hidden: Whole = 32,
    learning_rate: float = 0.01,
    anneal: Switch = False,
    batch: Whole = 20,
    clip: float = 1.0,
    sequences: Whole = 50_000,
    minutes: float | None = None,
    seeds: Whole = 1,
    seed: Whole = 0,
    figure: Path | None = None,
    json: Switch = False,
) -> int:
    """Over how many steps cells remember: success against length on a long-range task.

    Every cell is trained at every length on sequences that are drawn anew for every update, until the criterion of
    the task's paper holds on 2,000 of them before they are trained on, and then on 2,560 more; or until the budget is
    used up. The floor is the loss of an answer that remembers nothing. Tasks: adding, adding_1997, multiplication,
    temporal_order, temporal_order_3, copying, parity, running_parity.

    Examples:

    - `unrolled bench memory --cell lstm --cell lstm@chrono:T --lengths 100,300`
    - `unrolled bench memory copying --cell gru@chrono:T --minutes 2 --figure copying.html`

    Parameters
    ----------
    task
        The task.
    cell
        A cell of the catalogue or a file of equations, with its own start behind an @ if it has one; may be repeated.
    lengths
        Lengths T of the task in steps, with commas between.
    initialise
        The start of the other cells: roles, uniform, identity (or irnn), orthogonal, critical:RADIUS, chrono:STEPS,
        forget:BIAS, or some joined by +. T stands for the length, as in chrono:T.
    hidden
        Hidden size H. Other named sizes of a cell are H too.
    learning_rate
        Step size of Adam.
    anneal
        Let the step size fall to 0, as half a cosine over the budget.
    batch
        Sequences B for each update.
    clip
        Gradients with a larger global norm are scaled down to this.
    sequences
        Budget of every training, in sequences.
    minutes
        Budget of every training, in minutes; results then depend on the machine.
    seeds
        Trainings of every cell at every length.
    seed
        The first seed; the others follow.
    figure
        An HTML file to write with the figure of it.
    json
        Print JSON instead of the table.
    """
    _check_folder(figure)
    steps = _lengths(lengths)
    from unrolled.training.memory import MemorySettings
    from unrolled.training.memory_span import Contender, memory_span

    settings = MemorySettings(hidden, "roles", learning_rate, batch, clip, sequences, minutes, seed, anneal)
    contenders = [Contender.read(one, initialise) for one in cell]
    with _Display() as display:
        found = memory_span(task, contenders, steps, settings, seeds, display.tell)
    _write(found, figure)
    if json:
        print(json_format.dumps(_as_dict(found)))
    else:
        _print_table(found, seeds)
    return 0 if found.complete else INTERRUPTED


def _check_folder(figure: Path | None) -> None:
    if figure is not None and not figure.absolute().parent.is_dir():
        raise SettingError(
            f"--figure must name a file in a folder that exists, got {figure}. Make the folder first."
        )


def _lengths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingError(
            f"--lengths must be whole numbers with commas between, got {text}. Write 50,100,200."
        ) from None


def _write(found: MemorySpan, path: Path | None) -> None:
    if path is None:
        return
    try:
        found.figure().write_html(path)
    except OSError as error:
        raise FolderError(
            f"the figure could not be written to {path} ({error.strerror}). Check the path."
        ) from None


def _as_dict(found: MemorySpan) -> dict[str, Any]:
    """All trials; losses that are no numbers, of networks that diverged, as null."""
    told = dataclasses.asdict(found)
    for point in told["points"]:
        for trial in point["trials"]:
            loss = trial["test"]["loss"]
            trial["test"]["loss"] = loss if abs(loss) < float("inf") else None
            trial["solved"] = trial["reason"] == "solved"
    return told


# --- shown while it runs, and after ------------------------------------------------------------------


class _Display:
    """A line for every training that is over and, on a terminal, a bar for the one that runs."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stands]}"))
        self.bar = Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        )
        self.shown = self.bar.add_task("", total=1.0, stands="")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def tell(self, now: Standing) -> None:
        """Show how it stands."""
        name = f"{now.number}/{now.trials}  {now.contender}, T {now.length}, seed {now.seed}"
        if now.trial is not None:
            trial = now.trial
            how = "solved" if trial.solved else f"not solved ({trial.reason})"
            self.console.print(
                f"{name}: {how} after {trial.sequences:,} sequences in {trial.seconds:.0f} s, "
                f"loss {trial.loss:.3g}, floor {trial.floor:.3g}",
                soft_wrap=True,
                markup=False,
            )
        elif now.heard is not None:
            stands = f"{now.heard.sequences:,} sequences, loss {now.heard.score.loss:.3g}"
            self.bar.update(self.shown, description=name, completed=now.heard.fraction, stands=stands)
        else:
            self.bar.update(self.shown, description=name, completed=0.0, stands="")


def _print_table(found: MemorySpan, seeds: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.task}: {found.criterion}", title_justify="left")
    table.add_column("cell")
    for length in found.lengths:
        table.add_column(f"T {length}", justify="right")
    for name in found.contenders:
        points = {point.length: point for point in found.of(name)}
        table.add_row(name, *(_cell(points.get(length), seeds) for length in found.lengths))
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "Sequences until it was solved, at most; or the loss as a share of the floor, where it was not.",
        soft_wrap=True,
    )
    if not found.complete:
        console.print("Interrupted: what is missing was not trained.", soft_wrap=True)


def _cell(point: Point | None, seeds: int) -> str:
    if point is None:
        return ""
    used = max(trial.sequences for trial in point.trials)
    if point.success == 1:
        return f"{used:,}"
    share = f"{point.share_of_floor:.2f} of floor"
    solved = sum(trial.solved for trial in point.trials)
    return share if seeds == 1 else f"{share}, {solved} of {len(point.trials)} solved"
