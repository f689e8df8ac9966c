"""The folder a run leaves: config.toml, metrics.jsonl, samples.jsonl, checkpoints/last, model."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import tomli_w

from unrolled.errors import FolderError
from unrolled.models.folder import save_model
from unrolled.models.kept import Kept
from unrolled.models.writing import cannot_write, make_folder, write_atomically


class RunRecord(Protocol):
    """Where the training loop leaves what it finds: a `RunFolder`, or memory."""

    @property
    def path(self) -> Path | None:
        """The folder; None for memory."""

    def add_metrics(self, values: dict[str, Any]) -> None: ...

    def add_sample(self, values: dict[str, Any]) -> None: ...

    def keep_best(self, model: Kept) -> None: ...

    def keep_last(self, model: Kept) -> None: ...


class RunFolder:
    """Where one run writes; made empty, so that no run ever overwrites another.

    Raises:
        FolderError: the folder exists and is not empty, or cannot be written.
    """

    def __init__(self, task: str, path: str | Path | None = None) -> None:
        self.path = _new_folder(task) if path is None else _empty_folder(Path(path))

    def write_config(self, config: dict[str, Any]) -> None:
        write_atomically(self.path / "config.toml", tomli_w.dumps(config).encode())

    def add_metrics(self, values: dict[str, Any]) -> None:
        self._append("metrics.jsonl", values)

    def add_sample(self, values: dict[str, Any]) -> None:
        self._append("samples.jsonl", values)

    def keep_best(self, model: Kept) -> None:
        save_model(model, self.path / "model")

    def keep_last(self, model: Kept) -> None:
        save_model(model, self.path / "checkpoints" / "last")

    def _append(self, name: str, values: dict[str, Any]) -> None:
        line = json.dumps(values, ensure_ascii=False) + "\n"
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise cannot_write(self.path / name, error) from error


def _empty_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise FolderError(f"{path}: is a file, a run needs a folder; name another one with --run")
    make_folder(path)
    if any(path.iterdir()):
        raise FolderError(f"{path}: the folder is not empty; name a new one with --run, or remove it first")
    return path


def _new_folder(task: str) -> Path:
    """The first free of runs/<task>-<date>-1, -2, ..."""
    runs = Path("runs")
    make_folder(runs)
    number = 1
    while True:
        path = runs / f"{task}-{date.today()}-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise cannot_write(path, error) from error
        else:
            return path
