"""The backward pass of a cell as plain text: the derivatives of one step, as they are derived by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from unrolled.equations.adjoint import GRADIENT, Adjoint, adjoint
from unrolled.equations.graph import LEAVES, Graph, Node
from unrolled.equations.interior import Interior, interior
from unrolled.equations.schedule import Schedule, make_schedule
from unrolled.equations.show import names
from unrolled.equations.sizes import Size
from unrolled.equations.source import MATHS, PRODUCT, SUM, TIGHT, expression, write

Written = tuple[str, int]  # a text and how tightly it binds
GROUPS = {"before": "before", "loop": "step", "after": "after"}
NAMES = "dv is dL/dv, the gradient that reaches a value v; δv the same before the activation that gives v"
ACTIVATIONS = ("sigmoid", "tanh", "relu", "softmax", "exp", "log", "softplus", "sqrt", "abs")


def backward_text(graph: Graph, forced: Iterable[str] = ()) -> str:
    """The backward pass of a cell's graph."""
    return str(Backward(make_schedule(graph, forced)))


class Backward:
    """The backward pass of one schedule, with the names its values are printed under.

    `names` is what each position of `adjoint.schedule.graph` is called.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.whole = schedule
        self.inside: Interior = interior(schedule)
        self.forward = self.inside.graph
        self.adjoint: Adjoint = adjoint(self.forward, schedule.forced)
        self.schedule = self.adjoint.schedule
        self.graph = self.schedule.graph
        self.forward_names = self._forward_names()
        self.names: dict[int, str] = {}
        self.strength: dict[int, int] = {}
        self.numbered = 0
        self._name_leaves()
        self._name_gradients()
        self._name_the_rest()

    # --- names -----------------------------------------------------------------------------------

    def _forward_names(self) -> dict[int, str]:
        """What the forward values are called; what comes from outside is written out."""
        found = names(self.forward)
        whole = names(self.whole.graph)
        outside = dict((*self.inside.parameters, *self.inside.statics))
        for i, node in enumerate(self.forward.nodes):
            if str(node.value) in outside and node.operation in ("parameter", "static"):
                found[i] = expression(self.whole.graph.nodes, outside[str(node.value)], whole, MATHS)
        return found

    def value(self, position: int) -> str:
        """A forward value, by name or written out."""
        return self._written(position)[0]

    def _written(self, position: int) -> Written:
        if position in self.forward_names:
            name = self.forward_names[position]
            return name, SUM if name.startswith("-") or ") " in name or " (" in name else TIGHT
        return write(self.forward.nodes[position], self._written, MATHS)

    def _name_leaves(self) -> None:
        saved = dict(self.adjoint.saved)
        states = dict(zip(self.graph.signature.states, self.adjoint.carried, strict=True))
        for i, node in enumerate(self.graph.nodes):
            name = str(node.value)
            if name == GRADIENT and node.operation == "input":
                self.names[i] = self.from_the_loss
            elif node.operation == "saved":
                self.names[i], self.strength[i] = self._written(saved[name])
            elif node.operation == "state":
                self.names[i] = _carried(*states[name], "next")
            elif node.operation == "delayed":
                self.names[i] = _carried(*states[str(self.graph.nodes[node.operands[0]].value)], "next")
            elif node.operation in ("parameter", "static"):
                self.names[i], self.strength[i] = self._written(self.forward.leaf[name])

    @property
    def from_the_loss(self) -> str:
        """The gradient that arrives at the output."""
        output = self.forward.output
        return f"dL/d{self.forward_names.get(output, 'output_t')}"

    def _name_gradients(self) -> None:
        """dz_t of named values, δz_t before the activation that gives z_t, or δ_t where there is one alone."""
        found = dict(self.adjoint.gradients)
        inner = self._before_activations()
        for i, own in found.items():
            if own in self.names or self.forward.nodes[i].operation in (*LEAVES, "delayed"):
                continue
            if i in inner:
                self.names[own] = "δ_t" if len(inner) == 1 else f"δ{inner[i]}"
            elif i in self.forward_names:
                self.names[own] = f"d{self.forward_names[i]}"

    def _before_activations(self) -> dict[int, str]:
        """The sums that activations are applied to, by the name of what comes out."""
        readers = Counter(o for node in self.forward.nodes for o in node.operands)
        return {
            node.operands[0]: self.forward_names[i]
            for i, node in enumerate(self.forward.nodes)
            if node.operation in ACTIVATIONS and i in self.forward_names and readers[node.operands[0]] == 1
            and node.operands[0] not in self.forward_names
        }  # fmt: skip

    def _name_the_rest(self) -> None:
        """Numbers for what else is read twice, multiplied, summed over time or read in another group."""
        groups = self.schedule.group_of
        readers: dict[int, list[int]] = {}
        for i in groups:
            for operand in self.graph.nodes[i].operands:
                readers.setdefault(operand, []).append(i)
        summed = {i for triple in self.adjoint.matrices for i in triple[1:]}
        summed |= {i for _, i in (*self.adjoint.vectors, *self.adjoint.statics)}
        for i, group in sorted(groups.items()):
            if i in self.names or not self.graph.shapes[i] or self._is_short(i):
                continue
            elsewhere = any(groups[reader] != group for reader in readers.get(i, []))
            if elsewhere or len(readers.get(i, [])) > 1 or (i in summed and self._is_gradient(i)):
                self.numbered += 1
                self.names[i] = f"e{self.numbered}_t"

    def _is_short(self, position: int) -> bool:
        """Whether a value is best written out wherever it is read."""
        node = self.graph.nodes[position]
        leaves = all(o in self.names for o in node.operands)
        return node.operation in ("zeros", "transpose", "every") or (
            leaves and not self._is_gradient(position)
        )

    def _is_gradient(self, position: int) -> bool:
        """Whether a value depends on a gradient that arrives, and is not computed from the forward run alone."""
        node = self.graph.nodes[position]
        return node.operation in ("input", "state") or any(map(self._is_gradient, node.operands))

    # --- formulas --------------------------------------------------------------------------------

    def formula(self, position: int) -> str:
        """How a value is computed, down to names."""
        return self._write(position)[0]

    def _inline(self, position: int) -> Written:
        if position in self.names:
            return self.names[position], self.strength.get(position, TIGHT)
        return self._write(position)

    def _write(self, position: int) -> Written:
        node = self.graph.nodes[position]
        special = getattr(self, f"_w_{node.operation}", None)
        if special is not None:
            written: Written = special(node)
            return written
        return write(node, self._inline, MATHS)

    def _w_zeros(self, node: Node) -> Written:
        return "0", TIGHT

    def _w_transpose(self, node: Node) -> Written:
        return f"{_wrap(self._inline(node.operands[0]), TIGHT)}ᵀ", TIGHT

    def _w_multiply(self, node: Node) -> Written:
        return self._times(*map(self._inline, node.operands))

    def _times(self, *factors: Written) -> Written:
        return " ⊙ ".join(_wrap(factor, PRODUCT) for factor in factors), PRODUCT

    def _w_dtanh(self, node: Node) -> Written:
        y, g = map(self._inline, node.operands)
        squared = _wrap(y, TIGHT)
        return self._times((f"1 - {squared} ⊙ {squared}", SUM), g)

    def _w_dsigmoid(self, node: Node) -> Written:
        y, g = map(self._inline, node.operands)
        return self._times(y, (f"1 - {_wrap(y, PRODUCT)}", SUM), g)

    def _w_drelu(self, node: Node) -> Written:
        y, g = map(self._inline, node.operands)
        return self._times((f"{y[0]} > 0", SUM), g)

    def _w_dabs(self, node: Node) -> Written:
        v, g = map(self._inline, node.operands)
        return self._times((f"sign({v[0]})", TIGHT), g)

    def _w_dmaximum(self, node: Node) -> Written:
        return self._won(node, ">")

    def _w_dminimum(self, node: Node) -> Written:
        return self._won(node, "<")

    def _won(self, node: Node, sign: str) -> Written:
        a, b, g = map(self._inline, node.operands)
        return self._times((f"{_wrap(a, PRODUCT)} {sign} {_wrap(b, PRODUCT)}", SUM), g)

    def _w_dsoftmax(self, node: Node) -> Written:
        y, g = map(self._inline, node.operands)
        return self._times(y, (f"{_wrap(g, PRODUCT)} - sum({self._times(y, g)[0]})", SUM))

    def _w_dlayer_norm(self, node: Node) -> Written:
        v, g = map(self._inline, node.operands)
        return f"layer_norm'({v[0]})·{_wrap(g, TIGHT)}", PRODUCT

    def _w_piece(self, node: Node) -> Written:
        start, stop = node.value
        return f"{_wrap(self._inline(node.operands[0]), TIGHT)}[{start}:{stop}]", TIGHT

    # --- lines -----------------------------------------------------------------------------------

    def __str__(self) -> str:
        blocks = {"names": [NAMES], "given": self._given(), "saved": self._saved()}
        blocks |= {title: self._group(group) for title, group in GROUPS.items()}
        lines = [f"{self.forward.signature.name}: the backward pass, from the last step to the first"]
        for title, block in blocks.items():
            block = block or ["-"]
            for number, line in enumerate(block):
                lines.append(f"  {title if number == 0 else '':<8}{line}")
        return "\n".join(lines)

    def _given(self) -> list[str]:
        found = [f"{self.from_the_loss} from the loss at step t"]
        for state, delay in self.adjoint.carried:
            given, handed = (_carried(state, delay, end) for end in ("next", "prev"))
            found.append(f"{given} from step t+{delay}, which calls it {handed}; 0 after the last step")
        return found

    def saved(self) -> list[int]:
        """The forward positions that are kept for the backward run, beside the input and the output."""
        graph, found = self.forward, set()
        next_of = dict(zip(graph.signature.states, graph.next_states, strict=True))
        for i in self.adjoint.kept:
            node = graph.nodes[i]
            state = graph.nodes[node.operands[0]] if node.operation == "delayed" else node
            if state.operation == "state":
                found |= set() if state.value in self.whole.forced else {next_of[str(state.value)]}
            elif node.operation != "input":
                found.add(i)
        return sorted(found - {graph.output})

    def floats(self) -> Size:
        """How many floats that is, by step and row."""
        return sum((self.forward.shapes[i][0] for i in self.saved() if self.forward.shapes[i]), Size(()))

    def _saved(self) -> list[str]:
        values = ", ".join(map(self.value, self.saved())) or "nothing"
        x, output = (
            self.value(self.forward.leaf[self.forward.signature.input]),
            self.value(self.forward.output),
        )
        return [
            f"{values}: {self.floats() if self.saved() else 0} floats by step and row, beside {x} and {output}"
        ]

    def _group(self, group: str) -> list[str]:
        groups = self.schedule.group_of
        results = dict(self._results())
        found = []
        for i, node in enumerate(self.graph.nodes):  # each stands after what it reads
            if groups.get(i) == group and i in self.names and node.operation not in ("state", "delayed"):
                found.append(f"{self.names[i]} = {self.formula(i)}")
        for name, i in results.items():
            if (groups.get(i) or "after") == group and self.names.get(i) != name:
                found.append(f"{name} = {self._inline(i)[0]}")
        return found + (list(self._sums()) if group == "after" else [])

    def _results(self) -> Iterator[tuple[str, int]]:
        for (state, delay), i in zip(self.adjoint.carried, self.graph.next_states, strict=True):
            yield _carried(state, delay, "prev"), i
        for state, i in self.adjoint.forced:
            yield f"d{state}_t, of the values given for {state},", i
        if self.adjoint.input is not None:
            yield f"d{self.value(self.forward.leaf[self.forward.signature.input])}", self.adjoint.input

    def _sums(self) -> Iterator[str]:
        """What is added up over all steps."""
        for leaf, d, v in reversed(self.adjoint.matrices):
            yield f"{self._gradient_of(leaf)} += {_wrap(self._inline(d), TIGHT)} {_wrap(self._inline(v), TIGHT)}ᵀ"
        for leaf, d in reversed((*self.adjoint.statics, *self.adjoint.vectors)):
            yield f"{self._gradient_of(leaf)} += {self._inline(d)[0]}"

    def _gradient_of(self, leaf: int) -> str:
        name = self.value(leaf)
        return f"d{name}" if name.isidentifier() else f"d({name})"


def _carried(state: str, delay: int, end: str) -> str:
    return f"d{state}_{end}" if delay == 1 else f"d{state}_{end}{delay}"


def _wrap(piece: Written, needed: int) -> str:
    text, strength = piece
    return text if strength >= needed else f"({text})"
