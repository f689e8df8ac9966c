import numpy as np
import pytest

from unrolled.data.panel import Panel
from unrolled.data.panel_reader import read_panel
from unrolled.data.panel_settings import PanelSettings
from unrolled.errors import DataError, SettingError

MONTHS = "Month,Passengers\n1949-01,112\n1949-02,118\n1949-03,132\n"


@pytest.fixture
def table(tmp_path):
    def write(text, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def read(*paths, **settings):
    return read_panel(paths, PanelSettings(**settings))


def test_a_series_with_dates(table):
    panel = read(table(MONTHS))
    (series,) = panel.series
    assert (panel.targets, panel.inputs, series.name) == (("Passengers",), (), "data")
    assert series.values.tolist() == [[112], [118], [132]]
    assert [series.date(step) for step in (0, 2, 3, 12)] == ["1949-01", "1949-03", "1949-04", "1950-01"]
    assert series.lines.tolist() == [2, 3, 4]
    assert panel.facts == {"target": "Passengers", "date": "Month"}


def test_the_last_column_of_numbers_is_the_target_and_another_can_be_named(table):
    path = table("a,b,note\n1,2,x\n3,4,y\n")
    assert read(path).series[0].values.tolist() == [[2], [4]]
    assert read(path, target="a").series[0].values.tolist() == [[1], [3]]
    assert read(path, target="1,b").series[0].values.tolist() == [[1, 2], [3, 4]]


def test_further_columns(table):
    panel = read(table("y,t,h\n1,5,0\n2,6,1\n3,7,0\n"), target="y", inputs="t,h", known="h")
    assert (panel.inputs, panel.known) == (("t", "h"), (False, True))
    assert panel.series[0].inputs.tolist() == [[5, 0], [6, 1], [7, 0]]


def test_what_is_known_in_advance_stands_in_rows_without_a_target(table):
    path = table("y,t,h\n1,5,0\n2,6,1\n,,1\n,,0\n")
    (series,) = read(path, target="y", inputs="t,h", known="h").series
    assert (len(series), series.ahead[:, 1].tolist()) == (2, [1, 0])
    assert np.isnan(series.ahead[:, 0]).all()
    with pytest.raises(DataError, match=r"line 4: y is missing; fill it in"):
        read(path, target="y", inputs="t,h")
    broken = table("y,h\n1,0\n2,1\n,1\n,\n")
    with pytest.raises(DataError, match=r"line 5: a row without targets must hold what is known in advance"):
        read(broken, target="y", inputs="h", known="h")


def test_a_column_that_names_several_series(table):
    panel = read(
        table("shop,day,y\na,2024-01-01,1\nb,2024-01-01,5\na,2024-01-02,2\nb,2024-01-02,6\n"), series="shop"
    )
    assert [(one.name, one.values[:, 0].tolist(), one.lines.tolist()) for one in panel] == [
        ("a", [1, 2], [2, 4]),
        ("b", [5, 6], [3, 5]),
    ]


def test_several_files_are_several_series(table):
    panel = read(table(MONTHS, "one.csv"), table(MONTHS, "two.csv"))
    assert [one.name for one in panel] == ["one", "two"]
    with pytest.raises(DataError, match=r"two.csv: no column 'Passengers', which the first file has"):
        read(table(MONTHS, "one.csv"), table("Month,Trains\n1949-01,1\n", "two.csv"))


def test_decimal_commas_where_semicolons_separate(table):
    panel = read(table("Datum;Preis\n31.01.2024;1.234,5\n29.02.2024;2\n31.03.2024;-0,5\n"))
    assert panel.series[0].values[:, 0].tolist() == [1234.5, 2, -0.5]
    assert "numbers are read with decimal commas" in panel.notes
    with pytest.raises(DataError, match=r"line 3: y must be a finite number, got '1,234'"):
        read(table('x,y\n1,5\n2,"1,234"\n'), target="y")


def test_other_kinds_of_tables(table, tmp_path):
    rows = '{"Month": "1949-01", "y": 1.5}\n{"Month": "1949-02", "y": 2}\n'
    assert read(table(rows, "a.jsonl")).series[0].values[:, 0].tolist() == [1.5, 2]
    assert read(table("Month\ty\n1949-01\t1\n1949-02\t2\n", "a.tsv")).series[0].values[:, 0].tolist() == [
        1,
        2,
    ]
    latin = table("año;y\n2020;1\n2021;4\n", encoding="latin-1")
    assert read(latin, encoding="latin-1").series[0].date(2) == "2022"


def test_parquet_with_real_dates(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from datetime import date

    path = tmp_path / "a.parquet"
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    parquet.write_table(arrow.table({"day": days, "y": [1.25, 2.5, 3.0]}), path)
    (series,) = read(path).series
    assert (series.values[:, 0].tolist(), series.date(3)) == ([1.25, 2.5, 3.0], "2024-01-04")


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            "day,y\n2024-01-01,1\n2024-01-02,2\n2024-01-04,3\n",
            {},
            r"line 4: 2024-01-04 follows 2024-01-02.*1 missing",
        ),
        (
            MONTHS + "1949-06,1\n",
            {},
            r"line 5: 1949-06 follows 1949-03, but the dates go by a month: 2 missing",
        ),
        ("day,y\n2024-01-01,1\n2024-01-01,2\n", {}, r"line 3: the date 2024-01-01 comes twice; sort"),
        ("day,y\n2024-01-02,1\n2024-01-01,2\n", {}, r"line 3: the date 2024-01-01 comes after a later one"),
        ("Month,y\n1949-01,1\n1949-02,\n1949-03,2\n", {}, r"line 3: y is missing; .* --fill linear"),
        ("Month,y\n1949-01,1\n1949-02,NaN\n1949-03,2\n", {}, r"line 3: y is missing"),
        (
            "Month,y\n1949-01,1\n1949-02,2\n1949-03,\n",
            {"fill": "linear"},
            r"line 4: y is missing.*both sides",
        ),
        (
            "Month,y\n1949-01,1\n1949-02,many\n",
            {"target": "y"},
            r"line 3: y must be a finite number, got 'many'",
        ),
        (
            "Month,y\n1949-01,1\n1949-02,inf\n",
            {"target": "y"},
            r"line 3: y must be a finite number, got 'inf'",
        ),
        ("Month,y\n1949-01,1\n1949-02,1\n", {"target": "z"}, r"no column 'z'; name another with --target"),
        ("Month,y\n1949-01,1\n1949-02,1\n", {"date": "y"}, r"column y holds no dates .* got '1'"),
        ("name,kind\na,b\nc,d\n", {"header": True}, r"no column of numbers to forecast"),
    ],
)
def test_what_cannot_be_used_is_refused_by_line(table, text, settings, message):
    with pytest.raises(DataError, match=message):
        read(table(text), **settings)


def test_a_date_that_is_none_far_down(table):
    days = "".join(f"{year},1\n" for year in range(1500, 1900))
    with pytest.raises(DataError, match=r"line 402: year must be a date like the others, got 'later'"):
        read(table(f"year,y\n{days}later,1\n"))


def test_gaps_are_filled_by_a_line_if_asked(table):
    path = table("day,y\n2024-01-01,1\n2024-01-02,2\n2024-01-04,\n2024-01-06,10\n2024-01-07,1\n")
    panel = read(path, fill="linear")
    assert panel.series[0].values[:, 0].tolist() == [1, 2, 4, 6, 8, 10, 1]
    assert [panel.series[0].date(k) for k in (2, 6, 7)] == ["2024-01-03", "2024-01-07", "2024-01-08"]
    assert any("2 dates were missing" in note for note in panel.notes)


def test_rows_may_follow_each_other_whatever_their_dates(table):
    (series,) = read(table("day,y\n2024-01-01,1\n2024-01-02,2\n2024-01-04,3\n"), fill="nothing").series
    assert series.values[:, 0].tolist() == [1, 2, 3]
    assert (series.date(2), series.date(3)) == ("2024-01-04", "")


def test_weekends_are_no_gaps(table):
    (series,) = read(
        table("day,y\n2024-01-04,1\n2024-01-05,2\n2024-01-08,3\n2024-01-09,4\n2024-01-10,4\n")
    ).series
    assert series.date(5) == "2024-01-11"
    assert series.date(7) == "2024-01-15"


def test_dates_can_be_left_out(table):
    (series,) = read(table("day,y\n2024-01-01,1\n2024-01-01,2\n"), date="none").series
    assert (series.values[:, 0].tolist(), series.calendar) == ([1, 2], None)


def test_one_column_has_one_meaning(table):
    with pytest.raises(SettingError, match="column Passengers has two meanings"):
        read(table(MONTHS), target="Passengers", inputs="Passengers")
    with pytest.raises(SettingError, match=r"--known must name columns of --with, got Passengers"):
        read(table(MONTHS), known="Passengers")
    with pytest.raises(DataError, match="no data was named"):
        read()


def test_panels_in_memory():
    panel = Panel.of([np.arange(3.0), np.arange(5.0)])
    assert (len(panel), panel.steps, panel.targets) == (2, 8, ("1",))
    with pytest.raises(DataError, match="must be finite numbers"):
        Panel.of([[1.0, float("nan")]])
    with pytest.raises(DataError, match="same K"):
        Panel.of([np.zeros((3, 1)), np.zeros((3, 2))])


def test_arrays_hold_one_series_each(tmp_path):
    path = tmp_path / "a.npz"
    values = np.random.default_rng(0).normal(size=(3, 7, 2))
    np.savez(path, x=values)
    panel = read(path)
    assert (panel.targets, len(panel)) == (("2",), 3)
    np.testing.assert_array_equal(panel.series[1].values[:, 0], values[1, :, 1])
    both = read(path, target="2,1")
    np.testing.assert_array_equal(both.series[2].values, values[2][:, ::-1])
    further = read(path, target="1", inputs="2")
    np.testing.assert_array_equal(further.series[0].inputs[:, 0], values[0, :, 1])
    assert len({one.name for one in panel}) == 3
    with pytest.raises(DataError, match="--target must name channels from 1 to 2, got '3'"):
        read(path, target="3")
    with pytest.raises(SettingError, match="have no columns of names or dates"):
        read(path, series="1")


def test_what_is_missing_in_arrays_is_refused_or_filled(tmp_path):
    path = tmp_path / "a.npz"
    values = np.arange(10.0).reshape(2, 5, 1)
    values[1, 2] = np.nan
    np.savez(path, x=values)
    with pytest.raises(DataError, match=r"a.npz, series 2, step 3: channel 1 is missing.*--fill linear"):
        read(path)
    assert read(path, fill="linear").series[1].values[:, 0].tolist() == [5, 6, 7, 8, 9]


def test_ts_files(tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("@problemName x\n@univariate true\n@classLabel true a b\n@data\n1,2,3:a\n4,5:b\n")
    assert [one.values[:, 0].tolist() for one in read(path)] == [[1, 2, 3], [4, 5]]


def test_one_thing_that_was_missing_is_said_in_the_singular(table):
    gap = table("day,v\n2024-01-01,1\n2024-01-02,2\n2024-01-04,4\n")
    assert "data.csv: 1 date was missing" in " ".join(read(gap, fill="linear").notes)
    value = table("day,v\n2024-01-01,1\n2024-01-02,\n2024-01-03,4\n")
    assert "1 missing value from here on" in " ".join(read(value, target="v", fill="linear").notes)


def test_a_folder_is_all_of_its_files(table, tmp_path):
    for name in ("a.csv", "b.csv"):
        table(MONTHS, name)
    assert [one.name for one in read(tmp_path).series] == ["a", "b"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no file in this folder"):
        read(tmp_path / "none")


def test_nobody_is_told_to_name_other_columns_than_a_model_reads(table):
    with pytest.raises(DataError, match="no column 'sales'; the model reads it, give files with it"):
        read_panel([table(MONTHS)], PanelSettings(target="sales"), trained=True)
