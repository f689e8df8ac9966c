"""Which cells are torch's own networks, whatever their names: LSTM, GRU, RNN, with two biases, one or none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from torch import Tensor

from unrolled.equations import Cell, Graph
from unrolled.equations.same import Pairing, pairing

HEAD = "@cell{sizes}\ndef {name}(x, {states}, *, {parameters}):\n    "
LSTM = """i = sigmoid({i})
    f = sigmoid({f})
    g = tanh({g})
    o = sigmoid({o})
    c = f * c + i * g
    return {h}, c
"""
GRU = """r = sigmoid({r})
    z = sigmoid({z})
    n = tanh({n})
    return (1 - z) * n + z * h
"""


@dataclass(frozen=True)
class Network:
    """One of torch's networks: the function that runs it, its gates in torch's order, and its equations."""

    function: str
    gates: str
    biases: int
    graph: Graph

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states, in torch's order."""
        return ("h", "c") if self.function == "lstm" else ("h",)


@dataclass(frozen=True)
class Match:
    """A cell that is one of torch's networks, and what stands where in it."""

    network: Network
    pairing: Pairing

    def state(self, name: str) -> str:
        """What the cell calls a state of the network."""
        return str(self.pairing.graph.nodes[self.pairing.partner[name]].value)

    def weights(self, given: Mapping[str, Tensor], letters: Mapping[str, int]) -> list[Tensor]:
        """Torch's stacked tensors (W_ih, W_hh, b_ih, b_hh, W_hr), those that the network has, from the cell's."""
        blocks = _Blocks(self.pairing.graph, given, letters)

        def stacked(letter: str) -> Tensor:
            return torch.cat(
                [blocks.value(self.pairing.partner.get(letter + gate)) for gate in self.network.gates]
            )

        found = [stacked("W"), stacked("U")]
        blocks.blank = found[0].new_zeros(len(found[0]) // len(self.network.gates))
        if self.network.biases:
            found += [stacked("b"), stacked("c")]
        return found + ([blocks.value(self.pairing.partner["V"])] if "V" in self.pairing.partner else [])


class _Blocks:
    """Parameters of a cell and blocks of them; `blank` stands for a bias that a cell does not have."""

    def __init__(self, graph: Graph, given: Mapping[str, Tensor], letters: Mapping[str, int]) -> None:
        self.graph, self.given, self.letters = graph, given, letters
        self.blank = torch.empty(0)

    def value(self, position: int | None) -> Tensor:
        """The value of a leaf or a block."""
        if position is None:
            return self.blank
        node = self.graph.nodes[position]
        if node.operation == "parameter":
            return self.given[str(node.value)]
        whole: Tensor = self.value(node.operands[0])
        if node.operation == "columns":
            start, stop = (size.value(self.letters) for size in node.value)
            return whole[:, start:stop]
        index, count = node.value
        block: Tensor = whole.chunk(count)[index]
        return block


def _gate(name: str, biases: int) -> str:
    return f"W{name} @ x + U{name} @ h" + ("", f" + b{name}", f" + b{name} + c{name}")[biases]


def _network(
    function: str, gates: str, biases: int, body: str, states: str, projection: bool = False
) -> Network:
    gate_of = {name: _gate(name, biases) for name in gates}
    if function == "gru":  # the candidate keeps its two biases apart
        gate_of["n"] = "Wn @ x + bn + r * (Un @ h + cn)" if biases else "Wn @ x + r * (Un @ h)"
    text = body.format(h="V @ (o * tanh(c))" if projection else "o * tanh(c)", **gate_of)
    head = HEAD.format(
        sizes='(sizes={"h": "projection"})' if projection else "",
        name=function,
        states=states,
        parameters=", ".join(dict.fromkeys(re.findall(r"\b[WUbc][a-z]\b|\bV\b", text))),
    )
    # As engines see it: schedules put sums in order.
    return Network(function, gates, biases, Cell.from_text(head + text).schedule().graph)


@cache
def networks() -> tuple[Network, ...]:
    """All of them."""
    found = []
    for biases in (1, 0, 2):
        found += [_network("lstm", "ifgo", biases, LSTM, "h, c", projection) for projection in (False, True)]
        found.append(_network("gru", "rzn", biases, GRU, "h"))
        found += [
            _network(f"rnn_{name}", "a", biases, f"return {name}({{a}})\n", "h") for name in ("tanh", "relu")
        ]
    return tuple(found)


@lru_cache(maxsize=256)
def match(graph: Graph) -> Match | None:
    """Which of torch's networks a cell is, if any."""
    for network in networks():
        found = pairing(graph, network.graph)
        if found is not None:
            return Match(network, found)
    return None
