import csv
import gzip
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import delimited
from unrolled.data.delimited import open_table
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra


def written(folder, data, name="a.csv"):
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / name


def content(table):
    return [(row.line, row.cells) for row in table]


def test_names_lines_and_missing_values(tmp_path):
    path = written(tmp_path, "\ufeffid,text,label\r\n1,ok,pos\r\n\r\n2,,neg\r\n")
    table = open_table(path)
    assert table.columns == ("id", "text", "label") and table.header
    assert content(table) == content(table) == [(2, ("1", "ok", "pos")), (4, ("2", "", "neg"))]
    assert "--no-header" in table.notes[0] and "id, text, label" in table.notes[0]


def test_a_row_over_several_lines_has_the_first_of_them(tmp_path):
    path = written(tmp_path, 'text,label\n"one\ntwo ""three""\n",a\nfour,b\n')
    assert content(open_table(path)) == [(2, ('one\ntwo "three"\n', "a")), (5, ("four", "b"))]


def test_without_names_columns_go_by_number(tmp_path):
    table = open_table(written(tmp_path, "EI,   X-1,  ACGT\nN,   X-2,  ACGN\n", "splice.data"))
    assert table.columns == ("1", "2", "3") and not table.header
    assert content(table)[0] == (1, ("EI", "X-1", "ACGT"))
    assert "columns go by number" in table.notes[0]


@pytest.mark.parametrize(("header", "columns", "rows"), [(True, ("x", "y"), 1), (False, ("1", "2"), 2)])
def test_the_settings_decide_about_the_header(tmp_path, header, columns, rows):
    table = open_table(written(tmp_path, "x,y\nz,w\n"), ReadSettings(header=header))
    assert table.columns == columns and len(content(table)) == rows and not table.notes


@pytest.mark.parametrize(
    ("name", "mark", "said"), [("a.tsv", "\t", False), ("a.csv", ";", True), ("a.csv.gz", "|", True)]
)
def test_separators_are_guessed_and_packed_files_looked_through(tmp_path, name, mark, said):
    data = f"text{mark}label\ngood, nice{mark}pos\n".encode()
    table = open_table(written(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name))
    assert content(table) == [(2, ("good, nice", "pos"))]
    assert any("--delimiter" in note for note in table.notes) is said


def test_the_settings_decide_about_the_separator_and_the_encoding(tmp_path):
    path = written(tmp_path, "texto#a,b\nação#1,2\n".encode("latin-1"))
    table = open_table(path, ReadSettings(delimiter="#", encoding="latin-1"))
    assert table.columns == ("texto", "a,b") and content(table) == [(2, ("ação", "1,2"))]
    with pytest.raises(DataError, match=r"a\.csv, line 2: not UTF-8.*--encoding latin-1"):
        open_table(path)


@pytest.mark.parametrize(
    ("row", "cells"),
    [("a,b,c", "3 cells where the first row has 2"), ("a", "1 cell where the first row has 2")],
)
def test_a_row_of_another_width_is_refused_by_its_line(tmp_path, row, cells):
    path = written(tmp_path, f'text,label\n"x\ny",b\n\n{row}\nc,d\n')
    with pytest.raises(DataError, match=rf"a\.csv, line 5: {cells}; .*--delimiter"):
        content(open_table(path))


def test_lines_of_blanks_and_separators_are_no_rows(tmp_path):
    assert content(open_table(written(tmp_path, "a,label\n1,2\n  \n,,,\n3,4\n"))) == [
        (2, ("1", "2")),
        (5, ("3", "4")),
    ]


@pytest.mark.parametrize("row", ['"open,b', '"closed" too early,b'])
def test_quotes_that_do_not_fit_are_refused_by_the_line_they_begin_in(tmp_path, row):
    path = written(tmp_path, f"text,label\nx,y\n{row}\nc,d\n")
    with pytest.raises(DataError, match=r"line 3: the row that begins here cannot be taken apart"):
        content(open_table(path))


def test_a_cell_may_be_longer_than_the_limit_of_csv(tmp_path):
    assert (
        content(open_table(written(tmp_path, "text,label\n" + "x" * 200_000 + ",a\n")))[0][1][0]
        == "x" * 200_000
    )


@pytest.mark.parametrize("data", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, data):
    with pytest.raises(DataError, match="the file is empty"):
        open_table(written(tmp_path, data))


def test_names_without_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match="no row below the names"):
        open_table(written(tmp_path, "text,label\n"))


def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="two columns are named 'a'"):
        open_table(written(tmp_path, "a,a\n1,2\n"), ReadSettings(header=True))


def test_columns_are_found_by_name_or_number(tmp_path):
    table = open_table(written(tmp_path, "3,text\nx,y\n"), ReadSettings(header=True))
    assert [table.position(name, "--text") for name in ("text", "2", "3")] == [
        1,
        1,
        0,
    ]  # names before numbers
    for wrong in ("Text", "0", "4"):
        with pytest.raises(DataError, match=rf"no column '{wrong}'; .*--text, the columns are 3, text"):
            table.position(wrong, "--text")


def test_the_file_is_read_row_by_row(tmp_path):
    """What follows the guess is not looked at before it is asked for."""
    path = written(tmp_path, b"text,label\n" + b"good,a\n" * 3000 + b"\xff\n")
    rows = iter(open_table(path))
    assert sum(1 for _ in zip(range(1500), rows, strict=False)) == 1500
    with pytest.raises(DataError, match="line 3002: not UTF-8"):
        list(rows)


def test_first_rows_are_fewer_where_they_are_long(tmp_path, monkeypatch):
    table = open_table(written(tmp_path, "text,label\n" + "abcdefgh,1\n" * 20))
    assert len(table.first(7)) == 7
    monkeypatch.setattr(delimited, "SAMPLE_CHARACTERS", 26)
    assert len(table.first()) == 3


@given(st.lists(st.fixed_dictionaries({"text": st.text(), "n": st.integers() | st.none()}), min_size=1))
def test_json_lines_give_back_what_was_written(tmp_path_factory, objects):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_text("".join(json.dumps(item, ensure_ascii=True) + "\n" for item in objects))
    table = open_table(path)
    assert set(table.columns) == {"text", "n"} and table.header
    text, number = table.position("text", "--text"), table.position("n", "--text")
    expected = [(item["text"], "" if item["n"] is None else str(item["n"])) for item in objects]
    assert [(row.cells[text], row.cells[number]) for row in table] == expected


def test_json_values_as_cells(tmp_path):
    lines = '{"a": 1.50, "b": true}\n\n{"a": null, "c": ["x", 1]}\n'
    table = open_table(written(tmp_path, lines, "a.data"))  # a name that says nothing: by the brace
    assert table.columns == ("a", "b", "c")
    assert content(table) == [(1, ("1.50", "true", "")), (3, ("", "", '["x", "1"]'))]


@pytest.mark.parametrize("line", ["{", "[1]", "3", "[" * 100_000, '{"a": "\\ud800"}'])
def test_a_line_that_is_no_object_is_refused(tmp_path, line):
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: (not JSON|must hold a JSON object)"):
        content(open_table(written(tmp_path, '{"a": 1}\n' + line + "\n", "a.jsonl")))


def test_parquet_by_record_batches(tmp_path, monkeypatch):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    texts = [f"text {i}" for i in range(2500)]
    parquet.write_table(pyarrow.table({"text": texts, "label": [None, 1, 2, 3, 4] * 500}), path)
    table = open_table(path)
    assert table.columns == ("text", "label")
    assert content(table) == [(i + 1, (f"text {i}", str(i % 5) if i % 5 else "")) for i in range(2500)]
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[tables\]"'):
        open_table(path)


def test_a_parquet_file_that_breaks_off_is_refused(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "a.parquet")
    path = written(tmp_path, (tmp_path / "a.parquet").read_bytes()[:-9], "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: not a whole Parquet file"):
        open_table(path)


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_characters="\0", codec="utf-8")), st.text("ab")), min_size=1
    ),
)
def test_what_csv_writes_comes_back_with_the_line_it_began_in(tmp_path_factory, rows):
    rows = [(text.lstrip(" "), label) for text, label in rows]
    path, lines = tmp_path_factory.mktemp("csv") / "a.csv", []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(("text", "label"))
        for row in rows:
            file.flush()
            before = path.read_bytes().decode()
            lines.append(len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
            writer.writerow(row)
    assert content(open_table(path, ReadSettings(delimiter=","))) == list(zip(lines, rows, strict=True))
