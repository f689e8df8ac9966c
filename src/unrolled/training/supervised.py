"""What tasks on separate sequences share: files in, a part to train on and one to validate on, a run folder out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.gathered import Gathered
from unrolled.data.readers import open_records
from unrolled.data.records import Reader
from unrolled.data.sequences import Sequences, ahead, batches
from unrolled.data.settings import ReadSettings
from unrolled.training.events import Report
from unrolled.training.language import Run
from unrolled.training.reading import ReportedReader
from unrolled.training.run_folder import RunFolder
from unrolled.training.task import Task

VALIDATED_AT_ONCE = 256
"""Sequences that are validated together."""

Indices = NDArray[np.int64]
Part = TypeVar("Part")
Batch = TypeVar("Batch")


def train_on_files(
    name: str,
    paths: Sequence[str | Path],
    validation_paths: Sequence[str | Path],
    reading: ReadSettings,
    seed: int,
    run: str | Path | None,
    report: Report,
    task_of: Callable[[Reader, Reader | None], Task],
    used: Callable[[Task], dict[str, Any]],
) -> Run:
    """Read the files, make the task, train it in a folder; nothing is written before the data has been checked.

    `task_of` gets the records to train on and those to validate on; `used` says what goes into `config.toml` besides
    the files.
    """
    reader = ReportedReader(open_records(paths, reading), report)
    kept_out = ReportedReader(open_records(validation_paths, reading), report) if validation_paths else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        task = task_of(reader, kept_out)
        folder = RunFolder(name, run)
        folder.write_config(
            {
                "task": name,
                "paths": [str(path) for path in paths],
                "validation_paths": [str(path) for path in validation_paths],
                "reading": reading.model_dump(exclude_none=True),
                **used(task),
            }
        )
        return Run(folder.path, task.train(folder, report))


def divided(
    count: int, kept_out: Gathered | None, split: Callable[[], tuple[Indices, Indices]]
) -> tuple[Indices, Indices]:
    """Indices to train on and to validate on: all and none, where records to validate on were given apart."""
    return split() if kept_out is None else (np.arange(count), np.arange(0))


def both_parts(
    part: Callable[[Gathered, Indices], Part],
    gathered: Gathered,
    trained: Indices,
    held: Indices,
    kept_out: Gathered | None,
) -> tuple[Part, Part | None]:
    """What is trained on, and what is validated on, if anything is."""
    training = part(gathered, trained)
    if kept_out is not None:
        return training, part(kept_out, np.arange(len(kept_out)))
    return training, part(gathered, held) if len(held) else None


def drawn_batches(
    sequences: Sequences, batch: Callable[[Indices], Batch], rows: int, generator: np.random.Generator
) -> Iterator[Batch]:
    """Every sequence once, in batches drawn anew each time, the next ones prepared ahead."""
    return ahead(batch(index) for index in batches(sequences.lengths, rows, generator))
