"""Cases counted by hand after the rules of the program conlleval."""

import pytest

from unrolled.errors import DataError
from unrolled.inspection.entities import EntityCounts, marks_entities


def counted(truth, predicted):
    counts = EntityCounts()
    counts.add(truth.split(), predicted.split())
    return counts.there.total(), counts.named.total(), counts.both.total()


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ("B-a I-a O", "B-a I-a O", (1, 1, 1)),
        ("B-a I-a O", "B-a O O", (1, 1, 0)),  # the border is wrong
        ("B-a I-a O", "B-b I-b O", (1, 1, 0)),  # the type is
        ("B-a B-a O", "B-a B-a O", (2, 2, 2)),  # adjacent entities are two
        ("B-a B-a O", "B-a I-a O", (2, 1, 0)),
        ("B-a I-a O", "B-a B-a O", (1, 2, 0)),
        ("O I-a I-a", "O B-a I-a", (1, 1, 1)),  # I- after O begins an entity
        ("B-a I-b I-b", "B-a B-b I-b", (2, 2, 2)),  # and so does another type
        ("B-a I-b O", "B-a I-a O", (2, 1, 0)),
        ("B-a O B-a", "B-a I-a I-a", (2, 1, 0)),
        ("O O", "O O", (0, 0, 0)),
        ("O O B-a", "O O B-a", (1, 1, 1)),  # the end of a sentence ends an entity
    ],
)
def test_entities_are_counted_as_conlleval_does(truth, predicted, expected):
    assert counted(truth, predicted) == expected


def test_scores_of_one_type_and_of_all():
    counts = EntityCounts()
    counts.add("B-a O B-b O B-b".split(), "B-a B-a B-b O O".split())
    counts.add("B-b I-b".split(), "B-b I-b".split())
    assert (counts.precision("a"), counts.recall("a"), counts.f1("a")) == (1 / 2, 1, 2 / 3)
    assert (counts.precision("b"), counts.recall("b"), counts.f1("b")) == (1, 2 / 3, 4 / 5)
    # conlleval: 4 phrases; found: 4; correct: 3
    assert (counts.precision(), counts.recall(), counts.f1()) == (3 / 4, 3 / 4, 3 / 4)
    assert counts.types == ["a", "b"]


def test_of_nothing_the_scores_are_0():
    assert (EntityCounts().precision(), EntityCounts().recall("a"), EntityCounts().f1()) == (0, 0, 0)


def test_tags_that_mark_no_entities_are_refused():
    with pytest.raises(DataError, match="a tag of an entity must be O or such as B-PER"):
        EntityCounts().add(["NOUN"], ["O"])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["O", "B-a", "I-a"], True),
        (["O"], False),
        (["O", "S-a"], False),
        (["NOUN", "B-a"], False),
        (["B-"], False),
    ],
)
def test_which_tags_are_bio(names, expected):
    assert marks_entities(names) == expected
