import math

import pytest

from unrolled.errors import SettingError
from unrolled.training.classify_settings import ClassifySettings
from unrolled.training.forecast_settings import ForecastSettings
from unrolled.training.settings import CourseSettings, DataSettings, FitSettings, ModelSettings, TaskSettings
from unrolled.training.tag_settings import TagSettings


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (FitSettings, {"steps": 0}, "--steps must be greater than or equal to 1, got 0"),
        (FitSettings, {"learning_rate": math.nan}, "--learning-rate must be a finite number, got nan"),
        (FitSettings, {"minutes": "two"}, "--minutes must be a valid number, got two"),
        (FitSettings, {"gain": 1}, "--gain"),
        (
            FitSettings,
            {"optimizer": "adagrad"},
            "--optimizer must be 'adam', 'sgd' or 'rmsprop', got adagrad",
        ),
        (FitSettings, {"optimizer": "sgd", "momentum": 1}, "--momentum must be less than 1, got 1"),
        (FitSettings, {"momentum": 0.5}, "^--momentum is of sgd and rmsprop, .*; leave it out"),
        (FitSettings, {"decay": 0.5}, "^--decay is of --schedule plateau; leave it out"),
        (FitSettings, {"schedule": "constant", "plateau_patience": 3}, "^--plateau-patience is of --sched"),
        (
            FitSettings,
            {"schedule": "plateau", "plateau_patience": 4, "patience": 4},
            "^--plateau-patience 4 is not below --patience 4, .*; use a smaller one",
        ),
        (
            FitSettings,
            {"average": "always", "average_after": 3},
            "^--average-after is of --average triggered",
        ),
        (
            FitSettings,
            {"average": "triggered", "patience": 5},
            "^--average-after 5 is not below --patience 5, .*; use a smaller one",
        ),
        (ModelSettings, {"adaptive": "20,10"}, "^--adaptive must be whole numbers that rise, .* got 20,10"),
        (ModelSettings, {"adaptive": "many"}, "^--adaptive must be whole numbers that rise, .* got many"),
        (ModelSettings, {"adaptive": ""}, "^--adaptive must be whole numbers that rise"),
        (ModelSettings, {"hidden": -3}, "--hidden must be greater than or equal to 1, got -3"),
        (DataSettings, {"validation": 1}, "--validation must be less than 1, got 1"),
    ],
)
def test_values_out_of_range_get_one_line_with_the_option(group, values, message):
    with pytest.raises(SettingError, match=message) as error:
        group(**values)
    assert "\n" not in str(error.value)


def test_the_learning_rate_that_is_usual_depends_on_the_optimizer_and_on_the_task():
    assert [FitSettings(optimizer=name).rate for name in ("adam", "sgd", "rmsprop")] == [0.004, 4.0, 0.004]
    assert FitSettings(optimizer="sgd", learning_rate=3).rate == 3
    assert [TagSettings(optimizer=name).rate for name in ("adam", "sgd", "rmsprop")] == [0.003, 1.0, 0.003]
    for group, usual in ((ClassifySettings, 0.004), (ForecastSettings, 0.004), (TagSettings, 0.003)):
        assert group().chosen(100).learning_rate == usual
        assert group(learning_rate=0.5).chosen(100).learning_rate == 0.5


@pytest.mark.parametrize("group", [CourseSettings, FitSettings, TaskSettings, TagSettings])
def test_help_names_the_rates_that_are_usual(group):
    shown = group.model_fields["learning_rate"].description
    for optimizer, rate in group.rates.items():
        assert f"{rate:g} with {optimizer}" in shown


def test_settings_written_down_and_read_again_are_the_same():
    given = FitSettings(optimizer="sgd", momentum=0.9, schedule="plateau", average="triggered", ar=2, tar=1)
    assert FitSettings(**given.model_dump(exclude_none=True)) == given


def test_cutoffs_of_the_adaptive_softmax():
    assert ModelSettings(adaptive="20, 100").cutoffs == (20, 100)
    assert ModelSettings().cutoffs == ()


@pytest.mark.parametrize("group", [DataSettings, FitSettings, ModelSettings])
def test_every_setting_says_what_it_is(group):
    assert all(field.description.endswith((".", "]")) for field in group.model_fields.values())


def test_windows_too_short_to_vary_are_refused():
    FitSettings(variable_steps=True, steps=5)
    with pytest.raises(SettingError, match="at least 5 symbols, got --steps 4; use more"):
        FitSettings(variable_steps=True, steps=4)
