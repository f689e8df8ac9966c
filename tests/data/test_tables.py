import io
from pathlib import Path

import pytest

from unrolled.data.settings import ReadSettings
from unrolled.data.tables import TableReader
from unrolled.errors import DataError


def written(folder, data, name="a.csv"):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read(*paths, labelled=True, **settings):
    reader = TableReader(paths, ReadSettings(**settings), labelled)
    records = list(reader)
    assert records == list(reader)
    return reader, [(record.values, record.label, record.place.line) for record in records]


def test_a_table_with_other_columns(tmp_path):
    path = written(tmp_path, 'id,text,label\n7,"two\nlines", pos \n8,one,neg\n')
    reader, records = read(path)
    assert records == [("two\nlines", "pos", 2), ("one", "neg", 4)]
    assert [record.columns for record in reader] == [{"id": "7"}, {"id": "8"}]
    assert reader.facts == {"text": "text", "label": "label"} and reader.kind == "text"
    assert any(
        "the text is column 'text', the label column 'label'; --text and --label" in n for n in reader.notes
    )


def test_columns_without_names_go_by_number(tmp_path):
    path = written(tmp_path, "pos,what a film it is\nneg,what a bore it is\npos,good\n")
    reader, records = read(path)
    assert records[2] == ("good", "pos", 3) and reader.facts == {"text": "2", "label": "1"}
    assert any("the text is column 2, the label column 1" in note for note in reader.notes)
    again, same = read(path, **reader.facts)
    assert same == records and again.facts == reader.facts


def test_several_tables_are_read_by_the_names_of_the_first(tmp_path):
    first = written(tmp_path, "kind,words,y\na,b c d,1\ne,f g h i,0\nj,k l m n,0\n")
    second = written(tmp_path, "y;words;kind\n1;o p;q\n", "b.csv")
    assert read(first, second)[1][-1] == ("o p", "1", 2)
    third = written(tmp_path, "words,kind\no p,q\n", "c.csv")
    with pytest.raises(
        DataError, match=r"c\.csv: no column 'y'; name another with --label, the columns are words, kind"
    ):
        read(first, third)


@pytest.mark.parametrize(
    ("row", "what"), [("x, ", "no label in column 'label'"), (" ,a", "no text in column 'text'")]
)
def test_rows_without_text_or_label_are_refused(tmp_path, row, what):
    path = written(tmp_path, f"text,label\nb,a\n{row}\n")
    with pytest.raises(DataError, match=rf"a\.csv, line 3: {what}"):
        read(path)


def test_for_predictions_a_label_may_be_missing(tmp_path):
    path = written(tmp_path, "text,label\nb,a\nx,\n")
    assert read(path, labelled=False)[1] == [("b", "a", 2), ("x", None, 3)]
    path = written(tmp_path, "text\nb\n")
    assert read(path, labelled=False, text="text", label="label")[1] == [("b", None, 2)]


def test_lines_that_begin_with_their_label(tmp_path):
    path = written(tmp_path, "0 How did it?\r\n\r\n1\tWhat film, if any?\r\n", "a.txt")
    reader, records = read(path)
    assert records == [("How did it?", "0", 1), ("What film, if any?", "1", 3)]
    assert reader.facts == {} and "first word of each line is the label" in reader.notes[0]
    assert read(path, labelled=False)[1][0] == ("0 How did it?", None, 1)


def test_latin_1_needs_its_name(tmp_path):
    path = written(tmp_path, "0 Coração?\n".encode("latin-1"), "a.txt")
    with pytest.raises(DataError, match=r"line 1: not UTF-8.*--encoding latin-1"):
        read(path)
    assert read(path, encoding="latin-1")[1] == [("Coração?", "0", 1)]


def test_labels_of_fasttext(tmp_path):
    path = written(tmp_path, "__label__a __label__b one  two\n__label__c three\n", "a.train")
    reader, records = read(path)
    assert records == [("one  two", "a|b", 1), ("three", "c", 2)]
    assert any("--several '|'" in note for note in reader.notes)
    assert read(path, labelled=False)[1] == records


@pytest.mark.parametrize("line", ["alone", "__label__x"])
def test_a_line_with_a_label_only_is_refused(tmp_path, line):
    with pytest.raises(
        DataError, match=rf"a\.txt, line 2: a line must hold a label and a text, got '{line}'"
    ):
        read(written(tmp_path, f"a b\n{line}\n", "a.txt"))


def test_prose_is_not_taken_for_labelled_lines(tmp_path):
    path = written(tmp_path, "".join(f"word{i} and more\n" for i in range(30)), "a.txt")
    with pytest.raises(
        DataError, match="first word of a line should be its label, got 30 different ones in 30"
    ):
        read(path)
    assert len(read(path, label="1")[1]) == 30


def test_plain_text_has_no_columns(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt: plain text, .*give a table"):
        read(written(tmp_path, "a b\n", "a.txt"), label="sentiment")
    assert read(tmp_path / "a.txt", labelled=False, label="sentiment", text="review")[1] == [("a b", None, 1)]


def test_plain_text_with_a_tab_in_each_line_is_a_table(tmp_path):
    path = written(tmp_path, "ham\tok, then, yes\nspam\tfree, now\nham\tno\n", "a.txt")
    assert read(path)[1] == [("ok, then, yes", "ham", 1), ("free, now", "spam", 2), ("no", "ham", 3)]


def test_folders_named_by_class(tmp_path):
    for name, text in {"neg/2.txt": "dull\nvery dull\n", "pos/1.txt": "fine\r\nthing\r\n"}.items():
        written(tmp_path, text, name)
    paths = [tmp_path / "neg/2.txt", tmp_path / "pos/1.txt"]
    reader, records = read(*paths)
    assert records == [("dull\nvery dull", "neg", None), ("fine\nthing", "pos", None)]
    assert reader.facts == {"label": "folder"} and "(neg, pos)" in reader.notes[0]
    assert read(*paths, label="folder")[1] == records
    assert [label for _, label, _ in read(*paths, label="folder", labelled=False)[1]] == [None, None]
    assert len(read(*paths, labelled=False)[1]) == 4  # each line is a text
    written(tmp_path, " \n", "pos/1.txt")
    with pytest.raises(DataError, match=r"1\.txt: the file is empty"):
        read(*paths)


def test_folders_of_labelled_lines_stay_lines(tmp_path):
    for name in ("one/a.txt", "two/b.txt"):
        written(tmp_path, "".join(f"{i % 3} text {i}\n" for i in range(30)), name)
    reader, records = read(tmp_path / "one/a.txt", tmp_path / "two/b.txt")
    assert len(records) == 60 and reader.facts == {}


def test_tables_in_folders_named_by_class(tmp_path):
    paths = [
        written(tmp_path, "text,n\nok,1\n", "pos/a.csv"),
        written(tmp_path, "text,n\nbad,2\n", "neg/a.csv"),
    ]
    reader, records = read(*paths, label="folder")
    assert records == [("ok", "pos", 2), ("bad", "neg", 2)]
    assert next(iter(reader)).columns == {"n": "1"}


def test_an_empty_file_is_refused(tmp_path):
    for name in ("a.txt", "a.csv"):
        with pytest.raises(DataError, match="the file is empty"):
            read(written(tmp_path, "\n", name))


def test_standard_input_is_one_text_a_line(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("nice film, really\nдобре\n".encode())))
    reader, records = read(Path("-"), labelled=False)
    assert records == [("nice film, really", None, 1), ("добре", None, 2)]
    assert next(iter(reader)).place.file == "standard input"


def test_files_are_read_one_row_at_a_time(tmp_path):
    path = written(tmp_path, b"text,label\n" + b"x,a\ny,b\n" * 2000 + b"\xff,a\n")
    records = iter(TableReader([path]))
    assert sum(1 for _ in zip(range(2000), records, strict=False)) == 2000
    with pytest.raises(DataError, match="line 4002: not UTF-8"):
        list(records)
