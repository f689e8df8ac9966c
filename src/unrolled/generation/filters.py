"""From logits to the probabilities that the next symbol is drawn with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.errors import SettingError


@dataclass(frozen=True)
class Filters:
    """What is done to the logits of the next symbol before it is drawn, in this order:

    1. `<unk>` is taken out, for it stands for no text; so is what a constraint does not allow.
    2. `repetition_penalty` theta: logits of the last `repetition_window` symbols (prompt included, `<eos>` not) are
       divided by theta if they are positive and multiplied by it if negative. Above 1 repeats less, below 1 more. It
       depends on where the logits have their zero, as in the paper; those of an adaptive softmax are log P.
    3. `temperature` tau: divides the logits; 0 puts all weight on the likeliest symbol.
    4. `top_k`: only the so many likeliest stay.
    5. `top_p`: only the fewest likeliest stay whose sum reaches it.
    6. `min_p`: only those at least so many times as likely as the likeliest stay.

        p_i = exp(logit_i / tau) / sum_j exp(logit_j / tau)   over the j that stay

    Of equally likely symbols the first in the vocabulary counts as likelier.

    Raises:
        SettingError: temperature < 0, top_k < 1, top_p or min_p outside (0, 1], repetition_penalty <= 0,
            repetition_window < 1.

    Example:
        >>> logits = torch.tensor([[9.0, 0.0, 1.0, 2.0]])  # index 0 is <unk>
        >>> [round(p, 3) for p in Filters(top_k=2).probabilities(logits)[0].tolist()]
        [0.0, 0.0, 0.269, 0.731]

    Papers: Ackley et al. 1985 (temperature), Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Keskar et al. 2019,
    arXiv:1909.05858 (repetition penalty), Nguyen et al. 2024, arXiv:2407.01082 (min-p).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    repetition_window: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise SettingError(
                f"temperature must be 0 (always the likeliest) or more, got {self.temperature}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise SettingError(f"top-k must be at least 1, got {self.top_k}")
        for name, share in (("top-p", self.top_p), ("min-p", self.min_p)):
            if share is not None and not 0 < share <= 1:
                raise SettingError(f"{name} must be above 0 and at most 1, got {share}")
        if not 0 < self.repetition_penalty < math.inf:
            raise SettingError(
                f"the repetition penalty must be above 0 (1 does nothing), got {self.repetition_penalty}"
            )
        if self.repetition_window < 1:
            raise SettingError(f"the repetition window must be at least 1, got {self.repetition_window}")

    def probabilities(
        self, logits: Tensor, recent: Tensor | None = None, allowed: Tensor | None = None
    ) -> Tensor:
        """Logits (B, V) to probabilities (B, V) in float64; no row depends on the others.

        Args:
            logits: of the next symbol.
            recent: the last symbols of each row, (B, W) with W up to `repetition_window`; `<unk>` and `<eos>` do not
                count, so rows with fewer are filled up with them.
            allowed: what a constraint lets through, (B, V).
        """
        logits = logits.double().clone()
        if recent is not None and self.repetition_penalty != 1:
            logits = self._penalised(logits, recent)
        logits[:, UNKNOWN] = -torch.inf
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).double()
        # The largest is taken off first: divided by a small temperature, two large ones may both be infinite.
        logits = (logits - logits.max(-1, keepdim=True).values) / self.temperature
        return self._cut(torch.softmax(logits, -1))

    def _penalised(self, logits: Tensor, recent: Tensor) -> Tensor:
        repeated = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, recent, True)
        repeated[:, [UNKNOWN, END]] = False
        theta = self.repetition_penalty
        return torch.where(repeated, torch.where(logits > 0, logits / theta, logits * theta), logits)

    def _cut(self, probabilities: Tensor) -> Tensor:
        if self.top_k is None and self.top_p is None and self.min_p is None:
            return probabilities
        sorted_, order = probabilities.sort(dim=-1, descending=True, stable=True)
        if self.top_k is not None:
            sorted_[:, self.top_k :] = 0
        if self.top_p is not None:
            # Sums by cumsum: it adds one after the other, so a row's bits do not depend on how many rows there are.
            before = _shifted(sorted_.cumsum(-1))
            sorted_[before >= self.top_p * sorted_.cumsum(-1)[:, -1:]] = 0
        if self.min_p is not None:
            sorted_[sorted_ < self.min_p * sorted_[:, :1]] = 0
        return torch.zeros_like(sorted_).scatter_(1, order, sorted_ / sorted_.cumsum(-1)[:, -1:])


def _shifted(sums: Tensor) -> Tensor:
    """The sum of all before each entry."""
    return torch.cat([torch.zeros_like(sums[:, :1]), sums[:, :-1]], -1)


def drawn(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """For each row of probabilities (B, V) and a number (B,) in [0, 1), the symbol (B,) that it falls on."""
    sums = probabilities.cumsum(-1)
    # A number below 1 times the whole sum stays below it, rounded too: never behind the last symbol drawn from.
    return (sums <= uniform[:, None] * sums[:, -1:]).sum(-1)
