"""`unrolled evaluate`: how good a trained model is on data."""

from __future__ import annotations

import json as json_format
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, Whole, refuse_options
from unrolled.cli.translator import ARCHITECTURE, EvaluateTranslations, evaluated, refuse_for_others
from unrolled.cli.waiting import waiting

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console

    from unrolled.data.settings import ReadSettings
    from unrolled.inspection.evaluation import Evaluation, Grid
    from unrolled.models.kept import Kept

TASKS = {
    "classifier": "unrolled.inspection.classification",
    "tagger": "unrolled.inspection.tagging",
    "forecaster": "unrolled.inspection.forecasting",
    "music": "unrolled.inspection.music",
    "encoder_decoder": "unrolled.inspection.translation",
}
"""By architecture: the module with `evaluate` and `predict`."""

EVALUATED = (*TASKS, "language")
"""The architectures that can be judged by data."""

DATA = Group("Data", sort_key=1)
LANGUAGE = Group("Language models", sort_key=2)
TRANSLATION = Group("Translators", sort_key=3)
_Translation = Annotated[EvaluateTranslations, Parameter(name="*", group=TRANSLATION)]
_OPTIONS = (
    *("text", "label", "encoding", "delimiter", "last", "dynamic", "window", "rows", "json"),
    *EvaluateTranslations.model_fields,
)
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
    dynamic: Annotated[float | None, Parameter(group=LANGUAGE)] = None,
    window: Annotated[Whole | None, Parameter(group=LANGUAGE)] = None,
    rows: Annotated[Whole | None, Parameter(group=LANGUAGE)] = None,
    translation: _Translation = EvaluateTranslations(),
    json: Switch = False,
) -> None:
    """How good a trained model is on data it has not seen, beside a rule that is trivial.

    Classifiers: accuracy, macro F1 (the mean over the classes), each class, and which were taken for which.
    Taggers: entities found with exact borders and type, counted as in the CoNLL tasks. Forecasters: root mean square
    and mean absolute error, in the units of the data. Language models: bits and perplexity of whole files, beside
    counts of the training text, and how they were counted. Translators: BLEU and chrF by sacrebleu, with how they were
    counted, and exact matches. A model that is not better than the trivial rule has learned nothing.

    Examples:

    - `unrolled evaluate runs/reviews test.csv`
    - `unrolled evaluate runs/names test.conll --json`
    - `unrolled evaluate runs/reviews other.csv --text comment --label rating`
    - `unrolled evaluate runs/book other.txt`
    - `unrolled evaluate runs/book other.txt --dynamic 0.1` (it also learns from what it has read)

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    paths
        Files or folders with labels, of the kind the model was trained on; for a language model texts, for a
        translator files of pairs.
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
    dynamic
        Also evaluate a copy that learns while it reads: the step size of gradient descent on each window that has been
        scored, such as 0.1. The model in the folder stays as it is.
    window
        Symbols between two such steps. [default: 64]
    rows
        Cut the text into so many parts that run side by side, each beginning as a text does: faster for large models,
        and a little worse. [default: 1, the whole text in one piece]
    json
        Print one JSON object instead of tables.
    """
    refuse_options(paths, _OPTIONS, "unrolled evaluate")
    model = task_model(run, EVALUATED)
    only_for(model, "forecaster", last=last)
    only_for(model, "language", dynamic=dynamic, window=window, rows=rows)
    given = {"text": text, "label": label, "encoding": encoding, "delimiter": delimiter}
    if _kind(model) != ARCHITECTURE:
        refuse_for_others(translation, called(_kind(model)))
    with waiting("reading and judging"):
        if _kind(model) == ARCHITECTURE:
            result = evaluated(model, paths, given, translation)
        elif _kind(model) == "language":
            result = _of_language(model, run, paths, given, dynamic, window, rows)
        else:
            options = {} if last is None else {"last": last}
            result = task_module(model).evaluate(model, paths, reading_of(model, given), **options)
    if json:
        print(json_format.dumps(result.to_dict()))
    else:
        print_evaluation(result)


def task_model(run: Path, known: Collection[str] = tuple(TASKS)) -> Kept:
    """The model of a run, if it is one of the architectures that are known.

    Raises:
        FolderError: no model there, or of another architecture.
    """
    from unrolled.errors import FolderError
    from unrolled.models.folder import load_model

    model = load_model(run)
    if model.architecture not in known:
        *most, last = (called(name) for name in known)
        raise FolderError(
            f"{run}: this needs a {', '.join(most)} or {last}, got another kind of model ({model.architecture}); "
            "for texts and language models use unrolled evaluate, score or next"
        )
    return model


def called(architecture: str) -> str:
    """What a person calls a model of this architecture."""
    if architecture == ARCHITECTURE:
        return "translator"
    return f"{architecture} model" if architecture in ("language", "music") else architecture


def _of_language(
    model: Any,
    run: Path,
    paths: Sequence[str],
    given: dict[str, str | None],
    dynamic: float | None,
    window: int | None,
    rows: int | None,
) -> Evaluation:
    from unrolled.errors import SettingError
    from unrolled.inspection.language import DYNAMIC_WINDOW, Dynamic, evaluate

    for name in ("text", "label", "delimiter"):
        if given[name] is not None:
            raise SettingError(
                f"--{name} is for tables and labels, a language model reads texts; leave it out"
            )
    if window is not None and dynamic is None:
        raise SettingError("--window is for dynamic evaluation; give its rate too, such as --dynamic 0.1")
    steps = None if dynamic is None else Dynamic(dynamic, DYNAMIC_WINDOW if window is None else window)
    return evaluate(model, paths, given["encoding"], run, 1 if rows is None else rows, steps)


def only_for(model: Kept, architecture: str, **options: object) -> None:
    """Refuse options that mean nothing for this model."""
    from unrolled.errors import SettingError

    held = _kind(model)
    for name, value in options.items():
        if value is not None and held != architecture:
            raise SettingError(
                f"--{name} is for a {called(architecture)}, this run holds a {called(held)}; leave it out"
            )


def _kind(model: Any) -> str:
    """The architecture; of a language model of musical events, music."""
    if model.architecture == "language" and model.vocabulary.unit == "event":
        return "music"
    return str(model.architecture)


def task_module(model: Kept) -> Any:
    """The module that evaluates and predicts with models of this architecture."""
    return import_module(TASKS[_kind(model)])


def reading_of(model: Any, given: dict[str, str | None]) -> ReadSettings:
    """How the model's training data was read, with what is said otherwise for new files."""
    from unrolled.data.settings import ReadSettings

    learned = getattr(model, "reading", {})  # a language model of musical events knows none
    known = {name: value for name, value in learned.items() if name in ReadSettings.model_fields}
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
