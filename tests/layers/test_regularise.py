"""Dropout of every kind against equations with the masks written out by hand."""

import math

import pytest
import torch

from unrolled.cells import catalogue
from unrolled.errors import SettingError
from unrolled.layers import Ragged, Recurrent
from unrolled.layers.masks import mask
from unrolled.layers.regularise import Regularise, recurrent_matrices
from unrolled.layers.state import Key
from unrolled.layers.torch_compatible import LSTM

T, B, I, H = 9, 4, 3, 8
ENGINES = ("native", "reference")


def layer_of(cell="gru", engine="native", **options):
    torch.manual_seed(1)
    named = catalogue()[cell]
    return Recurrent(
        cell, I, H, sizes=dict.fromkeys(named.named_sizes, 3), dtype=torch.float64, engine=engine, **options
    )


def input_of():
    torch.manual_seed(2)
    return torch.randn(T, B, I, dtype=torch.float64)


def at(key, use, rows, steps, width, rate):
    rows, steps = torch.as_tensor(rows), torch.as_tensor(steps)
    return mask(key.number, use, rows, steps, width, rate, torch.float64)


def plain_gru(weights, x, kept, held, dropped=None):
    """The GRU's equations with masks: kept (B, H) on what matrices read, held (T, B, H) on what is carried, dropped
    (T, B, H) on the candidate."""
    h, outputs = torch.zeros(B, H, dtype=x.dtype), []
    for t in range(T):
        read = kept * h
        z = torch.sigmoid(x[t] @ weights["W_z"].T + read @ weights["U_z"].T + weights["b_z"])
        r = torch.sigmoid(x[t] @ weights["W_r"].T + read @ weights["U_r"].T + weights["b_r"])
        candidate = torch.tanh(x[t] @ weights["W"].T + (r * read) @ weights["U"].T + weights["b"])
        candidate = candidate if dropped is None else dropped[t] * candidate
        new = (1 - z) * h + z * candidate
        h = held[t] * h + (1 - held[t]) * new
        outputs.append(h)
    return torch.stack(outputs)


@pytest.mark.parametrize("engine", ENGINES)
def test_all_kinds_together_are_the_equations_with_masks_written_out(engine):
    rates = Regularise(
        input=0.3, recurrent=0.4, output=0.2, zoneout=0.25, values={"candidate": 0.45}, connections=0.35
    )
    layer, x = layer_of(engine=engine, regularise=rates), input_of().requires_grad_()
    output, state = layer(x)
    key, rows, never = state.key, torch.arange(B), torch.zeros(B, dtype=torch.int64)
    weights = layer.cell_weights()
    dropped = {
        n: v * at(key, f"layer 0 {n}", range(H), [0] * H, H, 0.35) if n in ("U_z", "U_r", "U") else v
        for n, v in weights.items()
    }
    held = torch.stack([at(key, "layer 0 held_h", rows, never + t, H, 0.75) for t in range(T)]) > 0
    expected = plain_gru(
        dropped,
        x * at(key, "input 0", rows, never, I, 0.3),
        at(key, "layer 0 kept_h", rows, never, H, 0.4),
        held.double(),
        torch.stack([at(key, "layer 0 dropped_candidate", rows, never + t, H, 0.45) for t in range(T)]),
    ) * at(key, "output", rows, never, H, 0.2)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-14)
    asked = [x, *weights.values()]
    ours, theirs = (
        torch.autograd.grad(y.square().sum(), asked, retain_graph=True) for y in (output, expected)
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_dropout_between_layers_is_a_mask_on_what_the_second_layer_reads():
    layer, x = layer_of(num_layers=2, dropout=0.5), input_of()
    output, state = layer(x)
    first, second = layer_of(), layer_of()
    first.weights["l0"].load_state_dict(layer.weights["l0"].state_dict())
    second = Recurrent("gru", H, H, dtype=torch.float64)
    second.weights["l0"].load_state_dict(layer.weights["l1"].state_dict())
    below, _ = first(x)
    steps, rows = torch.arange(T).repeat_interleave(B), torch.arange(B).repeat(T)
    dropped = at(state.key, "between 1", rows, steps, H, 0.5).view(T, B, H)
    assert torch.equal(output, second(below * dropped)[0])
    assert {float(v) for v in dropped.unique()} == {0.0, 2.0}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_layer_may_have_an_input_dropout_of_its_own(bidirectional):
    """Each layer by itself, on what the one below gave it, with the mask of its own share."""
    rates = [0.4, 0.0, 0.25]
    layer = layer_of(num_layers=3, bidirectional=bidirectional, regularise=Regularise(input=rates))
    rates[0] = 0.9  # what has been given is not looked at again
    x = input_of()
    output, state = layer(x)
    weights, values = dict(layer.named_parameters()), x
    never = torch.zeros(B, dtype=torch.int64)
    for number, rate in enumerate([0.4, 0.0, 0.25]):
        width = values.shape[-1]
        values = values * at(state.key, f"input {number}", torch.arange(B), never, width, rate)
        alone = Recurrent("gru", width, H, bidirectional=bidirectional, dtype=torch.float64)
        alone.load_state_dict(
            {name: weights[name.replace("l0", f"l{number}", 1)] for name in alone.state_dict()}
        )
        values, _ = alone(values)
    torch.testing.assert_close(output, values, rtol=1e-12, atol=1e-12)


FULL = Regularise(input=0.3, recurrent=0.3, output=0.3, zoneout=0.3, connections=0.3)


@pytest.mark.parametrize("cell", ["lstm", "gru", "skip_in_time", "jordan", "lstm_peephole", "clockwork"])
def test_pieces_have_the_masks_of_the_whole(cell):
    if cell not in catalogue():
        pytest.skip(f"{cell} is not in the catalogue")
    layer, x = layer_of(cell, num_layers=2, dropout=0.4, regularise=FULL), input_of()
    key = Key(12345, torch.zeros(B, dtype=torch.int64))
    begun = layer._start_state(B)
    begun.key = key
    whole, end = layer(x, begun)
    first, state = layer(x[:4], begun)
    second, last = layer(x[4:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    for name in end.names:
        assert torch.equal(end[name], last[name])
    assert torch.equal(end.key.steps, torch.full((B,), T))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_ragged_batch_has_the_masks_of_a_dense_one(bidirectional):
    layer, x = layer_of("lstm", bidirectional=bidirectional, regularise=FULL), input_of()
    begun = layer._start_state(B)
    begun.key = Key(7, torch.zeros(B, dtype=torch.int64))
    ragged, _ = layer(x, begun, lengths=[T, 3, 0, 6])
    rows = Ragged.from_padded(x, [T, 3, 0, 6])
    assert torch.equal(layer(rows, begun)[0].padded(), ragged)
    for row, length in enumerate([T, 3, 0, 6]):
        dense, _ = layer(x[:length], begun)
        assert torch.equal(ragged[:length, row], dense[:, row])


def test_nothing_is_dropped_outside_training_and_zoneout_moves_by_what_is_expected():
    layer, x = layer_of("gru", dropout=0.5, num_layers=1, regularise=FULL).eval(), input_of()
    ones, share = torch.ones(B, H, dtype=torch.float64), torch.full((T, B, H), 0.3, dtype=torch.float64)
    torch.testing.assert_close(
        layer(x)[0], plain_gru(layer.cell_weights(), x, ones, share), rtol=1e-12, atol=1e-14
    )
    stream = layer.stream(batch_size=B)
    assert torch.equal(torch.stack([stream.step(frame) for frame in x]), layer(x)[0])


def test_every_call_draws_new_masks_and_a_seed_brings_them_back():
    layer, x = layer_of(regularise=Regularise(output=0.5)), input_of()
    torch.manual_seed(5)
    one, two = layer(x)[0], layer(x)[0]
    torch.manual_seed(5)
    again = layer(x)[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


def test_a_detached_state_and_one_of_other_rows_lets_go_of_the_key():
    layer = layer_of(regularise=Regularise(output=0.5))
    _, state = layer(input_of())
    assert state.key is not None
    assert state.to(dtype=torch.float32).key is not None
    assert state.detach().key is None
    assert state.rows([0, 1]).key is None


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_drop_the_share_they_should_and_keep_the_mean(rate):
    found = at(Key(3, None), "x", torch.arange(300), torch.arange(300), 300, rate)
    count, spread = found.numel(), 4 * math.sqrt(rate * (1 - rate) / found.numel())
    assert abs(float((found == 0).sum()) / count - rate) < spread
    assert abs(float(found.mean()) - 1) < spread / (1 - rate)
    flat = (found > 0).double()
    for other in (flat.roll(1, 0), flat.roll(1, 1), flat.T):  # neighbours know nothing of each other
        assert abs(float(torch.corrcoef(torch.stack([flat.flatten(), other.flatten()]))[0, 1])) < 0.02


def test_masks_of_the_core_are_those_of_torch(monkeypatch):
    rows, steps = torch.tensor([0, 5, -1, 1 << 40]), torch.tensor([3, 0, 9, -7])
    ours = [mask((1 << 62) - 5, "é", rows, steps, 37, 0.3, dtype) for dtype in (torch.float32, torch.float64)]
    monkeypatch.setattr("unrolled.layers.masks._has_core", lambda: False)
    for one in ours:
        assert torch.equal(one, mask((1 << 62) - 5, "é", rows, steps, 37, 0.3, one.dtype))


def test_recurrent_matrices_lie_between_a_state_and_the_next():
    assert recurrent_matrices(catalogue()["lstm"]) == ("U_i", "U_f", "U_c", "U_o")
    assert recurrent_matrices(catalogue()["jordan"]) == ("U_h", "W_y")
    assert recurrent_matrices(catalogue()["mingru"]) == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regularise(input=1.0), "input must be a number from 0 to below 1, got 1.0"),
        (lambda: Regularise(input="0.1"), "input must be a number from 0 to below 1, got '0.1'"),
        (lambda: Regularise(input=[0.1, -1]), "input of layer 1 must be a number from 0 to below 1, got -1"),
        (
            lambda: layer_of(num_layers=3, regularise=Regularise(input=(0.1, 0.2))),
            "input= must be one share, or one for each of the 3 layers, got 2",
        ),
        (lambda: LSTM(I, H, regularise=Regularise(input=())), "one for each of the 1 layers, got 0"),
        (lambda: Regularise(zoneout={"h": -1}), "zoneout of h must be a number from 0 to below 1, got -1"),
        (lambda: Regularise(values={"z": 1}), "values of z must be a number from 0 to below 1, got 1"),
        (
            lambda: layer_of(regularise=Regularise(values={"g": 0.1})),
            "values= drops values that an equation names, got g; gru has z, r, candidate",
        ),
        (lambda: layer_of(regularise=0.3), "regularise must be a Regularise, got 0.3. Write Regularise"),
        (lambda: layer_of(dropout="a"), "dropout must be a number from 0 to below 1, got 'a'"),
        (
            lambda: layer_of(regularise=Regularise(zoneout={"c": 0.1})),
            "zoneout= names the state c, but gru has h",
        ),
        (
            lambda: layer_of("mingru", regularise=Regularise(connections=0.1)),
            "connections= drops entries of recurrent matrices, and mingru has none",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()


def test_whole_numbers_cannot_be_scaled():
    layer = layer_of(regularise=Regularise(input=0.1))
    with pytest.raises(SettingError, match="input dropout needs x of numbers"):
        layer(torch.zeros(T, B, dtype=torch.int64))
