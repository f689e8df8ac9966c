"""Training on long-range tasks: what a trial says is what happened."""

import math
import signal
from itertools import pairwise

import pytest
import torch

from unrolled.data.synthetic.adding import Adding, Adding1997
from unrolled.data.synthetic.copying import Copying
from unrolled.data.synthetic.long_range import Score
from unrolled.data.synthetic.parity import RunningParity
from unrolled.data.synthetic.temporal_order import TemporalOrder
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers import Recurrent
from unrolled.training import memory
from unrolled.training.memory import TESTED, Answerer, MemorySettings, train_memory
from unrolled.training.memory_span import Contender, MemorySpan, Point, memory_span

QUICK = MemorySettings(hidden=4, sequences=60)


def test_answers_come_from_the_last_real_step_of_each_row():
    task = Adding1997(20)
    model, drawn = Answerer(task, "gru", QUICK), Adding1997(20).batch(6)
    assert drawn.lengths.min() < len(drawn.inputs)
    for b, length in enumerate(drawn.lengths.tolist()):
        alone, _ = model.layer(drawn.inputs[:length, b : b + 1])
        assert torch.allclose(model(drawn)[b], model.answer(alone[-1, 0]), atol=1e-6)


def test_answers_at_every_step():
    model, drawn = Answerer(Copying(3), "lstm", QUICK), Copying(3).batch(2)
    output, _ = model.layer(drawn.inputs)
    assert torch.equal(model(drawn), model.answer(output))


@pytest.mark.parametrize("anneal", [False, True])
def test_a_trial_is_the_loop_written_out(anneal):
    task = Adding(5)
    settings = MemorySettings(4, learning_rate=0.05, batch=8, clip=0.1, sequences=30, seed=3, anneal=anneal)
    trial = train_memory(task, "elman", settings)
    torch.manual_seed(3)
    layer, answer = Recurrent("elman", 2, 4), torch.nn.Linear(4, 1)
    parameters = [*layer.parameters(), *answer.parameters()]
    adam, drawn = torch.optim.Adam(parameters, lr=0.05), torch.Generator().manual_seed(3)
    for step, rows in enumerate((8, 8, 8, 6)):
        batch = task.batch(rows, drawn)
        if anneal:
            adam.param_groups[0]["lr"] = 0.05 * (0.5 + 0.5 * math.cos(8 * step / 30 * math.pi))
        loss = (answer(layer(batch.inputs)[0][-1]).squeeze(-1) - batch.targets).square().mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.1)
        adam.step()
    assert (trial.sequences, trial.reason, trial.solved) == (30, "sequences", False)
    tested, losses = torch.Generator().manual_seed(3 + 2**40), []
    for _ in range(10):
        fresh = task.batch(TESTED // 10, tested)
        with torch.no_grad():
            losses.append(
                (answer(layer(fresh.inputs)[0][-1]).squeeze(-1) - fresh.targets).square().mean().item()
            )
    assert trial.loss == pytest.approx(sum(losses) / 10, rel=1e-5)
    assert trial.test.sequences == TESTED


def test_a_seed_gives_the_same_trial_and_leaves_the_callers_numbers_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (
        train_memory(Adding(5), "gru", MemorySettings(sequences=60, seed=s)) for s in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.test == second.test != other.test
    assert (first.cell, first.task, first.length, first.floor) == ("gru", "adding", 5, 1 / 6)


def test_what_is_solved_is_solved_on_sequences_never_seen():
    told = []
    task = RunningParity(3)
    trial = train_memory(task, "lstm", MemorySettings(hidden=16, learning_rate=0.03), told.append)
    assert trial.reason == "solved"
    assert trial.test == Score(trial.loss, 0, TESTED)
    assert 2000 <= trial.sequences < 50_000 and trial.sequences % 20 == 0
    assert all(a.sequences < b.sequences for a, b in pairwise(told))
    assert told[0].score.sequences == 20


def test_a_test_that_fails_is_taken_again_only_after_another_window(monkeypatch):
    tests = []
    monkeypatch.setattr(Adding, "solved", lambda self, score: score.sequences == 2000 or None)
    found = memory._Training._test
    monkeypatch.setattr(memory._Training, "_test", lambda self: tests.append(self.sequences) or found(self))
    trial = train_memory(Adding(2), "elman", MemorySettings(hidden=2, sequences=6500))
    assert trial.reason == "sequences"
    assert tests == [2000, 4000, 6000, 6500]  # a fresh window each time, and once at the end


def test_a_network_that_diverges_says_so():
    cell = Cell.from_text("@cell\ndef wild(x, h, *, W, U):\n    return W @ x + U @ h * 1e30\n")
    trial = train_memory(Adding(50), cell, QUICK)
    assert (trial.reason, trial.sequences, trial.solved) == ("diverged", 0, False)
    assert not math.isfinite(trial.loss)


def test_a_cell_that_wants_more_than_the_sequence_is_refused():
    cell = Cell.from_text(
        "@cell(static=('v',))\ndef told(x, h, v, *, W, U, V):\n    return tanh(W @ x + U @ h + V @ v)\n"
    )
    with pytest.raises(SettingError, match="told reads v beside the sequence"):
        train_memory(Adding(5), cell, QUICK)


def test_ctrl_c_ends_a_span_with_what_there_is():
    def tell(standing):
        if standing.contender == "gru" and standing.trial is None:
            if standing.heard:
                signal.raise_signal(signal.SIGINT)

    contenders = [Contender.read("elman"), Contender.read("gru")]
    found = memory_span(
        "adding", contenders, [3], MemorySettings(hidden=4, sequences=200_000, minutes=0.02), tell=tell
    )
    assert not found.complete
    assert found.contenders == ("elman",)


# --- success against length --------------------------------------------------------------------------


def test_contenders_read():
    assert Contender.read("lstm").name == "lstm"
    assert Contender.read("lstm", "chrono:T").name == "lstm@chrono:T"
    assert Contender.read("lstm@forget:1", "chrono:T").name == "lstm@forget:1"
    assert Contender.read("gru@orthogonal+chrono:T").settings(QUICK, 70).initialise == "orthogonal+chrono:70"


def test_a_span_trains_every_contender_at_every_length_with_every_seed():
    contenders = [Contender.read("elman"), Contender.read("gru@chrono:T")]
    settings = MemorySettings(hidden=4, sequences=40, seed=7)
    found = memory_span("adding", contenders, [9, 4, 9], settings, seeds=2)
    assert found.lengths == (4, 9) and found.contenders == ("elman", "gru@chrono:T")
    for point in found.points:
        cell, _, start = point.contender.partition("@")
        for seed, trial in zip((7, 8), point.trials, strict=True):
            how = start.replace("T", str(point.length)) or "roles"
            alone = MemorySettings(hidden=4, sequences=40, seed=seed, initialise=how)
            assert trial.test == train_memory(Adding(point.length), cell, alone).test
            assert trial.initialise == how


def point(name, length, *losses):
    def trial(loss):
        reason = "solved" if loss < 0.1 else "sequences"
        return memory.Trial(name, "adding", length, "roles", reason, 100, 1.0, Score(loss, 0, TESTED), 0.5)

    return Point(name, length, tuple(map(trial, losses)))


def test_the_figure_shows_where_each_cell_ends():
    points = (
        point("a", 9, 0.01, 0.3, 0.05),
        point("a", 3, 0.01, 0.02, 0.05),
        point("b", 3, 0.4),
        point("b", 9, 0.04),
    )
    found = MemorySpan("adding", "", points)
    assert [p.success for p in points] == [pytest.approx(2 / 3), 1, 0, 1]
    assert points[0].share_of_floor == pytest.approx(0.1)  # the middle one of three
    assert (found.reach("a"), found.reach("b")) == (3, 0)
    figure = found.figure()
    assert figure.layout.title.text == "adding, solved: a to 3, b to no length"
    first, second = figure.data
    assert (list(first.x), [round(y, 6) for y in first.y]) == ([9, 3], [0.1, 0.04])
    assert list(second.marker.symbol) == ["circle-open", "circle"]


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"hidden": 0}, {"batch": 0}, {"clip": 0.0}, {"learning_rate": math.inf}, {"minutes": -1.0}):
        with pytest.raises(SettingError, match=f"{next(iter(wrong))} must be"):
            MemorySettings(**wrong)
    with pytest.raises(SettingError, match="one length"):
        memory_span("adding", [Contender.read("gru")], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "cell", "start"),
    [
        (Adding1997(50), "lstm", "chrono:50"),
        (TemporalOrder(50), "lstm", "chrono:50"),
        (Adding(60), "gru", "chrono:60"),
    ],
)
def test_chrono_solves_what_it_should(task, cell, start):
    settings = MemorySettings(hidden=16, initialise=start, learning_rate=0.01, sequences=60_000)
    assert train_memory(task, cell, settings).solved
