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


class Schedule:
    """The learning rate: a straight rise over `warmup` updates, then what `schedule` says.

        rate(u) = highest * min(1, (u + 1) / warmup) * f

        cosine    f = (1 + cos(pi * fraction)) / 2, fraction being the part of the run that is over
        plateau   f = decay^k: k stairs, one whenever `plateau_patience` validations in a row brought no new best
        constant  f = 1

    Paper: Loshchilov and Hutter 2017, SGDR, arXiv:1608.03983 (cosine).

    Example:
        >>> schedule = Schedule(CourseSettings(schedule="plateau", warmup=0, learning_rate=8))
        >>> for best in (True, False, False):
        ...     schedule.validated(best)
        >>> schedule.rate(update=100, fraction=0.3)
        2.0
    """

    def __init__(self, settings: CourseSettings) -> None:
        self.settings = settings
        self.stairs = 1.0
        self.waited = 0
        """Validations since the last new best or stair."""
        self.held = False

    def rate(self, update: int, fraction: float) -> float:
        """For the update behind so many, with this part of the run over."""
        settings = self.settings
        rise = min(1.0, (update + 1) / settings.warmup) if settings.warmup else 1.0
        if settings.schedule == "cosine":
            return settings.rate * rise * (1 + math.cos(math.pi * fraction)) / 2
        return settings.rate * rise * self.stairs

    def validated(self, best: bool) -> None:
        """Take in a validation, which was the best so far or not."""
        self.waited = 0 if best else self.waited + 1
        if self.settings.schedule != "plateau" or self.held or self.waited < self.settings.plateau_patience:
            return
        self.stairs *= self.settings.decay
        self.waited = 0

    def hold(self) -> None:
        """No more stairs."""
        self.held = True
