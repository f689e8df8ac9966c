"""The peak of this machine, measured again and again during a run."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from unrolled.inspection.speed import fma_peak, median


@dataclass
class Peak:
    """Multiply-adds times two, per second: the median of what was measured between the workloads."""

    threads: int = field(default_factory=torch.get_num_threads)
    samples: list[float] = field(default_factory=list)

    def measure(self, seconds: float = 0.2) -> None:
        """One more sample."""
        self.samples.append(fma_peak(self.threads, seconds))

    @property
    def value(self) -> float:
        """The median so far."""
        return median(self.samples)
