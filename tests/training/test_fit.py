import json
import math
import os
import signal

import pytest
import torch
from torch.nn.functional import cross_entropy

from unrolled.data.streams import Stream
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import FolderError, SettingError
from unrolled.models.folder import load_model
from unrolled.models.language import LanguageModel
from unrolled.training.events import Sampled, Updated, Validated
from unrolled.training.fit import fit
from unrolled.training.objectives import Judgement, NextSymbol
from unrolled.training.run_folder import RunFolder
from unrolled.training.settings import FitSettings

VOCABULARY = Vocabulary.from_text(["abc"])
FIXED = {"learning_rate": 1e-30, "warmup": 0}
"""Weights that do not move, so that every loss can be computed apart."""


def model(seed=0):
    torch.manual_seed(seed)
    return LanguageModel(VOCABULARY, "gru", hidden_size=6)


def objective(text="abcacb" * 10, batch=2, steps=5, network=None):
    training = Stream(VOCABULARY.encode(text), batch)
    return NextSymbol(network or model(), training, Stream(VOCABULARY.encode("abcacbabc"), 1), steps)


def train(tmp_path, task=None, report=lambda event: None, **settings):
    run = RunFolder("lm", tmp_path / "run")
    return fit(task or objective(), FitSettings(**settings), run, report)


def events(tmp_path, kind, **settings):
    seen = []
    task = settings.pop("task", None)
    outcome = train(tmp_path, task, seen.append, **settings)
    return [event for event in seen if isinstance(event, kind)], outcome


def parameters(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_it_learns_a_text_that_repeats(tmp_path):
    task = objective("abc" * 200, batch=4, steps=10)
    task.validation = Stream(VOCABULARY.encode("abc" * 30), 1)
    validated, outcome = events(
        tmp_path, Validated, task=task, updates=150, learning_rate=0.02, validate_every=50
    )
    assert validated[0].validation > 1.5
    assert outcome.best < 0.1
    assert outcome.reason == "finished"
    assert outcome.updates == 150


def test_losses_in_windows_with_carried_state_are_those_of_one_run_over_the_whole_rows(tmp_path):
    task = objective(batch=3, steps=7)
    updates, _ = events(tmp_path, Updated, task=task, epochs=2, **FIXED)
    ((inputs, targets),) = task.training.windows(1000)
    logits, _ = task.model(inputs)
    losses = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
    expected = [losses[start : start + 7].mean().item() / math.log(2) for start in range(0, 20, 7)]
    assert len(expected) == task.batches_per_epoch == 3
    # The second epoch starts without state again.
    assert [update.train for update in updates] == pytest.approx(expected * 2, rel=1e-5)
    assert [update.epoch for update in updates] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])


def test_validation_is_the_mean_over_the_whole_stream(tmp_path):
    task = objective(steps=4)
    validated, _ = events(tmp_path, Validated, task=task, updates=1, **FIXED)
    ((inputs, targets),) = task.validation.windows(1000)
    expected = cross_entropy(task.model(inputs)[0].flatten(0, 1), targets.flatten()).item() / math.log(2)
    assert [event.validation for event in validated] == pytest.approx([expected, expected], rel=1e-5)


def test_the_gradient_stops_at_the_window_and_its_norm_is_before_clipping(tmp_path):
    task = objective(batch=1, steps=3)
    windows = list(task.batches())[:2]
    state, norms = None, []
    for inputs, targets in windows:
        logits, state = task.model(inputs, state)
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
        gradients = torch.autograd.grad(loss, list(task.model.parameters()))
        norms.append(math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients)))
        state = state.detach()
    for name, clip in (("a", 1e9), ("b", 1e-3)):
        updates, _ = events(tmp_path / name, Updated, task=task, updates=2, clip=clip, **FIXED)
        assert [update.gradient_norm for update in updates] == pytest.approx(norms, rel=1e-4)


def test_clipping_scales_the_gradient_adam_sees(tmp_path):
    """With a gradient far below Adam's epsilon the step is in proportion to the gradient, so to the clip."""
    moved = []
    for name, clip in (("a", 1e-12), ("b", 2e-12)):
        network = model()
        before = parameters(network)
        train(tmp_path / name, objective(network=network.double()), updates=1, warmup=0, clip=clip)
        moved.append((parameters(network) - before).norm())
    assert moved[1] / moved[0] == pytest.approx(2, rel=1e-2)


COURSES = {
    "as ever": {},
    "sgd": {"optimizer": "sgd", "momentum": 0.5, "weight_decay": 0.01, "learning_rate": 0.5},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.2},
    "constant": {"schedule": "constant", "warmup": 3},
    "penalties": {"schedule": "constant", "ar": 2.0, "tar": 1.0},
}


def by_hand(network, windows, settings):
    """The same training, written out: torch's optimisers, clipping and losses; the weights behind each update."""
    kinds = {
        "adam": torch.optim.AdamW,
        "sgd": lambda *given, **more: torch.optim.SGD(*given, momentum=settings.momentum, **more),
        "rmsprop": lambda *given, **more: torch.optim.RMSprop(*given, momentum=settings.momentum, **more),
    }
    optimizer = kinds[settings.optimizer](network.parameters(), lr=1.0, weight_decay=settings.weight_decay)
    highest = settings.learning_rate or {"adam": 0.004, "sgd": 4.0, "rmsprop": 0.004}[settings.optimizer]
    after, state = [], None
    for update, (inputs, targets) in enumerate(windows):
        if state is not None:
            state = state.detach()
        hidden, state = network.recurrent(inputs, state)
        logits = hidden @ network.output.weight.T + network.output.bias
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
        loss = loss + settings.ar * (hidden**2).mean()
        loss = loss + settings.tar * ((hidden[1:] - hidden[:-1]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        rate = highest * (min(1, (update + 1) / settings.warmup) if settings.warmup else 1)
        if settings.schedule == "cosine":
            rate *= (1 + math.cos(math.pi * update / settings.updates)) / 2
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        after.append(parameters(network))
    return after


@pytest.mark.parametrize("course", COURSES)
def test_a_run_is_that_of_a_loop_written_out(tmp_path, course):
    settings = FitSettings(**{"updates": 4, "clip": 0.3, **COURSES[course]})
    task = objective(network=model().double())
    task.ar, task.tar = settings.ar, settings.tar
    windows = list(task.batches())[:4]
    expected = by_hand(model().double(), windows, settings)[-1]
    fit(task, settings, RunFolder("lm", tmp_path / "run"))
    torch.testing.assert_close(parameters(task.model), expected, rtol=1e-9, atol=1e-12)


def test_the_loss_that_is_told_has_no_penalties(tmp_path):
    told = {}
    for ar in (0.0, 50.0):
        task = objective()
        task.ar = task.tar = ar
        updates, _ = events(tmp_path / str(ar), Updated, task=task, updates=3, **FIXED)
        told[ar] = [update.train for update in updates]
    assert told[0.0] == pytest.approx(told[50.0], rel=1e-6)


def test_the_learning_rate_goes_with_the_length_of_the_window(tmp_path):
    training, validation = (Stream(VOCABULARY.encode(text), 1) for text in ("abcacb" * 50, "abc"))
    task = NextSymbol(model(), training, validation, 10, variable_steps=True)
    lengths = [
        len(inputs)
        for inputs, _ in NextSymbol(model(), training, validation, 10, variable_steps=True).batches()
    ]
    settings = {"learning_rate": 0.5, "warmup": 0, "schedule": "constant"}
    updates, _ = events(tmp_path, Updated, task=task, updates=6, **settings)
    assert [update.learning_rate for update in updates] == pytest.approx([0.05 * n for n in lengths[:6]])
    assert len(set(lengths[:6])) > 1


def test_the_learning_rate_rises_and_falls(tmp_path):
    updates, _ = events(tmp_path, Updated, updates=10, warmup=2, learning_rate=0.5)
    expected = [0.25] + [0.5 * (1 + math.cos(math.pi * u / 10)) / 2 for u in range(1, 10)]
    assert [update.learning_rate for update in updates] == pytest.approx(expected)


def test_the_same_seed_gives_the_same_run_and_another_one_not(tmp_path):
    def losses(name, seed):
        updates, _ = events(tmp_path / name, Updated, task=objective(network=model(seed)), updates=20)
        return [update.train for update in updates]

    assert losses("a", 1) == losses("b", 1)
    assert losses("c", 2) != losses("d", 1)


class Judged(NextSymbol):
    """Validates to given numbers, and remembers the weights it had each time."""

    def judge(self, *values):
        self.values, self.weights = list(values), []
        return self

    def validate(self):
        self.weights.append(parameters(self.model))
        return Judgement(self.values.pop(0) * math.log(2))


def judged(*values, **options):
    task = objective(**options)
    task.__class__ = Judged
    return task.judge(*values)


def test_early_stopping_after_so_many_validations_without_a_new_best_keeps_the_best(tmp_path):
    task = judged(9, 5, 6, 5, 4, 4.5, 4.5, 4.5, 1)
    outcome = train(tmp_path, task, validate_every=2, patience=3, warmup=0, learning_rate=0.1)
    assert (outcome.reason, outcome.updates) == ("early stopping", 14)
    assert (outcome.best, outcome.best_update) == (pytest.approx(4), 8)
    assert torch.equal(parameters(load_model(tmp_path / "run")), task.weights[4])
    assert torch.equal(parameters(load_model(tmp_path / "run/checkpoints/last")), task.weights[7])
    assert not torch.equal(task.weights[4], task.weights[7])


def test_a_plateau_lowers_the_rate_when_validations_bring_nothing_new(tmp_path):
    task = judged(9, 8, 8, 8.5, 7, 9, 9, 9, 9)
    settings = {"schedule": "plateau", "decay": 0.5, "plateau_patience": 2, "patience": 4, "warmup": 0}
    updates, _ = events(tmp_path, Updated, task=task, validate_every=1, learning_rate=0.4, **settings)
    # Validations 2 and 3 bring nothing new, then 5 and 6, then 7 and 8, behind which the run stops.
    assert [update.learning_rate for update in updates] == pytest.approx(
        [0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1, 0.1]
    )


def test_averaging_from_the_first_update_judges_and_keeps_the_mean(tmp_path):
    settings = FitSettings(average="always", updates=6, validate_every=2, learning_rate=0.1, warmup=0)
    task = judged(9, 8, 7, 6, network=model().double())
    raw = by_hand(model().double(), list(task.batches())[:6], settings)
    fit(task, settings, RunFolder("lm", tmp_path / "run"))
    for number, seen in zip((2, 4, 6), task.weights[1:], strict=True):
        torch.testing.assert_close(seen, torch.stack(raw[:number]).mean(0), rtol=1e-9, atol=1e-12)
    assert torch.equal(parameters(load_model(tmp_path / "run")), task.weights[-1].float())
    # Training went on with the weights themselves, and the model is left with them.
    last = parameters(load_model(tmp_path / "run/checkpoints/last"))
    torch.testing.assert_close(last, raw[-1].float())
    torch.testing.assert_close(parameters(task.model), raw[-1], rtol=1e-9, atol=1e-12)


def test_averaging_begins_behind_the_validation_that_triggers(tmp_path):
    """Validation 4 is worse than the best of those more than two before it, 0 and 1; validation 3 was not."""
    task = judged(9, 5, 5.5, 5.8, 5.2, 4, 4.5, 4.6, network=model().double(), text="abcacb" * 20)
    settings = {"average": "triggered", "average_after": 2, "updates": 7, "validate_every": 1, "warmup": 0}
    validated, outcome = events(tmp_path, Validated, task=task, learning_rate=0.05, **settings)
    assert [event.averaged for event in validated] == [0, 0, 0, 0, 0, 1, 2, 3]
    plain = FitSettings(warmup=0, updates=7, learning_rate=0.05)
    raw = by_hand(model().double(), list(task.batches())[:7], plain)
    for place, wanted in (
        (4, raw[3]),
        (5, raw[4]),
        (6, torch.stack(raw[4:6]).mean(0)),
        (7, torch.stack(raw[4:7]).mean(0)),
    ):
        torch.testing.assert_close(task.weights[place], wanted, rtol=1e-9, atol=1e-12)
    assert (outcome.best, outcome.best_update) == (pytest.approx(4), 5)


def test_where_averaging_begins_patience_does_too(tmp_path):
    """Validation 3 triggers, and is the second without a new best: without averaging the run would end there."""
    task = judged(9, 5, 6, 6, 6, 6, 6, 6, 6, text="abcacb" * 20)
    settings = {"average": "triggered", "average_after": 1, "patience": 2, "validate_every": 1, "warmup": 0}
    validated, outcome = events(tmp_path, Validated, task=task, learning_rate=0.05, **settings)
    assert [event.averaged for event in validated] == [0, 0, 0, 0, 1, 2]
    assert outcome.reason == "early stopping"


def test_samples_are_drawn_from_the_mean(tmp_path):
    class Sampling(NextSymbol):
        def sample(self):
            self.drawn.append(parameters(self.model))
            return "sample"

    task = objective()
    task.__class__, task.drawn = Sampling, []
    train(tmp_path, task, updates=4, average="always", learning_rate=0.1)
    assert not torch.equal(task.drawn[-1], parameters(task.model))
    assert torch.equal(task.drawn[-1], parameters(load_model(tmp_path / "run")))


@pytest.mark.parametrize(("schedule", "behind"), [("plateau", [1, 1, 0.5, 0.5, 0.5]), ("constant", [1] * 5)])
def test_behind_the_trigger_the_rate_stays_what_it_is(tmp_path, schedule, behind):
    # Two validations that bring nothing new are one stair; the second of them triggers as well.
    task = judged(9, 10, 10, 10, 10, 10)
    settings = {"schedule": schedule, "average": "triggered", "average_after": 1, "warmup": 0}
    settings |= {"decay": 0.5} if schedule == "plateau" else {}
    updates, _ = events(
        tmp_path, Updated, task=task, validate_every=1, updates=5, learning_rate=1e-3, **settings
    )
    assert [update.learning_rate / 1e-3 for update in updates] == pytest.approx(behind)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"schedule": "plateau"}, "--schedule plateau"), ({"average": "triggered"}, "--average triggered")],
)
def test_what_goes_by_validations_needs_some(tmp_path, settings, name):
    class Alone(NextSymbol):
        def validate(self):
            return None

    task = objective()
    task.__class__ = Alone
    with pytest.raises(SettingError, match=f"^{name} goes by validations, and nothing is kept out"):
        train(tmp_path, task, updates=2, **settings)
    train(tmp_path / "other", task, updates=2, average="always")


def test_training_goes_on_while_it_gets_better(tmp_path):
    outcome = train(tmp_path, judged(*range(20, 0, -1)), updates=10, validate_every=1, patience=1)
    assert (outcome.reason, outcome.updates) == ("finished", 10)


def test_a_limit_in_minutes_ends_the_run(tmp_path):
    outcome = train(tmp_path, minutes=0.5 / 60, validate_every=10**6)
    assert outcome.reason == "finished"
    assert 0.5 <= outcome.seconds < 5
    assert outcome.updates > 1


class Breaking(NextSymbol):
    """A loss, or only its gradient, that stops being finite at the fourth update."""

    number = 0
    gradient_only = False

    def loss(self, batch, state):
        loss, symbols, state = super().loss(batch, state)
        self.number += torch.is_grad_enabled()
        if self.number == 4 and self.gradient_only:
            loss = loss + (loss - loss.detach()).abs().sqrt()  # value 0, gradient infinite
        elif self.number == 4:
            loss = loss * math.nan
        return loss, symbols, state


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_loss_that_is_not_finite_stops_with_the_best_model_kept(tmp_path, gradient_only):
    task = objective()
    task.__class__ = Breaking
    task.gradient_only = gradient_only
    what = "gradient norm became (nan|inf)" if gradient_only else "loss became nan"
    with pytest.raises(
        SettingError, match=rf"the {what} at update 4; .*--learning-rate .*update 2, is kept in .*run"
    ):
        train(tmp_path, task, validate_every=2, learning_rate=0.01)
    assert torch.isfinite(parameters(load_model(tmp_path / "run"))).all()


def press_ctrl_c(at, times=1):
    def report(event):
        if isinstance(event, Updated) and event.update == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return report


def test_ctrl_c_stops_after_the_update_and_keeps_the_model(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    network = model()
    outcome = train(tmp_path, objective(network=network), press_ctrl_c(at=3))
    assert (outcome.reason, outcome.updates) == ("interrupted", 3)
    assert torch.equal(parameters(load_model(tmp_path / "run/checkpoints/last")), parameters(network))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once_and_the_model_is_still_there(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, report=press_ctrl_c(at=3, times=2))
    load_model(tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_disk_that_fills_up_stops_the_run_and_the_model_stays(tmp_path, monkeypatch):
    task = judged(9, 5, 1)
    sync = os.fsync

    def fill_up(handle):
        if len(task.weights) == 3:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(FolderError, match="No space left on device"):
        train(tmp_path, task, validate_every=2)
    assert torch.equal(parameters(load_model(tmp_path / "run")), task.weights[1])


def test_what_the_files_of_a_run_hold(tmp_path):
    samples, outcome = events(tmp_path, Sampled, updates=6, validate_every=3)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [(line["event"], line["update"]) for line in lines] == [
        ("validation", 0),
        *[("update", n) for n in (1, 2, 3)],
        ("validation", 3),
        *[("update", n) for n in (4, 5, 6)],
        ("validation", 6),
    ]
    assert lines[4]["train"] == pytest.approx(sum(line["train"] for line in lines[1:4]) / 3)
    assert min(line["validation"] for line in lines if line["event"] == "validation") == outcome.best
    drawn = [json.loads(line) for line in (tmp_path / "run/samples.jsonl").read_text().splitlines()]
    assert drawn == [{"update": sample.update, "text": sample.text} for sample in samples]
    assert os.path.isfile(tmp_path / "run/checkpoints/last/model.json")


def test_the_model_is_left_in_training_mode_for_updates_and_tested_in_eval_mode(tmp_path):
    task = objective()
    modes = []
    task.model.recurrent.register_forward_hook(
        lambda module, *_: modes.append((torch.is_grad_enabled(), module.training))
    )
    train(tmp_path, task, updates=2)
    assert set(modes) == {(True, True), (False, False)}
