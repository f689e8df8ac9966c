import pytest

from unrolled.data.columns import Columns, are_classes, sequence_and_label
from unrolled.data.delimited import Row, Table
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError


def table(names, *rows):
    held = [Row(i + 2, row) for i, row in enumerate(rows)]
    return Table("t.csv", tuple(names), True, (), lambda: iter(held))


def guessed(names, *rows, labelled=True, **settings):
    return sequence_and_label(table(names, *rows), ReadSettings(**settings), labelled)


@pytest.mark.parametrize(
    ("names", "text", "label"),
    [
        (("label", "text"), 1, 0),
        (("id", "Review", "Sentiment"), 1, 2),
        (("reseña", "sentimiento"), 0, 1),
        (("classe", "frase"), 1, 0),
        (("Avaliação", "Rótulo"), 0, 1),
        (("мітка", "речення"), 1, 0),
        (("ВІДГУК", "тональність"), 0, 1),
        (("title", "text", "category", "label"), 1, 3),  # the surer names
        (("sentence1", "target", "comment"), 2, 1),
    ],
)
def test_columns_by_their_names(names, text, label):
    assert guessed(names, ("1",) * len(names)) == Columns(text, label)


def test_columns_by_what_they_hold():
    rows = [(str(i), f"this is text number {i}", "ab"[i % 2], "xyz"[i % 3]) for i in range(40)]
    assert guessed("pqrs", *rows) == Columns(1, 2)  # fewest distinct values
    assert guessed("pqrs", *rows, label="s") == Columns(1, 3)
    assert guessed("pqrs", *rows, label="4", text="1") == Columns(0, 3)
    assert guessed("pqrs", *rows, text="r") == Columns(2, 3)


def test_of_columns_with_as_many_values_the_last_is_the_label():
    rows = [("ab"[i % 2], f"this is text number {i}", "cd"[i % 2]) for i in range(40)]
    assert guessed("pqr", *rows) == Columns(1, 2)


def test_a_name_is_not_believed_where_the_column_says_otherwise():
    rows = [(f"text {i}", str(i / 7), "ab"[i % 2]) for i in range(40)]
    assert guessed(("text", "score", "z"), *rows) == Columns(0, 2)
    assert guessed(("text", "score", "z"), *rows, label="score") == Columns(0, 1)


def test_without_labels_a_label_is_taken_only_by_its_name():
    rows = [(f"text {i}", "ab"[i % 2]) for i in range(40)]
    assert guessed("pq", *rows, labelled=False) == Columns(0, None)
    assert guessed(("p", "label"), *rows, labelled=False) == Columns(0, 1)
    for missing in ("category", "9"):
        assert guessed("pq", *rows, labelled=False, label=missing) == Columns(0, None)
    assert guessed("pq", *rows, labelled=False, label="q") == Columns(0, 1)


def test_what_cannot_be_guessed_is_refused_with_the_columns():
    rows = [(f"text {i}", str(i)) for i in range(40)]
    with pytest.raises(DataError, match=r"no column looks like a label.*--label, the columns are p, q"):
        guessed("pq", *rows)
    with pytest.raises(DataError, match=r"no column holds text; name one with --text, the columns are p, q"):
        guessed("pq", ("1", "2"), ("1", "3"), ("2", "3"), labelled=False)
    with pytest.raises(DataError, match=r"no column 'r'; name another with --label, the columns are p, q"):
        guessed("pq", *rows, label="r")
    with pytest.raises(DataError, match=r"no column 'r'; name another with --text"):
        guessed("pq", *rows, text="r", labelled=False)
    with pytest.raises(DataError, match=r"'q' cannot be both text and label"):
        guessed("pq", *rows, text="q", label="2")


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["a", "b", "a"], True),
        (["a", "", "b", "a", ""], True),
        (["a", "a"], False),
        (["a", "b"], False),
        (["a" * 61, "b", "b"], False),
        ([str(i // 2) for i in range(20)], True),
        ([str(i // 2) for i in range(19)] + ["x"], False),
    ],
)
def test_what_looks_like_classes(values, classes):
    assert are_classes(values) is classes
