"""The gates of a cell that decide how much of a state stays, found in its graph by what they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from unrolled.equations import Graph


@dataclass(frozen=True)
class Bias:
    """A learned vector, or one of `count` equal parts of it, that is added into a gate with a sign."""

    name: str
    sign: int
    index: int = 0
    count: int = 1

    def within(self, values: Mapping[str, Tensor]) -> Tensor:
        """The entries of the bias, as a view."""
        return values[self.name].chunk(self.count)[self.index]


@dataclass(frozen=True)
class Gate:
    """A gate and its biases: `opens` is 1 if a high bias means keeping (or writing), -1 if it means the opposite."""

    biases: tuple[Bias, ...]
    opens: int = 1

    def set(self, values: Mapping[str, Tensor], bias: Tensor | float) -> None:
        """Give the gate a bias: its first one takes all of it, the others of the sum are 0."""
        first, *others = self.biases
        part = first.within(values)
        part.copy_(self.opens * first.sign * (bias if isinstance(bias, Tensor) else part.new_tensor(bias)))
        for other in others:
            other.within(values).zero_()


@dataclass(frozen=True)
class Keeper:
    """What decides how much of `state` stays, and the gates of their own through which something new is written."""

    state: str
    keeps: tuple[Gate, ...]
    writes: tuple[Gate, ...]


def keepers(graph: Graph) -> list[Keeper]:
    """The gates that keep a state, by state, in a simplified graph without labels.

    Found are, with logistic gates f, i and z,

        s_t = f * s_{t-1} + ...               s_t = (1 - z) * s_{t-1} + ...
        s_t = s_{t-1} + z * (... - s_{t-1})   s_t = f / (f + i) * s_{t-1} + ...

    Gates without a bias are found too, with no entries in `biases`.
    """
    return list(_Search(graph).keepers())


Opening = tuple[int, int]  # the position of a logistic gate, and whether it keeps when it is open


class _Search:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.nodes = graph, graph.nodes

    def keepers(self) -> Iterator[Keeper]:
        for name, new in zip(self.graph.signature.states, self.graph.next_states, strict=True):
            if self.nodes[new].operation != "sum":
                continue
            state = self.graph.leaf[name]
            terms = [
                position
                for position, sign in zip(self.nodes[new].operands, self.nodes[new].value, strict=True)
                if sign > 0
            ]
            openings = list(dict.fromkeys(self._openings(terms, state)))
            if openings:
                known = {gate for gate, _ in openings}
                writes = dict.fromkeys(self._writes(terms, state, known))
                yield Keeper(
                    name,
                    tuple(Gate(self._biases(gate), opens) for gate, opens in openings),
                    tuple(Gate(self._biases(gate)) for gate in writes),
                )

    def _openings(self, terms: list[int], state: int) -> Iterator[Opening]:
        """The gates on the state itself."""
        for term in terms:
            factors = self._factors(term)
            if state in factors and len(factors) > 1:
                yield from (found for i in factors if (found := self._opening(i)))
            elif state in terms and any(self._takes_away(i, state) for i in factors):
                yield from ((i, -1) for i in factors if self._is_gate(i))

    def _opening(self, factor: int) -> Opening | None:
        if self._is_gate(factor):
            return factor, 1
        node = self.nodes[factor]
        if node.operation == "sum" and sorted(node.value) == [-1, 1]:
            one, gate = (node.operands[node.value.index(sign)] for sign in (1, -1))
            if self.nodes[one].value == 1 and self._is_gate(gate):
                return gate, -1
        share = self._share(factor)
        return None if share is None else (share[0], 1)

    def _share(self, factor: int) -> tuple[int, int] | None:
        """The gates a and b of a / (a + b)."""
        node = self.nodes[factor]
        if node.operation != "divide":
            return None
        gate, total = node.operands
        parts = self.nodes[total]
        if parts.operation != "sum" or parts.value != (1, 1) or gate not in parts.operands:
            return None
        other = parts.operands[1 - parts.operands.index(gate)]
        return (gate, other) if self._is_gate(gate) and self._is_gate(other) else None

    def _takes_away(self, factor: int, state: int) -> bool:
        node = self.nodes[factor]
        return node.operation == "sum" and (state, -1) in zip(node.operands, node.value, strict=True)

    def _writes(self, terms: list[int], state: int, known: set[int]) -> Iterator[int]:
        """The gates on the other terms, those left out that also keep."""
        for term in terms:
            factors = self._factors(term)
            if state in factors:
                continue
            for factor in factors:
                share = self._share(factor)
                gate = share[0] if share else factor
                if self._is_gate(gate) and gate not in known:
                    yield gate

    def _factors(self, position: int) -> list[int]:
        """The factors of a product entry by entry, or the value itself."""
        node = self.nodes[position]
        if node.operation != "multiply":
            return [position]
        return [factor for operand in node.operands for factor in self._factors(operand)]

    def _is_gate(self, position: int) -> bool:
        return self.nodes[position].operation == "sigmoid"

    # --- biases ----------------------------------------------------------------------------------

    def _biases(self, gate: int) -> tuple[Bias, ...]:
        return tuple(self._added(self.nodes[gate].operands[0], 1))

    def _added(self, position: int, sign: int) -> Iterator[Bias]:
        """The learned vectors that are added up in a value."""
        node = self.nodes[position]
        if node.operation == "sum":
            for operand, own in zip(node.operands, node.value, strict=True):
                yield from self._added(operand, sign * own)
        elif node.operation == "negative":
            yield from self._added(node.operands[0], -sign)
        elif node.operation == "parameter" and len(self.graph.shapes[position]) == 1:
            yield Bias(node.value, sign)
        elif node.operation == "part":
            index, count = node.value
            for bias in self._added(node.operands[0], sign):
                if bias.count == 1:
                    yield Bias(bias.name, bias.sign, index, count)
