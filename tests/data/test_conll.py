import pytest

from unrolled.data.conll import ConllReader
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, SettingError


def written(folder, data, name="a.conll"):
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / name


def read(*paths, labelled=True, **settings):
    reader = ConllReader(paths, ReadSettings(**settings), labelled)
    records = list(reader)
    assert records == list(reader)
    return reader, [(record.values, record.label, record.place.line) for record in records]


@pytest.mark.parametrize("mark", ["\t", " ", "   ", " \t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sentences_with_the_line_they_begin_in(tmp_path, mark, end):
    if mark == " \t":
        mark = "\t"  # a blank before a tab belongs to the word and is cut off
    lines = ["", f"Ada{mark}B-PER", f"Lovelace{mark}I-PER", "", " ", f"ночі{mark}O"]
    reader, records = read(written(tmp_path, end.join(lines)))
    assert records == [(("Ada", "Lovelace"), ("B-PER", "I-PER"), 2), (("ночі",), ("O",), 6)]
    assert reader.facts == {"scheme": "BIO"} and reader.kind == "conll"
    assert "the word is column 1 of 2, the tag column 2; --text and --label" in reader.notes[0]


def test_with_tabs_words_may_hold_blanks(tmp_path):
    assert read(written(tmp_path, "New York\tB-LOC\n"))[1] == [(("New York",), ("B-LOC",), 1)]
    with pytest.raises(DataError, match="line 2: 3 columns where the first line has 2"):
        read(written(tmp_path, "a O\nb c O\n"))


def test_the_columns_can_be_named(tmp_path):
    path = written(tmp_path, "1 Ada NNP B-PER 7\n2 ran VBD O 8\n")
    reader, records = read(path, text="2", label="4")
    assert records == [(("Ada", "ran"), ("B-PER", "O"), 1)] and "column 2 of 5" in reader.notes[0]
    assert read(path, text="2", label="3")[0].facts == {"scheme": "none"}
    for wrong in ("0", "6", "tag"):
        with pytest.raises(DataError, match=rf"no column '{wrong}'; --label must be a number from 1 to 5"):
            read(path, label=wrong)
    with pytest.raises(DataError, match=r"word and tag would both be column 5 of 5"):
        read(path, text="5")


@pytest.mark.parametrize(
    ("tags", "scheme", "said"),
    [
        ("I-PER I-PER O I-LOC", "IO", "in IO, read as BIO"),
        ("I-PER B-PER O I-LOC", "IOB1", "in IOB1, read as BIO"),
        ("B-PER B-PER O B-LOC", "BIO", "in BIO"),
        ("S-PER S-PER O S-LOC", "BIOES", "in BIOES, read as BIO"),
        ("U-PER U-PER O U-LOC", "BILOU", "in BILOU, read as BIO"),
    ],
)
def test_every_scheme_is_read_as_bio(tmp_path, tags, scheme, said):
    path = written(tmp_path, "".join(f"w {tag}\n" for tag in tags.split()))
    reader, records = read(path)
    second = "I-PER" if scheme == "IO" else "B-PER"
    assert records[0][1] == ("B-PER", second, "O", "B-LOC")
    assert reader.facts == {"scheme": scheme}
    assert f"2 types of entities (LOC, PER) {said}" in reader.notes[1]


def test_the_scheme_is_that_of_all_sentences_of_all_files(tmp_path):
    one = written(tmp_path, "a I-X\nb I-X\n")
    two = written(tmp_path, "c O\n\n" * 1500 + "d I-X\ne B-X\n", "b.conll")
    assert read(one)[0].facts == {"scheme": "IO"}
    assert read(one, two)[0].facts == {"scheme": "IOB1"}


def test_classes_are_not_converted(tmp_path):
    reader, records = read(written(tmp_path, "the DET\ndog NOUN\n"))
    assert records == [(("the", "dog"), ("DET", "NOUN"), 1)]
    assert reader.facts == {"scheme": "none"} and "each is a class of its own" in reader.notes[1]


def test_comments_and_marks_of_documents(tmp_path):
    path = written(
        tmp_path, "# id 3 of 7\n-DOCSTART- -X-\n\n#\tO\nup\tO\n-DOCSTART-\tO\nnext\tO\n# the end\n"
    )
    assert read(path)[1] == [(("#", "up"), ("O", "O"), 4), (("next",), ("O",), 7)]


def test_conllu(tmp_path):
    def line(*cells):
        return "\t".join([*cells, *"_" * (10 - len(cells))]) + "\n"

    path = written(
        tmp_path,
        "# text = vámonos al mar\n" + line("1-2", "vámonos") + line("1", "vamos", "ir", "VERB")
        + line("2", "nos", "yo", "PRON") + line("2.1", "left", "out", "X") + line("3", "mar", "mar", "NOUN"),
        "a.conllu",
    )  # fmt: skip
    reader, records = read(path)
    assert records == [(("vamos", "nos", "mar"), ("VERB", "PRON", "NOUN"), 3)]
    assert "the word is column 2 of 10, the tag column 4" in reader.notes[0]
    assert read(path, label="3")[1][0][1] == ("ir", "yo", "mar")


def test_for_predictions_one_column_is_enough(tmp_path):
    path = written(tmp_path, "Ada\nran\n\n#\n# two columns\nup\n")
    with pytest.raises(DataError, match="word and tag would both be column 1 of 1"):
        read(path)
    reader, records = read(path, labelled=False)
    assert records == [(("Ada", "ran"), None, 1), (("#", "up"), None, 4)] and reader.facts == {}
    assert read(path, labelled=False, label="4")[1] == records
    assert read(written(tmp_path, "Ada I-PER\n"), labelled=False)[1] == [(("Ada",), ("B-PER",), 1)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("c", "1 column where the first line has 2"),
        ("\tO", "no word in column 1"),
        ("c\t", "no tag in column 2"),
        ("c\tO\tO", "3 columns where the first line has 2"),
    ],
)
def test_lines_that_do_not_fit_are_refused(tmp_path, line, what):
    path = written(tmp_path, f"a\tO\n\nb\tO\n{line}\n")
    with pytest.raises(DataError, match=rf"a\.conll, line 4: {what}"):
        read(path)


@pytest.mark.parametrize("data", ["", "\n\n", "-DOCSTART- O\n\n"])
def test_a_file_without_sentences_is_refused(tmp_path, data):
    with pytest.raises(DataError, match="holds no sentence"):
        read(written(tmp_path, data))


def test_the_separator_and_the_encoding_can_be_named(tmp_path):
    path = written(tmp_path, "a\xa0b O\tx\nção O\ty\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"line 1: not UTF-8.*--encoding latin-1"):
        read(path)
    assert read(path, encoding="latin-1")[1][0][0] == ("a\xa0b O", "ção O")
    _, records = read(path, encoding="latin-1", delimiter="space", label="2")
    assert records == [(("a\xa0b", "ção"), ("O", "O"), 1)]
    with pytest.raises(SettingError, match="must be tab or space, got ','"):
        read(path, delimiter=",")
