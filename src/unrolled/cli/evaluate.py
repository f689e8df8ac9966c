"""`unrolled evaluate`: how good a trained model is on data."""

from __future__ import annotations

import json as json_format
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, refuse_options
from unrolled.cli.waiting import waiting

if TYPE_CHECKING:
    from rich.console import Console

    from unrolled.data.settings import ReadSettings
    from unrolled.inspection.evaluation import Evaluation, Grid
    from unrolled.models.kept import Kept

TASKS = {
    "classifier": "unrolled.inspection.classification",
    "tagger": "unrolled.inspection.tagging",
    "forecaster": "unrolled.inspection.forecasting",
}
"""By architecture: the module with `evaluate` and `predict`."""

DATA = Group("Data", sort_key=1)
_ANY = 1_000_000
"""Columns, more than any table has."""


def evaluate(
    run: Path,
    /,
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    text: Annotated[str | None, Parameter(group=DATA)] = None,
    label: Annotated[str | None, Parameter(group=DATA)] = None,
    encoding: Annotated[str | None, Parameter(group=DATA)] = None,
    delimiter: Annotated[str | None, Parameter(group=DATA)] = None,
    last: float | None = None,
    json: Switch = False,
) -> None:
    """How good a trained model is on data it has not seen, beside a rule that is trivial.

    Classifiers: accuracy, macro F1 (the mean over the classes), each class, and which were taken for which.
    Taggers: entities found with exact borders and type, counted as in the CoNLL tasks. Forecasters: root mean square
    and mean absolute error, in the units of the data. A model that is not better than the trivial rule has learned
    nothing.

    Examples:

    - `unrolled evaluate runs/reviews test.csv`
    - `unrolled evaluate runs/names test.conll --json`
    - `unrolled evaluate runs/reviews other.csv --text comment --label rating`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    paths
        Files or folders with labels, of the kind the model was trained on.
    text
        Column of the text, where it is named otherwise than in training.
    label
        Column of the label, or the pattern of file names, where it is another one than in training.
    encoding
        Encoding of these files, such as latin-1.
    delimiter
        What separates the columns of these files.
    last
        Of series without dates: the share at the end of each to forecast and judge, from 0 to 1. With dates it is what
        comes after the training.
    json
        Print one JSON object instead of tables.
    """
    refuse_options(paths, ["text", "label", "encoding", "delimiter", "last", "json"], "unrolled evaluate")
    model = task_model(run)
    only_for(model, "forecaster", last=last)
    given = {"text": text, "label": label, "encoding": encoding, "delimiter": delimiter}
    options = {} if last is None else {"last": last}
    reading = reading_of(model, given)
    with waiting("reading and judging"):
        result = task_module(model).evaluate(model, paths, reading, **options)
    if json:
        print(json_format.dumps(result.to_dict()))
    else:
        print_evaluation(result)


def task_model(run: Path) -> Kept:
    """The model of a run, if it is one that reads whole sequences.

    Raises:
        FolderError: no model there, or a language model.
    """
    from unrolled.errors import FolderError
    from unrolled.models.folder import load_model

    model = load_model(run)
    if model.architecture not in TASKS:
        raise FolderError(
            f"{run}: this needs a classifier, tagger or forecaster, got another kind of model ({model.architecture}); "
            "for texts and language models use unrolled score"
        )
    return model


def only_for(model: Kept, architecture: str, **options: object) -> None:
    """Refuse options that mean nothing for this model."""
    from unrolled.errors import SettingError

    for name, value in options.items():
        if value is not None and model.architecture != architecture:
            raise SettingError(
                f"--{name} is for a {architecture}, this run holds a {model.architecture}; leave it out"
            )


def task_module(model: Kept) -> Any:
    """The module that evaluates and predicts with models of this architecture."""
    return import_module(TASKS[model.architecture])


def reading_of(model: Any, given: dict[str, str | None]) -> ReadSettings:
    """How the model's training data was read, with what is said otherwise for new files."""
    from unrolled.data.settings import ReadSettings

    known = {name: value for name, value in model.reading.items() if name in ReadSettings.model_fields}
    # How a file is written is its own affair; what its columns and sounds mean is the model's.
    for name in ("encoding", "delimiter", "header"):
        known.pop(name, None)
    return ReadSettings(**known | {name: value for name, value in given.items() if value is not None})


def print_evaluation(result: Evaluation) -> None:
    """Scores with their floors, then the tables of the task."""
    from rich.console import Console

    from unrolled.training.plan import counted

    console = Console(highlight=False)
    for note in result.notes:
        console.print(f"note  {note}", markup=False, soft_wrap=True)
    said = counted(result.count, result.counted.removesuffix("s"))
    console.print(f"{said}; floor: {result.floor}", markup=False)
    columns = ("score", "this model", "floor")
    rows = [(name, value, result.floors.get(name, "")) for name, value in result.scores.items()]
    for grid in (_scores_as_grid(columns, rows), *result.grids):
        if grid.title:
            console.print(f"\n{grid.title}", markup=False, style="bold")
        _print_grid(grid, console)


def _print_grid(grid: Grid, console: Console) -> None:
    """A table, or a line for each row where the console is too narrow: a number that is cut off tells nothing."""
    table = _as_table(grid)
    if table.__rich_measure__(console, console.options.update(max_width=_ANY)).minimum <= console.width:
        console.print(table)
        return
    for name, *values in grid.rows:
        pairs = zip(grid.columns[1:], values, strict=True)
        cells = ", ".join(f"{column} {_shown(value)}" for column, value in pairs if value or not grid.sparse)
        console.print(f"{_shown(name)}: {cells}", markup=False, soft_wrap=not console.is_terminal)


def _scores_as_grid(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Grid:
    from unrolled.inspection.evaluation import Grid

    return Grid("", columns, tuple(rows))


def _as_table(grid: Grid) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for index, column in enumerate(grid.columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right")
    for row in grid.rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def _shown(value: str | float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
