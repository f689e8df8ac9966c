"""A run that leaves nothing on disk."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.models.kept import Kept


class RunInMemory:
    """What a run folder holds, in memory: `metrics` and `samples` as rows, and the weights of the best model.

    Example:
        >>> from unrolled.models.classifier import Classifier
        >>> run, model = RunInMemory(), Classifier(3, 2, hidden_size=4)
        >>> run.keep_best(model)
        >>> model.output.bias.data += 1
        >>> run.restore(model)  # the weights are those of the best model again
    """

    path = None

    def __init__(self) -> None:
        self.metrics: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    def add_metrics(self, values: dict[str, Any]) -> None:
        self.metrics.append(values)

    def add_sample(self, values: dict[str, Any]) -> None:
        self.samples.append(values)

    def keep_best(self, model: Kept) -> None:
        self.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def keep_last(self, model: Kept) -> None:
        """The newest weights are those of the model itself."""

    def restore(self, model: Kept) -> None:
        """Give a model the best weights."""
        model.load_state_dict(self.best)
