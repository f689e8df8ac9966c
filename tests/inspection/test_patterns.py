"""Patterns on texts whose answer is plain to see."""

import pytest

from unrolled.inspection.patterns import PATTERNS, bracket_depth, inside_quotes, position_in_line


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_gives_a_number_for_each_character(name):
    for text in ("", "a", 'One "two" (3)\n  four'):
        assert PATTERNS[name](text).shape == (len(text),)


def test_quotes_and_brackets_that_do_not_fit_together():
    assert inside_quotes("“a” b “c").tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    assert bracket_depth(")a(b").tolist() == [0, 0, 1, 1]
    assert position_in_line("\n\nab").tolist() == [0, 0, 1, 2]
