"""Random cells, so that no cell is special: valid equations drawn from every word of the language.

`random_cell(seed)` draws a cell in text form. Values stay of the order of one whatever the parameters are:
every sum goes through something bounded. Kinks and jumps lie where a run does not land on them: under a bias,
or on the clock, whose values are exact.

While drawing, sizes are sorted tuples: ("H",), ("I",), ("memory",), and ("H", "I") for a stacked vector.
"""

from __future__ import annotations

import ast
import math
import random
import textwrap
from dataclasses import dataclass

from tests.renamed_cells import renamed as renamed

Size = tuple[str, ...]
H, I = ("H",), ("I",)


@dataclass(frozen=True)
class RandomCell:
    """A drawn cell: its text, and the number that H must be a multiple of."""

    text: str
    hidden_multiple: int


def random_cell(seed: int) -> RandomCell:
    """The random cell number `seed`: always the same one."""
    return _Draft(random.Random(seed)).cell(f"random_{seed}")


def random_cell_text(seed: int) -> str:
    """The equations of the random cell number `seed`; a hidden size that is a multiple of 4 always fits."""
    return random_cell(seed).text


class _Draft:
    """A cell while it is being drawn, one line after the other."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.vectors: dict[Size, list[str]] = {I: ["x"]}
        self.known = ["x"]
        self.matrices: dict[str, tuple[Size, Size]] = {}
        self.learned: list[str] = []
        self.constants: dict[str, str] = {}
        self.sizes: dict[str, str] = {}
        self.states: dict[str, Size] = {}
        self.delayable: list[str] = []
        self.unread: list[str] = []
        self.inlined = False
        self.statics: list[str] = []
        self.multiple = 1
        self.count = 0

    # --- the whole cell --------------------------------------------------------------------------

    def cell(self, name: str) -> RandomCell:
        self.positional()
        self.add_vector(self.assign(self.squashed(H), H), H)  # something has H rows, so that a run can tell H
        for _ in range(self.rng.randint(0, 4)):
            self.local(self.some_size())
        for static in self.statics:
            self.add_vector(self.assign(f"sigmoid({self.matrix(H, (static,))} @ {static})", H), H)
        results = [self.next_state(state) for state in self.states]
        if self.chance(0.3):
            results.insert(0, self.output())
        self.lines.append(f"return {', '.join(results)}")
        return RandomCell(
            self.header(name) + textwrap.indent("\n".join(self.lines), "    ") + "\n", self.multiple
        )

    def positional(self) -> None:
        for state in ("h", "c", "m")[: self.rng.choice((1, 1, 2, 2, 3))]:
            size = ("memory",) if state != "h" and self.chance(0.4) else H
            self.states[state] = size
            self.add_vector(state, size)
        self.delayable = list(self.states)
        if self.chance(0.2):
            self.statics.append("context")
            self.add_vector("context", ("context",))
            self.known.append("context")

    def header(self, name: str) -> str:
        options = []
        if self.sizes:
            options.append(
                "sizes={" + ", ".join(f'"{key}": "{size}"' for key, size in self.sizes.items()) + "}"
            )
        if self.statics:
            options.append('static=("context",)')
        keywords = [*self.learned, *(f"{key}={value}" for key, value in self.constants.items())]
        arguments = ["x", *self.states, *self.statics, *(["*", *keywords] if keywords else [])]
        decorator = f"@cell({', '.join(options)})" if options else "@cell"
        return f"{decorator}\ndef {name}({', '.join(arguments)}):\n"

    def next_state(self, state: str) -> str:
        size = self.states[state]
        value = self.rng.choice(NEXT_STATES)(self, state, size)
        way = self.rng.choice(("name", "inline") if self.inlined else ("rebind", "name", "inline"))
        if way == "inline":
            self.inlined = True  # it is computed last, so no name it reads may be bound again
            return value
        target = state if way == "rebind" else f"{state}_new"
        self.lines.append(f"{target} = {value}")
        if way == "rebind":
            self.delayable.remove(state)
        else:
            self.add_vector(target, size)
        return target

    def output(self) -> str:
        size = self.rng.choice((H, ("output",)))
        equation = self.sum_of(size, bias=True)
        if size == H and self.chance(0.5):
            return equation
        return self.assign(equation, size, name="y")

    # --- drawing ---------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def some_size(self) -> Size:
        plain = [size for size in self.vectors if len(size) == 1 and size not in (("H/2",), ("context",))]
        return self.rng.choice([H, H, H, *plain, ("rank",)])

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}_{self.count}"

    def learn(self, letter: str) -> str:
        self.learned.append(self.fresh(letter))
        return self.learned[-1]

    def constant(self, name: str, *values: str) -> str:
        """A value written as a number, or as a named constant that other equations may share."""
        if self.chance(0.5):
            return self.rng.choice(values)
        self.constants.setdefault(name, self.rng.choice(values))
        return name

    def declare(self, name: str, size: Size) -> None:
        if len(size) == 1 and size[0] not in ("H", "I", "H/2", name):
            self.sizes[name] = size[0]

    def add_vector(self, name: str, size: Size) -> None:
        self.vectors.setdefault(size, []).append(name)
        self.unread.append(name)
        self.declare(name, size)

    def assign(self, equation: str, size: Size, name: str | None = None) -> str:
        name = name or self.fresh("v")
        self.lines.append(f"{name} = {equation}")
        self.declare(name, size)
        return name

    def local(self, size: Size) -> str:
        """A named local value, in scope for what is drawn next."""
        name = self.assign(self.bounded(size), size)
        self.add_vector(name, size)
        return name

    def of_size(self, size: Size) -> str:
        """A vector of this size that is in scope, now and then delayed, or a new one."""
        if size not in self.vectors:
            return self.local(size)
        return self.maybe_delayed(self.read(self.vectors[size]))

    def read(self, names: list[str]) -> str:
        """One of the names, with some preference for what nothing has read yet."""
        unread = [name for name in names if name in self.unread]
        name = self.rng.choice(unread if unread and self.chance(0.6) else names)
        self.unread = [other for other in self.unread if other != name]
        return name

    def maybe_delayed(self, name: str) -> str:
        if name in self.delayable and self.chance(0.3):
            return f"delayed({name}, {self.constant('k', '1', '2', '3')})"
        return name

    # --- products and sums -----------------------------------------------------------------------

    def operand(self, known: bool) -> tuple[str, Size]:
        """What a matrix multiplies: any vector in scope, or several of them stacked."""
        pieces = list(dict.fromkeys(self.single(known) for _ in range(self.rng.choice((1, 1, 1, 2, 3)))))
        if len(pieces) == 1:
            return pieces[0]
        stacked = tuple(sorted(letter for _, size in pieces for letter in size))
        return f"concat({', '.join(text for text, _ in pieces)})", stacked

    def single(self, known: bool) -> tuple[str, Size]:
        sizes = {name: size for size, names in self.vectors.items() for name in names}
        name = self.read([name for name in sizes if not known or name in self.known])
        return self.maybe_delayed(name), sizes[name]

    def product(self, rows: Size, known: bool = False, driven: bool = False) -> str:
        vector, columns = ("x", I) if driven else self.operand(known)
        if self.chance(0.1):
            return f"{self.matrix(rows, H)} @ {self.matrix(H, columns)} @ {vector}"
        return f"{self.matrix(rows, columns)} @ {vector}"

    def matrix(self, rows: Size, columns: Size) -> str:
        """A matrix of this shape: new, shared with an earlier product, transposed, or block triangular."""
        same = [name for name, shape in self.matrices.items() if shape == (rows, columns)]
        turned = [name for name, shape in self.matrices.items() if shape == (columns, rows)]
        if same and self.chance(0.25):
            name = self.rng.choice(same)
        elif turned and self.chance(0.4):
            name = self.rng.choice(turned) + ".T"
        else:
            name = self.learn("W")
            self.matrices[name] = (rows, columns)
        if rows == columns == H and self.chance(0.25):
            return self.blocks(name)
        return name

    def blocks(self, name: str) -> str:
        if self.chance(0.5):
            groups = self.rng.choice((1, 2, 4))
            self.hidden_multiple_of(groups)
            return f"upper_blocks({name}, {groups})"
        return f"upper_blocks({name}, {self.periods()})"

    def periods(self) -> str:
        """A tuple of periods for blocks of H, as a number or as a named constant."""
        name = self.constant("periods", "(1, 2)", "(2, 1)", "(1, 2, 4, 8)", "(1, 1, 3, 2)")
        self.hidden_multiple_of(len(ast.literal_eval(self.constants.get(name, name))))
        return name

    def hidden_multiple_of(self, number: int) -> None:
        self.multiple = math.lcm(self.multiple, number)

    def sum_of(self, size: Size, bias: bool = False, known: bool = False, driven: bool = False) -> str:
        """A sum of products, gains times vectors, and a bias: not bounded by itself."""
        terms = [self.product(size, known, driven)]
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            if not known and self.chance(0.25):
                terms.append(f"{self.learn('g')} * {self.of_size(size)}")
            else:
                terms.append(self.product(size, known))
        if bias or self.chance(0.6):
            terms.append(self.learn("b"))
        first, *rest = self.rng.sample(terms, len(terms))
        return first + "".join(self.rng.choice((" + ", " + ", " - ")) + term for term in rest)

    # --- bounded values --------------------------------------------------------------------------

    def bounded(self, size: Size) -> str:
        """An equation whose value has this size and is of the order of one."""
        if size == I:
            return self.rng.choice(ON_THE_INPUT)(self)
        return self.rng.choice(BOUNDED)(self, size)

    def squashed(self, size: Size) -> str:
        return f"{self.rng.choice(('tanh', 'sigmoid'))}({self.sum_of(size)})"

    def gate(self, size: Size) -> str:
        return self.assign(f"sigmoid({self.sum_of(size, known=self.chance(0.3))})", size)

    def biased(self, size: Size) -> str:
        """A name for a sum with a bias: an exact zero does not happen, even in a zero state."""
        return self.assign(self.sum_of(size, bias=True), size)


# --- bounded equations: each takes the draft and a size -------------------------------------------


def _smooth(draft: _Draft, size: Size) -> str:
    form = draft.rng.choice(
        (
            "exp(-softplus({}))",
            "exp(tanh({})) / 3",
            "log(1 + exp(tanh({})))",
            "log(1.5 + tanh({}))",
            "softplus(tanh({}))",
            "sqrt(sigmoid({}))",
            "-tanh({})",
            "softmax({})",
        )
    )
    return form.format(draft.sum_of(size, known=draft.chance(0.2)))


def _twice(draft: _Draft, size: Size) -> str:
    form = draft.rng.choice(("{0} / sqrt(1 + {0} * {0})", "{0} / (1 + abs({0}))", "tanh(log(1 + {0} * {0}))"))
    return form.format(draft.biased(size))


def _kinked(draft: _Draft, size: Size) -> str:
    form = draft.rng.choice(("relu(tanh({}))", "tanh(relu({}))", "abs(tanh({}))", "minimum(abs({}), 1.5)"))
    return form.format(draft.sum_of(size, bias=True))


def _larger_or_smaller(draft: _Draft, size: Size) -> str:
    word = draft.rng.choice(("maximum", "minimum"))
    return f"{word}({draft.of_size(size)}, {draft.squashed(size)})"


def _chosen(draft: _Draft, size: Size) -> str:
    """Continuous across the comparison: no rounding can make it jump."""
    a, other = draft.biased(size), draft.squashed(size)
    b = draft.assign(other, size)
    base = draft.assign(draft.squashed(size), size)
    second = draft.of_size(size) if draft.chance(0.5) else "0.3"
    sign = draft.rng.choice((">", ">=", "<", "<="))
    return f"where({a} {sign} {b}, {base} + tanh({a} - {b}) * {second}, {base})"


def _clocked(draft: _Draft, size: Size) -> str:
    tick = f"every({draft.constant('period', '2', '3')})"
    if draft.chance(0.5):
        return f"where({tick} > 0.5, {draft.squashed(size)}, {draft.of_size(size)})"
    return f"{tick} * {draft.squashed(size)}"


def _normed(draft: _Draft, size: Size) -> str:
    total = draft.sum_of(size, bias=True, known=draft.chance(0.3), driven=True)
    return f"tanh({draft.learn('g')} * layer_norm({total}) + {draft.learn('b')})"


def _weighed(draft: _Draft, size: Size) -> str:
    """Two gates that share one, as in minLSTM."""
    f, i = draft.gate(size), draft.gate(size)
    return f"{f} / ({f} + {i}) * {draft.of_size(size)} + {i} / ({f} + {i}) * {draft.squashed(size)}"


def _gated(draft: _Draft, size: Size) -> str:
    return f"{draft.gate(size)} * {draft.rng.choice((draft.of_size, draft.squashed))(size)}"


def _stacked_gates(draft: _Draft, size: Size) -> str:
    count = draft.rng.choice((2, 3, 4))
    stacked = (f"{count} {size[0]}",)
    total = _stacked_sum(draft, stacked)
    names = [draft.fresh("p") for _ in range(count)]
    word = draft.rng.choice(("tanh", "sigmoid"))
    draft.lines.append(f"{', '.join(names)} = split({word}({total}), {count})")
    for name in names:
        draft.add_vector(name, size)
    return " * ".join(draft.rng.sample(names, 2))


def _stacked_sum(draft: _Draft, stacked: Size) -> str:
    products = [draft.product(stacked, driven=True), draft.product(stacked)]
    total = f"{' + '.join(products)} + {draft.learn('b')}"
    return f"layer_norm({total})" if draft.chance(0.4) else total


def _turned(draft: _Draft, size: Size) -> str:
    """A vector cut in two and put together the other way round; only H is known to be even."""
    if size != H:
        return draft.squashed(size)
    draft.hidden_multiple_of(2)
    left, right = draft.fresh("p"), draft.fresh("p")
    draft.lines.append(f"{left}, {right} = split({draft.of_size(H)}, 2)")
    for name in (left, right):
        draft.add_vector(name, ("H/2",))
    return f"concat({right}, {left}) * {draft.squashed(H)}"


def _from_stack(draft: _Draft, size: Size) -> str:
    """A stacked vector that has a name of its own before a matrix reads it."""
    stack, stacked = draft.operand(known=False)
    name = draft.assign(f"tanh({stack})", stacked)
    draft.add_vector(name, stacked)
    return f"tanh({draft.matrix(size, stacked)} @ {name})"


def _periodic(draft: _Draft, size: Size) -> str:
    if size != H:
        return draft.squashed(size)
    return f"every({draft.periods()}) * {draft.squashed(size)}"


def _known(draft: _Draft, size: Size) -> str:
    """Reads the input only."""
    return f"tanh({draft.sum_of(size, known=True)})"


BOUNDED = (
    *(lambda draft, size: draft.squashed(size),) * 3,
    *(_smooth, _smooth, _twice, _kinked, _larger_or_smaller, _chosen, _clocked, _normed, _weighed, _gated),
    *(_stacked_gates, _turned, _from_stack, _periodic, _known),
)

ON_THE_INPUT = (
    lambda draft: f"x * {draft.gate(I)}",
    lambda draft: "tanh(x)",
    lambda draft: f"where(x > 0, x, {draft.constant('slope', '0.2', '-0.5')} * x)",
    lambda draft: "layer_norm(x)",
)


# --- the next value of a state: each takes the draft, the state and its size ----------------------


def _updated(draft: _Draft, state: str, size: Size) -> str:
    z = draft.gate(size)
    return f"(1 - {z}) * {state} + {z} * {draft.squashed(size)}"


def _leaking(draft: _Draft, state: str, size: Size) -> str:
    leak = draft.constant("leak", "0.3", "0.75")
    return f"(1 - {leak}) * {state} + {leak} * {draft.assign(draft.bounded(size), size)}"


def _ticking(draft: _Draft, state: str, size: Size) -> str:
    periods = draft.periods() if size == H and draft.chance(0.6) else draft.constant("period", "2", "3")
    active = f"every({periods})"
    return f"{active} * {draft.squashed(size)} + (1 - {active}) * {state}"


def _fresh(draft: _Draft, state: str, size: Size) -> str:
    return draft.bounded(size)


def _shifted(draft: _Draft, state: str, size: Size) -> str:
    """A state that only carries another value on to the next step."""
    others = [name for name in draft.vectors[size] if name != state]
    return draft.read(others) if others else draft.bounded(size)


def _driven(draft: _Draft, state: str, size: Size) -> str:
    """A state whose next value needs no state: known for all steps at once."""
    return _known(draft, size)


NEXT_STATES = (_updated, _updated, _leaking, _ticking, _fresh, _fresh, _fresh, _shifted, _driven)
