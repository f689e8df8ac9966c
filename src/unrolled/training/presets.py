"""Settings that belong together, under one name."""

from __future__ import annotations

from typing import Any, TypeVar

from unrolled.data.settings import Settings
from unrolled.training.settings import CourseSettings, DataSettings, ModelSettings

Group = TypeVar("Group", bound=DataSettings | ModelSettings | CourseSettings)

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "hidden": 512,
        "dropout_output": 0.4,
        "dropconnect": 0.3,
        "batch": 32,
        "learning_rate": 0.003,
        "validate_every": 500,
        "minutes": 10.0,
    },
    "awd": {
        "unit": "word",
        "minimum_count": 2,
        "cell": "lstm",
        "hidden": 512,
        "layers": 3,
        "embedding": 256,
        "tied": True,
        "projection": 256,
        "dropout_embedding": 0.1,
        "dropout_input": 0.4,
        "dropout": 0.25,
        "dropout_output": 0.4,
        "dropconnect": 0.5,
        "optimizer": "sgd",
        "learning_rate": 10.0,
        "schedule": "constant",
        "weight_decay": 1.2e-6,
        "warmup": 0,
        "clip": 0.25,
        "average": "triggered",
        "patience": 20,
        "batch": 20,
        "steps": 70,
        "variable_steps": True,
        "ar": 2.0,
        "tar": 1.0,
        "epochs": 40.0,
    },
}
"""What `unrolled train lm --preset` sets, of the model, its training and the text.

`small` learns a text of a megabyte, character by character, in ten minutes on two cores.

`awd` is the AWD-LSTM of Merity et al. 2018 for words: one LSTM regularised in every place, plain gradient steps, and
averaged weights once the validation stops getting better. Sizes are such that two cores can train it. The paper's own
on Penn Treebank, which ask for an accelerator: 3 layers of 1150 units, the last of 400, an embedding of 400, tied, so
without a projection, batches of 40 (on WikiText-2 of 80), a learning rate of 30, and 750 epochs; smaller networks do
not stand so large steps.
"""

_LIMITS = ("updates", "epochs", "minutes")
_BELONG = {
    "optimizer": ("learning_rate", "weight_decay"),
    "unit": ("minimum_count",),
}
"""What suits one choice only, and is left out where the person has chosen otherwise."""


def with_preset(settings: Group, name: str | None) -> Group:
    """The settings, with those of a preset where the person has set nothing.

    A limit of the person's takes the place of the preset's, of whatever kind it is. What suits a preset's choice only,
    such as the learning rate of its optimizer, is left out where the person has chosen otherwise. Without a name the
    settings stay what they are.

    Raises:
        SettingError: settings that would change nothing beside the others.

    Example:
        >>> model = with_preset(ModelSettings(hidden=100), "awd")
        >>> model.cell, model.hidden, model.layers
        ('lstm', 100, 3)

    Paper: Merity et al. 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182 (awd).
    """
    found = settings if name is None else type(settings)(**_values(settings, PRESETS[name]))
    found.check_together()
    return found


def _values(settings: Settings, preset: dict[str, Any]) -> dict[str, Any]:
    """What is set by the person, and by the preset where the person has said nothing."""
    fields = type(settings).model_fields
    given = {field: getattr(settings, field) for field in settings.model_fields_set}
    usual = {field: value for field, value in preset.items() if field in fields}
    left_out = set(_LIMITS) if given.keys() & set(_LIMITS) else set()
    for choice, belonging in _BELONG.items():
        if choice in given and given[choice] != usual.get(choice, fields[choice].default):
            left_out |= set(belonging)
    kept = {field: value for field, value in usual.items() if field not in left_out}
    return {**kept, **given}
