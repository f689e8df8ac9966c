"""Figures of the report: the course over training, and any figure as the page needs it."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.inspection.course import Course

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_LINES = 8


def course_figures(course: Course) -> tuple[list[Figure], list[Figure]]:
    """How far the gradient reached while it was trained, and how large the spectral radii were."""
    memory = [name for name in course.values if name.endswith(" memory")]
    radii = [name for name in course.values if name.endswith(" radius")]
    radii = sorted(radii, key=lambda name: -float(np.nan_to_num(course.values[name][-1])))[:_MOST_LINES]
    found: tuple[list[Figure], list[Figure]] = ([], [])
    if not len(course.updates):
        return found
    if memory:
        title = "The reach of the gradient while it was trained: the lag where a tenth is left"
        found[0].append(course.figure(*memory, title=title, y="steps"))
    if radii:
        title = "Spectral radii while it was trained"
        found[1].append(course.figure(*radii, title=title, y="spectral radius"))
    return found


def titled(figure: Figure, title: str) -> Figure:
    """A figure that says what it shows: its finding stands above it on the page."""
    return figure.update_layout(title_text=title)


def plane(figure: Figure) -> Figure:
    """A figure of the complex plane that does not reach far beyond its points."""
    return figure.update_xaxes(constrain="domain").update_layout(height=560)


def as_data(figure: Figure) -> tuple[str, dict[str, Any]]:
    """The title, which the page prints itself, and the rest of a figure as plain data."""
    content: dict[str, Any] = json.loads(figure.to_json())
    layout = content["layout"]
    title = layout.pop("title", {}).get("text", "")
    layout["margin"] = {**layout.get("margin", {}), "t": 40 if layout.get("annotations") else 16}
    layout.pop("width", None)
    return html.unescape(title), content
