"""What all figures share: how they look, and how names and numbers are written on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#1f4e8c", "#c8501e", "#2a7f4f", "#7b4ba0", "#b8860b", "#3d8ea8", "#a03050", "#5a5a5a")
"""One for each line; after the last they begin again."""
SCALE = ((0.0, "#ffffff"), (0.35, "#fde3c4"), (0.7, "#f08a4b"), (1.0, "#a3260f"))
"""From nothing to the largest."""


def drawing(title: str, x: str = "", y: str = "", **layout: Any) -> Figure:
    """An empty figure with a title that says the finding, and named axes."""
    from plotly.graph_objects import Figure

    figure = Figure()
    dressed(figure, title)
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    figure.update_layout(**layout)
    return figure


def dressed(figure: Figure, title: str, **layout: Any) -> Figure:
    """A figure in the look of all of them."""
    figure.update_layout(
        title={"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 16}},
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 70, "r": 30, "t": 60, "b": 55},
        legend={"bgcolor": "rgba(255,255,255,0.8)"},
        **layout,
    )
    return figure


def colour(number: int) -> str:
    """The colour of the line with this number."""
    return COLOURS[number % len(COLOURS)]


def faded(number: int, share: float = 0.15) -> str:
    """The same colour, nearly transparent."""
    red, green, blue = (int(colour(number)[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def visible(symbol: str) -> str:
    """A symbol as it is shown in a figure: what would not be seen gets a sign, and mark-up none of its meaning."""
    signs = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "<": "&lt;", ">": "&gt;", "&": "&amp;"}
    if len(symbol) > 1:
        return "".join(visible(character) for character in symbol)
    return signs.get(symbol, symbol if symbol.isprintable() else f"U+{ord(symbol):04X}")
