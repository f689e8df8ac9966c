"""What a run is going to do, in words."""

from __future__ import annotations

from unrolled.training.schedule import Budget
from unrolled.training.settings import CourseSettings


def planned(settings: CourseSettings, batches_per_epoch: int, each: str) -> str:
    """The limits of a run and what one update sees."""
    budget = Budget.of(settings, batches_per_epoch)
    limits = []
    if budget.updates is not None:
        limits.append(f"{budget.updates:,} updates ({budget.updates / batches_per_epoch:.3g} epochs)")
    if budget.minutes is not None:
        limits.append(f"{budget.minutes:g} minutes")
    return f"{' or '.join(limits)}, {each}; Ctrl-C stops and keeps the model"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it should be."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
