"""Outputs of an encoder-decoder symbol by symbol: many sources at once, several beginnings of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.generation.beam import Tree
from unrolled.generation.filters import Filters, drawn
from unrolled.models.encoder_decoder import Encoded, EncoderDecoder
from unrolled.models.output import Output as OutputLayer

CHUNK = 1_000_000
"""Logits that are there at a time: few enough to stay in cache, and always in the same memory."""


@dataclass(frozen=True)
class Choice:
    """How R beginnings of each of B outputs go on, in R' ways.

    `rows` (B, R') are the beginnings that go on, `symbols` (B, R') with what, and `totals` (B, R') log P in nats, -inf
    where a place is empty. `ended` (B, R', or fewer or more) are outputs that end here: log P, -inf where none does,
    and `ended_rows` of the same shape the beginnings that they end.
    """

    rows: Tensor
    symbols: Tensor
    totals: Tensor
    ended: Tensor
    ended_rows: Tensor


class Chooser(Protocol):
    """What decides how beginnings go on."""

    starts: int
    """The beginnings at first, all of them empty."""
    width: int
    """So many outputs of a source are enough."""

    def choose(
        self, output: OutputLayer, read: Tensor, totals: Tensor, sources: Sequence[int], step: int
    ) -> Choice:
        """From what the output layer reads (B, R, n) and log P (B, R) of the beginnings, at the step 0, 1, ..."""
        ...


class Beam:
    """The `width` likeliest beginnings go on, those of an output's end left aside.

    An output ends where its `<eos>` is among the `width` likeliest continuations of all. Without `unknown` none reads
    `<unk>`; log P is the model's own all the same. Width 1 is the greedy choice.
    """

    starts = 1

    def __init__(self, width: int, unknown: bool) -> None:
        self.width, self.unknown = width, unknown

    def choose(
        self, output: OutputLayer, read: Tensor, totals: Tensor, sources: Sequence[int], step: int
    ) -> Choice:
        batch, beginnings = totals.shape
        # From one beginning no more than these can be kept: the beam is full then, whether or not one is <eos>.
        number = min(self.width + 1, output.size)
        logs, indices = likeliest(output, read.flatten(0, 1), number, self.unknown)
        values = (totals[..., None] + logs.view(batch, beginnings, number)).flatten(1)
        best = values.topk(min(self.width + beginnings, values.shape[1]))
        symbols = indices.view(batch, -1).gather(1, best.indices)
        rows = best.indices // number
        ends = symbols == END
        on = ends.int().argsort(dim=1, stable=True)[:, : self.width]
        going = best.values.masked_fill(ends, -torch.inf).gather(1, on)
        ended = best.values.masked_fill(~ends, -torch.inf)[:, : self.width]
        return Choice(rows.gather(1, on), symbols.gather(1, on), going, ended, rows[:, : self.width])


def likeliest(output: OutputLayer, read: Tensor, number: int, unknown: bool) -> tuple[Tensor, Tensor]:
    """log P in float64 and indices (N, number) of the likeliest symbols after (N, n), the likeliest first.

    With `unknown` false `<unk>` is not among them. No (N, V) logits are held.
    """
    height = max(1, min(len(read), CHUNK // output.size))
    memory = read.new_empty(height, output.size)
    values, indices = [], []
    for part in read.split(height):
        logs = memory[: len(part)]
        torch.addmm(output.bias, part, output.weight.t(), out=logs)
        torch.log_softmax(logs, 1, out=logs)
        if not unknown:
            logs[:, UNKNOWN] = -torch.inf
        top = logs.topk(number)
        values.append(top.values.double())
        indices.append(top.indices)
    return torch.cat(values), torch.cat(indices)


class Draws:
    """Every beginning goes on with a symbol that is drawn, `width` outputs of each source.

    `uniform` (sources, width, steps) are the random numbers, so that what is drawn for a source depends on nothing
    else.
    """

    def __init__(self, filters: Filters, uniform: Sequence[np.ndarray], width: int, unknown: bool) -> None:
        self.filters, self.uniform, self.unknown = filters, uniform, unknown
        self.starts = self.width = width

    def choose(
        self, output: OutputLayer, read: Tensor, totals: Tensor, sources: Sequence[int], step: int
    ) -> Choice:
        batch, beginnings = totals.shape
        flat = output.logits(read.flatten(0, 1))
        # The filters never let <unk> through; where it may be drawn, it goes by another number meanwhile.
        offered = torch.cat([flat, flat[:, UNKNOWN, None]], 1) if self.unknown else flat
        numbers = np.concatenate([self.uniform[source][:, step] for source in sources])
        symbols = drawn(self.filters.probabilities(offered), torch.from_numpy(numbers).to(flat.device))
        symbols = symbols.masked_fill(symbols == output.size, UNKNOWN)
        logs = flat.double().log_softmax(-1).gather(1, symbols[:, None])
        after = totals + logs.view(batch, beginnings)
        symbols = symbols.view(batch, beginnings)
        rows = torch.arange(beginnings, device=flat.device).expand(batch, -1)
        ends = symbols == END
        going, ended = after.masked_fill(ends, -torch.inf), after.masked_fill(~ends, -torch.inf)
        return Choice(rows, symbols, going, ended, rows)


@dataclass(frozen=True)
class Output:
    """Symbols with the `<eos>` if they `ended`, log P in nats, the score, and the weights (n, S) with attention."""

    symbols: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool
    weights: Tensor | None


@dataclass(frozen=True)
class _Leaf:
    """An output that goes on behind beginning `row` of step `step` - 1 with `<eos>`, or, cut off, is that beginning."""

    step: int
    row: int
    log_probability: float
    score: float
    ended: bool


@dataclass(frozen=True)
class _Step:
    """What was chosen for the sources that were left, at the `places` they had.

    `weights` (B, R, S) are those of the beginnings before it.
    """

    places: dict[int, int]
    rows: list[list[int]]
    symbols: list[list[int]]
    totals: list[list[float]]
    weights: Tensor | None


class Decoding:
    """The outputs of B sources, `n_best` of each, searched side by side.

        score = log P / n^length_penalty,    n with the `<eos>`

    A source is done when none that goes on can still become one of its `n_best`; when `chooser.width` outputs have
    ended and none that goes on is better by now; or at its longest length. Outputs cut off there come after those that
    ended. What was read is never read again: each step reads one symbol of every beginning, all sources in one batch,
    and those that are done leave it.

    Args:
        model: the encoder-decoder.
        chooser: how beginnings go on.
        longest: for every source the most symbols of an output.
        n_best: the outputs of each source.
        length_penalty: 0 or more.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        chooser: Chooser,
        longest: Sequence[int],
        n_best: int = 1,
        length_penalty: float = 1.0,
    ) -> None:
        self.model, self.chooser, self.longest = model, chooser, longest
        self.n_best, self.length_penalty = n_best, length_penalty
        self.steps: list[_Step] = []
        self.leaves: list[list[_Leaf]] = [[] for _ in longest]

    @torch.no_grad()
    def run(self, encoded: Encoded) -> list[list[Output]]:
        """The outputs of every source, the best first."""
        count, starts = len(self.longest), self.chooser.starts
        device = self.model.target_embedding.weight.device
        symbols = torch.full((count, starts), END, device=device)
        totals = torch.zeros(count, starts, dtype=torch.float64, device=device)
        active = list(range(count))
        state = encoded.state.rows(torch.arange(count).repeat_interleave(starts))
        while active:
            read, state, weights = self.model.step(symbols, state, encoded)
            choice = self.chooser.choose(self.model.output, read, totals, active, len(self.steps))
            on = torch.tensor(self._noted(choice, active, weights), dtype=torch.int64, device=device)
            rows = choice.rows[on] + on[:, None] * symbols.shape[1]
            symbols, totals, state = choice.symbols[on], choice.totals[on], state.rows(rows.flatten())
            if len(on) < len(active):
                encoded = encoded.rows(on)
            active = [active[place] for place in on.tolist()]
        return [self._outputs(source) for source in range(count)]

    def _noted(self, choice: Choice, active: list[int], weights: Tensor | None) -> list[int]:
        """Write a step down; the places of the sources that go on."""
        places = {source: place for place, source in enumerate(active)}
        made = _Step(places, choice.rows.tolist(), choice.symbols.tolist(), choice.totals.tolist(), weights)
        self.steps.append(made)
        ended, rows = choice.ended.tolist(), choice.ended_rows.tolist()
        return [
            place for place, source in enumerate(active) if self._goes_on(source, ended[place], rows[place])
        ]

    def _goes_on(self, source: int, ended: list[float], rows: list[int]) -> bool:
        """Note the outputs of a source that end in the newest step, or are cut off by it."""
        number, found = len(self.steps), self.leaves[source]
        for value, row in zip(ended, rows, strict=True):
            if value > -math.inf:
                found.append(self._leaf(number - 1, row, value, number, True))
        totals = self.steps[-1].totals[self.steps[-1].places[source]]
        best = max(totals)
        if best == -math.inf or self._is_settled(source, best):
            return False
        if number < self.longest[source]:
            return True
        for row, value in enumerate(totals):
            if value > -math.inf:
                found.append(self._leaf(number, row, value, number, False))
        return False

    def _leaf(self, step: int, row: int, value: float, n: int, ended: bool) -> _Leaf:
        return _Leaf(step, row, value, value / math.pow(n, self.length_penalty), ended)

    def _is_settled(self, source: int, best: float) -> bool:
        """Whether enough outputs are found, and none of those that go on can become better, or is by now.

        So many as the beam is wide are not enough by themselves: where a model is sure, they may all be unlikely ends
        of the one that goes on.
        """
        found = self.leaves[source]
        if len(found) < self.n_best:
            return False
        worst = sorted((leaf.score for leaf in found), reverse=True)[self.n_best - 1]
        n = len(self.steps) if len(found) >= self.chooser.width else self.longest[source]
        return worst >= best / math.pow(n, self.length_penalty)

    # --- read back -------------------------------------------------------------------------------

    def _outputs(self, source: int) -> list[Output]:
        best = sorted(self.leaves[source], key=lambda leaf: (not leaf.ended, -leaf.score))
        return [self._output(source, leaf) for leaf in best[: self.n_best]]

    def _output(self, source: int, leaf: _Leaf) -> Output:
        symbols, weights, row = [], [], leaf.row
        if leaf.ended:
            symbols.append(END)
            weights.append(self._weights(source, leaf.step, row))
        for number in range(leaf.step - 1, -1, -1):
            step = self.steps[number]
            place = step.places[source]
            symbols.append(step.symbols[place][row])
            row = step.rows[place][row]
            weights.append(self._weights(source, number, row))
        attended = [w for w in reversed(weights) if w is not None]
        stacked = _stacked(attended) if attended else None
        return Output(tuple(reversed(symbols)), leaf.log_probability, leaf.score, leaf.ended, stacked)

    def _weights(self, source: int, number: int, row: int) -> Tensor | None:
        step = self.steps[number]
        return None if step.weights is None else step.weights[step.places[source], row]

    def tree(self, source: int) -> Tree:
        """Every beginning of a source that was kept, and every output that ended."""
        tree, nodes = Tree(), [0] * self.chooser.starts
        ended = [leaf for leaf in self.leaves[source] if leaf.ended]
        for number, step in enumerate(self.steps):
            if source not in step.places:
                break
            place = step.places[source]
            for leaf in ended:
                if leaf.step == number:
                    tree.add(nodes[leaf.row], END, leaf.log_probability)
            kept = zip(step.rows[place], step.symbols[place], step.totals[place], strict=True)
            # An empty place has no node; nothing comes back to it.
            nodes = [tree.add(nodes[r], s, total) if total > -math.inf else -1 for r, s, total in kept]
        return tree


def _stacked(weights: list[Tensor]) -> Tensor:
    """Rows of weights as (n, S): the batch they come from may have been wider at first."""
    steps = min(len(row) for row in weights)
    return torch.stack([row[:steps] for row in weights])
