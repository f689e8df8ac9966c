"""The same as a page: one HTML file with its charts inside, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from benchmarks.competitors import COMPETITORS
from benchmarks.report import Table, heading, label, left_out, tables

# By competitor, so that one colour means one thing in every chart; apart for colour-blind eyes (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#999999", "#CC79A7", "#009E73", "#D55E00")


def write_page(found: dict[str, Any], path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The page as text."""
    charts = "".join(_figure(figure) for figure in figures(found))
    notes = "".join(f"<p class=note>{escape(line)}</p>" for line in heading(found))
    missing = "".join(f"<p class=note>left out: {escape(line)}</p>" for line in left_out(found))
    shown = "".join(map(_table, tables(found)))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Benchmarks of unrolled</title><style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<main><h1>Benchmarks of unrolled</h1>{notes}{charts}{shown}{missing}</main></html>\n"
    )


def figures(found: dict[str, Any]) -> list[go.Figure]:
    """A chart of GF/s for each mode of dense and ragged batches that was run."""
    made = []
    for ragged in (False, True):
        for mode in ("forward", "training"):
            runs = [one for one in found["runs"] if one["ragged"] == ragged and one["mode"] == mode]
            if runs:
                title = f"{'Ragged' if ragged else 'Dense'} batches, {mode}"
                made.append(_bars(runs, title, found["peak"]["gigaflops"]))
    return made


def _bars(runs: list[dict[str, Any]], title: str, peak: float) -> go.Figure:
    figure = go.Figure()
    names = [f"<b>{one['cell']}</b> {label(one)}" for one in runs]
    for competitor, colour in zip(COMPETITORS, COLOURS, strict=True):
        results = [one["results"].get(competitor.name) for one in runs]
        if any(results):
            values = [result and result["gigaflops"] for result in results]
            hover = "%{y}<br>%{x:.0f} GF/s<extra>" + competitor.name + "</extra>"
            figure.add_bar(
                y=names,
                x=values,
                name=competitor.name,
                orientation="h",
                marker_color=colour,
                hovertemplate=hover,
            )
    figure.add_vline(x=peak, line_dash="dot", line_color="#444")
    figure.add_annotation(
        x=peak, y=1, yref="paper", yanchor="bottom", text=f"peak {peak:.0f} GF/s", showarrow=False
    )
    bars = sum(len(one["results"]) for one in runs)
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "container", "pad": {"l": 10}},
        template="plotly_white",
        height=190 + 14 * bars + 14 * len(runs),
        bargap=0.25,
        margin={"l": 10, "r": 30, "t": 90, "b": 50},
        legend={"orientation": "h", "traceorder": "normal", "x": 0, "y": 1, "yanchor": "bottom"},
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title="GF/s, multiply-adds of the matrices", rangemode="tozero", automargin=True)
    return figure


def _figure(figure: go.Figure) -> str:
    return str(figure.to_html(include_plotlyjs=False, full_html=False, config={"displaylogo": False}))


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}" for name in table.head)
    rows = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' * (k >= table.numbers)}>{escape(cell)}" for k, cell in enumerate(row))
        for row in table.rows
    )
    return (
        f"<h2>{escape(table.title)}</h2><p>{escape(table.note)}</p>"
        f"<div class=wide><table><thead><tr>{head}<tbody>{rows}</table></div>"
    )


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 0 }
main { max-width: 1100px; margin: auto; padding: 1rem }
h2 { margin: 2rem 0 0 }
.note { color: #555; margin: .2rem 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; white-space: nowrap }
th { text-align: left; font-weight: 600; border-bottom: 1px solid #999 }
th, td { padding: .15rem .7rem .15rem 0 }
.n { text-align: right }
tbody tr:hover { background: #f2f6fa }
"""
