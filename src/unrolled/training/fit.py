"""The training loop: truncated BPTT with carried state, steps, clipping, validation, averaging, early stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from torch.nn.utils import clip_grad_norm_

from unrolled.errors import SettingError
from unrolled.inspection.course import Probe
from unrolled.inspection.plain import plain
from unrolled.training.averaging import Average, Trigger
from unrolled.training.events import Outcome, Probed, Report, Sampled, Updated, Validated
from unrolled.training.interrupt import Interrupt
from unrolled.training.objectives import Judgement, Objective
from unrolled.training.optimise import optimizer_of
from unrolled.training.run_folder import RunRecord
from unrolled.training.schedule import Budget, Schedule
from unrolled.training.settings import CourseSettings


def fit(
    objective: Objective,
    settings: CourseSettings,
    run: RunRecord,
    report: Report = lambda event: None,
    probes: Sequence[Probe] = (),
) -> Outcome:
    """Train until a limit is reached, the validation stops getting better, or Ctrl-C.

    The best model by validation is kept in the run's `model`, the newest weights in `checkpoints/last`. Both are
    written before the first update, so a folder that cannot be written is found at once. Every update and
    validation becomes a line of `metrics.jsonl`, every sample a line of `samples.jsonl`, and an event for `report`.
    So does what the probes find; they look before the first update, and then each as often as it says.

    Where weights are averaged, their mean is what is validated, sampled from and kept as the best model; training
    goes on with the weights themselves, which are those in `checkpoints/last`. Where averaging begins, patience does
    too.

    Raises:
        SettingError: the loss or a gradient is not finite; the best model stays. Settings go by validations where
            nothing is kept out.
        FolderError: the run folder cannot be written (any more); what was kept before stays.

    Papers: Williams and Peng 1990 (truncated BPTT), Kingma and Ba 2015 (Adam), Pascanu et al. 2013 (clipping),
    Merity et al. 2018 (averaging).
    """
    with Interrupt() as interrupt:
        return _Fit(objective, settings, run, report, interrupt, probes).run_to_end()


class _Fit:
    def __init__(
        self,
        objective: Objective,
        settings: CourseSettings,
        run: RunRecord,
        report: Report,
        interrupt: Interrupt,
        probes: Sequence[Probe],
    ) -> None:
        self.objective, self.settings, self.run, self.report = objective, settings, run, report
        self.interrupt, self.probes = interrupt, probes
        self.budget = Budget.of(settings, objective.batches_per_epoch)
        self.parameters = list(objective.model.parameters())
        self.optimizer = optimizer_of(self.parameters, settings)
        self.schedule = Schedule(settings)
        self.trigger = Trigger(settings.average_after) if settings.average == "triggered" else None
        self.average = Average(self.parameters) if settings.average == "always" else None
        self.started = time.perf_counter()
        self.update = 0
        self.symbols = 0
        self.training_seconds = 0.0
        self.losses: list[float] = []
        self.best, self.best_update, self.without_gain = Judgement(math.inf), 0, 0

    def run_to_end(self) -> Outcome:
        self._validate()
        self._probe()
        reason = self._train()
        if self.losses:
            self._validate()
        return Outcome(
            reason,
            self.update,
            self.seconds,
            self.best.loss * self.objective.scale,
            self.best_update,
            self._symbols_per_second(),
            self.objective.unit,
            self.best.scores,
        )

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def fraction(self) -> float:
        return self.budget.fraction(self.update, self.seconds)

    def _train(self) -> str:
        for batch, state in self._windows():
            self._update(batch, state)
            self._probe()
            if self.interrupt.requested:
                return "interrupted"
            if self.fraction >= 1:
                return "finished"
            if self.update % self.settings.validate_every == 0:
                self._validate()
                if self.without_gain >= self.settings.patience:
                    return "early stopping"
        raise AssertionError("the windows never end")

    def _windows(self) -> Iterator[tuple[Any, Any]]:
        """Epoch after epoch; every window with the state the one before it left, cut from its gradient."""
        while True:
            self.state = None
            for batch in self.objective.batches():
                yield batch, self.state

    def _update(self, batch: Any, state: Any) -> None:
        begun = time.perf_counter()
        rate = self.schedule.rate(self.update, self.fraction) * self.objective.pace(batch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total, loss, symbols, state = self.objective.penalised(batch, state)
        self.optimizer.zero_grad()
        total.backward()
        norm = float(clip_grad_norm_(self.parameters, self.settings.clip))
        value = float(loss.detach())
        self._check_finite(value, norm)
        self.optimizer.step()
        if self.average:
            self.average.add()
        self.state = None if state is None else state.detach()
        self.update += 1
        self.symbols += symbols
        self.training_seconds += time.perf_counter() - begun
        self._report_update(value * self.objective.scale, norm, rate)

    def _check_finite(self, loss: float, norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        what = f"loss became {loss}" if not math.isfinite(loss) else f"gradient norm became {norm}"
        kept = f"; the best model, of update {self.best_update}, is kept in {self.run.path}"
        raise SettingError(
            f"the {what} at update {self.update + 1}; use a smaller --learning-rate (now "
            f"{self.settings.rate:g}) or --clip (now {self.settings.clip:g}){kept if self.run.path else ''}"
        )

    def _symbols_per_second(self) -> float:
        return self.symbols / self.training_seconds if self.training_seconds else 0.0

    def _report_update(self, train: float, norm: float, rate: float) -> None:
        self.losses.append(train)
        event = Updated(
            self.update,
            self.update / self.objective.batches_per_epoch,
            self.fraction,
            self.seconds,
            train,
            norm,
            rate,
            self._symbols_per_second(),
        )
        self.run.add_metrics({"event": "update", **asdict(event)})
        self.report(event)

    def _probe(self) -> None:
        values: dict[str, float] = {}
        for probe in self.probes:
            values |= probe(self.update) or {}
        if values:
            event = Probed(self.update, self.seconds, plain(values))
            self.run.add_metrics({"event": "probe", **asdict(event)})
            self.report(event)

    def _validate(self) -> None:
        self.objective.model.eval()
        with self.average.in_place() if self.average else nullcontext():
            judgement = self.objective.validate()
            self._check_judged(judgement)
            best = self._keep(judgement)
            sampled = Sampled(self.update, self.objective.sample())
        self.run.keep_last(self.objective.model)
        self._report_validation(judgement, best)
        if sampled.text:
            self.run.add_sample(asdict(sampled))
            self.report(sampled)
        self.objective.model.train()
        self._respond(judgement, best)

    def _check_judged(self, judgement: Judgement | None) -> None:
        if judgement is not None:
            return
        for name, value in (("schedule", "plateau"), ("average", "triggered")):
            if getattr(self.settings, name) == value:
                raise SettingError(
                    f"--{name} {value} goes by validations, and nothing is kept out to validate on; keep something "
                    f"out, such as --validation 0.1, or use another --{name}"
                )

    def _keep(self, judgement: Judgement | None) -> bool:
        """Whether this is the best model so far; if so it is kept."""
        # An untrained model counts as the best so far, whatever its loss: a run always leaves a model. Where
        # nothing was kept out to judge by, the newest one does.
        best = judgement is None or self.update == 0 or judgement.place < self.best.place
        if best:
            self.best = judgement or Judgement(math.nan)
            self.best_update, self.without_gain = self.update, 0
            self.run.keep_best(self.objective.model)
        else:
            self.without_gain += 1
        return best

    def _respond(self, judgement: Judgement | None, best: bool) -> None:
        """What follows from a validation for the course."""
        self.schedule.validated(best)
        if self.trigger and judgement and self.average is None and self.trigger(judgement.place):
            self.average = Average(self.parameters)
            self.schedule.hold()
            self.without_gain = 0  # the mean has had no validation yet

    def _report_validation(self, judgement: Judgement | None, best: bool) -> None:
        train = sum(self.losses) / len(self.losses) if self.losses else None
        self.losses = []
        validation = None if judgement is None else judgement.loss * self.objective.scale
        scores = {} if judgement is None else judgement.scores
        averaged = self.average.number if self.average else 0
        event = Validated(self.update, self.seconds, train, validation, best, scores, averaged)
        self.run.add_metrics({"event": "validation", **asdict(event)})
        self.report(event)
