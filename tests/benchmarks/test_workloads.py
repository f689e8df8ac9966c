import pytest

from benchmarks import elementwise
from benchmarks.workloads import CELLS, SHAPES, Shape, Workload, recurrent_cells
from unrolled.errors import SettingError


def test_operations_by_hand():
    workload = Workload("lstm", Shape(T=100, B=32, I=64, H=128))
    entries = 4 * (128 * 64 + 128 * 128)
    assert workload.entries == entries == 98304
    assert workload.operations(training=False) == 2 * 100 * 32 * entries
    assert workload.operations(training=True) == 3 * 2 * 100 * 32 * entries


def test_operations_of_ragged_rows_count_real_steps():
    workload = Workload("elman", Shape(T=10, B=4, I=3, H=5), ragged=True)
    assert sorted(workload.lengths) == [1, 4, 7, 10]
    assert workload.steps == 22
    assert workload.operations(training=False) == 2 * 22 * (5 * 3 + 5 * 5)


def test_lengths_reach_from_a_tenth_to_all_of_the_steps():
    lengths = Workload("gru", SHAPES[2], ragged=True).lengths
    assert (len(lengths), min(lengths), max(lengths)) == (64, 20, 200)
    assert lengths != sorted(lengths)
    assert Workload("gru", SHAPES[2]).lengths is None


@pytest.mark.parametrize("text", ["T100B32I64H128", "t100,b32,i64,h128"])
def test_a_shape_is_read(text):
    assert Shape.read(text) == Shape(100, 32, 64, 128)
    assert str(Shape.read(text)) == "T100 B32 I64 H128"


@pytest.mark.parametrize("text", ["100x32", "T0B1I1H1", "T1B1I1", ""])
def test_what_is_no_shape_is_refused(text):
    with pytest.raises(SettingError, match="must be written as T100B32I64H128"):
        Shape.read(text)


def test_cells_with_a_matrix_in_the_loop():
    cells = recurrent_cells()
    assert set(CELLS) < set(cells)
    assert not set(elementwise.CELLS) & set(cells)


def test_data_moved_by_hand():
    """Into the loop of mingru come gate and candidate, out goes h; into that of indrnn comes one sequence."""
    steps, H = 128 * 64, 512
    assert elementwise.shape_for(16) == Shape(T=128, B=64, I=1, H=512)
    assert elementwise.moved(Workload("mingru", elementwise.shape_for(16))) == steps * 3 * H * 4
    assert elementwise.moved(Workload("indrnn", elementwise.shape_for(16))) == steps * 2 * H * 4
