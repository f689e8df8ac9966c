"""Equations and schedules as plain text, for terminals and for `print`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unrolled.equations.graph import LEAVES, Graph
from unrolled.equations.schedule import Phase, Product, Schedule
from unrolled.equations.sizes import Size
from unrolled.equations.source import MATHS, expression
from unrolled.errors import SettingError

Time = Callable[[int], str]  # how many steps ago -> the index that is printed


def at_t(ago: int) -> str:
    """The index of a value `ago` steps back, with t written out."""
    return f"_{{t-{ago}}}" if ago else "_t"


def at_step(step: int) -> Time:
    """The index of a value seen from a numbered step; before the first step stands the initial state, 0."""
    return lambda ago: f"_{max(step - ago, 0)}"


def names(graph: Graph, time: Time = at_t) -> dict[int, str]:
    """What every named node is called: x_t, h_{t-1}, z_t, W."""
    found = {}
    for i, node in enumerate(graph.nodes):
        if node.operation in LEAVES:
            ago = {"input": 0, "state": 1}.get(node.operation)
            found[i] = str(node.value) if ago is None else f"{node.value}{time(ago)}"
        elif node.operation == "delayed":
            found[i] = f"{graph.nodes[node.operands[0]].value}{time(graph.delay(node))}"
    states = dict(zip(graph.signature.states, graph.next_states, strict=True))
    for name, i in (*graph.labels, *states.items()):
        if i not in graph.leaf.values():
            # A state's name bound again to what is not its new value.
            prime = "'" if states.get(name, i) != i else ""
            found[i] = f"{name}{prime}{time(0)}"
    return found


def lines(graph: Graph, time: Time = at_t) -> list[str]:
    """One line a named value, in the order they are computed; the output last if it has no name."""
    known = names(graph, time)
    named = dict.fromkeys(sorted({i for _, i in graph.labels} | set(graph.next_states)))
    written = []
    for i in named:
        if i not in graph.leaf.values():
            written.append(f"{known[i]} = {expression(graph.nodes, i, known, MATHS)}")
    aliases = [
        f"{state}{time(0)} = {known[i]}"
        for state, i in zip(graph.signature.states, graph.next_states, strict=True)
        if known[i] != f"{state}{time(0)}"
    ]
    if graph.output not in known:
        aliases.append(f"output{time(0)} = {expression(graph.nodes, graph.output, known, MATHS)}")
    return written + aliases


def pretty(graph: Graph) -> str:
    """The equations of one step."""
    return "\n".join(lines(graph))


def unfold(graph: Graph, steps: int) -> str:
    """The network unrolled: the same equations, with the same parameters, once for every step."""
    if not isinstance(steps, int) or steps < 1:
        raise SettingError(f"steps must be a whole number >= 1, got {steps!r}. Try unfold(3).")
    states = ", ".join(f"{name}_0" for name in graph.signature.states)
    blocks = [f"{states}: the initial state"]
    for step in range(1, steps + 1):
        blocks.append("\n".join([f"step {step}", *(f"  {line}" for line in lines(graph, at_step(step)))]))
    return "\n".join(blocks)


# --- schedules -----------------------------------------------------------------------------------


def schedule_text(schedule: Schedule, letters: Mapping[str, int] | None = None) -> str:
    """The four groups with their phases, what crosses into the loop, and the work of one step and row."""
    writer = _ScheduleWriter(schedule, letters)
    groups = {"before": schedule.before, "step": schedule.step, "after": schedule.after}
    found = [writer.once()]
    for name, phases in groups.items():
        found.append(writer.group(name, phases))
    return "\n".join([f"{schedule.graph.signature.name}: schedule", *found, writer.cost(groups)])


class _ScheduleWriter:
    """Writes one schedule; with `letters` the sizes are numbers."""

    def __init__(self, schedule: Schedule, letters: Mapping[str, int] | None) -> None:
        self.schedule = schedule
        self.graph = schedule.graph
        self.letters = letters
        self.names = names(self.graph)

    def size(self, size: Size) -> str:
        """A size as letters, or as a number."""
        return str(size) if self.letters is None else str(size.value(self.letters))

    def once(self) -> str:
        made = [self.text(i) for i in self.schedule.once]
        return f"  once    {', '.join(made) or '-'}"

    def text(self, position: int) -> str:
        """A node as it is written, by name where it has one."""
        return self.names.get(position) or expression(self.graph.nodes, position, self.names, MATHS)

    def group(self, name: str, phases: tuple[Phase, ...]) -> str:
        if not phases:
            return f"  {name:<8}-"
        written = []
        for number, phase in enumerate(phases, 1):
            head = f"phase {number}: " if len(phases) > 1 else ""
            products = "; ".join(self.product(product) for product in phase.products)
            then = "; then " if products and phase.values else ""
            written.append(head + products + then + self.values(phase))
        return f"  {name:<8}" + "\n          ".join(written)

    def product(self, product: Product) -> str:
        matrices = [self.text(i) for i in product.matrices]
        stacked = matrices[0] if len(matrices) == 1 else f"[{'; '.join(matrices)}]"
        rows = sum((self.graph.shapes[i][0] for i in product.matrices), Size(()))
        columns = self.graph.shapes[product.matrices[0]][1]
        vector = self.text(product.vector)
        vector = f"({vector})" if " " in vector else vector
        return f"{stacked}·{vector}  ({self.size(rows)} x {self.size(columns)})"

    def values(self, phase: Phase) -> str:
        """The named values of a phase, and how many operations make them."""
        if not phase.values:
            return ""
        named = ", ".join(self.names[i] for i in phase.values if i in self.names)
        count = len(phase.values)
        work = "1 operation" if count == 1 else f"{count} operations"
        return f"{named} ({work})" if named else f"{work} by entry"

    def cost(self, groups: Mapping[str, tuple[Phase, ...]]) -> str:
        crossing = [self.graph.shapes[i][0] for i in self.schedule.into("step") if self.graph.shapes[i]]
        floats = self.size(sum(crossing, Size(())))
        entries = ", ".join(
            f"{name} {self.work(phases)}" for name, phases in groups.items() if self.work(phases)
        )
        return f"  into the loop {floats} floats; multiply-adds {entries or 'none'} (by step and row)"

    def work(self, phases: tuple[Phase, ...]) -> str:
        """The matrix entries a group multiplies with."""
        shapes = [
            self.graph.shapes[i] for phase in phases for product in phase.products for i in product.matrices
        ]
        if self.letters is not None:
            total = sum(rows.value(self.letters) * columns.value(self.letters) for rows, columns in shapes)
            return f"{total:,}" if total else ""
        by_columns: dict[Size, Size] = {}
        for rows, columns in shapes:
            by_columns[columns] = by_columns.get(columns, Size(())) + rows
        return " + ".join(f"{_factor(rows)}·{_factor(columns)}" for columns, rows in by_columns.items())


def _factor(size: Size) -> str:
    return f"({size})" if len(size.terms) > 1 else str(size)
