"""What a report holds: for each model, pages with a verdict, numbers and figures, and what its text views show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TITLES = {
    "gradient": "Gradient flow",
    "spectrum": "Spectrum",
    "gates": "Gates",
    "memorization": "Memorization",
    "neurons": "Neurons",
    "surprise": "Surprise",
    "truncation": "Truncation",
}
"""All pages but the overview, in their order, by the name in the address (`report.html#gates`)."""


@dataclass(frozen=True)
class Page:
    """What one kind of inspection found in one model: a sentence, numbers for JSON, figures."""

    name: str
    verdict: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Inspected:
    """One model: lines about it (name, value), its equations, its pages, the arrays its text views draw, and the text
    they stand over, a piece for each symbol."""

    name: str
    about: tuple[tuple[str, str], ...]
    equations: str
    pages: tuple[Page, ...]
    views: Mapping[str, Any] | None = None
    symbols: tuple[str, ...] = ()

    def page(self, name: str) -> Page | None:
        """The page of this name, if the model has one."""
        return next((page for page in self.pages if page.name == name), None)
