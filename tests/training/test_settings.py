import math

import pytest

from unrolled.errors import SettingError
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (FitSettings, {"steps": 0}, "--steps must be greater than or equal to 1, got 0"),
        (FitSettings, {"learning_rate": math.nan}, "--learning-rate must be a finite number, got nan"),
        (FitSettings, {"minutes": "two"}, "--minutes must be a valid number, got two"),
        (FitSettings, {"momentum": 1}, "--momentum"),
        (ModelSettings, {"hidden": -3}, "--hidden must be greater than or equal to 1, got -3"),
        (DataSettings, {"validation": 1}, "--validation must be less than 1, got 1"),
    ],
)
def test_values_out_of_range_get_one_line_with_the_option(group, values, message):
    with pytest.raises(SettingError, match=message) as error:
        group(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("group", [DataSettings, FitSettings, ModelSettings])
def test_every_setting_says_what_it_is(group):
    assert all(field.description.endswith(".") for field in group.model_fields.values())
