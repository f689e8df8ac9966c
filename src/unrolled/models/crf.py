"""The linear-chain conditional random field: the probability of a whole row of tags, not of each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from unrolled.data.tag_schemes import OUTSIDE
from unrolled.errors import DataError, ShapeError
from unrolled.layers.extents import Extents
from unrolled.layers.ragged import Ragged

_LARGEST = 600.0
"""What exp can take in float64, with room for sums."""


class LinearChainCRF(nn.Module):
    """A score for every row of tags y, from emissions e (T, K) and a score for every pair of neighbours.

        s(e, y) = start[y_1] + sum_t e_t[y_t] + sum_t transitions[y_t, y_t+1] + end[y_T]
        P(y | e) = exp s(e, y) / sum_y' exp s(e, y')

    The sum over all K^T rows of tags is a recursion over the steps in log space; its gradient, the expected counts,
    comes from the same recursion run from the other end. Rows of all lengths run together, none beyond its end.

    Args:
        tags: K, or the names of the tags.
        constrained: rows of tags that the BIO scheme forbids (`I-x` after anything but `B-x` or `I-x`) have no
            probability. Needs names.

    Example:
        >>> crf = LinearChainCRF(["O", "B-x", "I-x"], constrained=True)
        >>> emissions = Ragged(torch.tensor([[0.0, -1, 5], [0, -1, 5]]), [2])
        >>> crf.decode(emissions).values.tolist()
        [1, 2]

    Raises:
        ShapeError: emissions that are not (N, K).
        DataError: in `log_likelihood`, rows of tags that are forbidden.

    Paper: Lafferty et al. 2001, Conditional random fields.
    """

    allowed: Tensor
    first: Tensor

    def __init__(self, tags: int | Sequence[str], constrained: bool = False) -> None:
        super().__init__()
        names = [""] * tags if isinstance(tags, int) else list(tags)
        count = len(names)
        self.constrained = constrained
        self.transitions = nn.Parameter(torch.zeros(count, count))
        self.start = nn.Parameter(torch.zeros(count))
        self.end = nn.Parameter(torch.zeros(count))
        pairs = [[not constrained or follows(a, b) for b in names] for a in names]
        begins = [not constrained or follows(OUTSIDE, b) for b in names]
        self.register_buffer("allowed", torch.tensor(pairs), persistent=False)
        self.register_buffer("first", torch.tensor(begins), persistent=False)

    def log_likelihood(self, emissions: Ragged, tags: Tensor) -> Tensor:
        """log P(tags | emissions) of every row, (B,); `tags` are (N,)."""
        self._check(emissions)
        return (self._score(emissions, tags) - self._partition(emissions)).to(emissions.dtype)

    def log_partition(self, emissions: Ragged) -> Tensor:
        """log of the sum of exp s over all rows of tags, (B,); 0 for a row without steps."""
        self._check(emissions)
        return self._partition(emissions).to(emissions.dtype)

    @torch.no_grad()
    def marginals(self, emissions: Ragged) -> Ragged:
        """P(y_t = k | emissions) of every step, (N, K)."""
        self._check(emissions)
        chains = _Chains(emissions.values, *self._scores(), emissions.extents)
        return emissions.with_values(chains.marginals().to(emissions.dtype))

    @torch.no_grad()
    def decode(self, emissions: Ragged) -> Ragged:
        """The most probable tags of every row, (N,), by the algorithm of Viterbi."""
        self._check(emissions)
        return emissions.with_values(_best(emissions.values, *self._scores(), emissions.extents))

    def _partition(self, emissions: Ragged) -> Tensor:
        # In float64, like the scores: the likelihood is a small difference of large numbers.
        found: Tensor = _LogPartition.apply(  # type: ignore[no-untyped-call]
            emissions.values, *self._scores(), emissions.extents
        )
        return found

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions, start and end, with no way along what is forbidden."""
        transitions = self.transitions.masked_fill(~self.allowed, -torch.inf)
        return transitions, self.start.masked_fill(~self.first, -torch.inf), self.end

    def _score(self, emissions: Ragged, tags: Tensor) -> Tensor:
        """s(e, y) of every row, (B,)."""
        device = emissions.device
        step, row = emissions.extents.steps.to(device), emissions.extents.rows.to(device)
        later = step > 0
        before, after = tags[:-1][later[1:]], tags[later]
        self._check_allowed(self.allowed[before, after], self.first[tags[~later]])
        last = torch.cat([~later[1:], later.new_ones(min(1, len(later)))])
        scores = emissions.values.gather(1, tags[:, None])[:, 0].double()
        scores = _added(scores, later, self.transitions[before, after])
        scores = _added(scores, ~later, self.start[tags[~later]])
        scores = _added(scores, last, self.end[tags[last]])
        return scores.new_zeros(len(emissions)).index_add(0, row, scores)

    def _check_allowed(self, pairs: Tensor, begins: Tensor) -> None:
        if self.constrained and not (bool(pairs.all()) and bool(begins.all())):
            raise DataError(
                "tags must follow each other as in the BIO scheme, got I- after another kind of tag; correct them, "
                "or use constrained=False"
            )

    def _check(self, emissions: Ragged) -> None:
        wanted = len(self.start)
        if emissions.values.dim() != 2 or emissions.values.shape[1] != wanted:
            raise ShapeError(
                f"emissions must be (N, K) with K = {wanted} tags, got {tuple(emissions.values.shape)}; give one "
                "score for each tag"
            )


def _added(scores: Tensor, where: Tensor, more: Tensor) -> Tensor:
    return scores.index_add(0, where.nonzero()[:, 0], more.double())


def follows(before: str, after: str) -> bool:
    """Whether the BIO scheme lets `after` come behind `before`."""
    return not after.startswith("I-") or (before[:2] in ("B-", "I-") and before[2:] == after[2:])


class _Chains:
    """Forward and backward scores of all rows, both in one loop over the steps, in float64.

        forward_t[j] = e_t[j] + log sum_i exp(forward_t-1[i] + transitions[i, j])
        backward_t[i] = e_t[i] + log sum_j exp(transitions[i, j] + backward_t+1[j])

    The second is the first along the rows from their ends, with transitions transposed. Values are in the packed
    order, where the rows still running at a step are the first ones.
    """

    def __init__(
        self, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, extents: Extents
    ) -> None:
        self.emissions, self.transitions, self.extents = emissions.double(), transitions.double(), extents
        turned = _turned(extents).to(emissions.device)
        packed = extents.packed(emissions.device)
        unpacked = extents.unpacked(emissions.device)
        both = torch.stack([self.emissions[packed], self.emissions[turned[packed]]])
        ways = torch.stack([self.transitions, self.transitions.T]).exp()
        scores = _recursion(both, torch.stack([start, end]), lambda before: _sums(before, ways), extents)
        self.forward = scores[0, unpacked]
        self.backward = scores[1, unpacked[turned]]
        self.partition = self._partition(end)

    def _partition(self, end: Tensor) -> Tensor:
        """(B,): the last forward scores, with the score of ending."""
        lengths = self.extents.lengths.to(self.emissions.device)
        found = self.emissions.new_zeros(len(lengths))
        last = lengths.cumsum(0)[lengths > 0] - 1
        found[lengths > 0] = (self.forward[last] + end).logsumexp(1)
        return found

    def marginals(self) -> Tensor:
        """P(y_t = k), (N, K)."""
        row = self.extents.rows.to(self.emissions.device)
        return (self.forward + self.backward - self.emissions - self.partition[row, None]).exp()

    def expected(self, weights: Tensor) -> Tensor:
        """How often every pair of neighbours is expected, (K, K), rows weighted by `weights` (B,)."""
        device = self.emissions.device
        later = (self.extents.steps > 0).to(device)
        row = self.extents.rows.to(device)[later]
        before, after = self.forward[:-1][later[1:]], self.backward[later]
        largest = before.amax(1, keepdim=True)
        # The largest way is probable at most 1, so only ways of no score at all are cut here.
        after = (after + largest - self.partition[row, None]).clamp(max=_LARGEST).exp()
        pairs = ((before - largest).exp() * weights[row, None]).T @ after
        return pairs * self.transitions.exp()


class _LogPartition(torch.autograd.Function):
    """log sum_y exp s(e, y); its gradient is the probability of every tag and pair of tags."""

    @staticmethod
    def forward(
        context: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, extents: Extents
    ) -> Tensor:
        chains = _Chains(emissions, transitions, start, end, extents)
        context.chains, context.dtype = chains, emissions.dtype
        return chains.partition

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        chains: _Chains = context.chains
        row = chains.extents.rows.to(gradient.device)
        shares = (chains.marginals() * gradient[row, None]).to(context.dtype)
        lengths = chains.extents.lengths.to(gradient.device)
        ends = lengths.cumsum(0)[lengths > 0]
        begins = ends - lengths[lengths > 0]
        pairs = chains.expected(gradient).to(context.dtype)
        return shares, pairs, shares[begins].sum(0), shares[ends - 1].sum(0), None


def _turned(extents: Extents) -> Tensor:
    """(N,) the value that stands in the place of each when every row is read from its end."""
    lengths = extents.lengths
    return (2 * extents.starts + lengths - 1).repeat_interleave(lengths) - torch.arange(extents.total)


def _recursion(
    emissions: Tensor, start: Tensor, join: Callable[[Tensor], Tensor], extents: Extents
) -> Tensor:
    """Scores (D, N, K) of D chains from emissions of that shape, both in packed order, and start (D, K).

    `join` turns the scores of a step, (D, rows, K), into what comes along all ways to the next.
    """
    found: list[Tensor] = []
    for here in emissions.split(extents.counts.tolist(), 1) if emissions.shape[1] else ():
        found.append(here + (join(found[-1][:, : here.shape[1]]) if found else start[:, None]))
    return torch.cat(found, 1) if found else emissions


def _sums(before: Tensor, ways: Tensor) -> Tensor:
    """log sum_i exp(before[i]) ways[i, j] as a product of matrices; what lies 700 nats below the largest is 0."""
    largest = before.amax(2, keepdim=True)
    return ((before - largest).exp() @ ways).log() + largest


def _best(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, extents: Extents) -> Tensor:
    """(N,) the tags of the best path of every row."""
    pointers: list[Tensor] = []
    ways = transitions.T.contiguous()

    def join(before: Tensor) -> Tensor:
        best, came_from = (before[0, :, None] + ways).max(2)
        pointers.append(came_from)
        return best[None]

    packed, unpacked = extents.packed(emissions.device), extents.unpacked(emissions.device)
    scores = _recursion(emissions[packed][None], start[None], join, extents)[0]
    steps = list((scores + end).argmax(1).split(extents.counts.tolist())) if len(scores) else []
    # So far as if every row ended at every step; where it goes on, it came from where the next step points.
    for t in range(len(steps) - 2, -1, -1):
        followed = pointers[t].gather(1, steps[t + 1][:, None])[:, 0]
        steps[t] = torch.cat([followed, steps[t][len(followed) :]])
    return torch.cat(steps)[unpacked] if steps else torch.zeros_like(packed)
