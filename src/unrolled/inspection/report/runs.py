"""What a run folder says about how its model was trained."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.errors import FolderError
from unrolled.inspection.course import Course


@dataclass(frozen=True)
class TrainedRun:
    """The settings of a run, and what its probes found while it trained; both empty of a bare model folder."""

    config: Mapping[str, Any] = field(default_factory=dict)
    course: Course = field(default_factory=lambda: Course(np.zeros(0, np.int64), {}))

    @property
    def steps(self) -> int | None:
        """The window of truncated BPTT."""
        found = self.config.get("training", {}).get("steps")
        return found if isinstance(found, int) else None


def trained_run(folder: str | Path) -> TrainedRun:
    """Read the run folder that `folder` is, or that holds it: RUN, RUN/model or RUN/checkpoints/last.

    Raises:
        FolderError: its files are damaged.
    """
    folder = Path(folder)
    places = (folder, folder.parent, folder.parent.parent)
    place = next((place for place in places if (place / "config.toml").is_file()), None)
    if place is None:
        return TrainedRun()
    try:
        config = tomllib.loads((place / "config.toml").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(
            f"{place / 'config.toml'}: cannot be read ({error}); restore or remove it"
        ) from error
    return TrainedRun(config, _course(place / "metrics.jsonl"))


def _course(path: Path) -> Course:
    looks = [event for event in _events(path) if event.get("event") == "probe"]
    names = dict.fromkeys(name for look in looks for name in look["values"])
    return Course(
        np.array([look["update"] for look in looks], dtype=np.int64),
        {name: np.array([_number(look["values"].get(name)) for look in looks]) for name in names},
    )


def _events(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for number, line in enumerate(
        path.read_text("utf-8").split("\n")[:-1], 1
    ):  # the last may be half written
        try:
            yield json.loads(line)
        except ValueError as error:
            raise FolderError(f"{path}:{number}: must be JSON, got {error}; restore or remove it") from error


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
