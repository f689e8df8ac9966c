import math

import pytest

from unrolled.data.decimals import has_decimal_commas, number
from unrolled.data.settings import ReadSettings


def test_numbers():
    assert number("1e3") == 1000
    assert number("1,5") is None
    assert number("1,5", comma=True) == 1.5
    assert number("1_000") is None
    assert number("1.234,5", comma=True) == 1234.5
    assert number("inf") is None and math.isnan(number(" N/A ") or 0)


@pytest.mark.parametrize(
    ("name", "text", "cells", "commas"),
    [
        ("a.csv", "a;b\n1,5;2\n", ["1,5", "2"], True),
        ("a.csv", "a,b\n1,5\n", ["1", "5"], False),
        ("a.csv", 'a,b\n"1,5",2\n', ["1,5", "2"], False),
        ("a.jsonl", '{"a": "1,5"}\n', ["1,5"], True),
        ("a.csv", "a;b\n1.5;2\n", ["1.5", "2"], False),
    ],
)
def test_commas_are_decimal_where_they_separate_nothing(tmp_path, name, text, cells, commas):
    path = tmp_path / name
    path.write_text(text)
    assert has_decimal_commas(path, cells, ReadSettings()) is commas
