"""A task that is ready to be trained: between the data and the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unrolled.training.events import Outcome, Prepared, Report
from unrolled.training.fit import fit
from unrolled.training.objectives import Objective
from unrolled.training.run_folder import RunRecord
from unrolled.training.settings import CourseSettings


@dataclass(frozen=True)
class Task:
    """Everything before the first update: data as numbers, a model, settings that fit both, and what to say of them.

    Nothing of it has touched a disk. To be built and trained while torch's seed is that of the settings.
    """

    objective: Objective
    settings: CourseSettings
    prepared: Prepared

    def train(self, run: RunRecord, report: Report) -> Outcome:
        """Say what is going to happen, and `fit`."""
        report(replace(self.prepared, run=run.path))
        return fit(self.objective, self.settings, run, report)
