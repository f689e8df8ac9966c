"""Training as a person sees it: a live panel on a terminal, plain lines anywhere else."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.table import Table
from rich.text import Text

from unrolled.training.events import (
    Event,
    Outcome,
    Prepared,
    ReadSoFar,
    Regressed,
    Sampled,
    Updated,
    Validated,
)

_REFRESH = 0.2
"""Seconds between two drawings: more would take time from the training."""


class Progress:
    """Shows the events of a run; use it as a context manager and hand `progress.report` to the training.

    Every validation leaves a line for good; on a terminal a panel below shows what happens between them.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.unit, self.symbols = "", ""  # said by `Prepared`
        self.updated: Updated | None = None
        self.validated: Validated | None = None
        self.sample = ""
        self.best = math.inf
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn = 0.0
        self._said = 1.0
        """Seconds of reading at which a line last said so, where nothing can be drawn."""
        self._drawn_widths: list[int] = []

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def report(self, event: Event) -> None:
        """Take one event in and show what is new."""
        self._erase_wrapped()
        if isinstance(event, ReadSoFar):
            self._show_reading(event)
            return
        if isinstance(event, Prepared):
            self._print_prepared(event)
        elif isinstance(event, Updated):
            self.updated = event
        elif isinstance(event, Validated):
            self._print_validated(event)
        elif isinstance(event, Sampled):
            self.sample = event.text
            self._print_sample(event.text)
        elif isinstance(event, Regressed):
            self._print_regressed(event)
        self._draw()

    def finished(self, outcome: Outcome) -> None:
        """The closing line."""
        why = {"finished": "Finished", "early stopping": "No better for long: stopped early"}
        updates = "1 update" if outcome.updates == 1 else f"{outcome.updates:,} updates"
        self._line(
            f"{why.get(outcome.reason, 'Stopped')} after {updates} in {_clock(outcome.seconds)}, "
            f"{self._speed(outcome.symbols_per_second).strip()}. {self._best(outcome)}"
        )

    def _best(self, outcome: Outcome) -> str:
        if not math.isfinite(outcome.best):
            return "Nothing was kept out to validate on: the last model is kept."
        return (
            f"Best on validation: {outcome.best:.3f} {self.unit}{_listed(outcome.scores)} "
            f"(update {outcome.best_update:,})."
        )

    def _speed(self, symbols_per_second: float) -> str:
        return (
            f"{symbols_per_second / 1000:4,.{0 if symbols_per_second >= 10_000 else 1}f} k {self.symbols}/s"
        )

    def _show_reading(self, event: ReadSoFar) -> None:
        text = f"reading  {event.records:,} until now  {_clock(event.seconds)}  {event.file}"
        if self.live:
            self.live.update(Text(one_line(text, self.console.width), style="dim"), refresh=True)
        elif event.seconds >= 2 * self._said:
            self._said = event.seconds
            self._line(text)

    def _print_prepared(self, event: Prepared) -> None:
        self.unit, self.symbols = event.unit, event.symbols
        width = 1 + max(len("model"), len(event.kind))
        for name, value in (
            ("model", event.model),
            (event.kind, event.data),
            ("plan", event.plan),
            *([("run", event.run)] if event.run else []),
        ):
            self._line(f"{name:<{width}}{value}")
        for note in event.notes:
            self._line(f"{'note':<{width}}{note}")

    def _print_validated(self, event: Validated) -> None:
        self.validated = event
        if event.best and event.validation is not None:
            self.best = event.validation
        train, validation = (
            f"{'-':>6}" if x is None else f"{x:6.3f}" for x in (event.train, event.validation)
        )
        speed = self._speed(self.updated.symbols_per_second) if self.updated else ""
        averaged = f", mean of {event.averaged:,} updates" if event.averaged else ""
        self._line(
            f"update {event.update:>6,}  {_clock(event.seconds)}  {self.unit}: train {train}  "
            f"validation {validation}{_listed(event.scores)}{averaged}{' *' if event.best else '  '}  {speed}".rstrip()
        )

    def _print_regressed(self, event: Regressed) -> None:
        error = "" if event.error is None else f"  squared error {event.error:.4f}"
        wrong = "" if event.wrong is None else f"  wrong {event.wrong:6.2%}"
        mark = " *" if event.best else ""
        self._line(f"ridge {event.ridge:7.1e}  norm of the weights {event.norm:8.3g}{error}{wrong}{mark}")

    def _print_sample(self, text: str) -> None:
        room = max(20, min(self.console.width, 100) - 4)
        self._line(f"  | {one_line(text, room)}", style="dim")

    def _line(self, text: str, style: str = "") -> None:
        # Text, not a plain string: samples may look like markup. Wrapping is for people, not for files.
        self.console.print(Text(text, style=style), soft_wrap=not self.console.is_terminal)

    def _draw(self) -> None:
        if self.live and time.monotonic() - self._drawn > _REFRESH:
            panel = self._panel()
            self.live.update(panel, refresh=True)
            self._drawn_widths = [
                Segment.get_line_length(line) for line in self.console.render_lines(panel, pad=False)
            ]
            self._drawn = time.monotonic()

    def _erase_wrapped(self) -> None:
        """A terminal made narrower has wrapped the panel: erase the rows that rich does not know of."""
        width = self.console.width
        rows = sum(max(0, -(-drawn // width) - 1) for drawn in self._drawn_widths)
        if rows:
            up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
            self.console.control(
                Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up * rows)
            )
            self._drawn_widths = []

    def _panel(self) -> RenderableType:
        if self.updated is None:
            return Text("")
        now = self.updated
        left = _clock(now.seconds_left) if math.isfinite(now.seconds_left) else "-"
        grid = Table.grid(padding=(0, 2))
        grid.add_row("update", f"{now.update:,}", f"epoch {now.epoch:.2f}", f"time left {left}")
        last = self.validated
        known = last is not None and last.validation is not None
        validation = f"{last.validation:.3f}{_listed(last.scores)}" if last and known else "-"
        grid.add_row(self.unit, f"train {now.train:.3f}", f"validation {validation}", f"best {self.best:.3f}")
        grid.add_row(
            "speed",
            self._speed(now.symbols_per_second).strip(),
            f"gradient norm {now.gradient_norm:.3f}",
            f"learning rate {now.learning_rate:.2g}",
        )
        bar = Table.grid()  # a bar by itself does not end its line
        bar.add_row(ProgressBar(total=1.0, completed=now.fraction, width=min(60, self.console.width)))
        return Group(bar, grid)


def _listed(scores: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:.3f}" for name, value in scores.items())


def one_line(text: str, width: int) -> str:
    """Text on one line of at most `width` characters: white space in one, nothing that moves the cursor."""
    joined = " ".join(text.split())
    shown = "".join(symbol if symbol.isprintable() else "\N{REPLACEMENT CHARACTER}" for symbol in joined)
    return shown if len(shown) <= width else shown[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
