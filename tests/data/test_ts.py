import numpy as np
import pytest

from unrolled.data.ts import ts_series
from unrolled.errors import DataError

HEADER = """#about
@problemName Waves
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false

@classLabel true up down
@data
"""


def read(tmp_path, text, encoding=None):
    path = tmp_path / "waves.ts"
    path.write_text(text, encoding=encoding or "utf-8")
    return list(ts_series(path, encoding))


def test_series_of_different_lengths(tmp_path):
    first, second = read(tmp_path, HEADER + "1,2.5,-3:4,5,6e1:up\n# between\n\n7:8:down\n")
    np.testing.assert_array_equal(first[0], [[1, 4], [2.5, 5], [-3, 60]])
    assert first[1:] == ("up", first[2]) and first[2].line == 11
    np.testing.assert_array_equal(second[0], [[7, 8]])
    assert second[1] == "down" and second[2].line == 14


def test_names_of_the_header_in_any_case_and_crlf(tmp_path):
    text = HEADER.replace("@classLabel true", "@CLASSLABEL True").replace("\n", "\r\n")
    assert len(read(tmp_path, text + "1:2:up\r\n")) == 1


def test_missing_values_are_nan(tmp_path):
    text = HEADER.replace("@missing false", "@missing true")
    ((values, _, _),) = read(tmp_path, text + "1,?,3:NaN,5, ? :up\n")
    np.testing.assert_array_equal(values, [[1, np.nan], [np.nan, 5], [3, np.nan]])


def test_without_labels_and_with_numbers_as_labels(tmp_path):
    text = HEADER.replace("@classLabel true up down", "@classLabel false")
    assert read(tmp_path, text + "1:2\n")[0][1] is None
    text = HEADER.replace("@classLabel true up down", "@targetLabel true")
    assert read(tmp_path, text + "1:2:3.75\n")[0][1] == "3.75"


def test_another_encoding(tmp_path):
    text = HEADER.replace("#about", "#año").replace("up", "más")
    assert read(tmp_path, text + "1:2:más\n", "latin-1")[0][1] == "más"
    with pytest.raises(DataError, match=r"waves\.ts, line 1: not UTF-8.*--encoding"):
        list(ts_series(tmp_path / "waves.ts", None))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2:3,4:5,6:up", r"must have 2 dimensions as the header says, got 3"),
        ("1,2:up", r"must have 2 dimensions as the header says, got 1"),
        (
            "1,2:3:up",
            r"all dimensions must have as many values as the first, 2, got 1 in dimension 2; fill up with \?",
        ),
        ("1,2:3,x4:up", r"dimension 2 must hold numbers or \?, got 'x4'"),
        ("1,2:3,:up", r"dimension 2 must hold numbers or \?, got ''"),
        ("1,?:3,4:up", r"a value is missing, but the header says @missing false"),
        ("1,2:3,4:left", r"the label must be one of up, down, got 'left'"),
        ("(0,1),(1,2):(0,3),(1,4):up", r"values with time stamps are not read"),
    ],
)
def test_a_row_is_refused_by_line(tmp_path, row, message):
    with pytest.raises(DataError, match=rf"waves\.ts, line 12: {message}"):
        read(tmp_path, HEADER + f"1:2:up\n{row}\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@timeStamps false", "@timeStamps true", r"line 3: values with time stamps are not read"),
        ("@missing false", "@missing maybe", r"line 4: must say true or false, got 'maybe'"),
        ("@dimensions 2", "@dimensions two", r"line 6: must say a whole number above 0, got 'two'"),
        ("@dimensions 2", "@colour 2", r"line 6: must be one of @problemname, .*, got @colour"),
        ("@classLabel true up down", "@classLabel true", r"line 9: must list the classes"),
        ("@classLabel true up down", "@classLabel false up", r"line 9: lists classes, but says false"),
        ("@classLabel true up down\n", "", r"line 9: @data must come after @classLabel or @targetLabel"),
        ("@data\n", "", r"line 10: expected a line that begins with @ or #"),
    ],
)
def test_a_header_is_refused_by_line(tmp_path, old, new, message):
    with pytest.raises(DataError, match=rf"waves\.ts, {message}"):
        read(tmp_path, HEADER.replace(old, new) + "1:2:up\n")


def test_no_data_at_all(tmp_path):
    with pytest.raises(DataError, match=r"waves\.ts: no line @data in 9 lines, so this is not a \.ts file"):
        read(tmp_path, HEADER.replace("@data\n", ""))


def test_equal_length_is_checked(tmp_path):
    text = HEADER.replace("@equalLength false", "@equalLength true")
    with pytest.raises(DataError, match=r"line 12: must have 2 steps, since .*@equalLength true, got 1"):
        read(tmp_path, text + "1,2:3,4:up\n1:3:up\n")
    text = text.replace("@dimensions 2", "@dimensions 2\n@seriesLength 3")
    with pytest.raises(DataError, match=r"line 12: must have 3 steps"):
        read(tmp_path, text + "1,2:3,4:up\n")


def test_univariate_is_one_dimension(tmp_path):
    text = HEADER.replace("@univariate false\n@dimensions 2", "@univariate true")
    assert read(tmp_path, text + "1,2:up\n")[0][0].shape == (2, 1)
    with pytest.raises(DataError, match="must have 1 dimension as the header says, got 2"):
        read(tmp_path, text + "1,2:3,4:up\n")
