import pytest

from unrolled.data.header_labels import HeaderLabel, guessed
from unrolled.errors import SettingError


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("1", {"label": "EI"}),
        ("5", {"label": "class:x"}),
        ("7", {}),
        ("0", {}),
        ("class", {"label": "x"}),
        ("n", {"label": "3=4"}),
        ("Class", {}),
        ("{label}|{id}", {"label": "EI", "id": "s 1|b class:x n=3=4"}),
        ("{label}|{id} =", {}),
        ("*class:{label} *", {"label": "x"}),
        ("{id}|b class:{label} n={n}", {"id": "EI|s 1", "label": "x", "n": "3=4"}),
    ],
)
def test_where_the_label_stands(said, fields):
    assert HeaderLabel(said).fields("EI|s 1|b class:x n=3=4") == fields


@pytest.mark.parametrize("wrong", ["{id}|*", "{label}{label}", "*", "{label} {id} {id}", "{label", "{}"])
def test_a_pattern_names_its_label_once(wrong):
    with pytest.raises(SettingError, match=r"a pattern that names \{label\} once"):
        HeaderLabel(wrong)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (["s1 yes", "s2 no", "s3 no"], "2"),
        (["yes|s1", "no|s2", "no|s3"], "1"),
        (["s1 len=3 class=a", "s2 len=3 class=b", "s3 len=4 class=a"], "class"),
        (["s1 len=3 phase=a", "s2 len=3 phase=b", "s3 len=4 phase=a"], "len"),
        (["s1 a 1", "s2 b 2", "s3 a 3", "s4 c 1"], "2"),
        (["s1", "s2"], None),
        (["s1 x", "s2 x"], None),
        (["s1 x", "s2"], None),
        ([], None),
    ],
)
def test_guesses(headers, said):
    found = guessed(headers)
    assert (found.said if found else None) == said
