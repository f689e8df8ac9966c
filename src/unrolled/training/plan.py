"""What a run is going to do, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.encoded import counted as counted
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


def extent(lengths: NDArray[np.int64], noun: str) -> str:
    """Lengths of sequences: from the shortest to the longest.

    Example:
        >>> extent(np.array([3, 1000]), "step"), extent(np.array([2, 2]), "word"), extent(np.array([1]), "word")
        ('3 to 1,000 steps', '2 words', '1 word')
    """
    shortest, longest = int(lengths.min()), int(lengths.max())
    return counted(longest, noun) if shortest == longest else f"{shortest:,} to {counted(longest, noun)}"
