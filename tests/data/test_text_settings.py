import subprocess
import sys

import pytest

from unrolled.data.text_settings import DataSettings
from unrolled.data.unit import Unit
from unrolled.errors import SettingError


def test_what_is_set_is_what_the_unit_is():
    settings = DataSettings(unit="word", lower=True, digits=True, vocabulary=9, minimum_count=2, ends="line")
    assert settings.symbols() == Unit("word", True, True, 9, 2, False, "line")
    assert DataSettings().symbols() == Unit()


@pytest.mark.parametrize(
    ("given", "ending", "carried"),
    [
        ({}, "text", False),
        ({"unit": "word"}, "text", False),
        ({"ends": "line"}, "line", False),
        ({"ends": "sentence"}, "sentence", False),
        ({"unit": "word", "pretokenized": True}, "line", True),
        ({"unit": "word", "pretokenized": True, "ends": "text", "carry": False}, "text", False),
        ({"carry": True}, "text", True),
    ],
)
def test_where_eos_stands_and_whether_the_state_goes_on_behind_it(given, ending, carried):
    settings = DataSettings(**given)
    assert (settings.ending, settings.carried) == (ending, carried)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"unit": "character", "digits": True},
            "--digits is for --unit word, got --unit character; leave it out",
        ),
        ({"unit": "letters"}, "--unit must be one of character, word, byte, bpe .* got 'letters'"),
        ({"ends": "page"}, "--ends must be 'text', 'line' or 'sentence', got page"),
        ({"vocabulary": 0}, "--vocabulary must be greater than or equal to 1, got 0"),
        ({"validation": 0.2, "validate_on": "x"}, "--validation means nothing beside --validate-on"),
        ({"unit": "bpe", "vocabulary": 100}, "--vocabulary must be at least 256 with --unit bpe"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(given, message):
    with pytest.raises(SettingError, match=message) as error:
        DataSettings(**given)
    assert "\n" not in str(error.value)


def test_settings_start_without_torch_and_numpy():
    code = "import sys, unrolled.data.text_settings; print({'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
