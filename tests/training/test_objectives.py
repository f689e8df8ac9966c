import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from unrolled.data.streams import Stream
from unrolled.data.vocabulary import Vocabulary
from unrolled.models.language import LanguageModel
from unrolled.models.language_dropouts import Dropouts
from unrolled.training.objectives import NextSymbol, Unpenalised, perplexity

VOCABULARY = Vocabulary.from_text(["abc"])
T, B = 5, 3


def objective(dropouts=None, text="abcacb" * 30, **options):
    torch.manual_seed(3)
    model = LanguageModel(VOCABULARY, "gru", 6, 2, dropouts=dropouts or Dropouts()).double()
    stream = Stream(VOCABULARY.encode(text), B)
    return NextSymbol(model, stream, Stream(VOCABULARY.encode("abcacbabc"), 1), T, **options)


def gradients(value, model):
    return torch.cat(
        [gradient.flatten() for gradient in torch.autograd.grad(value, list(model.parameters()))]
    )


def difference_quotients(value, model, step=1e-6):
    """d value / d every parameter, by central differences."""
    found = []
    with torch.no_grad():
        for parameter in model.parameters():
            numbers = parameter.view(-1)
            for place in range(len(numbers)):
                before = float(numbers[place])
                sides = []
                for side in (step, -step):
                    numbers[place] = before + side
                    sides.append(float(value()))
                numbers[place] = before
                found.append((sides[0] - sides[1]) / (2 * step))
    return torch.tensor(found, dtype=torch.float64)


def by_hand(task, batch):
    """The loss and what is minimised, from the hidden states, step by step."""
    inputs, targets = batch
    hidden, _ = task.model.recurrent(inputs)
    loss = 0.0
    for t in range(len(inputs)):
        for b in range(B):
            logits = task.model.output.weight @ hidden[t, b] + task.model.output.bias
            loss = loss - torch.log_softmax(logits, 0)[targets[t, b]] / targets.numel()
    squares = sum((hidden[t] ** 2).sum() for t in range(len(hidden))) / hidden.numel()
    moves = sum(((hidden[t + 1] - hidden[t]) ** 2).sum() for t in range(len(hidden) - 1))
    return loss, loss + task.ar * squares + task.tar * moves / hidden[1:].numel()


@pytest.mark.parametrize(("ar", "tar"), [(0, 0), (2, 0), (0, 3), (2, 1)])
def test_what_is_differentiated_is_the_loss_and_the_penalties(ar, tar):
    task = objective(ar=ar, tar=tar)
    batch = next(task.batches())
    total, loss, symbols, state = task.penalised(batch, None)
    plain, wanted = by_hand(task, batch)
    torch.testing.assert_close(torch.stack([loss, total]), torch.stack([plain, wanted]), rtol=1e-12, atol=0)
    assert bool(total > loss) is bool(ar or tar)
    assert (symbols, state is None) == (T * B, False)
    found = gradients(total, task.model)
    quotients = difference_quotients(lambda: by_hand(task, batch)[1], task.model)
    torch.testing.assert_close(found, quotients, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(task.loss(batch, None)[0], plain, rtol=1e-12, atol=0)


def test_the_first_penalty_is_on_what_the_output_layer_reads_and_the_second_on_what_was_there_before():
    task = objective(Dropouts(output=0.5))
    batch = next(task.batches())
    found = {}
    for name, options in (("ar", {"ar": 1.0}), ("tar", {"tar": 1.0})):
        torch.manual_seed(0)
        task.ar, task.tar = options.get("ar", 0), options.get("tar", 0)
        total, loss, _, _ = task.penalised(batch, None)
        found[name] = float((total - loss).detach())
    torch.manual_seed(0)
    reading = task.model.read(batch[0])
    assert (reading.output == 0).any()
    assert found["ar"] == pytest.approx(float(reading.output.square().mean().detach()), rel=1e-9)
    assert found["tar"] == pytest.approx(float(reading.raw.diff(dim=0).square().mean().detach()), rel=1e-9)


def test_validation_knows_nothing_of_penalties():
    judged = [objective(ar=ar, tar=ar).validate() for ar in (0.0, 5.0)]
    assert judged[0] == judged[1]
    model = objective().model
    ((inputs, targets),) = objective().validation.windows(1000)
    wanted = cross_entropy(model(inputs)[0].flatten(0, 1), targets.flatten())
    assert judged[0].loss == pytest.approx(float(wanted.detach()), rel=1e-12)
    assert judged[0].scores == {}


def test_windows_of_drawn_lengths_cover_the_stream_and_set_the_pace():
    text = "abcacb" * 400
    task = objective(text=text, variable_steps=True, seed=1)
    task.steps = T
    lengths, read = [], []
    for inputs, targets in task.batches():
        lengths.append(len(inputs))
        assert task.pace((inputs, targets)) == len(inputs) / T
        read.append(targets.numpy())
    assert np.array_equal(np.concatenate(read).T.ravel(), VOCABULARY.encode(text))
    assert len(set(lengths)) > 5
    assert min(lengths[:-1]) >= 5
    # Another epoch has other windows; the same seed has the same.
    assert [len(inputs) for inputs, _ in task.batches()] != lengths
    again = objective(text=text, variable_steps=True, seed=1)
    assert [len(inputs) for inputs, _ in again.batches()] == lengths
    assert abs(task.batches_per_epoch - len(lengths)) < 10


def test_windows_of_one_length_have_one_pace_and_so_has_the_last():
    task = objective()
    batches = list(task.batches())
    assert {len(inputs) for inputs, _ in batches[:-1]} == {T}
    assert {task.pace(batch) for batch in batches} == {1.0}


@pytest.mark.parametrize(
    ("unit", "tells"),
    [("character", False), ("byte", False), ("word", True), ("3-gram", True), ("event", True)],
)
def test_what_is_told_depends_on_the_unit(unit, tells, monkeypatch):
    monkeypatch.setattr(type(VOCABULARY), "unit", unit)
    task = objective()
    assert task.unit == f"bits per {unit}"
    judged = task.validate()
    assert judged.scores == ({"perplexity": pytest.approx(math.exp(judged.loss))} if tells else {})


def test_a_perplexity_beyond_all_floats_is_infinite():
    assert perplexity(2.0) == pytest.approx(math.e**2)
    assert perplexity(1e4) == math.inf


def test_an_objective_without_penalties():
    class Given(Unpenalised):
        def loss(self, batch, state):
            return torch.tensor(batch), 3, state

    assert Given().penalised(2.5, "state") == (torch.tensor(2.5), torch.tensor(2.5), 3, "state")
    assert Given().pace(2.5) == 1
