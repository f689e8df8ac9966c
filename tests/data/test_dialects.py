import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.dialects import dialect_of, has_header, is_number, separator
from unrolled.errors import SettingError


@pytest.mark.parametrize("mark", list(",;\t|"))
def test_the_separator_is_the_one_that_cuts_all_rows_alike(mark):
    rows = [f"good, but; long | indeed{mark}1\n".replace("X", "x"), f"bad{mark}0\n", f"a, b, c{mark}1\n"]
    if mark == ",":
        rows = ['"good, but; long | indeed",1\n', "bad,0\n", '"a, b, c",1\n']
    if mark == "|":
        rows = ["good, but; long|1\n", "bad|0\n", "a, b, c|1\n"]
    assert dialect_of(rows).delimiter == mark


def test_decimal_commas_do_not_hide_a_semicolon():
    assert dialect_of(["day;price\n", "1;1,5\n", "2;3,7\n"]).delimiter == ";"


def test_one_column_has_no_separator():
    assert separator(["text\n", "one\n", "two, three\n"]) is None
    assert dialect_of(["text\n", "one\n"]).delimiter == ","


def test_a_row_with_another_width_does_not_change_the_separator():
    assert dialect_of(["a,b\n", "c,d\n", "e,f,g\n", "h,i\n"]).delimiter == ","


def test_with_tabs_a_quotation_mark_may_begin_a_cell():
    stray = ['"Unclosed\tpos\n', "plain\tneg\n"]
    assert list(dialect_of(stray).reader(stray)) == [['"Unclosed', "pos"], ["plain", "neg"]]
    quoted = ['"two\n', 'lines"\tpos\n', "plain\tneg\n"]
    assert list(dialect_of(quoted).reader(quoted)) == [["two\nlines", "pos"], ["plain", "neg"]]


@pytest.mark.parametrize("line", ['"open,b\n', '"closed" too early,b\n'])
def test_quotes_that_do_not_fit_are_an_error(line):
    with pytest.raises(csv.Error):
        list(dialect_of(["a,b\n"], ",").reader([line]))


def test_a_sample_that_is_cut_off_inside_quotes():
    assert dialect_of(["a;b\n", '"c";d\n', '"e\n', "f\n"]).delimiter == ";"


@pytest.mark.parametrize(("said", "meant"), [("tab", "\t"), ("\\t", "\t"), ("space", " "), ("#", "#")])
def test_a_separator_can_be_named(said, meant):
    assert dialect_of(["a,b"], said).delimiter == meant


@pytest.mark.parametrize("wrong", ["", ", ", '"', "\n"])
def test_a_separator_is_one_character(wrong):
    with pytest.raises(SettingError, match="--delimiter must be one character"):
        dialect_of(["a,b"], wrong)


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab ,;"\n|'), max_size=6), min_size=2, max_size=2),
        min_size=3,
        max_size=8,
    ),
    st.sampled_from(",;"),
)
def test_what_csv_writes_is_taken_apart_again_if_the_separator_is_named(rows, mark):
    rows = [[cell.lstrip(" ") for cell in row] for row in rows]
    text = io.StringIO()
    csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL).writerows(rows)
    lines = text.getvalue().splitlines(keepends=True)
    assert list(dialect_of(lines, mark).reader(lines)) == rows


TEXTS = [["a rather long text", "x"], ["another long text here", "y"]]


@pytest.mark.parametrize(
    ("first", "below", "named"),
    [
        (["Month", "Passengers"], [["1949-01", "112"]], True),  # a known name
        (["Texto", "CLASE"], [], True),
        (["Відгук", "Тональність"], [["a", "b"]], True),
        (["", "reseña"], [["0", "mala"]], True),  # an index written along has no name
        (["size", "weight"], [["1", "2,5"], ["3", ""]], True),  # above numbers
        (["phrases", "kind"], TEXTS, True),  # above texts that are much longer
        (["EI", "ACGT"], [["IE", "CCGT"], ["N", "ACGA"]], False),
        (["1949-01", "x"], [["1949-02", "3"]], False),  # a date
        (["a", "3"], [["b", "4"]], False),  # a number
        (["a", "a"], [["1", "2"]], False),  # the same twice
        (["", ""], [["1", "2"]], False),
        (["pos", "great fun"], [["neg", "no fun at all, sadly"], ["pos", "it is fun, all of it"]], False),
        (["x" * 50, "y"], [["1", "2"]], False),  # too long for a name
    ],
)
def test_whether_the_first_row_names_the_columns(first, below, named):
    assert has_header([first, *below]) is named


def test_a_name_that_is_asked_for_makes_a_header():
    rows = [["foo", "bar"], ["a", "b"]]
    assert not has_header(rows)
    assert has_header(rows, (None, "bar"))
    assert not has_header(rows, ("2", None))


@pytest.mark.parametrize("cell", ["1", "-1.5", "+2,5", ".5", "1e-3", " 7 ", "12 %"])
def test_numbers(cell):
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "1a", "1-2", "1.2.3", "e5", "nan"])
def test_what_is_no_number(cell):
    assert not is_number(cell)
