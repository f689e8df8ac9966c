"""Single units: what they do over a text, and which of them follow a pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import DataError, SettingError
from unrolled.inspection.figures import drawing, visible
from unrolled.inspection.patterns import PATTERNS, Pattern
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Text, at_rest, call_of, characters_of, places_of
from unrolled.inspection.windows import Trajectory
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]

_ACROSS = 80
_SCALE = ((0.0, "#2f6fb5"), (0.5, "#ffffff"), (1.0, "#c8501e"))
_MOST_SHOWN = 2400


@dataclass(frozen=True)
class Unit:
    """A unit by its place: layer and direction, state, number."""

    layer: str
    state: str
    number: int

    def __str__(self) -> str:
        return f"{self.layer} {self.state}[{self.number}]"


@dataclass(frozen=True)
class Activity(Finding):
    """One unit over a text: `values[t]` (n,) is its state after the t-th symbol was read."""

    unit: Unit
    characters: tuple[str, ...]
    values: Array

    def figure(self) -> Figure:
        """The text coloured by the unit's value: blue below, red above zero (its first 2,400 symbols)."""
        share = float((self.values > 0).mean())
        return text_figure(
            f"{self.unit}: above zero on {share:.0%} of the text", self.characters, self.values
        )


@dataclass(frozen=True)
class Match(Finding):
    """A unit that follows a pattern.

    `correlation` with the pattern on the first part of the text, on which units were ranked, and `held_out` on the
    rest. `auc`, of a pattern of zeros and ones: how probable it is that the unit is larger at a one than at a zero, on
    the held-out part; below a half for a unit that falls at ones (negative correlation). Else NaN.
    """

    unit: Unit
    correlation: float
    held_out: float
    auc: float
    activity: Activity
    pattern: str

    def figure(self) -> Figure:
        """The text coloured by the unit's value."""
        auc = f", AUC {self.auc:.2f}" if np.isfinite(self.auc) else ""
        title = (
            f"{self.unit} follows “{self.pattern}”: correlation {self.held_out:+.2f} on text held out{auc}"
        )
        return text_figure(title, self.activity.characters, self.activity.values)


@dataclass(frozen=True)
class Neurons(Finding):
    """The units that follow each pattern best, by the name of the pattern; `units` is how many were looked at.

    `skipped` names the patterns that do not change within one of the two parts of the text.
    """

    matches: Mapping[str, tuple[Match, ...]]
    skipped: tuple[str, ...]
    units: int
    split: int

    def summary(self) -> str:
        """One line for each pattern: its best unit."""
        lines = []
        for name, found in self.matches.items():
            best = found[0]
            auc = f", AUC {best.auc:.2f}" if np.isfinite(best.auc) else ""
            lines.append(f"{name}: {best.unit}, correlation {best.held_out:+.2f} held out{auc}")
        return "\n".join(lines)

    def figure(self) -> Figure:
        """The correlation of the best unit of each pattern, where it was found and on the text held out."""
        best = {name: found[0] for name, found in self.matches.items()}
        figure = drawing(self._title(), "absolute correlation of the best unit", "", barmode="group")
        labels = [f"{name}  ({match.unit})" for name, match in best.items()]
        for name, values, shade in (
            ("where it was found", [abs(m.correlation) for m in best.values()], "#b9c9de"),
            ("on text held out", [abs(_held(m)) for m in best.values()], "#1f4e8c"),
        ):
            figure.add_bar(x=values, y=labels, orientation="h", name=name, marker_color=shade)
        figure.update_xaxes(range=[0, 1])
        figure.update_yaxes(autorange="reversed")
        figure.update_layout(margin_l=290, height=130 + 55 * max(1, len(best)))
        return figure

    def _title(self) -> str:
        if not self.matches:
            return "No pattern changes within this text"
        name, found = max(self.matches.items(), key=lambda item: abs(_held(item[1][0])))
        best = f"{found[0].unit} follows {name}, correlation {found[0].held_out:+.2f} on text held out"
        return f"Best of {self.units} units: {best}"


def _held(match: Match) -> float:
    """The correlation on the text held out; 0 where the unit went the other way before."""
    return match.held_out if match.held_out * match.correlation > 0 else 0.0


def activities(model: LanguageModel, text: Text) -> tuple[list[Unit], Array]:
    """Every unit of every state, and their values (n, units) after each symbol of a text was read."""
    # The model reads <eos> first, and never the last symbol of what it scores: one more makes it read all n.
    characters = characters_of(model, text)
    ids = model.vocabulary.encode(text) if isinstance(text, str) else torch.as_tensor(text).numpy()
    longer = torch.as_tensor(np.append(ids, 0))
    units, columns = [], []
    with at_rest(model):
        whole = Trajectory(call_of(model, longer))
    for name in model.cell.states:
        for index, layer in enumerate(model.recurrent._names()):
            values = whole.states(name, index)[1:]
            units += [Unit(layer, name, number) for number in range(values.shape[1])]
            columns.append(values.double().numpy())
    found = np.concatenate(columns, 1)
    assert len(found) == len(characters)
    return units, found


def activity(
    model: LanguageModel, text: Text, unit: int, layer: str = "l0", state: str | None = None
) -> Activity:
    """What one unit does over a text; of the cell's first state if none is named.

    Raises:
        SettingError: a unit, layer or state that is not there.
    """
    units, values = activities(model, text)
    wanted = Unit(layer, model.cell.states[0] if state is None else state, unit)
    if wanted not in units:
        layers = ", ".join(model.recurrent._names())
        states = ", ".join(model.cell.states)
        raise SettingError(
            f"there is no unit {wanted}; the layers are {layers}, the states {states}. Use one of these."
        )
    return Activity(wanted, characters_of(model, text), values[:, units.index(wanted)])


def neurons(
    model: LanguageModel,
    text: str,
    patterns: Mapping[str, Pattern] | None = None,
    *,
    best: int = 3,
    share: float = 0.5,
) -> Neurons:
    """The units that follow patterns in a text best.

    All units of all states are ranked by the absolute correlation with each pattern on the first part of the text; what
    is said of them is then measured on the rest: of hundreds of units some correlate with anything by chance.

    Args:
        model: the language model.
        text: long enough for the patterns to come and go in both parts.
        patterns: by name, functions from the text (n characters) to a number for each; `patterns.PATTERNS` by default.
        best: units for each pattern.
        share: of the text on which units are ranked.

    Raises:
        DataError: a text of fewer than 4 symbols.
        SettingError: best below one, a share outside of 0 to 1, a pattern with the wrong number of values.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola "]), "gru", hidden_size=8)
        >>> found = neurons(model, "hola ola la hola o la " * 5)
        >>> len(found.matches["position in the word"])
        3

    Paper: Karpathy et al. 2015, Visualizing and understanding recurrent networks (arXiv:1506.02078).
    """
    if best < 1 or not 0 < share < 1:
        raise SettingError(
            f"best must be 1 or more and share between 0 and 1, got {best} and {share}. Correct them."
        )
    characters = characters_of(model, text)
    count = len(characters)
    if count < 4:
        raise DataError(f"the text must have 4 symbols or more, got {count}; give a longer one")
    units, values = activities(model, text)
    places = places_of(model, text)
    split = min(max(2, round(share * count)), count - 2)
    matches, skipped = {}, []
    for name, pattern in (PATTERNS if patterns is None else patterns).items():
        wanted = _values_of(name, pattern, text)[places]
        if any(part.min() == part.max() for part in (wanted[:split], wanted[split:])):
            skipped.append(name)
            continue
        first, rest = (
            _correlations(values[:split], wanted[:split]),
            _correlations(values[split:], wanted[split:]),
        )
        order = np.argsort(-np.abs(first), kind="stable")[:best]
        binary = bool(np.isin(wanted, (0, 1)).all())
        matches[name] = tuple(
            Match(
                units[i],
                float(first[i]),
                float(rest[i]),
                auc(values[split:, i], wanted[split:] > 0) if binary else float("nan"),
                Activity(units[i], characters, values[:, i]),
                name,
            )
            for i in order
        )
    return Neurons(matches, tuple(skipped), len(units), split)


def _values_of(name: str, pattern: Pattern, text: str) -> Array:
    values = np.asarray(pattern(text), dtype=np.float64)
    if values.shape != (len(text),):
        raise SettingError(
            f"the pattern {name!r} must give one number for each of {len(text)} characters, got {values.shape}. "
            "Correct it."
        )
    return values


def _correlations(values: Array, pattern: Array) -> Array:
    """Pearson's, of every column (n, units) with (n,); 0 for a column that does not change."""
    columns, wanted = values - values.mean(0), pattern - pattern.mean()
    sizes = np.sqrt((columns**2).sum(0) * (wanted**2).sum())
    still = np.ptp(values, 0) == 0
    found: Array = np.where(still, 0.0, (columns * wanted[:, None]).sum(0) / np.where(still, 1.0, sizes))
    return found


def auc(values: Array, marked: NDArray[np.bool_]) -> float:
    """The probability that a value at a mark is larger than one elsewhere; ties count half."""
    order = np.sort(values)
    # The mean rank of equal values, counted from 1.
    ranks = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right") + 1) / 2
    ones = int(marked.sum())
    zeros = len(values) - ones
    return float((ranks[marked].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def text_figure(title: str, characters: Sequence[str], values: Array) -> Figure:
    """A text in lines, each symbol coloured by a value around zero."""
    from plotly.graph_objects import Heatmap

    number = min(len(characters), _MOST_SHOWN)
    empty = -number % _ACROSS
    most = float(np.abs(values[:number]).max()) or 1.0
    text = [visible(symbol) for symbol in characters[:number]] + [""] * empty
    figure = drawing(title)
    figure.add_trace(
        Heatmap(
            z=np.append(values[:number], np.full(empty, np.nan)).reshape(-1, _ACROSS),
            text=np.array(text, dtype=object).reshape(-1, _ACROSS),
            texttemplate="%{text}",
            textfont={"family": "monospace", "size": 12},
            hovertemplate="%{text}: %{z:.3f}<extra></extra>",
            colorscale=_SCALE,
            zmin=-most,
            zmax=most,
            xgap=1,
            ygap=1,
            colorbar={"title": "state"},
        )
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, autorange="reversed")
    height = 110 + 22 * (-(-number // _ACROSS))
    figure.update_layout(height=height, width=1250, margin={"l": 20, "r": 20, "t": 60, "b": 20})
    return figure
