from pathlib import Path

import pytest

from unrolled.data.file_labels import NamePattern, file_labels
from unrolled.errors import DataError, SettingError


def labels(names, label=None, labelled=True):
    found, notes = file_labels([Path(name) for name in names], label, labelled)
    return [fields.get("label") for fields in found], notes


def test_several_folders_are_the_labels():
    found, notes = labels(["a/x_1.wav", "a/x_2.wav", "b/x_3.wav"])
    assert found == ["a", "a", "b"]
    assert notes == ["label: the folder around each file (a, b)"]


def test_in_one_folder_it_is_what_stands_before_the_first_underscore():
    found, notes = labels(["d/7_ana_1.wav", "d/8_ana_2.wav", "d/7_luz_3_4.wav"])
    assert found == ["7", "8", "7"]
    assert notes == ["label: what stands before the first _ in each name (7, 8)"]


def test_many_classes_are_not_all_listed():
    _, notes = labels([f"d/{i % 10}_{i}.wav" for i in range(20)])
    assert notes[0].endswith("(0, 1, 2, 3, 4, 5, 6, 7, ... 10 in all)")


@pytest.mark.parametrize(
    "names", [["d/a.wav", "d/b.wav"], ["d/a_1.wav", "d/b_1.wav"], ["d/a_1.wav", "d/a.wav"]]
)
def test_names_that_say_nothing_are_refused_unless_no_label_is_needed(names):
    with pytest.raises(DataError, match=r"^d/a.*put each class into a folder of its own, or give a pattern"):
        labels(names)
    assert labels(names, labelled=False) == ([None, None], [])


def test_a_pattern_keeps_its_fields():
    found, notes = file_labels([Path("d/7_ana_12.wav")], "{label}_{speaker}_{index}", True)
    assert found == [{"label": "7", "speaker": "ana", "index": "12"}] and notes == []


def test_the_last_part_takes_the_rest_and_only_the_last_ending_is_left_out():
    assert NamePattern("{label}_{rest}").fields(Path("up_a_b.c.mp4")) == {"label": "up", "rest": "a_b.c"}


def test_a_pattern_reaches_into_folders_and_leaves_parts_out():
    pattern = NamePattern("{label}/{speaker}_nohash_*")
    assert pattern.fields(Path("words/yes/ab12_nohash_0.wav")) == {"label": "yes", "speaker": "ab12"}
    assert pattern.fields(Path("words/yes/ab12_0.wav")) is None


def test_what_stands_in_a_pattern_is_text_not_an_expression():
    assert NamePattern("{label}.(x)").fields(Path("a.(x).wav")) == {"label": "a"}
    assert NamePattern("{label}.(x)").fields(Path("ab(x).wav")) is None


def test_the_folder_of_a_file_named_from_inside_it(tmp_path, monkeypatch):
    (tmp_path / "cats").mkdir()
    monkeypatch.chdir(tmp_path / "cats")
    assert NamePattern("{label}/*").fields(Path("x.png")) == {"label": "cats"}


def test_a_name_that_does_not_match_is_refused_or_has_no_label():
    with pytest.raises(DataError, match=r"^d/b\.wav: the name must match --label \{label\}_\*"):
        labels(["d/a_1.wav", "d/b.wav"], "{label}_*")
    assert labels(["d/a_1.wav", "d/b.wav"], "{label}_*", labelled=False)[0] == ["a", None]


@pytest.mark.parametrize("pattern", ["genre", "{speaker}_{index}", "{label}_{label}"])
def test_a_pattern_without_one_label_is_refused(pattern):
    with pytest.raises(SettingError, match=r"names \{label\} once"):
        labels(["d/a_1.wav"], pattern)


def test_two_parts_with_nothing_between_are_refused():
    with pytest.raises(SettingError, match="some text between two parts"):
        NamePattern("{label}{index}")


def test_the_column_of_a_table_says_nothing_about_names():
    assert labels(["d/a_1.wav"], "genre", labelled=False) == ([None], [])
