from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.data.panel import Panel
from unrolled.data.scaling import Scaling
from unrolled.data.windows import Frames, Streams, Windows
from unrolled.errors import DataError

SCALINGS = [
    Scaling(),
    Scaling("window"),
    Scaling("series", "last", "both"),
    Scaling("window", "last", "differences"),
    Scaling("series", "season", "both", season=5),
    Scaling("window", "season", "levels", season=4, log=True),
]


def panel(lengths=(23, 17), targets=2):
    rng = np.random.default_rng(1)
    return Panel.of([np.exp(rng.normal(size=(length, targets))) for length in lengths])


def known_panel():
    """Two inputs, the second known for three steps beyond the end."""
    made = panel((12,), 1)
    inputs = np.arange(24.0).reshape(12, 2)
    ahead = np.array([[np.nan, 100.0], [np.nan, 101.0], [np.nan, 102.0]])
    series = replace(made.series[0], inputs=inputs, ahead=ahead)
    return replace(made, series=(series,), inputs=("a", "b"), known=(False, True))


def frames_of(made, scaling):
    scaling = Scaling.from_json(scaling.to_json())
    if made.inputs:
        scaling.inputs = np.array([[0.0, 0.0], [1.0, 1.0]])
    return Frames.of(made, scaling)


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda s: f"{s.scale}-{s.relative}-{s.read}")
@pytest.mark.parametrize("horizon", [1, 3, 7])
def test_windows_are_all_places_with_enough_before_and_behind(scaling, horizon):
    made, window = panel(), 4
    frames = frames_of(made, scaling)
    parts = [(9, 23), (0, 14)]
    windows = Windows(frames, window, horizon, parts)
    wanted = []
    for s, (begin, end) in enumerate(parts):
        for t in range(len(made.series[s])):
            enough = t - scaling.lag - window + 1 >= 0 and t - scaling.back + 1 >= 0
            if enough and t + 1 >= begin and t + horizon < end:
                wanted.append((s, t))
    starts = frames.starts[windows.series]
    assert list(zip(windows.series.tolist(), (windows.places - starts).tolist(), strict=True)) == wanted


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda s: f"{s.scale}-{s.relative}-{s.read}")
def test_targets_are_the_values_that_come_seen_from_the_base(scaling):
    made, horizon = panel(), 6
    frames = frames_of(made, scaling)
    windows = Windows(frames, 4, horizon, [(0, 23), (0, 17)])
    batch = windows.batch(np.arange(len(windows)))
    found = frames.scaling.values(batch.base + batch.spread * batch.targets.double().numpy())
    for row, (s, place) in enumerate(zip(windows.series, windows.places, strict=True)):
        t = place - frames.starts[s]
        np.testing.assert_allclose(found[row], made.series[s].values[t + 1 : t + 1 + horizon], rtol=1e-5)


def test_a_window_scaled_by_hand():
    made = panel((20,), 1)
    frames = frames_of(made, Scaling("window", "last", "both"))
    y = made.series[0].values[:, 0]
    windows = Windows(frames, 4, 2, [(0, 20)])
    batch = windows.batch(np.array([3]))
    t = int(windows.places[3])
    seen = y[t - 4 : t + 1]  # one more than the window, for the first difference
    spread = np.sqrt(np.square(np.diff(seen)).mean())
    wanted = np.stack([(seen[1:] - seen.mean()) / seen.std(), np.diff(seen) / spread], 1)
    np.testing.assert_allclose(batch.x[:, 0].numpy(), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(batch.targets[0, :, 0].numpy(), (y[t + 1 : t + 3] - y[t]) / spread, rtol=1e-5)


@pytest.mark.parametrize("scaling", [s for s in SCALINGS if s.scale == "series"], ids=lambda s: s.relative)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_streams_read_every_step_once_and_count_every_target_of_the_part(scaling, rows):
    made, horizon = panel((90, 41)), 3
    frames = frames_of(made, scaling)
    parts = [(0, 80), (10, 41)]
    streams = Streams(frames, horizon, parts, rows, steps=2)
    first = frames.origin(1)
    counted = []
    batches = list(streams.batches())
    assert len(batches) == len(streams)
    for batch in batches:
        for t, b, k in np.argwhere(batch.weights.numpy() > 0):
            place, s = int(batch.places[t, b]), int(batch.series[b])
            counted.append((s, place - int(frames.starts[s]), int(k)))
            u = frames.u[place + k + 1]
            value = batch.base[t, b, k] + (batch.spread[b] * batch.targets[t, b, k].double().numpy())[0]
            np.testing.assert_allclose(value, u, rtol=1e-4, atol=1e-5)
    wanted = [
        (s, t, k)
        for s, (begin, end) in enumerate(parts)
        for t in range(first, end - 1)
        for k in range(horizon)
        if t >= begin - 1 and t + k + 1 < end
    ]
    assert sorted(counted) == wanted


def test_a_long_series_is_cut_into_rows_of_their_own():
    frames = frames_of(panel((300,)), Scaling())
    streams = Streams(frames, 1, [(0, 300)], rows=4, steps=3)
    assert [stop - first for _, first, stop in streams.groups[0]] == [75, 75, 75, 74]
    assert Streams(frames, 1, [(0, 300)], rows=4, steps=3, whole=True).groups == [[(0, 0, 299)]]


def test_streams_count_only_whole_horizons_for_judging():
    frames = frames_of(panel((30,)), Scaling("series", "last", "both"))
    streams = Streams(frames, 4, [(20, 30)], 1, 100, whole=True)
    (batch,) = streams.batches()
    places = batch.places[batch.weights.numpy().all(-1)]
    assert places.tolist() == list(range(19, 26))
    assert streams.count == 7
    assert bool((batch.weights.sum(-1) % 4 == 0).all())


def test_streams_read_what_windows_read():
    frames = frames_of(panel((40,)), Scaling("series", "season", "both", season=5))
    windows, streams = Windows(frames, 3, 2, [(0, 40)]), Streams(frames, 2, [(0, 40)], 1, 100, whole=True)
    (whole,) = streams.batches()
    one = windows.batch(np.array([7]))
    place = int(windows.places[7])
    start = int(np.flatnonzero(whole.places[:, 0] == place)[0])
    assert torch.equal(one.x[:, 0], whole.x[start - 2 : start + 1, 0])
    assert torch.equal(one.targets[0], whole.targets[start, 0])


def test_inputs_known_in_advance_are_those_of_the_steps_ahead():
    frames = frames_of(known_panel(), Scaling())
    windows = Windows(frames, 2, 3, [(0, 12)])
    batch = windows.batch(np.array([0, 4]))
    assert batch.x[:, 0, 1:].tolist() == [[0, 1], [2, 3]]
    assert batch.ahead[:, :, 0].tolist() == [[5, 7, 9], [13, 15, 17]]
    ends = frames.ahead(np.array([11, 10]), np.array([0, 0]), 3)[:, :, 0]
    assert ends.tolist() == [[100, 101, 102], [23, 100, 101]]


def test_whole_series_have_no_windows_to_scale_by():
    with pytest.raises(DataError, match="no windows to scale by"):
        Streams(frames_of(panel(), Scaling("window")), 1, [(0, 9), (0, 9)], 1, 4)
