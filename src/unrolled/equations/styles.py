"""The same equations in other notations."""

from __future__ import annotations

from unrolled.equations.graph import Graph
from unrolled.errors import SettingError

STYLES = ("separate", "stacked", "gates")


def restyled(graph: Graph, style: str) -> Graph:
    """The graph of the same equations written in another style."""
    if style not in STYLES:
        raise SettingError(f"style must be one of {', '.join(STYLES)}, got {style!r}. Choose one of these.")
    return graph
