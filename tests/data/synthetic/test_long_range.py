"""Every long-range task: the rule of its paper is replayed row by row in plain Python, and floors by brute force."""

import math
import statistics

import pytest
import torch

from unrolled.data.synthetic.adding import Adding, Adding1997, Multiplication
from unrolled.data.synthetic.copying import Copying
from unrolled.data.synthetic.long_range import Score
from unrolled.data.synthetic.parity import Parity, RunningParity
from unrolled.data.synthetic.tasks import TASKS, find_task
from unrolled.data.synthetic.temporal_order import TemporalOrder, TemporalOrder3
from unrolled.errors import SettingError

ROWS = 400


def rows_of(task, seed=0, rows=ROWS):
    """Each row as plain lists, without its padding: inputs, target."""
    drawn = task.batch(rows, torch.Generator().manual_seed(seed))
    assert drawn.inputs.dtype == torch.float32
    assert len(drawn.inputs) == drawn.lengths.max()
    for b, length in enumerate(drawn.lengths.tolist()):
        assert (drawn.inputs[length:, b] == 0).all()
        target = drawn.targets[:length, b] if task.every_step else drawn.targets[b]
        yield drawn.inputs[:length, b].tolist(), target.tolist()


@pytest.mark.parametrize("name", TASKS)
def test_a_generator_draws_the_same_sequences_and_another_does_not(name):
    task = find_task(name, 60)
    one, same, other = (task.batch(9, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.inputs, same.inputs) and torch.equal(one.targets, same.targets)
    assert one.inputs.shape != other.inputs.shape or not torch.equal(one.inputs, other.inputs)
    assert one.inputs.shape[1:] == (9, task.input_size)
    assert task.name == name and task.length == 60


# --- adding and multiplication ---------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, 50])
def test_adding_has_a_mark_in_each_half_and_their_sum(length):
    places = []
    for inputs, target in rows_of(Adding(length)):
        assert len(inputs) == length
        marked = [t for t, (_, mark) in enumerate(inputs) if mark == 1]
        assert sum(mark for _, mark in inputs) == 2
        assert marked[0] < length // 2 <= marked[1]
        assert all(0 <= value < 1 for value, _ in inputs)
        assert target == pytest.approx(sum(inputs[t][0] for t in marked))
        places += marked
    assert set(places) == set(range(length))


@pytest.mark.parametrize("task", [Adding1997(20), Adding1997(100), Multiplication(20), Multiplication(60)])
def test_the_pairs_of_1997(task):
    lengths, firsts, places = set(), 0, set()
    for inputs, target in rows_of(task, rows=1500):
        lengths.add(len(inputs))
        marked = [t for t, (_, mark) in enumerate(inputs) if mark == 1]
        places |= set(marked)
        first_marked = marked[0] == 0
        firsts += first_marked
        assert len(marked) == 2
        assert marked[0] < 10 and marked[1] < task.length // 2
        for t, (value, mark) in enumerate(inputs):
            ends = t in (0, len(inputs) - 1)
            assert mark == (1 if t in marked else -1 if ends else 0)
            assert (0 if isinstance(task, Multiplication) else -1) <= value <= 1
        one, other = (inputs[t][0] for t in marked)
        if isinstance(task, Multiplication):
            assert target == pytest.approx(one * other, abs=1e-6)
            assert one == 1 or not first_marked
        else:
            assert target == pytest.approx(0.5 + (one + other) / 4, abs=1e-6)
            assert one == 0 or not first_marked
    assert lengths == set(range(task.length, task.length + task.length // 10 + 1))
    assert places == set(range(task.length // 2))
    assert firsts / 1500 == pytest.approx(0.1 + 0.9 / (task.length // 2 - 1), abs=0.03)


@pytest.mark.parametrize(
    "task", [Adding(30), Adding1997(20), Adding1997(40), Multiplication(20), Multiplication(40)]
)
def test_the_floor_is_what_the_best_constant_gets(task):
    targets = task.batch(50_000, torch.Generator().manual_seed(3)).targets
    assert task.floor == pytest.approx(statistics.pvariance(targets.tolist()), rel=0.03)
    constant = targets.mean().expand(len(targets), 1)
    assert task.score(constant, targets).loss == pytest.approx(task.floor, rel=0.03)


# --- temporal order --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "spans"),
    [
        (TemporalOrder(), [(10, 20), (50, 60)]),
        (TemporalOrder3(), [(10, 20), (33, 43), (66, 76)]),
        (TemporalOrder(10), [(1, 2), (5, 6)]),
        (TemporalOrder3(200), [(20, 40), (66, 86), (132, 152)]),
    ],
)
def test_the_order_of_relevant_symbols(task, spans):
    names, lengths, kinds = "EBXYabcd", set(), set()
    seen = [set() for _ in spans]
    for inputs, target in rows_of(task, rows=800):
        text = "".join(names[symbol.index(1)] for symbol in inputs)
        assert all(sum(symbol) == 1 for symbol in inputs)
        assert text[0] == "E" and text[-1] == "B"
        assert set(text[1:-1]) <= set("XYabcd")
        places = [t for t, symbol in enumerate(text) if symbol in "XY"]
        assert len(places) == len(spans)
        for found, place, (low, high) in zip(seen, places, spans, strict=True):
            assert low <= place <= high
            found.add(place)
        assert target == int("".join(str("XY".index(text[t])) for t in places), 2)
        lengths.add(len(text))
        kinds.add(target)
    assert lengths == set(range(task.length, task.length + task.length // 10 + 1))
    assert kinds == set(range(2 ** len(spans))) and task.outputs == len(kinds)
    assert task.floor == pytest.approx(math.log(len(kinds)))
    for found, (low, high) in zip(seen, spans, strict=True):
        assert found == set(range(low, high + 1))


def test_an_order_is_right_when_every_output_is_close():
    task, targets = TemporalOrder(), torch.tensor([2])
    for share, right in ((0.71, True), (0.69, False)):
        rest = (1 - share) / 3
        shares = torch.tensor([[rest, rest, share, rest]])
        assert task.right(shares.log(), targets).tolist() == [right]
    lopsided = torch.tensor([[0.001, 0.31, 0.688, 0.001]])
    assert task.right(lopsided.log(), targets).tolist() == [False]


# --- copying and parity ----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 30])
def test_copying(length):
    task, kinds = Copying(length), set()
    for inputs, target in rows_of(task):
        shown = [step.index(1) for step in inputs]
        assert len(shown) == length + 20
        assert shown[10:] == [8] * (length - 1) + [9] + [8] * 10
        assert target == [8] * (length + 10) + shown[:10]
        kinds |= set(shown[:10])
    assert kinds == set(range(8))


def test_the_floor_of_copying_is_that_of_blanks_and_guesses():
    task = Copying(30)
    drawn = task.batch(3000, torch.Generator().manual_seed(0))
    outputs = torch.full((50, 3000, 9), -1e9)
    outputs[:40, :, 8] = 0  # sure of the blanks
    outputs[40:, :, :8] = 0  # and any of eight after
    score = task.score(outputs, drawn.targets)
    assert score.loss == pytest.approx(task.floor, rel=1e-5)
    assert task.floor == pytest.approx(10 * math.log(8) / 50)
    assert not task.solved(Score(task.floor / 9.9, 0, 2000))
    assert task.solved(Score(task.floor / 10.1, 2000, 2000))


@pytest.mark.parametrize("length", [2, 13])
def test_parity(length):
    for inputs, target in rows_of(Parity(length)):
        bits = [bit for (bit,) in inputs]
        assert len(bits) == length and set(bits) <= {0, 1}
        assert target == sum(bits) % 2
    for inputs, target in rows_of(RunningParity(length)):
        odd = [sum(bit for (bit,) in inputs[: t + 1]) % 2 for t in range(length)]
        assert target == odd


def test_one_wrong_step_makes_a_row_wrong():
    task = RunningParity(4)
    targets = torch.tensor([[0, 1], [1, 1], [0, 0], [0, 1]])
    outputs = torch.nn.functional.one_hot(targets, 2).float()
    outputs[2, 1] = outputs[2, 1].flip(0)
    assert task.right(outputs, targets).tolist() == [True, False]
    assert task.score(outputs, targets).wrong == 1


# --- criteria --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "solved", "not_solved"),
    [
        (Adding(), [(9e-4, 2000)], [(1.1e-3, 0)]),
        (Adding1997(), [(0.009, 0)], [(1e-5, 1), (0.011, 0)]),
        (Multiplication(), [(0.1, 12)], [(1e-5, 13)]),
        (TemporalOrder(), [(0.09, 0)], [(0.01, 1), (0.11, 0)]),
        (TemporalOrder3(), [(0.09, 0)], [(0.01, 1), (0.11, 0)]),
        (Parity(), [(0.6, 0)], [(0.01, 1)]),
        (RunningParity(), [(0.6, 0)], [(0.01, 1)]),
    ],
)
def test_the_criteria(task, solved, not_solved):
    assert all(task.solved(Score(loss, wrong, 2000)) for loss, wrong in solved)
    assert not any(task.solved(Score(loss, wrong, 2000)) for loss, wrong in not_solved)
    assert not task.solved(Score(0.0, 0, 1999))  # too few to tell


def test_numbers_are_right_within_the_tolerance():
    outputs, targets = torch.tensor([[0.5], [0.5], [0.5]]), torch.tensor([0.461, 0.459, 0.541])
    assert Adding().right(outputs, targets).tolist() == [True, False, False]
    score = Adding().score(outputs, targets)
    assert (score.wrong, score.sequences) == (2, 3)
    assert score.loss == pytest.approx((0.039**2 + 2 * 0.041**2) / 3, rel=1e-4)


def test_scores_add_up_by_their_sequences():
    total = Score(1.0, 2, 30) + Score(4.0, 1, 10)
    assert total == Score(1.75, 3, 40)
    assert Score(0.0, 0, 0) + Score(0.0, 0, 0) == Score(0.0, 0, 0)


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "length", "said"),
    [
        ("addition", 100, "a task must be one of adding, .*got 'addition'. Did you mean adding"),
        ("", 100, "a task must be one of"),
        ("adding", 1, "the length of adding must be a whole number >= 2, got 1"),
        ("adding_1997", 19, "adding_1997 must be a whole number >= 20, got 19"),
        ("temporal_order_3", 9, "must be a whole number >= 10"),
        ("copying", 0, "must be a whole number >= 1, got 0"),
        ("parity", 2.5, "must be a whole number >= 2, got 2.5"),
    ],
)
def test_no_such_task(name, length, said):
    with pytest.raises(SettingError, match=said):
        find_task(name, length)
