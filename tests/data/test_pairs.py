import bz2
import gzip
import io
import json
import sys
import zipfile

import numpy as np
import pytest

from unrolled.data import pairs as module
from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Bad, Pair, Pairs, Usable, by_source, checked_pair, split_pairs
from unrolled.data.records import Place
from unrolled.data.units.words import Words
from unrolled.errors import DataError, SettingError

THREE = "Go.\tVa !\tCC-BY\nStop!\tStop !\nGo.\tBouge.\n"
WANTED = [("Go.", "Va !", 1), ("Stop!", "Stop !", 2), ("Go.", "Bouge.", 3)]


def read(path, targets=True, **settings):
    pairs = Pairs([path], PairSettings(**settings), targets)
    return [(found.source, found.target, found.place.line) for found in pairs], pairs.notes


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def bad(path, targets=True, **settings):
    """The sentences of what cannot be used, and the lines."""
    found = Pairs([path], PairSettings(**settings), targets)
    return [(one.place.line, one.message, one.reason) for one in found if isinstance(one, Bad)]


def test_columns_behind_the_second_are_not_looked_at(tmp_path):
    assert read(written(tmp_path / "a.tsv", THREE)) == (WANTED, [])


@pytest.mark.parametrize("form", ["gz", "bz2", "zip"])
def test_packed_files_give_the_same(tmp_path, form):
    path = tmp_path / f"a.txt.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_about.txt", "nothing")
            archive.writestr("a.txt", THREE)
    else:
        path.write_bytes((gzip if form == "gz" else bz2).compress(THREE.encode()))
    assert read(path)[0] == WANTED


def test_quotation_marks_of_tab_separated_files_are_text(tmp_path):
    found, _ = read(written(tmp_path / "a.tsv", '"Go."\tVa "!\r\nStop!\t"Stop\r\n'))
    assert found == [('"Go."', 'Va "!', 1), ("Stop!", '"Stop', 2)]


def test_columns_are_found_by_name_number_or_order(tmp_path):
    text = 'id,English,French\n7,"Go, go.",Va !\n\n8,"Stop\nit.",Stop !\n'
    path = written(tmp_path / "a.csv", text)
    wanted = [("Go, go.", "Va !", 2), ("Stop\nit.", "Stop !", 4)]
    found = list(Usable(True)(Pairs([path], PairSettings(source="English", target="French"))))
    assert [(pair.source, pair.target, pair.place.line) for pair in found] == wanted
    numbers = list(Usable(True)(Pairs([path], PairSettings(source="2", target="3"))))
    assert [(pair.source, pair.target) for pair in numbers][1:] == [pair[:2] for pair in wanted]
    assert read(written(tmp_path / "b.csv", "a;x\nb;y\n"), delimiter=";")[0] == [("a", "x", 1), ("b", "y", 2)]


def test_a_first_line_with_source_and_target_names_the_columns(tmp_path):
    text = "Target\tnumber\tSource\nVa !\t1\tGo.\n"
    assert read(written(tmp_path / "a.tsv", text))[0] == [("Go.", "Va !", 2)]
    text = "id,English,French\n1,Go.,Va !\n"
    found, notes = read(written(tmp_path / "a.csv", text))
    assert found[1][:2] == ("1", "Go.")
    assert notes == [
        f"{tmp_path}/a.csv: source is column 1, target is column 2, the first line is data; --source and --target name "
        "others"
    ]


def test_json_lines(tmp_path):
    lines = [{"q": "Go.", "a": "Va !"}, {"q": "Stop!"}, {"q": "", "a": "x"}]
    path = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    found = list(Pairs([path], PairSettings(source="q", target="a")))
    assert found[0] == Pair("Go.", "Va !", Place(str(path), 1))
    assert [(one.place.line, one.message) for one in found[1:]] == [
        (2, "the target is empty; add it"),
        (3, "the source is empty; add it"),
    ]
    first, notes = read(written(tmp_path / "b.jsonl", json.dumps(lines[0])))
    assert first == [("Go.", "Va !", 1)]
    assert notes == [
        f"{tmp_path}/b.jsonl: source is column q, target is column a; --source and --target name others"
    ]


def test_what_is_missing_is_refused_with_its_line(tmp_path):
    path = written(tmp_path / "a.tsv", "Go.\tVa !\nStop.\n\n\tOui\nNo.\t \nDone.\tFini.\n")
    assert bad(path) == [
        (2, "a pair must be source TAB target, got only 'Stop.'; add the other side", "with a missing side"),
        (3, "a pair must be source TAB target, got an empty line; remove it", "of an empty line"),
        (4, "the source is empty; add it", "with an empty side"),
        (5, "the target is empty; add it", "with an empty side"),
    ]
    with pytest.raises(
        DataError, match=rf"^{path}, line 2: a pair must be .*, or leave out what cannot be used with"
    ):
        list(Usable(False)(Pairs([path])))
    usable = Usable(True)
    assert [pair.source for pair in usable(Pairs([path]))] == ["Go.", "Done."]
    assert usable.notes() == [
        "4 pairs left out: 2 with an empty side, 1 with a missing side, 1 of an empty line"
    ]


def test_a_row_of_a_table_without_its_target_is_refused_too(tmp_path):
    path = written(tmp_path / "a.csv", "source,target\na,b\nc\n,d\n")
    assert [(line, reason) for line, _, reason in bad(path)] == [
        (3, "with a missing side"),
        (4, "with an empty side"),
    ]


def test_sources_alone_need_no_target(tmp_path):
    path = written(tmp_path / "a.txt", "Go.\nStop!\tStop !\n\n")
    assert bad(path, targets=False) == [
        (3, "a source must hold a text, got an empty line; remove it", "of an empty line")
    ]
    found = Usable(True)(Pairs([path], targets=False))
    assert [(one.source, one.target) for one in found] == [("Go.", None), ("Stop!", None)]


class Input:
    def __init__(self, content):
        self.buffer = io.BytesIO(content)


def test_standard_input_is_read_line_by_line(monkeypatch):
    given = Input(b"\xef\xbb\xbfGo.\nStop!\n")
    monkeypatch.setattr(sys, "stdin", given)
    found = iter(Pairs(["-"], targets=False))
    assert next(found) == Pair("Go.", None, Place("standard input", 1))
    assert given.buffer.tell() < 12, "the second line waits until it is asked for"
    assert next(found).source == "Stop!"


def test_bytes_on_standard_input_that_are_no_text_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Input(b"Go.\n\xe7a\n"))
    with pytest.raises(DataError, match=r"^standard input, line 2: not UTF-8; name its encoding"):
        list(Pairs(["-"], targets=False))
    monkeypatch.setattr(sys, "stdin", Input(b"\xe7a\n"))
    assert [one.source for one in Pairs(["-"], PairSettings(encoding="latin-1"), targets=False)] == ["ça"]


@pytest.mark.parametrize(
    ("name", "text", "settings", "said"),
    [
        ("a.tsv", "", {}, "the file is empty; name a file with lines"),
        (
            "a.csv",
            "id,en\n1,2\n",
            {"source": "fr"},
            "no column 'fr'; name another with --source, the columns are id, en",
        ),
        ("a.csv", "id,en\n1,2\n", {"source": "en"}, "source and target are one column; name another"),
        ("a.csv", 'source,target\na,"b\n', {}, "line 2: the row that begins here cannot be taken apart"),
    ],
)
def test_files_that_cannot_be_read_as_pairs(tmp_path, name, text, settings, said):
    path = written(tmp_path / name, text)
    with pytest.raises(DataError) as caught:
        list(Usable(True)(Pairs([path], PairSettings(**settings))))
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_folders_missing_files_and_unknown_encodings_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"is a folder; name the files"):
        list(Pairs([tmp_path]))
    with pytest.raises(DataError, match=r"none.tsv: cannot be read \(No such file"):
        list(Pairs([tmp_path / "none.tsv"]))
    with pytest.raises(DataError, match=r"^no file was given"):
        list(Pairs([]))
    with pytest.raises(SettingError, match=r"^--encoding must be an encoding"):
        Pairs(["a"], PairSettings(encoding="klingon"))


WORDS = Words(("<unk>", "<eos>", "Go", ".", "Va"))


def test_lines_of_too_many_symbols_and_unknown_alphabets(tmp_path):
    def check(source, target, longest=5):
        return checked_pair(Pair(source, target, Place("a.tsv", 7)), WORDS, WORDS, longest)

    good = check("Go up.", "Va.")
    assert isinstance(good, Pair)
    assert check("Go . . . .", "Va").source, "as many as are allowed"
    found = check("Go " * 10_000, "Va")
    assert str(found.error) == (
        "a.tsv, line 7: the source has 10,000 words, more than --longest 5; shorten it, or raise --longest, or leave "
        "out what cannot be used with --skip-bad"
    )
    assert found.reason == "of more than 5 words"
    assert check("Go.", "Va " * 6).message.startswith("the target has 6 words")
    found = check("мир і труд", "Va")
    assert found.message == (
        "nothing of the source 'мир і труд' is in the model's vocabulary; give texts in the language and alphabet it "
        "was trained on"
    )
    assert check("Go", "мир").message.startswith("nothing of the target 'мир' is")
    assert module.short("x" * 41) == "x" * 40 + "..."


def test_all_targets_of_a_source_stand_on_one_side():
    place = Place("a")
    pairs = [Pair(f"s{n % 40}", f"t{n}", place) for n in range(100)]
    trained, held = split_pairs(pairs, 0.2, seed=3)
    assert sorted([*trained, *held]) == list(range(100))
    left, right = ({pairs[i].source for i in part} for part in (trained, held))
    assert (len(left), len(right), left & right) == (32, 8, set())
    assert np.array_equal(split_pairs(pairs, 0.2, seed=3)[1], held)
    assert not np.array_equal(split_pairs(pairs, 0.2, seed=4)[1], held)
    assert [len(part) for part in split_pairs(pairs[:1], 0.9, seed=0)] == [1, 0]
    assert by_source(pairs)["s1"] == ["t1", "t41", "t81"]
