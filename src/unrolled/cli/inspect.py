"""`unrolled inspect`: what goes on inside a trained model, as one page of HTML."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unrolled.cli.options import Switch, Whole

if TYPE_CHECKING:
    from unrolled.inspection.report.document import Report
    from unrolled.inspection.report.runs import TrainedRun
    from unrolled.inspection.report.texts import Chosen
    from unrolled.models.kept import Kept
    from unrolled.models.language import LanguageModel


def inspect(
    run: Path,
    /,
    *,
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    other: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    output: Path | None = None,
    characters: Whole | None = None,
    window: Whole | None = None,
    best: Whole | None = None,
    json: Switch = False,
) -> None:
    """Look inside a trained model while it reads.

    Writes one HTML file that opens from disk, without a network: how far the gradient reaches back, the spectra of
    the recurrent matrices, what the gates do and how long they keep, which earlier characters each prediction
    remembered, which units follow quotes, lines or words, where the model was surprised, and what truncated
    backpropagation leaves out. In the text views, point at a character. Its findings are also printed.

    Without `--text` and `--file` the text is the end of what the run was validated on; where that is not found any
    more, one that the model draws. With `--probe` in training the report also draws the course of the gradient. Of
    classifiers and taggers it holds the spectra, and for data given with `--file` the gradient flow and the gates; of
    forecasters the spectra.

    Examples:

    - `unrolled inspect runs/book`
    - `unrolled inspect runs/book --text "He said: (well, no)" --output said.html`
    - `unrolled inspect runs/gru --other runs/lstm runs/rnn --file page.txt`
    - `unrolled inspect runs/book --json`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    text
        The text to read, in quotes.
    file
        A text file to read, or - for standard input; for classifiers and taggers data of the kind they were trained on.
    other
        Further runs that read the same text, to stand beside it.
    output
        The file to write; an older report is replaced, nothing else. [default: RUN/report.html]
    characters
        Read so many characters at most: the first of `--text` and `--file`, the last of the validation text.
        [default: 2000]
    window
        Characters that memorization looks back; the file grows with it. [default: 256]
    best
        Guesses shown for each character. [default: 5]
    json
        Print the findings and their numbers as one JSON object.
    """
    from unrolled.errors import SettingError
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    if text is not None and file is not None:
        raise SettingError("--text and --file cannot both be given, for one text is read; leave one out")
    model = load_model(run)
    if isinstance(model, LanguageModel):
        sizes = {"characters": characters, "window": window, "best": best}
        given = {name: size for name, size in sizes.items() if size is not None}
        found = _language(run, model, other or [], text, file, **given)
    else:
        options = {"text": text, "other": other, "characters": characters, "window": window, "best": best}
        found = _sequences(run, model, file, options)
    output = output or run / "report.html"
    found.write(output)
    if json:
        print(json_format.dumps({"report": str(output), **found.to_dict()}))
    else:
        _print(found, output)


def _language(
    run: Path,
    model: LanguageModel,
    others: list[Path],
    text: str | None,
    file: str | None,
    characters: int = 2000,
    **options: int,
) -> Report:
    from rich.console import Console
    from rich.text import Text

    from unrolled.cli.sample import warn_unseen
    from unrolled.inspection.report.build import report
    from unrolled.inspection.report.runs import trained_run
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    (first, _), *rest = _named([run, *others]).items()
    models = {first: model} | {name: load_model(folder, LanguageModel) for name, folder in rest}
    _check_units(models)
    runs = {first: trained_run(run)} | {name: trained_run(folder) for name, folder in rest}
    chosen = _chosen(model, runs[first], text, file, characters)
    for name, one in models.items():
        said = f"for {name} the text" if others else "the text"
        warn_unseen(said, one.vocabulary.unseen(chosen.text), one.vocabulary.unit)
    with Console(stderr=True).status("looking inside") as status:
        return report(
            models,
            chosen.text,
            source=str(chosen),
            runs=runs,
            tell=lambda line: status.update(Text(line)),
            **options,
        )


def _check_units(models: Mapping[str, LanguageModel]) -> None:
    """All must read texts, and cut them alike: what is compared are places in one text."""
    from unrolled.errors import SettingError

    units = {name: model.vocabulary.unit for name, model in models.items()}
    for name, unit in units.items():
        if unit == "event":
            raise SettingError(
                f"{name} is a model of music, and inspect reads texts; use unrolled evaluate or sample"
            )
    if len(set(units.values())) > 1:
        found = ", ".join(f"{name} reads {unit}s" for name, unit in units.items())
        raise SettingError(
            f"--other compares models that cut texts alike, got: {found}; inspect them one by one"
        )


def _sequences(run: Path, model: Kept, file: str | None, options: Mapping[str, object]) -> Report:
    """Of a model that reads whole sequences, what there is to see."""
    from unrolled.cli.evaluate import reading_of
    from unrolled.errors import SettingError
    from unrolled.inspection.report.runs import trained_run
    from unrolled.inspection.report.sequences import batch_of, sequence_report
    from unrolled.models.classifier import Classifier
    from unrolled.models.forecaster import Forecaster
    from unrolled.models.tagger import Tagger

    for name, value in options.items():
        if value is not None:
            raise SettingError(
                f"--{name} is for language models, this run holds a {model.architecture}; leave it out, and give data "
                "with --file"
            )
    if file is not None and isinstance(model, Forecaster):
        raise SettingError(
            "--file is for classifiers, taggers and language models, this run holds a forecaster, of which only the "
            "spectrum is drawn; leave it out"
        )
    assert isinstance(model, Classifier | Tagger | Forecaster)
    batch = None
    if file is not None and not isinstance(model, Forecaster):
        batch = batch_of(model, [file], reading_of(model, {}))
    return sequence_report(model, batch, trained_run(run), name=run.resolve().name)


def _named(folders: list[Path]) -> dict[str, Path]:
    """Runs by the last part of their path, by all of it where two would have the same name."""
    from unrolled.errors import SettingError

    short = [folder.resolve().name for folder in folders]
    names = [
        one if short.count(one) == 1 else str(folder) for one, folder in zip(short, folders, strict=True)
    ]
    if len(set(names)) < len(names):
        raise SettingError("--other names a run twice; leave one out")
    return dict(zip(names, folders, strict=True))


def _chosen(
    model: LanguageModel, run: TrainedRun, text: str | None, file: str | None, characters: int
) -> Chosen:
    from unrolled.inspection.report.texts import given_text, own_text, text_of_file

    if text is not None:
        return given_text(text, characters)
    return own_text(model, run, characters) if file is None else text_of_file(file, characters)


def _print(found: Report, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from unrolled.inspection.report.pages import TITLES

    console = Console(highlight=False)
    console.print(Text(f"Looked at: {found.source}"), soft_wrap=True)
    for one in found.models:
        grid = Table.grid(padding=(0, 2))
        for page in one.pages:
            grid.add_row(Text(TITLES[page.name], style="bold"), Text(page.verdict))
        if len(found.models) > 1:
            console.print(Text(f"\n{one.name}", style="bold underline"))
        console.print(grid)
    console.print(
        Text(f"Report: {output} ({output.stat().st_size / 1e6:.1f} MB); open it in a browser"), soft_wrap=True
    )
