"""A report as one file of HTML: the pages, the data of its views, plotly.js, and a style and a script of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from unrolled.errors import FolderError
from unrolled.inspection.report.explanations import EXPLANATIONS, VIEW_NOTES
from unrolled.inspection.report.figures import as_data
from unrolled.inspection.report.pages import TITLES, Inspected
from unrolled.inspection.report.texts import seen
from unrolled.models.writing import write_atomically

_MARK = '<!doctype html>\n<html lang="en" data-by="unrolled inspect">'
_VIEWS = ("memorization", "neurons", "surprise")


@dataclass(frozen=True)
class Report:
    """What was found in one or more models; `text` is what language models read, `source` says where it is from."""

    models: tuple[Inspected, ...]
    source: str
    text: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The text in a piece for each symbol; the same for all models."""
        return next((one.symbols for one in self.models if one.symbols), ())

    def to_dict(self) -> dict[str, Any]:
        """Verdicts and numbers by model and page, without matrices."""
        return {
            "text": self.source,
            "notes": list(self.notes),
            "models": {
                one.name: {
                    "about": dict(one.about),
                    "pages": {p.name: {"verdict": p.verdict, **p.numbers} for p in one.pages},
                }
                for one in self.models
            },
        }

    def html(self) -> str:
        """The whole file."""
        from plotly.offline import get_plotlyjs

        figures: list[Any] = []
        names = [name for name in TITLES if any(one.page(name) for one in self.models)]
        sections = [_overview(self), *(_section(self, name, figures) for name in names)]
        data = {
            "text": list(self.symbols),
            "figures": figures,
            "models": [{"name": one.name, **one.views} for one in self.models if one.views],
        }
        title = f"Inside {', '.join(one.name for one in self.models)}"
        return "\n".join(
            (
                _MARK,
                '<head>\n<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                f"<title>{escape(title)}</title>",
                f"<style>\n{_own('report.css')}</style>\n</head>\n<body>",
                f"<header>\n<h1>{escape(title)}</h1>\n{_navigation(names)}\n</header>\n<main>",
                *sections,
                "</main>",
                f'<script type="application/json" id="data">{_as_script(data)}</script>',
                f"<script>{get_plotlyjs()}</script>",
                f"<script>\n{_own('report.js')}</script>",
                "</body>\n</html>\n",
            )
        )

    def write(self, path: str | Path) -> None:
        """Write the file, over an older report but over nothing else.

        Raises:
            FolderError: another file is there, or it cannot be written.
        """
        path = Path(path)
        if path.exists() and not _is_report(path):
            raise FolderError(f"{path}: exists and is no report; remove it first, or name another --output")
        write_atomically(path, self.html().encode())


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(_MARK)) == _MARK.encode()


def _own(name: str) -> str:
    return (files("unrolled.inspection.report") / name).read_text("utf-8")


def _as_script(data: Any) -> str:
    """JSON that no text in it can break out of."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _navigation(names: Sequence[str]) -> str:
    links = {"overview": "Overview"} | {name: TITLES[name] for name in names}
    lines = (f'<a href="#{name}">{title}</a>' for name, title in links.items())
    return f'<nav aria-label="Pages">{"".join(lines)}</nav>'


def _overview(report: Report) -> str:
    lines = [
        '<section id="page-overview">',
        "<h2>Overview</h2>",
        f"<p>Looked at: {escape(report.source)}.</p>",
    ]
    lines += [f'<p class="note">{escape(note)}</p>' for note in report.notes]
    lines.append('<div class="models">')
    for one in report.models:
        lines += ["<article>", f"<h3>{escape(one.name)}</h3>", "<dl>"]
        lines += [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in one.about]
        lines += ["</dl>", '<dl class="verdicts">']
        lines += [
            f'<dt><a href="#{page.name}">{TITLES[page.name]}</a></dt><dd>{escape(page.verdict)}</dd>'
            for page in one.pages
        ]
        lines += [
            "</dl>",
            f"<details><summary>Equations</summary><pre>{escape(one.equations)}</pre></details>",
        ]
        lines.append("</article>")
    return "\n".join([*lines, "</div>", "</section>"])


def _section(report: Report, name: str, figures: list[Any]) -> str:
    lines = [f'<section id="page-{name}">', f"<h2>{TITLES[name]}</h2>"]
    several = len(report.models) > 1
    for one in report.models:
        if page := one.page(name):
            label = f"<b>{escape(one.name)}:</b> " if several else ""
            lines.append(f'<p class="verdict">{label}{escape(page.verdict)}</p>')
    lines += [f'<p class="reading">{escape(paragraph)}</p>' for paragraph in EXPLANATIONS[name]]
    if name in _VIEWS:
        lines += _view(report, name)
    lines += _figures(report, name, figures)
    return "\n".join([*lines, "</section>"])


def _view(report: Report, name: str) -> Iterator[str]:
    """An empty place for each model, which the script fills; and what needs no script."""
    yield f'<p class="reading">{escape(VIEW_NOTES)}</p>'
    yield '<div class="models">'
    shown = [one for one in report.models if one.views]
    for number, one in enumerate(shown):
        head = f"<h3>{escape(one.name)}</h3>" if len(shown) > 1 else ""
        yield f'<article>{head}<div class="view" data-view="{name}" data-model="{number}"></div>'
        if name == "surprise":
            yield from _mistakes(one, report.symbols)
        yield "</article>"
    yield "</div>"


def _mistakes(one: Inspected, symbols: Sequence[str]) -> Iterator[str]:
    assert one.views is not None
    yield '<div class="wide"><table><caption>The least expected symbols</caption>'
    yield "<thead><tr><th>after<th>came<th>bits<th>place</tr></thead><tbody>"
    for mistake in one.views["mistakes"]:
        place = mistake["position"]
        before, came = seen("".join(symbols[max(0, place - 24) : place])[-24:]), seen(symbols[place])
        yield (
            f"<tr><td class=mono><bdi>{escape(before)}</bdi><td class=mono><bdi>{escape(came)}</bdi>"
            f'<td>{mistake["bits"]:.1f}<td><a href="#surprise:{place}">{place:,}</a></tr>'
        )
    yield "</tbody></table></div>"


def _figures(report: Report, name: str, figures: list[Any]) -> Iterator[str]:
    for one in report.models:
        page = one.page(name)
        for figure in page.figures if page else ():
            title, content = as_data(figure)
            prefix = f"<b>{escape(one.name)}:</b> " if len(report.models) > 1 else ""
            yield (
                f'<figure data-figure="{len(figures)}"><figcaption>{prefix}{escape(title)}</figcaption>'
                '<div class="wide"><div class="plot"></div></div></figure>'
            )
            figures.append(content)
