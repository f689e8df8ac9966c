from datetime import datetime, timedelta

import numpy as np
import pytest

from unrolled.data.dates import Frequency, form_of, parsed, written


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["1949-01", "1949-02"], "%Y-%m"),
        (["2024-02-28", "2024-02-29"], "%Y-%m-%d"),
        (["28.02.2024", "29.02.2024"], "%d.%m.%Y"),
        (["01/02/2024", "02/02/2024", "03/02/2024"], "%d/%m/%Y"),
        (["02/01/2024", "02/02/2024", "02/03/2024"], "%m/%d/%Y"),
        (["02/28/2024"], "%m/%d/%Y"),
        (["2024-01-01 00:30", "2024-01-01 01:00"], "%Y-%m-%d %H:%M"),
        (["2024-01-01T00:30:00", "2024-01-01T01:00:00"], "%Y-%m-%dT%H:%M:%S"),
        (["1960Q1", "1960Q2"], "quarter"),
        (["2024-01-01T00:00:00+02:00"], "zone"),
        (["1949", "1950"], None),
        (["12.5", "3"], None),
        (["red", "1949-01"], None),
        ([], None),
    ],
)
def test_the_form_of_dates(cells, form):
    assert form_of(cells) == form


def test_years_count_as_dates_only_in_a_column_of_dates():
    assert form_of(["1949", "1950"], bare=True) == "%Y"


def test_dates_are_written_as_they_were_read():
    for cell, form in (("1960Q3", "quarter"), ("0987-05", "%Y-%m"), ("31.12.2024", "%d.%m.%Y")):
        assert written(parsed(cell, form), form) == cell


def test_a_time_with_a_zone_is_read_in_utc():
    assert parsed("2024-01-01T01:00:00+02:00", "zone") == datetime(2023, 12, 31, 23)


def rising(first, step, count):
    return [first + k * step for k in range(count)]


@pytest.mark.parametrize("step", [timedelta(minutes=15), timedelta(hours=1), timedelta(days=7)])
def test_steps_of_time_go_on(step):
    dates = rising(datetime(2024, 2, 25, 23, 45), step, 9)
    frequency = Frequency.of(dates[:4])
    assert [frequency.after(dates[3], k) for k in range(1, 6)] == dates[4:]
    assert frequency.positions(dates).tolist() == list(range(9))


@pytest.mark.parametrize("months", [1, 3, 12])
def test_months_go_on(months):
    dates = [datetime(2020 + (k * months) // 12, (k * months) % 12 + 1, 15) for k in range(9)]
    frequency = Frequency.of(dates[:4])
    assert [frequency.after(dates[3], k) for k in range(1, 6)] == dates[4:]


def test_ends_of_months_stay_ends():
    ends = [datetime(2023, 11, 30), datetime(2023, 12, 31), datetime(2024, 1, 31), datetime(2024, 2, 29)]
    frequency = Frequency.of(ends[:3])
    assert frequency.after(ends[2], 1) == ends[3]
    assert frequency.after(ends[2], 13) == datetime(2025, 2, 28)


def test_workdays_leave_weekends_out():
    days = [day for day in rising(datetime(2024, 1, 1), timedelta(days=1), 30) if day.weekday() < 5]
    frequency = Frequency.of(days[:8])
    assert frequency.unit == "workdays"
    assert [frequency.after(days[7], k) for k in range(1, 10)] == days[8:17]
    assert frequency.positions(days).tolist() == list(range(len(days)))
    holiday = days[:6] + days[7:]
    assert np.diff(Frequency.of(holiday).positions(holiday)).tolist().count(2) == 1


def test_five_days_within_a_week_are_days():
    assert Frequency.of(rising(datetime(2024, 1, 1), timedelta(days=1), 5)).unit == "seconds"


def test_the_most_frequent_step_counts():
    dates = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in (0, 1, 2, 5, 6, 7)]
    frequency = Frequency.of(dates)
    assert str(frequency) == "an hour"
    assert frequency.positions(dates).tolist() == [0, 1, 2, 5, 6, 7]


def test_no_frequency_of_dates_that_fall_or_of_one():
    assert Frequency.of([datetime(2024, 1, 2), datetime(2024, 1, 1)]) is None
    assert Frequency.of([datetime(2024, 1, 2)]) is None
