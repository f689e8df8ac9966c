"""`unrolled predict`: what a trained model says about data."""

from __future__ import annotations

import csv
import json as json_format
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from cyclopts import Group, Parameter

from unrolled.cli.evaluate import TRANSLATION, called, only_for, reading_of, task_model, task_module
from unrolled.cli.options import Switch, Whole, refuse_options
from unrolled.cli.translator import (
    ARCHITECTURE,
    PredictTranslations,
    pairs_reading,
    refuse_for_others,
    search_of,
)
from unrolled.cli.waiting import counting

DATA = Group("Data", sort_key=1)
_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".conll": "conll", ".txt": "text"}
_Translation = Annotated[PredictTranslations, Parameter(name="*", group=TRANSLATION)]
_OPTIONS = (
    *("output", "format", "probabilities", "steps", "figure", "text", "label", "encoding", "delimiter"),
    *PredictTranslations.model_fields,
)
_USUAL = {"tagger": "conll", ARCHITECTURE: "text"}
"""What is written for some models unless another form is asked for, and for no others."""


def predict(
    run: Path,
    /,
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    output: Path | None = None,
    form: Annotated[Literal["csv", "jsonl", "conll", "text"] | None, Parameter(name="--format")] = None,
    probabilities: Switch = False,
    steps: Whole | None = None,
    figure: Path | None = None,
    text: Annotated[str | None, Parameter(group=DATA)] = None,
    label: Annotated[str | None, Parameter(group=DATA)] = None,
    encoding: Annotated[str | None, Parameter(group=DATA)] = None,
    delimiter: Annotated[str | None, Parameter(group=DATA)] = None,
    translation: _Translation = PredictTranslations(),
) -> None:
    """Classes, tags, forecasts or translations for new data, one row each.

    The data needs no labels. Sequences are read and answered as they come, so a file may be larger than memory.
    Without `--output` the rows go to standard output.

    Examples:

    - `unrolled predict runs/reviews new.csv --output answers.csv --probabilities`
    - `unrolled predict runs/names text.conll --format conll`
    - `unrolled predict runs/digits recordings/ --format jsonl`
    - `unrolled predict runs/sales sales.csv --steps 24 --figure next.html`
    - `unrolled predict runs/french -` (a line in, a line out), or `sentences.txt --number 3 --format jsonl`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    paths
        Files or folders of the kind the model was trained on; for a translator files of texts, one a line, or pairs;
        - is standard input.
    output
        File to write; it must not exist yet. Its ending chooses the format, where that is not said.
    form
        `csv`, `jsonl` (one JSON object a line), for taggers `conll` (word, tab, tag), or for translators `text` (a
        translation a line). [default: by the ending of --output, else csv; for taggers conll, for translators text]
    probabilities
        Add the probability of every class.
    steps
        Forecasters: how many steps to forecast. [default: the horizon it was trained for]
    figure
        Forecasters: also draw the forecast into this HTML file, which must not exist yet and needs no network.
    text
        Column of the text, where it is named otherwise than in training.
    label
        Column of the label, or the pattern of file names, where it is another one than in training.
    encoding
        Encoding of these files, such as latin-1.
    delimiter
        What separates the columns of these files.
    """
    refuse_options(paths, _OPTIONS, "unrolled predict")
    from unrolled.errors import SettingError

    model = task_model(run)
    only_for(model, "forecaster", steps=steps, figure=figure)
    if steps is not None and steps < 1:
        raise SettingError(f"--steps must be at least 1, got {steps}")
    _check_files(output, form, figure)
    chosen = _chosen_form(form or _form_of(output), run, model.architecture)
    given = {"text": text, "label": label, "encoding": encoding, "delimiter": delimiter}
    if model.architecture == ARCHITECTURE:
        lines = _translations(model, paths, given, translation, chosen, probabilities)
    else:
        refuse_for_others(translation, called(model.architecture))
        module, reading = task_module(model), reading_of(model, given)
        options = {} if steps is None else {"steps": steps}
        if figure is not None:
            _write_figure(module.figure(model, paths, reading, **options), figure)
        if chosen == "conll":
            lines = module.conll(model, paths, reading, probabilities)
        else:
            lines = _written(module.predict(model, paths, reading, probabilities, **options), chosen)
    with _opened(output) as file:
        for line in lines if output is None else counting(lines, f"predicting into {output}"):
            print(line, file=file, flush="-" in paths)


def _translations(
    model: Any,
    paths: Sequence[str],
    given: dict[str, str | None],
    asked: PredictTranslations,
    form: str,
    probabilities: bool,
) -> Iterator[str]:
    """Translations in a form; behind them standard error says what was left out."""
    from unrolled.data.pairs import Usable
    from unrolled.errors import SettingError
    from unrolled.inspection.translation import lines, predict

    if probabilities:
        raise SettingError(
            "--probabilities is for classes and tags; of translations --format csv gives log P"
        )
    reading, search, usable = (
        pairs_reading(model, given, asked),
        search_of(asked),
        Usable(asked.skip_bad, "text"),
    )
    if form == "text":
        yield from lines(model, paths, reading, search, usable)
    else:
        yield from _written(predict(model, paths, reading, search, usable), form)
    for note in usable.notes():
        print(f"note  {note}", file=sys.stderr)


def _written(rows: Iterable[dict[str, Any]], form: str) -> Iterator[str]:
    return _as_csv(rows) if form == "csv" else (json_format.dumps(row, ensure_ascii=False) for row in rows)


def _chosen_form(asked: str | None, run: Path, architecture: str) -> str:
    """What is written: what was asked for, else CoNLL for taggers, texts for translators and CSV for others."""
    from unrolled.errors import SettingError

    for of, form in _USUAL.items():
        if asked == form and architecture != of:
            held = called(architecture)
            raise SettingError(
                f"--format {form} is for {called(of)}s, {run} holds a {held}; use csv or jsonl"
            )
    return asked or _USUAL.get(architecture, "csv")


def _check_files(output: Path | None, form: str | None, figure: Path | None) -> None:
    """Before anything is read: files that exist are not written over, and an ending says what a file will hold."""
    from unrolled.errors import FolderError, SettingError

    for option, path in (("--output", output), ("--figure", figure)):
        if path is not None and path.exists():
            raise FolderError(f"{path}: exists already; remove it first, or name another {option}")
    if output is not None and form is None and output.suffix and _form_of(output) is None:
        raise SettingError(f"--output must end in {', '.join(_FORMS)}, or say --format, got {output}")
    if figure is not None and figure.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"--figure must end in .html, got {figure}")


def _write_figure(figure: Any, path: Path) -> None:
    from unrolled.models.writing import write_atomically

    write_atomically(path, figure.to_html().encode(), "--figure")


def _form_of(output: Path | None) -> str | None:
    return None if output is None else _FORMS.get(output.suffix.lower())


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that appears under its name only when it is complete."""
    if output is None:
        yield sys.stdout
        return
    from unrolled.models.writing import cannot_write

    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.rename(output)
    except OSError as error:
        raise cannot_write(output, error, "--output") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _as_csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Lines of CSV; the first row says which columns there are."""
    line = _Line()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(line, list(row), lineterminator="", extrasaction="ignore", restval="")
            writer.writeheader()
            yield line.text
        writer.writerow(row)
        yield line.text


class _Line:
    """What the csv module writes, one row at a time."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text
