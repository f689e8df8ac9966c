"""A graph as the text of a cell: canonical, readable, and parsed back to an equal graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from unrolled.equations.graph import LEAVES, Graph, Node, Signature

# How tightly an operation binds in Python; a call or a name never needs parentheses.
COMPARE, SUM, PRODUCT, SIGN, TIGHT = 1, 2, 3, 4, 5
BINARY = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "divide": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
    "greater": (">", COMPARE),
    "greater_equal": (">=", COMPARE),
}

Inline = Callable[[int], tuple[str, int]]


@dataclass(frozen=True)
class Notation:
    """How operations are spelled where it is not Python's way."""

    signs: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, str] = field(default_factory=dict)


PYTHON = Notation()
MATHS = Notation(signs={"matmul": "·", "multiply": "⊙", "greater_equal": "≥"}, calls={"sigmoid": "σ"})


def number_text(value: float | tuple[float, ...]) -> str:
    """A number as a person would type it: 1, not 1.0."""
    if isinstance(value, tuple):
        inside = ", ".join(number_text(entry) for entry in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def write(node: Node, inline: Inline, notation: Notation = PYTHON) -> tuple[str, int]:
    """The source of one node and how tightly it binds; `inline` gives that of an operand."""
    operation, operands = node.operation, node.operands
    if operation == "number":
        return number_text(node.value), TIGHT
    if operation in BINARY:
        return _binary(operation, operands, inline, notation)
    if operation == "sum":
        return _sum(node, inline), SUM
    if operation == "negative":
        return "-" + _wrapped(inline(operands[0]), SIGN), SIGN
    if operation == "transpose":
        return _wrapped(inline(operands[0]), TIGHT) + ".T", TIGHT
    inside = ", ".join(inline(operand)[0] for operand in operands)
    if operation == "part":
        index, count = node.value
        return f"split({inside}, {count})[{index}]", TIGHT
    if operation == "rows":
        index, count = node.value
        return f"{inside}[{index}/{count}]", TIGHT
    if operation == "columns":
        start, stop = node.value
        return f"{inside}[:, {start}:{stop}]", TIGHT
    return f"{notation.calls.get(operation, operation)}({inside})", TIGHT


def _sum(node: Node, inline: Inline) -> str:
    terms = [(" + " if sign > 0 else " - ") + _wrapped(inline(i), PRODUCT)
             for i, sign in zip(node.operands, node.value, strict=True)]  # fmt: skip
    text = "".join(terms)
    return text[3:] if text.startswith(" + ") else "-" + text[3:]


def _binary(operation: str, operands: tuple[int, ...], inline: Inline, notation: Notation) -> tuple[str, int]:
    sign, strength = BINARY[operation]
    sign = notation.signs.get(operation, sign)
    left, right = inline(operands[0]), inline(operands[1])
    # Python groups to the left, so an equal strength on the right needs parentheses; the tracer reads
    # `A @ B @ h` as A @ (B @ h), so a product on the right of @ does not.
    needed = strength + 1 if operation != "matmul" else TIGHT
    return f"{_wrapped(left, strength)} {sign} {_wrapped(right, needed)}", strength


def _wrapped(piece: tuple[str, int], needed: int) -> str:
    text, strength = piece
    return text if strength >= needed else f"({text})"


def expression(
    nodes: Sequence[Node], position: int, names: Mapping[int, str] | None = None, notation: Notation = PYTHON
) -> str:
    """The source of one value, written out down to the leaves and to `names`."""
    known = names or {}

    def inline(i: int) -> tuple[str, int]:
        if i in known:
            return known[i], TIGHT
        return (
            (str(nodes[i].value), TIGHT)
            if nodes[i].operation in LEAVES
            else write(nodes[i], inline, notation)
        )

    node = nodes[position]
    return (
        known.get(position, str(node.value)) if node.operation in LEAVES else write(node, inline, notation)[0]
    )


def brief(nodes: Sequence[Node], position: int, deepest: int = 8, longest: int = 120) -> str:
    """The source of one value for a message: what lies deep inside is left out."""

    def inline(i: int, left: int) -> tuple[str, int]:
        if nodes[i].operation in LEAVES:
            return str(nodes[i].value), TIGHT
        return write(nodes[i], lambda operand: inline(operand, left - 1)) if left else ("...", TIGHT)

    text = inline(position, deepest)[0]
    return text if len(text) <= longest else text[: longest - 3] + "..."


def signature_text(signature: Signature) -> str:
    """The decorator and the `def` line of a cell."""
    options = []
    if signature.sizes:
        pairs = ", ".join(f'"{name}": "{size}"' for name, size in signature.sizes)
        options.append(f"sizes={{{pairs}}}")
    if signature.statics:
        options.append("static=(" + "".join(f'"{name}", ' for name in signature.statics).rstrip(" ") + ")")
    positional = [signature.input, *signature.states, *signature.statics]
    keywords = [
        *signature.parameters,
        *(f"{name}={number_text(value)}" for name, value in signature.constants),
    ]
    arguments = positional + (["*", *keywords] if keywords else [])
    decorator = f"@cell({', '.join(options)})" if options else "@cell"
    return f"{decorator}\ndef {signature.name}({', '.join(arguments)}):"


class _Statements:
    """Writes the body of a cell, one statement for each name and for each value used twice."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: list[str] = []
        self.names = {i: str(node.value) for i, node in enumerate(graph.nodes) if node.operation in LEAVES}
        self.written = set(self.names)
        self.results = list(graph.next_states)
        if graph.output != graph.next_states[0]:
            self.results.insert(0, graph.output)
        self.uses = Counter(i for node in graph.nodes for i in node.operands) + Counter(self.results)
        self.labels: dict[int, list[str]] = {}
        for name, position in graph.labels:
            self.labels.setdefault(position, []).append(name)
        self.temporaries = 0

    def inline(self, position: int) -> tuple[str, int]:
        if position in self.names:
            return self.names[position], TIGHT
        node = self.graph.nodes[position]
        if node.operation == "number" or self.uses[position] == 1:
            self.written.add(position)
            return write(node, self.inline)
        self.temporaries += 1
        return self.assign(position, [f"_{self.temporaries}"]), TIGHT

    def assign(self, position: int, targets: list[str]) -> str:
        text = self.names.get(position) or write(self.graph.nodes[position], self.inline)[0]
        self.written.add(position)
        for target in targets:
            self._keep_reachable(target)
            self.lines.append(f"{target} = {text}")
            text = self.names.setdefault(position, target)
        return text

    def _keep_reachable(self, name: str) -> None:
        """Give a leaf another name before a local value takes its name away, if it is needed later."""
        leaf = self.graph.leaf.get(name)
        if leaf is not None and self.names[leaf] == name and self._needed_later(leaf):
            self.lines.append(f"_{name} = {name}")
            self.names[leaf] = f"_{name}"

    def _needed_later(self, leaf: int) -> bool:
        pending = (node for i, node in enumerate(self.graph.nodes) if i not in self.written)
        return leaf in (*self.results, *self.labels) or any(leaf in node.operands for node in pending)

    def body(self) -> list[str]:
        # Aliases of leaves come first: a later statement may take the leaf's name away.
        for position, names in sorted(
            self.labels.items(), key=lambda item: (item[0] not in self.names, item[0])
        ):
            self.assign(position, names)
        returned = ", ".join(self.inline(i)[0] for i in self.results)  # may still write lines
        return [*self.lines, f"return {returned}"]


def _quoted(doc: str) -> str:
    """A docstring between triple quotes: what Python would read otherwise is escaped."""
    plain = {"\\": "\\\\", '"': '\\"'} if '"""' in doc or doc.endswith('"') else {"\\": "\\\\"}
    return "".join(plain.get(letter) or (letter if letter in "\n\t" or letter.isprintable() else _escaped(letter))
                   for letter in doc)  # fmt: skip


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def graph_text(graph: Graph, doc: str = "") -> str:
    """The canonical text of a cell."""
    body = _Statements(graph).body()
    if doc:
        body = [f'"""{_quoted(doc)}"""', *body]
    return signature_text(graph.signature) + "\n" + "".join(f"    {line}\n" for line in body)
