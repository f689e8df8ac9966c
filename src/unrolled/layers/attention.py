"""Attention after the loop: every step of one batch looks at all steps of another, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.ragged import Ragged

SCORES = ("general", "dot")


@dataclass(frozen=True)
class Memories:
    """What is attended to, B rows of at most S steps: prepared once, read as often as wanted.

    `keys` (B, S, n) are what queries are compared with, `values` (B, S, M) what is averaged, and `beyond` (B, S) is
    true behind the end of a row.
    """

    keys: Tensor
    values: Tensor
    beyond: Tensor

    def rows(self, index: Tensor) -> Memories:
        """Those of some rows, without the steps that none of them has."""
        beyond = self.beyond[index]
        steps = int((~beyond).sum(1).max()) if len(index) else 0
        return Memories(self.keys[index, :steps], self.values[index, :steps], beyond[:, :steps])


class LuongAttention(nn.Module):
    """Global attention that needs no loop: it reads the outputs h_t of a layer when all of them are there.

        score(h_t, m_s) = h_t . m_s          "dot"        the sizes must be equal, Q = M
        score(h_t, m_s) = h_t . W_a m_s      "general"
        a_ts = softmax over the steps s of the row's memory of score(h_t, m_s)
        c_t = sum_s a_ts m_s
        attentional_t = tanh(W_c [c_t, h_t])

    Rows are as long as they are, queries and memories each: what is padded inside has weight 0.

    Args:
        query_size: Q, the size of h_t.
        memory_size: M, the size of m_s.
        output_size: of the attentional vector.
        score: one of the two.

    Raises:
        SettingError: another score; "dot" with sizes that differ.
        ShapeError: in a call, different numbers of rows, other sizes, a row of the memory without steps.

    Example:
        >>> attention = LuongAttention(query_size=5, memory_size=4, output_size=3)
        >>> queries = Ragged(torch.zeros(3, 5), [1, 2])
        >>> memories = Ragged(torch.ones(7, 4), [3, 4])
        >>> output, weights = attention(queries, memories, weights=True)
        >>> output
        Ragged(values (3, 3) of torch.float32, lengths [1, 2])
        >>> weights[1, 0].tolist()
        [0.25, 0.25, 0.25, 0.25]

    Paper: Luong et al. 2015, Effective approaches to attention-based neural machine translation (arXiv:1508.04025).
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        output_size: int,
        score: Literal["general", "dot"] = "general",
    ) -> None:
        super().__init__()
        if score not in SCORES:
            raise SettingError(f"attention must be {' or '.join(SCORES)}, got {score!r}; use one of these")
        if score == "dot" and query_size != memory_size:
            raise SettingError(
                f"attention by dot needs queries and memories of one size, got {query_size} and {memory_size}; use "
                "general"
            )
        self.query_size, self.memory_size, self.score = query_size, memory_size, score
        self.keys = nn.Linear(memory_size, query_size, bias=False) if score == "general" else None
        self.combine = nn.Linear(memory_size + query_size, output_size, bias=False)

    @overload
    def forward(self, queries: Ragged, memories: Ragged | Memories) -> Ragged: ...
    @overload
    def forward(
        self, queries: Ragged, memories: Ragged | Memories, *, weights: bool
    ) -> tuple[Ragged, Tensor]: ...
    def forward(
        self, queries: Ragged, memories: Ragged | Memories, *, weights: bool = False
    ) -> Ragged | tuple[Ragged, Tensor]:
        """Queries (N, Q) of B rows and the memories of these rows, to attentional vectors (N, n) of the same rows.

        With `weights` also a_ts (B, T, S), 0 where a row has no step t or s.
        """
        prepared = memories if isinstance(memories, Memories) else self.prepare(memories)
        self._check(queries, len(prepared.values))
        contexts, shares = self._attend(queries.padded(batch_first=True), prepared)
        found = queries.map(self._combined, Ragged.from_padded(contexts, queries.lengths, batch_first=True))
        if not weights:
            return found
        asked = torch.arange(queries.longest)[None] < queries.lengths[:, None]
        return found, shares * asked.to(shares.device)[..., None]

    def prepare(self, memories: Ragged) -> Memories:
        """The keys and values of memories (N, M), for many calls."""
        if memories.values.dim() != 2 or memories.values.shape[1] != self.memory_size:
            raise ShapeError(
                f"memories must be (N, M) with M={self.memory_size}, got {tuple(memories.values.shape)}. Reshape them."
            )
        if bool((memories.lengths == 0).any()):
            raise ShapeError("a row must have at least one step to attend to, got one without. Leave it out.")
        values = memories.padded(batch_first=True)
        keys = values if self.keys is None else memories.map(self.keys).padded(batch_first=True)
        beyond = torch.arange(memories.longest)[None] >= memories.lengths[:, None]
        return Memories(keys, values, beyond.to(values.device))

    def step(self, queries: Tensor, memories: Memories) -> tuple[Tensor, Tensor]:
        """Queries (B, R, Q), R for each row of the memories, to vectors (B, R, n) and weights (B, R, S)."""
        contexts, shares = self._attend(queries, memories)
        return self._combined(queries, contexts), shares

    def _attend(self, queries: Tensor, memories: Memories) -> tuple[Tensor, Tensor]:
        """The contexts (B, R, M) and weights (B, R, S)."""
        scores = queries @ memories.keys.transpose(1, 2)
        shares = scores.masked_fill(memories.beyond[:, None], -torch.inf).softmax(-1)
        return shares @ memories.values, shares

    def _combined(self, queries: Tensor, contexts: Tensor) -> Tensor:
        weight = self.combine.weight
        # Two products in place of one of the vectors side by side, which would be copied for it.
        of_context = linear(contexts, weight[:, : self.memory_size])
        return (of_context + linear(queries, weight[:, self.memory_size :])).tanh()

    def _check(self, queries: Ragged, rows: int) -> None:
        if queries.values.dim() != 2 or queries.values.shape[1] != self.query_size:
            raise ShapeError(
                f"queries must be (N, Q) with Q={self.query_size}, got {tuple(queries.values.shape)}. Reshape them."
            )
        if queries.batch_size != rows:
            raise ShapeError(
                f"queries and memories must have as many rows, got {queries.batch_size} and {rows}. Match them."
            )

    def extra_repr(self) -> str:
        """The score and the sizes."""
        return f"{self.score}, query_size={self.query_size}, memory_size={self.memory_size}"
