"""Beam search: the likeliest texts, several beginnings of them kept at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.errors import SettingError
from unrolled.generation.automaton import State as ConstraintState
from unrolled.generation.constraint import Constraint
from unrolled.generation.rows import advance, begin, writer_behind
from unrolled.generation.sampling import check_length
from unrolled.layers.state import State
from unrolled.models.language import LanguageModel

S = TypeVar("S")


class Steps(Protocol[S]):
    """A model as the search sees it: rows of beginnings, one more symbol each at every step."""

    def start(self) -> tuple[Tensor, S]:
        """log P (1, V) of the first symbol, and the state of one row."""
        ...

    def advance(self, symbols: Sequence[int], state: S, rows: Sequence[int]) -> tuple[Tensor, S]:
        """log P (B, V) of the next symbols, where row i goes on from row `rows[i]` of the state with `symbols[i]`."""
        ...


class LanguageSteps:
    """A language model behind a prompt, for the search."""

    def __init__(self, model: LanguageModel, prompt: str = "") -> None:
        self.model = model
        self.prompt: list[int] = model.vocabulary.encode(prompt).tolist()

    def start(self) -> tuple[Tensor, State]:
        logits, state = begin(self.model, self.prompt)
        return logits.double().log_softmax(-1), state

    def advance(self, symbols: Sequence[int], state: State, rows: Sequence[int]) -> tuple[Tensor, State]:
        logits, state = advance(self.model, symbols, state.rows(rows), range(len(rows)))
        return logits.double().log_softmax(-1), state


@dataclass
class Tree:
    """Every beginning that was kept: node i is `symbols[i]` behind node `parents[i]`, with its log P in nats.

    Node 0 is the empty beginning, its parent -1.
    """

    parents: list[int] = field(default_factory=lambda: [-1])
    symbols: list[int] = field(default_factory=lambda: [END])
    log_probabilities: list[float] = field(default_factory=lambda: [0.0])

    def add(self, parent: int, symbol: int, log_probability: float) -> int:
        """A new node; its number."""
        self.parents.append(parent)
        self.symbols.append(symbol)
        self.log_probabilities.append(log_probability)
        return len(self.parents) - 1

    def path(self, node: int) -> list[int]:
        """The symbols from the first one to this node."""
        found = []
        while node > 0:
            found.append(self.symbols[node])
            node = self.parents[node]
        return found[::-1]


@dataclass(frozen=True)
class Leaf:
    """A node where a text ends (`<eos>`, if `ended`) or where the length ran out, and its score."""

    node: int
    score: float
    ended: bool


@dataclass(frozen=True)
class Hypothesis:
    """A text that the search found.

    `symbols` are those behind the prompt, with the `<eos>` where it `ended`; `log_probability` is the sum of theirs in
    nats, and the score log P / n^length_penalty.
    """

    text: str
    symbols: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool


def beam(
    model: LanguageModel,
    prompt: str = "",
    length: int = 200,
    width: int = 5,
    n_best: int = 1,
    length_penalty: float = 0.0,
    constraint: Constraint | None = None,
) -> list[Hypothesis]:
    """The `n_best` likeliest texts found behind a prompt, the best first.

        score = log P(s_1 ... s_n | prompt) / n^length_penalty

    P is the model's own, also with a constraint. At every step the `width` likeliest beginnings are kept; a text is
    found when its `<eos>` is among the `width` likeliest continuations of all. Nothing found later can be better when
    the search stops; with width 1 and no length penalty it is the greedy text, and wide enough it is exhaustive.
    Texts cut off by the length (`ended` False) compete as they are; with a constraint they come last.

    Raises:
        SettingError: a width, number, length or penalty outside its range.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> [one.score for one in beam(model, "ho", length=3, n_best=2)]  == sorted(
        ...     (one.score for one in beam(model, "ho", length=3, n_best=2)), reverse=True
        ... )
        True

    Paper: Sutskever et al. 2014, arXiv:1409.3215; the length penalty as in Wu et al. 2016, arXiv:1609.08144, without
    its constants.
    """
    steps = LanguageSteps(model, prompt)
    leaves, tree = search(steps, length, width, n_best, length_penalty, constraint)
    return [hypothesis(steps, tree, leaf, constraint) for leaf in leaves]


def hypothesis(
    steps: LanguageSteps, tree: Tree, leaf: Leaf, constraint: Constraint | None = None
) -> Hypothesis:
    """A leaf as a text."""
    symbols = tree.path(leaf.node)
    writer = writer_behind(steps.model, steps.prompt)
    if constraint is not None:
        writer = constraint.writer(bool(steps.prompt))
    shown = symbols[:-1] if leaf.ended else symbols
    text = "".join([writer.write(symbol) for symbol in shown]) + writer.end()
    return Hypothesis(text, tuple(symbols), tree.log_probabilities[leaf.node], leaf.score, leaf.ended)


def search(
    steps: Steps[S],
    length: int,
    width: int = 5,
    n_best: int = 1,
    length_penalty: float = 0.0,
    constraint: Constraint | None = None,
) -> tuple[list[Leaf], Tree]:
    """Beam search over any model that goes on row by row: the best leaves, and the tree of all that was kept.

    The prefix is never read again: every step advances the rows that were kept, in one batch.
    """
    check_length(length)
    if width < 1:
        raise SettingError(f"the width of the beam must be at least 1, got {width}")
    if not 1 <= n_best <= width:
        raise SettingError(
            f"the number of texts must be from 1 to the width of the beam, {width}, got {n_best}"
        )
    if not 0 <= length_penalty < math.inf:
        raise SettingError(f"the length penalty must be 0 (none) or more, got {length_penalty}")
    return _Search(steps, length, width, n_best, length_penalty, constraint).run()


class _Search(Generic[S]):
    def __init__(
        self,
        steps: Steps[S],
        length: int,
        width: int,
        n_best: int,
        length_penalty: float,
        constraint: Constraint | None,
    ) -> None:
        self.steps, self.length, self.width, self.n_best = steps, length, width, n_best
        self.length_penalty, self.constraint = length_penalty, constraint
        self.tree = Tree()
        self.found: list[Leaf] = []
        self.alive = [0]
        self.states: list[ConstraintState] = [None if constraint is None else constraint.start]

    def run(self) -> tuple[list[Leaf], Tree]:
        if not self.length:
            return [Leaf(0, 0.0, False)], self.tree
        logs, state = self.steps.start()
        for step in range(1, self.length + 1):
            rows = self._grow(logs, step)
            if not self.alive and not self.found and self.constraint is not None:
                raise self.constraint.dead_end()
            if not self.alive or step == self.length or self._is_settled():
                break
            logs, state = self.steps.advance([self.tree.symbols[node] for node in self.alive], state, rows)
        # The search may have stopped early: what is still alive then is no text.
        if step == self.length:
            self.found += [Leaf(node, self._score(node, step), False) for node in self.alive]
        self.found.sort(key=self._order)
        return self.found[: self.n_best], self.tree

    def _grow(self, logs: Tensor, step: int) -> list[int]:
        """Put the likeliest continuations into the tree; the rows that the ones still alive come from."""
        places, symbols, values = self._likeliest(logs)
        before, states, rows = self.alive, self.states, []
        self.alive, self.states = [], []
        for rank, (row, symbol, value) in enumerate(zip(places, symbols, values, strict=True)):
            if symbol == END and rank < self.width:
                node = self.tree.add(before[row], END, value)
                self.found.append(Leaf(node, self._score(node, step), True))
            elif symbol != END and len(self.alive) < self.width:
                self.alive.append(self.tree.add(before[row], symbol, value))
                self.states.append(
                    None if self.constraint is None else self.constraint.advance(states[row], symbol)
                )
                rows.append(row)
        return rows

    def _likeliest(self, logs: Tensor) -> tuple[list[int], list[int], list[float]]:
        """Row, symbol and log P of the continuations, the likeliest first: enough of them to fill the beam."""
        size = logs.shape[1]
        totals = logs + torch.tensor(
            [[self.tree.log_probabilities[node]] for node in self.alive], dtype=logs.dtype
        )
        totals[:, UNKNOWN] = -torch.inf
        if self.constraint is not None:
            allowed = torch.stack([self.constraint.mask(state) for state in self.states])
            totals = totals.masked_fill(~allowed, -torch.inf)
        # Each row has one <eos>, so that so many more leave enough that go on.
        top = totals.flatten().topk(min(self.width + len(self.alive), totals.numel()))
        values = top.values[top.values > -torch.inf]
        chosen = top.indices[: len(values)]
        return (chosen // size).tolist(), (chosen % size).tolist(), values.tolist()

    def _score(self, node: int, n: int) -> float:
        return self.tree.log_probabilities[node] / math.pow(n, self.length_penalty)

    def _is_settled(self) -> bool:
        """Whether enough texts are found, and none of those still alive can become better."""
        if len(self.found) < self.n_best:
            return False
        scores = sorted((leaf.score for leaf in self.found), reverse=True)
        best = max(self.tree.log_probabilities[node] for node in self.alive)
        return scores[self.n_best - 1] >= best / math.pow(self.length, self.length_penalty)

    def _order(self, leaf: Leaf) -> tuple[bool, float]:
        return self.constraint is not None and not leaf.ended, -leaf.score
