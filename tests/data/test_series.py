import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, SettingError

nan = np.nan


def read(*paths, labelled=True, **settings):
    reader = open_records(paths, ReadSettings(kind="series", **settings), labelled)
    return list(reader), reader


def table(path, *lines):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def ts(path, *rows, missing="true", labels="@classLabel true a b"):
    path.write_text("\n".join([f"@missing {missing}", "@univariate false", labels, "@data", *rows]) + "\n")
    return path


def arrays(path, *series):
    values, lengths = np.concatenate(series), [len(one) for one in series]
    np.savez(path, values=values, lengths=lengths, labels=np.arange(len(series)))
    return path


def test_a_ts_file(tmp_path):
    records, reader = read(ts(tmp_path / "x.ts", "1,2:3,4:a", "5:6:b"))
    assert [record.values.tolist() for record in records] == [[[1, 3], [2, 4]], [[5, 6]]]
    assert records[0].values.dtype == np.float32
    assert [(record.label, record.place.line) for record in records] == [("a", 5), ("b", 6)]
    assert reader.facts == {} and reader.notes == []


def test_gaps_are_interpolated_and_it_is_said(tmp_path):
    records, reader = read(ts(tmp_path / "x.ts", "?,1,?,?,4:7,7,7,7,?:a", "1:2:b"))
    assert records[0].values.tolist() == [[1, 7], [1, 7], [2, 7], [3, 7], [4, 7]]
    assert reader.notes == ["interpolated between neighbours in time: 4 missing values"]
    list(reader)
    assert len(reader.notes) == 1


def test_padding_is_cut_off_and_it_is_said(tmp_path):
    records, reader = read(ts(tmp_path / "x.ts", "1,2,?,?:3,4,5,?:a"))
    assert records[0].values.tolist() == [[1, 3], [2, 4], [2, 5]]
    assert "cut off where only missing values follow: the ends of 1 series" in reader.notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2:?,?:a", r"line 5: channel 2 holds no value"),
        ("?:?:a", r"line 5: the series holds no value; remove it"),
        ("1,inf:3,4:a", r"line 5: step 2 of channel 1 must be a number that float32 holds, got inf"),
        ("1,2:3,-1e39:a", r"line 5: step 2 of channel 2 must be a number that float32 holds, got -1e\+39"),
        ("1,2:3,4:a\n1:a", r"line 6: all series must have the 2 channels of the first \(.*line 5\), got 1"),
    ],
)
def test_what_cannot_be_used_is_refused_by_line(tmp_path, row, message):
    with pytest.raises(DataError, match=rf"x\.ts, {message}"):
        read(ts(tmp_path / "x.ts", row))


def test_labels_are_asked_for_where_they_are_needed(tmp_path):
    path = ts(tmp_path / "x.ts", "1:2", labels="@classLabel false")
    assert read(path, labelled=False)[0][0].label is None
    with pytest.raises(DataError, match=r"x\.ts, line 5: no label; name data with labels"):
        read(path)


def test_several_files_are_read_together_and_it_is_said(tmp_path):
    ts(tmp_path / "x_TEST.ts", "1:2:a")
    ts(tmp_path / "x_TRAIN.ts", "3:4:b")
    records, reader = read(tmp_path)
    assert [record.label for record in records] == ["a", "b"]
    assert reader.notes == ["read together: 2 files, x_TEST.ts to x_TRAIN.ts"]


def test_an_npz_file_and_its_errors_by_number(tmp_path):
    records, _ = read(arrays(tmp_path / "x.npz", [[1.0, 2]], [[3, 4], [5, nan], [7, 6]]))
    assert records[1].values.tolist() == [[3, 4], [5, 5], [7, 6]] and records[1].columns == {"series": "2"}
    with pytest.raises(DataError, match=r"x\.npz, series 2: step 1 of channel 2 must be a number"):
        read(arrays(tmp_path / "x.npz", [[1.0, 2]], [[3, np.inf]]))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"x\.wav: series must be \.ts, \.npz, \.csv"):
        read(table(tmp_path / "x.wav", "x"))


LONG = (
    "series,time,x,place,y,label",
    "s1,0,1,lab,10,a",
    "s1,1,2,lab,,a",
    "s1,2,3,lab,30,a",
    "s2,0,4,home,40,b",
)


def test_a_table_with_a_row_for_each_step(tmp_path):
    records, reader = read(table(tmp_path / "x.csv", *LONG))
    assert [record.values.tolist() for record in records] == [[[1, 10], [2, 20], [3, 30]], [[4, 40]]]
    assert [record.label for record in records] == ["a", "b"]
    assert records[1].columns == {"series": "s2", "place": "home"}
    assert [record.place.line for record in records] == [2, 5]
    assert any(
        "series: series, label: label, channels: x, y; not a channel: time, place" in note
        for note in reader.notes
    )
    assert "interpolated between neighbours in time: 1 missing value" in reader.notes


def test_rows_of_a_series_need_not_stand_together(tmp_path):
    head, *rows = LONG
    records, _ = read(table(tmp_path / "x.csv", head, rows[0], rows[3], rows[1], rows[2]))
    assert [record.values[:, 0].tolist() for record in records] == [[1, 2, 3], [4]]


def test_columns_by_name_and_number(tmp_path):
    path = table(tmp_path / "x.csv", "who,what,v", "p,up,1", "q,down,2")
    records, _ = read(path, text="who", label="2")
    assert [(record.label, record.columns["who"], record.values.tolist()) for record in records] == [
        ("up", "p", [[1]]),
        ("down", "q", [[2]]),
    ]
    with pytest.raises(DataError, match=r"x\.csv: no column 'whom'; name another with --text"):
        read(path, text="whom")


def test_a_label_for_each_step(tmp_path):
    path = table(tmp_path / "x.csv", "id,v,label", "1,5,a", "1,6,a", "2,7,a", "2,8,b")
    assert [record.label for record in read(path)[0]] == [("a", "a"), ("a", "b")]


def test_labels_for_each_step_end_where_the_series_is_cut_off(tmp_path):
    path = table(tmp_path / "x.csv", "id,v,label", "1,5,a", "1,6,b", "1,,b", "2,8,b")
    records, _ = read(path)
    assert [(len(record.values), record.label) for record in records] == [(2, ("a", "b")), (1, ("b",))]


def test_the_column_of_labels_is_no_channel_of_data_to_predict(tmp_path):
    path = table(tmp_path / "x.csv", "id,v,label", "1,5,3", "2,6,4")
    records, _ = read(path, labelled=False)
    assert records[0].values.tolist() == [[5]] and records[0].label == "3"


def test_a_file_of_its_own_for_each_series(tmp_path):
    for name, value in (("run/1.csv", 1), ("run/2.csv", 2), ("rest/1.csv", 3)):
        table(tmp_path / name, "time,v", f"0,{value}", f"1,{value}")
    records, reader = read(tmp_path)
    assert [(record.label, record.values[0].tolist()) for record in records] == [
        ("rest", [3]),
        ("run", [1]),
        ("run", [2]),
    ]
    assert any("the folder around each file (rest, run)" in note for note in reader.notes)
    table(tmp_path / "run" / "3.csv", "time,w", "0,1")
    with pytest.raises(DataError, match=r"3\.csv: must have the channels of .*1\.csv, v, got w"):
        read(tmp_path)


def test_a_pattern_of_names_for_tables(tmp_path):
    path = table(tmp_path / "up_7.csv", "time,v", "0,1")
    records, _ = read(path, label="{label}_{number}")
    assert records[0].label == "up" and records[0].columns == {"number": "7"}
    with pytest.raises(SettingError, match=r"names \{label\} once"):
        read(path, label="speaker")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["1,5,a", "1,x,a"],
            r"x\.csv, line 3: column 'v' must hold numbers or nothing, got 'x'",
        ),
        (["1,5,a", "1,6,"], r"x\.csv, line 3: no label, though other steps have one"),
        (["1,5,", "2,6,b"], r"x\.csv, line 2: no label"),
        (["1,u,a", "2,w,b"], r"x\.csv: no column of numbers besides times and labels"),
        (["1,5,a", "2,,b"], r"x\.csv, line 3: the series holds no value"),
    ],
)
def test_tables_are_refused_by_line(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(table(tmp_path / "x.csv", "id,v,label", *rows))


def test_numbers_with_decimal_commas(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("series;x;label\ns1;1,5;a\ns1;-2,25;a\ns2;3;b\n")
    records, reader = read(path)
    assert [record.values.tolist() for record in records] == [[[1.5], [-2.25]], [[3]]]
    assert "numbers are read with decimal commas" in reader.notes
