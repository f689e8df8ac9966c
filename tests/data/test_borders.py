import pytest

from unrolled.data.borders import border
from unrolled.data.corpus import Corpus
from unrolled.data.unit import Unit


@pytest.fixture
def corpus(tmp_path):
    def make(*texts):
        for number, text in enumerate(texts):
            (tmp_path / str(number)).write_text(text)
        return Corpus([tmp_path / str(number) for number in range(len(texts))])

    return make


TEXT = "one two. Three four\nfive six. Seven\neight"


@pytest.mark.parametrize(
    ("unit", "cut", "expected"),
    [
        (Unit("character"), 5, 5),
        (Unit("byte"), 5, 5),
        (Unit("3-gram"), 5, 5),
        (Unit("word"), 5, TEXT.index("Three")),
        (Unit("word"), 4, 4),  # behind the blank already
        (Unit("bpe"), 1, 4),
        (Unit("word", ends="line"), 5, TEXT.index("five")),
        (Unit("character", ends="line"), 20, 20),
        (Unit("character", ends="line"), 19, 20),
        (Unit("word", ends="sentence"), 5, TEXT.index("Three")),
        (Unit("character", ends="sentence"), 12, TEXT.index("Seven")),
        # Nothing behind the next border of the largest kind: the next smaller one.
        (Unit("word", ends="sentence"), 31, TEXT.index("eight")),
        (Unit("character", ends="line"), 37, 37),
        (Unit("word"), 37, 37),
    ],
    ids=str,
)
def test_the_next_border_behind_a_place(corpus, unit, cut, expected):
    assert border(corpus(TEXT), cut, unit) == expected


def test_the_end_of_a_document_is_a_border(corpus):
    assert border(corpus("one two", "three"), 5, Unit("word")) == 7
    assert border(corpus("one two", "three"), 7, Unit("word")) == 7
    assert border(corpus("one two", "three four"), 1, Unit("word", ends="line")) == 7
    assert border(corpus("one two", "three four"), 8, Unit("word", ends="line")) == 13


@pytest.mark.parametrize("cut", [0, 41])
def test_where_nothing_is_cut_nothing_moves(corpus, cut):
    assert border(corpus(TEXT), cut, Unit("word")) == cut
