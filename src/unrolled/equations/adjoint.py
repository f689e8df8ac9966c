"""Reverse mode on the graph itself: the backward pass of a cell is a cell in reversed time.

Its input is dL/dy, its states are what a step hands to earlier ones, one for every state and delay, and it reads
saved values of the forward run. The same scheduler runs it: only what carries the gradient from step to step is
in the loop, and weight gradients are products over all steps, after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from unrolled.equations.graph import Graph, Node, Shape, Signature
from unrolled.equations.groups import ranks, state_kinds
from unrolled.equations.saving import choose_saved
from unrolled.equations.schedule import Schedule, order_sums, plan
from unrolled.equations.simplify import Rewriter
from unrolled.equations.sizes import Size

GRADIENT = "gradient"  # of the output: the input of every backward cell


@dataclass(frozen=True)
class Adjoint:
    """The backward cell of `forward`. Positions named `after` are in `schedule.graph`.

    `saved`: (name of the leaf, forward position). `matrices`: dM is the sum over steps of d v', given as (forward
    leaf of M, d, v). `vectors` and `statics`: the sum over steps of a value. `forced`: the gradient of a forced state.
    `carried`: the (state, delay) that each of the backward cell's states belongs to. `gradients`: of forward
    positions, where the backward cell computes them.
    """

    forward: Graph
    schedule: Schedule
    saved: tuple[tuple[str, int], ...]
    carried: tuple[tuple[str, int], ...]
    gradients: tuple[tuple[int, int], ...]
    matrices: tuple[tuple[int, int, int], ...]
    vectors: tuple[tuple[int, int], ...]
    statics: tuple[tuple[int, int], ...]
    forced: tuple[tuple[str, int], ...]
    input: int | None

    def without_input(self) -> Adjoint:
        """The same backward cell when the gradient of the input is not wanted."""
        records = tuple((name, i) for name, i in self.schedule.records if name != "dx")
        return replace(self, schedule=plan(self.schedule.graph, (), records, output=False), input=None)

    @property
    def kept(self) -> frozenset[int]:
        """The forward positions that must be kept for the backward run; leaves stand for a state's sequence."""
        return frozenset(i for _, i in self.saved)


def adjoint(
    forward: Graph, forced: tuple[str, ...] = (), records: tuple[tuple[str, int], ...] = ()
) -> Adjoint:
    """The backward cell of an interior graph; `records` are further results that receive a gradient."""
    asked: set[int] = set()
    everything = {i for i, node in enumerate(forward.nodes) if forward.shapes[i]}
    _Reverse(forward, forced, records, everything, asked).build()
    return _Reverse(forward, forced, records, choose_saved(forward, asked), set()).build()


@dataclass
class _Results:
    """What a backward graph computes beside its carried states, by label."""

    matrices: list[tuple[int, int, int]] = field(default_factory=list)
    vectors: dict[int, list[int]] = field(default_factory=dict)
    statics: dict[int, list[int]] = field(default_factory=dict)


class _Reverse:
    """Builds one backward graph, node by node from the results to the leaves."""

    def __init__(
        self,
        forward: Graph,
        forced: tuple[str, ...],
        records: tuple[tuple[str, int], ...],
        saved: set[int],
        asked: set[int],
    ) -> None:
        self.forward = forward
        self.forced = forced
        self.records = records
        self.saved = saved
        self.asked = asked
        self.out = Rewriter()
        self.leaves: dict[str, int] = {}
        self.incoming: dict[int, list[tuple[int, int]]] = {}
        self.results = _Results()
        self.again: dict[int, int] = {}
        self.gradients: dict[int, int] = {}
        self.parts: dict[int, list[int | None]] = {}
        self.carried = self._carried()
        self.next = dict(zip(forward.signature.states, forward.next_states, strict=True))

    # --- the frame -------------------------------------------------------------------------------

    def _carried(self) -> list[tuple[str, int, int]]:
        """(state, delay, forward leaf) of everything a step reads from earlier ones."""
        read = {o for node in self.forward.nodes for o in node.operands if node.operation != "delayed"}
        read |= {self.forward.output, *self.forward.next_states}
        delayed = {name for name, deepest in self.forward.delays().items() if deepest > 1}
        leaves = {name: self.forward.leaf[name] for name in self.forward.signature.states}
        found = [(name, 1, leaf) for name, leaf in leaves.items() if leaf in read or name not in delayed]
        for i, node in enumerate(self.forward.nodes):
            if node.operation == "delayed":
                found.append((self.forward.nodes[node.operands[0]].value, self.forward.delay(node), i))
        return found

    def _signature(self) -> Signature:
        own = self.forward.signature
        states = tuple(self._state_names())
        gradients = tuple(f"d_{name}" for name, _ in self.records)
        saved = tuple(f"v{i}" for i in sorted(self.saved | {self.forward.leaf[own.input]}))
        return Signature(
            own.name + "_backward", GRADIENT, states, own.statics, own.parameters, saved=gradients + saved
        )

    def _state_names(self) -> list[str]:
        return [f"d{name}" if delay == 1 else f"d{name}_{delay}" for name, delay, _ in self.carried]

    def _leaf_shape(self, node: Node) -> Shape:
        forward, name = self.forward, str(node.value)
        if node.operation == "input":
            return forward.shapes[forward.output]
        if node.operation == "state":
            return forward.shapes[self.carried[self._state_names().index(name)][2]]
        if name.startswith("d_"):
            return forward.shapes[dict(self.records)[name[2:]]]
        if name.startswith("v"):
            return forward.shapes[int(name[1:])]
        return forward.shapes[forward.leaf[name]]

    def build(self) -> Adjoint:
        signature = self._signature()
        for node in signature.leaves():
            self.leaves[str(node.value)] = self.out.add(node, self._leaf_shape(node))
        self._begin(signature)
        for i in reversed(range(len(self.forward.nodes))):
            self._join(i)
            if i in self.incoming:
                self.gradients[i] = self._total(i)
                self._spread(i, self.gradients[i])
        return self._finish(signature)

    def _begin(self, signature: Signature) -> None:
        """The gradients that arrive: of the output, of records, and from later steps."""
        self._give(self.forward.output, self.leaves[GRADIENT])
        for name, position in self.records:
            self._give(position, self.leaves[f"d_{name}"])
        for state in dict.fromkeys(name for name, _, _ in self.carried):
            if state not in self.forced:
                self._give(self.next[state], self._arriving(state))

    def _arriving(self, state: str) -> int:
        """What later steps handed to this one, the latest first: where a run goes on from a carried state, their sum
        arrives with the state's own gradient, and this order gives the same bits."""
        handed = [
            (delay, self._handed(self.leaves[name], delay))
            for (own, delay, _), name in zip(self.carried, self._state_names(), strict=True)
            if own == state
        ]
        operands = tuple(value for _, value in sorted(handed, reverse=True))
        if len(operands) == 1:
            return operands[0]
        return self.out.add(Node("sum", operands, (1,) * len(operands)), self.out.shapes[operands[0]])

    def _handed(self, leaf: int, delay: int) -> int:
        """What one later step handed to this one: its state, `delay` steps ago in reversed time."""
        if delay == 1:
            return leaf
        steps = self.out.add(Node("number", (), float(delay)), ())
        return self.out.add(Node("delayed", (leaf, steps)), self.out.shapes[leaf])

    # --- arithmetic on gradients -----------------------------------------------------------------

    def _give(self, position: int, gradient: int, sign: int = 1) -> None:
        if self.forward.shapes[position]:  # numbers and bits of the clock receive none
            self.incoming.setdefault(position, []).append((gradient, sign))

    def _total(self, position: int) -> int:
        terms = self.incoming[position]
        if terms == [(terms[0][0], 1)]:
            return terms[0][0]
        operands, signs = zip(*terms, strict=True)
        if len(terms) == 1:
            return self._make("negative", operands[0])
        return self.out.add(Node("sum", operands, signs), self.forward.shapes[position])

    def _make(self, operation: str, *operands: int) -> int:
        shape = next((self.out.shapes[o] for o in operands if self.out.shapes[o]), ())
        return self.out.add(Node(operation, operands), shape)

    def _number(self, value: float) -> int:
        return self.out.add(Node("number", (), value), ())

    def _value(self, position: int) -> int:
        """A value of the forward run: from outside, saved, or computed again."""
        node = self.forward.nodes[position]
        if node.operation in ("parameter", "static"):
            return self.leaves[str(node.value)]
        if node.operation in ("number", "every"):
            return self.out.add(replace(node, operands=tuple(map(self._value, node.operands))),
                                self.forward.shapes[position])  # fmt: skip
        self.asked.add(position)
        if position in self.saved or node.operation == "input":
            return self.leaves[f"v{position}"]
        if position not in self.again:
            operands = tuple(self._value(o) for o in node.operands)
            self.again[position] = self.out.add(
                replace(node, operands=operands), self.forward.shapes[position]
            )
        return self.again[position]

    # --- one rule an operation -------------------------------------------------------------------

    def _spread(self, position: int, g: int) -> None:
        node = self.forward.nodes[position]
        rule: Callable[[int, Node, int], None] | None = getattr(self, f"_d_{node.operation}", None)
        if rule is not None:
            rule(position, node, g)

    def _d_sum(self, position: int, node: Node, g: int) -> None:
        for operand, sign in zip(node.operands, node.value, strict=True):
            self._give(operand, g, sign)

    def _d_negative(self, position: int, node: Node, g: int) -> None:
        self._give(node.operands[0], g, -1)

    def _d_multiply(self, position: int, node: Node, g: int) -> None:
        a, b = node.operands
        for mine, other in ((a, b), (b, a)):
            if self.forward.shapes[mine]:
                self._give(mine, self._make("multiply", g, self._value(other)))

    def _d_divide(self, position: int, node: Node, g: int) -> None:
        a, b = node.operands
        share = self._make("divide", g, self._value(b))
        self._give(a, share)
        if self.forward.shapes[b]:
            self._give(b, self._make("multiply", share, self._value(position)), -1)

    def _from_result(self, operation: str, position: int, node: Node, g: int) -> None:
        self._give(node.operands[0], self._make(operation, self._value(position), g))

    def _d_sigmoid(self, position: int, node: Node, g: int) -> None:
        self._from_result("dsigmoid", position, node, g)

    def _d_tanh(self, position: int, node: Node, g: int) -> None:
        self._from_result("dtanh", position, node, g)

    def _d_relu(self, position: int, node: Node, g: int) -> None:
        self._from_result("drelu", position, node, g)

    def _d_softmax(self, position: int, node: Node, g: int) -> None:
        self._from_result("dsoftmax", position, node, g)

    def _d_exp(self, position: int, node: Node, g: int) -> None:
        self._from_result("multiply", position, node, g)

    def _d_sqrt(self, position: int, node: Node, g: int) -> None:
        half = self._make("multiply", g, self._number(0.5))
        self._give(node.operands[0], self._make("divide", half, self._value(position)))

    def _d_log(self, position: int, node: Node, g: int) -> None:
        self._give(node.operands[0], self._make("divide", g, self._value(node.operands[0])))

    def _d_softplus(self, position: int, node: Node, g: int) -> None:
        slope = self._make("sigmoid", self._value(node.operands[0]))
        self._give(node.operands[0], self._make("multiply", g, slope))

    def _d_abs(self, position: int, node: Node, g: int) -> None:
        self._give(node.operands[0], self._make("dabs", self._value(node.operands[0]), g))

    def _d_layer_norm(self, position: int, node: Node, g: int) -> None:
        self._give(node.operands[0], self._make("dlayer_norm", self._value(node.operands[0]), g))

    def _d_maximum(self, position: int, node: Node, g: int) -> None:
        self._winner("dmaximum", node, g)

    def _d_minimum(self, position: int, node: Node, g: int) -> None:
        self._winner("dminimum", node, g)

    def _winner(self, operation: str, node: Node, g: int) -> None:
        a, b = node.operands
        for mine, other in ((a, b), (b, a)):
            if self.forward.shapes[mine]:
                self._give(mine, self._make(operation, self._value(mine), self._value(other), g))

    def _d_where(self, position: int, node: Node, g: int) -> None:
        condition, chosen, otherwise = node.operands
        test, zero = self._value(condition), self._number(0.0)
        if self.forward.shapes[chosen]:
            self._give(chosen, self.out.add(Node("where", (test, g, zero)), self.out.shapes[g]))
        if self.forward.shapes[otherwise]:
            self._give(otherwise, self.out.add(Node("where", (test, zero, g)), self.out.shapes[g]))

    def _d_concat(self, position: int, node: Node, g: int) -> None:
        start = Size(())
        for operand in node.operands:
            stop = start + self.forward.shapes[operand][0]
            self._give(
                operand, self.out.add(Node("piece", (g,), (start, stop)), self.forward.shapes[operand])
            )
            start = stop

    def _d_part(self, position: int, node: Node, g: int) -> None:
        """Parts are collected, and joined when their whole is reached."""
        index, count = node.value
        pieces = self.parts.setdefault(node.operands[0], [None] * count)
        pieces[index] = g

    def _join(self, position: int) -> None:
        """The gradients of the parts of a value, one after the other, zeros where a part received none."""
        pieces = self.parts.pop(position, None)
        if pieces is not None:
            size = self.forward.shapes[position][0].times(Fraction(1, len(pieces)))
            zeros = Node("zeros", (), size)
            filled = tuple(self.out.add(zeros, (size,)) if g is None else g for g in pieces)
            self._give(position, self.out.add(Node("concat", filled), self.forward.shapes[position]))

    def _d_matmul(self, position: int, node: Node, g: int) -> None:
        matrix, vector = node.operands
        rows, columns = self.forward.shapes[matrix]
        leaf = self.leaves[str(self.forward.nodes[matrix].value)]
        turned = self.out.add(Node("transpose", (leaf,)), (columns, rows))
        self._give(vector, self.out.add(Node("matmul", (turned, g)), (columns,)))
        self.results.matrices.append((matrix, g, self._value(vector)))

    def _d_parameter(self, position: int, node: Node, g: int) -> None:
        self.results.vectors[position] = [g]

    def _d_static(self, position: int, node: Node, g: int) -> None:
        self.results.statics[position] = [g]

    # --- the result ------------------------------------------------------------------------------

    def _finish(self, signature: Signature) -> Adjoint:
        next_states = []
        for _, _, leaf in self.carried:
            shape = self.forward.shapes[leaf]
            known = leaf in self.incoming
            next_states.append(
                self._total(leaf) if known else self.out.add(Node("zeros", (), shape[0]), shape)
            )
        labels = self._labels()
        size = self.out.shapes
        named = {**labels, **{f"g{i}": g for i, g in self.gradients.items()}}
        raw = Graph(signature, tuple(self.out.nodes), tuple(size), next_states[0], tuple(next_states),
                    tuple(sorted(named.items())))  # fmt: skip
        ordered = order_sums(raw, ranks(raw, state_kinds(raw, frozenset())))
        at = dict(ordered.labels)
        schedule = plan(
            ordered, (), tuple((name, i) for name, i in ordered.labels if name in labels), output=False
        )
        own = self.forward.signature
        return Adjoint(
            forward=self.forward,
            schedule=schedule,
            saved=tuple((f"v{i}", i) for i in sorted(self.saved | {self.forward.leaf[own.input]})),
            carried=tuple((name, delay) for name, delay, _ in self.carried),
            gradients=tuple((i, at[f"g{i}"]) for i in self.gradients),
            matrices=tuple(
                (m, at[f"m{k}d"], at[f"m{k}v"]) for k, (m, _, _) in enumerate(self.results.matrices)
            ),
            vectors=tuple((i, at[f"p{i}"]) for i in self.results.vectors),
            statics=tuple((i, at[f"s{i}"]) for i in self.results.statics),
            forced=tuple((name, at[f"f_{name}"]) for name in self.forced),
            input=at.get("dx"),
        )

    def _labels(self) -> dict[str, int]:
        """Names for everything beside the carried states that the backward run must give."""
        labels: dict[str, int] = {}
        for k, (_, d, v) in enumerate(self.results.matrices):
            labels |= {f"m{k}d": d, f"m{k}v": v}
        labels |= {f"p{i}": g for i, (g,) in self.results.vectors.items()}
        labels |= {f"s{i}": g for i, (g,) in self.results.statics.items()}
        source = self.forward.leaf[self.forward.signature.input]
        if source in self.incoming:
            labels["dx"] = self._total(source)
        for name in self.forced:
            labels[f"f_{name}"] = self._arriving(name)
        return labels
