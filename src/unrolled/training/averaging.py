"""The mean of the weights behind many updates, which is judged and kept in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Place = tuple[float, ...]
"""How good a validation was: the smaller, the better."""


class Average:
    """The mean of parameters over the updates it is told of.

        mean_n = mean_{n-1} + (w_n - mean_{n-1}) / n

    Paper: Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging.

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0]))
        >>> average = Average([weight])
        >>> for value in (2.0, 4.0):
        ...     _ = weight.data.fill_(value)
        ...     average.add()
        >>> with average.in_place():
        ...     inside = weight.item()
        >>> inside, weight.item()
        (3.0, 4.0)
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self.number = 0
        self.means: list[Tensor] = []

    @torch.no_grad()
    def add(self) -> None:
        """Take the weights in as they are now."""
        self.number += 1
        if self.number == 1:
            self.means = [parameter.detach().clone() for parameter in self.parameters]
        else:
            for mean, parameter in zip(self.means, self.parameters, strict=True):
                mean.lerp_(parameter, 1 / self.number)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the parameters are the mean, if there is one yet; behind, what they were."""
        if not self.number:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, mean in zip(self.parameters, self.means, strict=True):
            kept = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(kept)


class Trigger:
    """Says when averaging begins: at the first validation worse than the best of those more than n validations ago.

    Validation k, numbered from 0, triggers if k > n and it is worse than the best of validations 0 ... k - n - 1. So
    n validations may go up and down before it counts.

    Paper: Merity et al. 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182 (NT-ASGD).

    Example:
        >>> trigger = Trigger(after=2)
        >>> [trigger((loss,)) for loss in (5.0, 3.0, 4.0, 3.5, 3.1, 2.9)]
        [False, False, False, False, True, False]
    """

    def __init__(self, after: int) -> None:
        self.after = after
        self.places: list[Place] = []

    def __call__(self, place: Place) -> bool:
        """Take in a validation; whether it triggers."""
        old = self.places[: max(0, len(self.places) - self.after)]
        self.places.append(place)
        return bool(old) and place > min(old)
