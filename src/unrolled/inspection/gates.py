"""What the gates of a cell do on a text: how open they are, how often saturated, and how long they remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.equations.graph import Graph
from unrolled.errors import SettingError
from unrolled.inspection.figures import colour, drawing, dressed
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Model, Text, at_rest, call_of
from unrolled.layers.state import State

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]

CLOSED, OPEN = 0.1, 0.9
"""A gate below the first is closed, above the second open: saturated, both."""
BINS = 50


@dataclass(frozen=True)
class Gate(Finding):
    """One gate of one layer and direction, over all steps and rows.

    `counts` (50,) in equal bins from 0 to 1; `mean`; `closed` and `opened`, the share of values below 0.1 and above
    0.9, `closed_by_unit` and `opened_by_unit` (H,) the same of each unit. `keeps` is the state whose value of the step
    before it multiplies on the way to the next value (`keeps_by` says how: "f" or "1 - z"), and then
    `time_constants` (H,) has -1 / mean(ln f) in steps: after so many a share 1/e is left. Else None.
    """

    layer: str
    name: str
    counts: NDArray[np.int64]
    mean: float
    closed: float
    opened: float
    closed_by_unit: Array
    opened_by_unit: Array
    keeps: str | None = None
    keeps_by: str | None = None
    time_constants: Array | None = None

    def summary(self) -> str:
        """In one line."""
        line = f"{self.layer} {self.name}: mean {self.mean:.2f}, open {self.opened:.0%}, closed {self.closed:.0%}"
        if self.time_constants is None:
            return line
        low, middle, high = np.quantile(self.time_constants, (0.1, 0.5, 0.9))
        return f"{line}; {self.keeps} kept for {middle:.1f} steps (10 % of units {low:.1f}, 90 % {high:.1f})"


@dataclass(frozen=True)
class Gates(Finding):
    """The gates of all layers; `steps` is how many steps of all rows were seen."""

    gates: tuple[Gate, ...]
    steps: int

    def summary(self) -> str:
        """One line for each gate."""
        return "\n".join(gate.summary() for gate in self.gates)

    def figure(self) -> Figure:
        """A histogram for each gate, a row of them for each layer."""
        from plotly.subplots import make_subplots

        layers = list(dict.fromkeys(gate.layer for gate in self.gates))
        names = list(dict.fromkeys(gate.name for gate in self.gates))
        if not self.gates:
            return drawing("This cell has no gate with a name")
        titles = [self._title(layer, name) for layer in layers for name in names]
        figure = make_subplots(rows=len(layers), cols=len(names), subplot_titles=titles, shared_xaxes=True)
        centres = (np.arange(BINS) + 0.5) / BINS
        for gate in self.gates:
            row, column = layers.index(gate.layer) + 1, names.index(gate.name) + 1
            share = gate.counts / max(1, gate.counts.sum()) * 100
            bars = {"marker_color": colour(column - 1), "showlegend": False, "name": gate.name}
            figure.add_bar(x=centres, y=share, width=1 / BINS, row=row, col=column, **bars)
        figure.update_xaxes(range=[0, 1])
        figure.update_xaxes(title="value of the gate", row=len(layers))
        figure.update_yaxes(title="% of values", col=1)
        dressed(figure, self._finding(), bargap=0, height=90 + 260 * len(layers))
        figure.update_layout(margin_t=90)
        return figure

    def time_figure(self) -> Figure:
        """The time constants of the gates that keep a state, unit by unit from the shortest."""
        keeping = [gate for gate in self.gates if gate.time_constants is not None]
        figure = drawing(self._finding(), "share of the units, %", "time constant, steps")
        for number, gate in enumerate(keeping):
            assert gate.time_constants is not None
            values = np.sort(gate.time_constants)
            share = 100 * (np.arange(len(values)) + 0.5) / len(values)
            line = {"color": colour(number), "width": 2}
            figure.add_scatter(x=share, y=values, name=f"{gate.layer} {gate.name}", line=line, mode="lines")
        figure.update_yaxes(type="log")
        return figure

    def _title(self, layer: str, name: str) -> str:
        gate = next((g for g in self.gates if (g.layer, g.name) == (layer, name)), None)
        return "" if gate is None else f"{layer} {name}: {gate.opened:.0%} open, {gate.closed:.0%} closed"

    def _finding(self) -> str:
        keeping = [gate for gate in self.gates if gate.time_constants is not None]
        if not keeping:
            return "No gate of this cell keeps a state"
        longest = max(keeping, key=lambda gate: float(np.median(_times(gate))))
        middle, high = np.quantile(_times(longest), (0.5, 0.9))
        kept = f"keep {longest.keeps} for {middle:.1f} steps or more, a tenth for {high:.0f}"
        return f"Half of the units of {longest.layer} {kept}"


def _times(gate: Gate) -> Array:
    assert gate.time_constants is not None
    return gate.time_constants


def gates(
    model: Model,
    data: Text | Tensor,
    *,
    state: State | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> Gates:
    """What every gate of a cell does: the local values that a sigmoid computes, and those that multiply a state.

    A sigmoid without a name whose operand has one is found too, as `sigmoid(f)`. A gate keeps a state where it, or one
    minus it, multiplies the state of the step before and the product is added into the next: f of an LSTM, 1 - z of a
    GRU, but not r, which multiplies within a matrix product.

    Args:
        model, data, state, resets, static: a language model and a text, or a layer and a call of it, as for
            `gradient_flow`.

    Raises:
        SettingError: the input has no steps.

    Example:
        >>> from unrolled import Recurrent
        >>> found = gates(Recurrent("gru", 3, 5), torch.randn(20, 2, 3))
        >>> [(gate.name, gate.keeps_by) for gate in found.gates]
        [('z', '1 - z'), ('r', None)]

    Paper: Karpathy et al. 2015 (arXiv:1506.02078); time constants: Tallec and Ollivier 2018 (arXiv:1804.11188).
    """
    call = call_of(model, data, state, resets, static)
    if call.steps * call.rows == 0:
        raise SettingError("the input must have a step or more, got none. Give a longer one.")
    kinds = found_in(call.layer.cell.graph)
    if not kinds:
        return Gates((), call.steps * call.rows)
    records = recorded(model, data, tuple(dict.fromkeys(kind.label for kind in kinds)), state, resets, static)
    found = []
    for index, layer in enumerate(call.layer._names()):
        for kind in kinds:
            values = records[kind.label][index].flatten(0, 1).double().cpu().numpy()
            found.append(_gate(layer, kind, _sigmoid(values) if kind.squashed else values))
    return Gates(tuple(found), call.steps * call.rows)


@torch.no_grad()
def recorded(
    model: Model,
    data: Text | Tensor,
    names: tuple[str, ...],
    state: State | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> dict[str, list[Tensor]]:
    """Values by their names in the equations at every step: a (T, B, n) for each layer and direction."""
    call = call_of(model, data, state, resets, static)
    turned = call.layer.batch_first
    x, cuts = (
        None if value is None else value.transpose(0, 1) if turned else value
        for value in (call.x, call.resets)
    )
    steps = None
    if call.layer.input_size == 0:
        x, steps = None, call.steps
    with at_rest(model):
        *_, records = call.layer(x, call.state, resets=cuts, static=call.static, steps=steps, record=names)
    return {name: [v.transpose(0, 1) if turned else v for v in values] for name, values in records.items()}


def _gate(layer: str, kind: Kind, values: Array) -> Gate:
    """From its values (N, H)."""
    constants = None
    if kind.keeps is not None:
        kept = 1 - values if kind.inverted else values
        with np.errstate(divide="ignore"):
            constants = -1 / np.log(kept.clip(np.finfo(np.float64).tiny)).mean(0)
        constants = np.abs(constants)  # of a gate that is 1 throughout: not minus infinity
    by = None if kind.keeps is None else f"1 - {kind.name}" if kind.inverted else kind.name
    return Gate(
        layer,
        kind.name,
        np.histogram(values, BINS, (0.0, 1.0))[0].astype(np.int64),
        float(values.mean()),
        float((values < CLOSED).mean()),
        float((values > OPEN).mean()),
        (values < CLOSED).mean(0),
        (values > OPEN).mean(0),
        kind.keeps,
        by,
        constants,
    )


def _sigmoid(values: Array) -> Array:
    e = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + e), e / (1 + e))


# --- what a gate is ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A gate in the equations: its name, the label to record, whether a sigmoid comes on top, and what it keeps."""

    name: str
    label: str
    squashed: bool = False
    keeps: str | None = None
    inverted: bool = False


def found_in(graph: Graph) -> list[Kind]:
    """The gates of a cell, in the order they are computed."""
    labels: dict[int, str] = {}
    for name, position in graph.labels:
        labels.setdefault(position, name)
    results = {graph.output, *graph.next_states}
    factors = _factors(graph)
    found = []
    for i, node in enumerate(graph.nodes):
        keeps, inverted = factors.get(i, (None, False))
        if node.operation == "every":
            continue  # a clock: it says when, and nothing is learned
        if i in labels and (keeps is not None or (node.operation == "sigmoid" and i not in results)):
            found.append(Kind(labels[i], labels[i], False, keeps, inverted))
        elif node.operation == "sigmoid" and i not in results and node.operands[0] in labels:
            label = labels[node.operands[0]]
            found.append(Kind(f"sigmoid({label})", label, True, keeps, inverted))
    return found


def _factors(graph: Graph) -> dict[int, tuple[str | None, bool]]:
    """By node: the state whose next value has it as a factor of the value before, and whether as one minus it."""
    found: dict[int, tuple[str | None, bool]] = {}
    for state, position in zip(graph.signature.states, graph.next_states, strict=True):
        terms = list(_terms(graph, position))
        leaf = graph.leaf[state]
        for i in terms:
            node = graph.nodes[i]
            if node.operation != "multiply":
                continue
            for factor, other in (node.operands, node.operands[::-1]):
                if other == leaf:
                    found.update(_as_factor(graph, factor, state))
                elif leaf in terms and _is_difference(graph, other, leaf):
                    found[factor] = (state, True)  # h + z * (candidate - h)
    return found


def _terms(graph: Graph, position: int) -> list[int]:
    """What is added up to a value."""
    node = graph.nodes[position]
    if node.operation == "add":
        return [i for operand in node.operands for i in _terms(graph, operand)]
    return _terms(graph, node.operands[0]) if node.operation == "subtract" else [position]


def _as_factor(graph: Graph, factor: int, state: str) -> dict[int, tuple[str | None, bool]]:
    node = graph.nodes[factor]
    if node.operation == "subtract" and graph.nodes[node.operands[0]].operation == "number":
        if graph.number(node.operands[0]) == 1:
            return {node.operands[1]: (state, True)}
    return {factor: (state, False)}


def _is_difference(graph: Graph, position: int, leaf: int) -> bool:
    node = graph.nodes[position]
    return node.operation == "subtract" and node.operands[1] == leaf
