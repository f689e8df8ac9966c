"""What all `unrolled train` commands do with a training: show its progress, then its result."""

from __future__ import annotations

import json as json_format
import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from cyclopts import Group

from unrolled.data.settings import Settings

if TYPE_CHECKING:
    from unrolled.training.events import Report
    from unrolled.training.language import Run

MODEL = Group("Model", sort_key=1)
TRAINING = Group("Training", sort_key=2)
RESERVOIR = Group("Reservoir", sort_key=3)
DATA = Group("Data", sort_key=4)
RUN = Group("Run", sort_key=6)


def options_of(*groups: type[Settings]) -> list[str]:
    """The names of all settings of some groups, and of the options every training has."""
    return [*(name for group in groups for name in group.model_fields), "run", "json"]


def show_training(train: Callable[[Report], Run], json: bool, following: str) -> None:
    """Train and show what happens; `following` says what to do next, with `{run}` in the folder's place."""
    from rich.console import Console

    from unrolled.training.progress import Progress

    with Progress(Console(stderr=json, highlight=False)) as progress:
        ended = train(progress.report)
    progress.finished(ended.outcome)
    if json:
        print(json_format.dumps({"run": str(ended.path), **asdict(ended.outcome)}))
    else:
        print(f"Next: {following.format(run=shlex.quote(str(ended.path)))}")
