"""What estimators share: parameters as scikit-learn reads them, and training in memory."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch

from unrolled.cells import find
from unrolled.data.settings import Settings
from unrolled.equations import Cell
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.models.folder import load_model
from unrolled.training.events import Event, Outcome, Validated
from unrolled.training.run_folder import RunFolder
from unrolled.training.run_in_memory import RunInMemory
from unrolled.training.settings import TaskSettings
from unrolled.training.task import Task

Group = TypeVar("Group", bound=Settings)
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


class Estimator:
    """Parameters as scikit-learn reads and sets them: those of `__init__`, under their names."""

    _kind: ClassVar[str | None] = None
    """What scikit-learn takes it for: "classifier", "regressor", or neither."""
    _learned: ClassVar[str] = "model_"
    """The attribute that only a fitted one has."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; they act at the next `fit`.

        Raises SettingError for unknown names.
        """
        for name, value in parameters.items():
            if name not in self._names():
                raise SettingError(
                    f"{type(self).__name__} has no parameter {name}, it has {', '.join(self._names())}. Use these."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(type(self).__init__).parameters
        given = [f"{n}={v!r}" for n, v in self.get_params().items() if v != usual[n].default]
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator about itself; only scikit-learn calls this."""
        tags = import_module("sklearn.utils")
        classifies = self._kind == "classifier"
        return tags.Tags(
            estimator_type=self._kind,
            target_tags=tags.TargetTags(required=self._kind != "regressor"),
            classifier_tags=tags.ClassifierTags() if classifies else None,
            regressor_tags=tags.RegressorTags() if self._kind == "regressor" else None,
        )

    def _fitted(self) -> Any:
        found = getattr(self, self._learned, None)
        if found is None:
            raise SettingError(f"this {type(self).__name__} has not been fitted. Call fit(...) first.")
        return found


class TrainedEstimator(Estimator):
    """An estimator whose model is trained by the loop that `unrolled train` runs, on data in memory."""

    cell: Cell | str
    run: str | Path | None
    verbose: bool

    _task: ClassVar[str]
    """As in `unrolled train TASK`: the name in run folders."""
    _options: ClassVar[dict[str, str]] = {
        "hidden": "hidden_size",
        "layers": "num_layers",
        "embedding": "embedding_size",
    }
    """Settings of the command line that have another name here."""

    def _settings(self, kind: type[Group], **instead: Any) -> Group:
        """A group of settings from the parameters; a cell that is no name is left to `_learn`."""
        parameters = self.get_params() | instead
        here = {field: self._options.get(field, field) for field in kind.model_fields}
        values = {field: parameters[name] for field, name in here.items() if name in parameters}
        if isinstance(values.get("cell"), Cell):
            del values["cell"]
        plain = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()
        }
        return kind(**plain)

    def _learn(self, prepare: Callable[[Cell], Task], model: Settings, training: TaskSettings) -> None:
        """Train the task that `prepare` makes of a cell: `model_`, `history_` and `outcome_`."""
        cell = find(self.cell) if isinstance(self.cell, str) else self.cell
        seen: list[Validated] = []
        with torch.random.fork_rng(devices=[]), _shown(self.verbose) as shown:
            torch.manual_seed(training.seed)
            task = prepare(cell)
            notes = tuple(_OPTION.sub(self._parameter, note) for note in task.prepared.notes)
            task = replace(task, prepared=replace(task.prepared, notes=notes))
            run = RunInMemory() if self.run is None else self._folder(cell, task, model)

            def report(event: Event) -> None:
                if isinstance(event, Validated):
                    seen.append(event)
                shown.report(event)

            outcome = task.train(run, report)
            shown.finished(outcome)
        best = task.objective.model
        if isinstance(run, RunInMemory):
            run.restore(best)
        else:
            best.load_state_dict(load_model(run.path).state_dict())
        self.model_: Any = best.eval()
        self.history_ = [_row(event) for event in seen]
        self.outcome_ = outcome

    def _finish(self, width: int | None) -> None:
        """`n_features_in_` of arrays; texts and words have none.

        Raises KeyboardInterrupt after Ctrl-C, so that a search over many fits stops; the best model until then is kept.
        """
        self.__dict__.pop("n_features_in_", None)
        if width is not None:
            self.n_features_in_ = width
        if self.outcome_.reason == "interrupted":
            raise KeyboardInterrupt

    def _folder(self, cell: Cell, task: Task, model: Settings) -> RunFolder:
        folder = RunFolder(self._task, self.run)
        config = {
            "task": self._task,
            "model": {**model.model_dump(exclude_none=True), "cell": cell.name},
            "training": task.settings.model_dump(exclude_none=True),
        }
        folder.write_config(config)
        return folder

    @contextmanager
    def _said_here(self) -> Iterator[None]:
        """Errors name parameters where the command line would name options."""
        try:
            yield
        except (DataError, FolderError, SettingError) as error:
            raise type(error)(_OPTION.sub(self._parameter, str(error))) from None

    def _parameter(self, option: re.Match[str]) -> str:
        return self._options.get(option[1], option[1].replace("-", "_"))


class _Silent:
    """A display that shows nothing."""

    def report(self, event: Event) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


@contextmanager
def _shown(verbose: bool) -> Iterator[Any]:
    """The progress of the commands, or nothing."""
    if not verbose:
        yield _Silent()
        return
    from rich.console import Console

    from unrolled.training.progress import Progress

    with Progress(Console(highlight=False)) as progress:
        yield progress


def _row(event: Validated) -> dict[str, Any]:
    row = asdict(event)
    scores = row.pop("scores")
    return {**row, **scores}
