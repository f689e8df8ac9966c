"""How far a run has come, and the learning rate there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unrolled.training.settings import CourseSettings


@dataclass(frozen=True)
class Budget:
    """The limits of a run; whichever is reached first ends it.

    Example:
        >>> Budget(updates=100, minutes=2).fraction(update=10, seconds=60)
        0.5
    """

    updates: float | None = None
    minutes: float | None = None

    @classmethod
    def of(cls, settings: CourseSettings, updates_per_epoch: int) -> Budget:
        limits = [settings.update_limit]
        if settings.epochs is not None:
            limits.append(max(1, round(settings.epochs * updates_per_epoch)))
        return cls(min((limit for limit in limits if limit is not None), default=None), settings.minutes)

    def fraction(self, update: int, seconds: float) -> float:
        """The part of the run that is over, from 0 to 1."""
        parts = [0.0]
        if self.updates is not None:
            parts.append(update / self.updates)
        if self.minutes is not None:
            parts.append(seconds / (60 * self.minutes))
        return min(1.0, max(parts))


def learning_rate(settings: CourseSettings, update: int, fraction: float) -> float:
    """A straight rise over `warmup` updates, under half a cosine over the run.

    rate(u) = highest * min(1, (u + 1) / warmup) * (1 + cos(pi * fraction)) / 2

    Paper: Loshchilov and Hutter 2017, SGDR, arXiv:1608.03983.
    """
    rise = min(1.0, (update + 1) / settings.warmup) if settings.warmup else 1.0
    return settings.rate * rise * (1 + math.cos(math.pi * fraction)) / 2
