"""Echo-state networks against the same network written out in NumPy."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

import unrolled.models.echo_state as module
from unrolled import cells
from unrolled.equations import Cell, cell, tanh
from unrolled.errors import DataError, EquationError, SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.models.echo_state import EchoStateNetwork


def made(cell="leaky", inputs=2, hidden=24, outputs=3, **options):
    return EchoStateNetwork(cell, inputs, hidden, outputs, **{"dtype": "float64", "seed": 1, **options})


def rows(*lengths, width=2, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return Ragged.from_rows([torch.randn(n, width, dtype=torch.float64, generator=drawn) for n in lengths])


def dense(steps, batch, width, seed=0):
    return torch.randn(
        steps, batch, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


class ByHand:
    """h_t = (1 - leak) h + leak tanh(W [x, y] + U h + b), one row, and its readout."""

    def __init__(self, network, leak=0.3):
        self.w = {name: value.numpy() for name, value in network.recurrent.cell_weights().items()}
        self.leak = leak

    def states(self, inputs, h=None):
        h, found = np.zeros(len(self.w["b"])) if h is None else h, []
        for x in inputs:
            new = np.tanh(self.w["W"] @ x + self.w["U"] @ h + self.w["b"])
            h = (1 - self.leak) * h + self.leak * new
            found.append(h)
        return np.array(found)


def ridge_by_hand(features, targets, strength):
    count, size = features.shape
    tall = np.vstack(
        [np.c_[features, np.ones(count)], np.c_[np.sqrt(count * strength) * np.eye(size), np.zeros(size)]]
    )
    found = np.linalg.lstsq(tall, np.vstack([targets, np.zeros((size, targets.shape[1]))]), rcond=None)[0]
    return found[:-1].T, found[-1]


# --- the readout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("precise", [False, True])
def test_the_readout_of_every_step_is_the_one_by_hand(precise):
    network, x, y = made(washout=3), dense(20, 2, 2), dense(20, 2, 3, seed=1)
    network.fit([(x[:, :1], y[:, :1]), (x[:, 1:], y[:, 1:])], ridges=1e-3, precise=precise)
    hand = ByHand(network)
    states = np.concatenate([hand.states(x[:, b].numpy())[3:] for b in (0, 1)])
    weight, bias = ridge_by_hand(states, torch.cat([y[3:, 0], y[3:, 1]]).numpy(), 1e-3)
    np.testing.assert_allclose(network.output.weight.detach().numpy(), weight, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(network.output.bias.detach().numpy(), bias, rtol=1e-7, atol=1e-10)
    output, _ = network(x)
    expected = hand.states(x[:, 1].numpy()) @ weight.T + bias
    np.testing.assert_allclose(output[:, 1].detach().numpy(), expected, rtol=1e-7, atol=1e-10)


def test_fed_back_outputs_are_the_targets_of_the_step_before_and_then_its_own():
    network, y = made(inputs=0, outputs=2, hidden=15, feedback_scaling=0.7), dense(30, 1, 2)
    network.fit([(None, y)], ridges=1e-4)
    hand, taught = ByHand(network), y[:, 0].numpy()
    states = hand.states(np.vstack([np.zeros(2), taught[:-1]]))
    weight, bias = ridge_by_hand(states, taught, 1e-4)
    np.testing.assert_allclose(network.output.weight.detach().numpy(), weight, rtol=1e-7, atol=1e-10)

    _, state = network(None, targets=y)
    generated, end = network.generate(5, state)
    h, fed, expected = states[-1], taught[-1], []
    for _ in range(5):
        h = hand.states([fed], h)[-1]
        fed = weight @ h + bias
        expected.append(fed)
    np.testing.assert_allclose(generated[:, 0].numpy(), expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(end.fed[0].numpy(), fed, rtol=1e-7, atol=1e-10)


def test_generating_on_is_generating_at_once():
    network = made(inputs=1, outputs=2, feedback_scaling=0.5)
    network.fit([(dense(40, 3, 1), dense(40, 3, 2))], 1e-2)
    x = dense(9, 3, 1, seed=2)
    _, state = network(dense(8, 3, 1), targets=dense(8, 3, 2))
    whole, end = network.generate(9, state, x)
    first, between = network.generate(4, state, x[:4])
    second, last = network.generate(5, between, x[4:])
    assert torch.equal(torch.cat([first, second]), whole) and torch.equal(last.fed, end.fed)
    alone, _ = network.generate(9, state.rows([2]), x[:, 2:])
    torch.testing.assert_close(alone, whole[:, 2:])
    nothing, same = network.generate(0, state, x[:0])
    assert nothing.shape == (0, 3, 2) and torch.equal(same.fed, state.fed)


@pytest.mark.parametrize("name", list(cells.catalogue()))
def test_every_cell_runs_freely_as_it_does_on_its_own_outputs(name):
    network = made(name, 2, 8, 3, feedback_scaling=0.5)
    network.fit([(dense(30, 2, 2), dense(30, 2, 3, seed=1))])
    x = dense(6, 2, 2, seed=2)
    _, state = network(dense(5, 2, 2, seed=3), targets=dense(5, 2, 3, seed=4))
    generated, _ = network.generate(6, state, x)
    again, _ = network(x, state, targets=generated)
    torch.testing.assert_close(again, generated, rtol=1e-9, atol=1e-11)


@cell
def own(x, h, *, W, U):
    """A cell of the user's."""
    return tanh(W @ x + U @ h)


def test_a_cell_of_the_user_and_one_from_text():
    text = Cell.from_text(own.text)
    networks = [made(given, feedback_scaling=0.4) for given in (own, text)]
    for network in networks:
        network.fit([(dense(30, 2, 2), dense(30, 2, 3, seed=1))])
    assert torch.equal(networks[0].output.weight, networks[1].output.weight)


def test_a_deep_one_shows_all_layers_to_the_readout_and_runs_freely():
    network = made(inputs=0, hidden=[12, 7], outputs=2, feedback_scaling=0.5)
    network.fit([(None, dense(40, 1, 2))])
    assert network.output.in_features == 19
    _, state = network(None, targets=dense(10, 1, 2))
    generated, _ = network.generate(5, state)
    torch.testing.assert_close(network(None, state, targets=generated)[0], generated, rtol=1e-9, atol=1e-11)


def test_the_input_in_the_readout():
    network, x = made(hidden=5, reads_input=True), dense(50, 1, 2)
    network.fit([(x, torch.cat([x, x[..., :1] - x[..., 1:]], 2))], 0.0)  # a linear map of the input
    output, _ = network(x)
    torch.testing.assert_close(output[..., :2], x, rtol=1e-6, atol=1e-8)
    taught = made(inputs=1, hidden=5, outputs=1, reads_input=True, feedback_scaling=0.3)
    taught.fit([(dense(40, 2, 1), dense(40, 2, 1, seed=1))])
    _, state = taught(dense(4, 2, 1), targets=dense(4, 2, 1))
    x = dense(6, 2, 1, seed=3)
    generated, _ = taught.generate(6, state, x)
    torch.testing.assert_close(taught(x, state, targets=generated)[0], generated, rtol=1e-9, atol=1e-11)


# --- rows, windows, pooled readouts --------------------------------------------------------------


@pytest.mark.parametrize("feedback", [None, 0.5])
def test_windows_and_rows_of_any_length_give_the_same_readout(feedback, monkeypatch):
    x, y = rows(11, 0, 4, 30), rows(11, 0, 4, 30, width=3, seed=1)
    whole, cut, apart = (made(feedback_scaling=feedback, washout=2) for _ in range(3))
    whole.fit([(x, y)])
    apart.fit([(x[[b]], y[[b]]) for b in range(4)])
    monkeypatch.setattr(module, "WINDOW", 24 * 4 * 3)  # three steps of four rows
    cut.fit([(x, y)])
    for other in (cut, apart):
        torch.testing.assert_close(other.output.weight, whole.output.weight, rtol=1e-7, atol=1e-9)


def test_no_more_than_a_window_of_states_is_held(monkeypatch):
    network, longest = made(), []
    monkeypatch.setattr(module, "WINDOW", 24 * 10)
    inner = network.recurrent.forward
    monkeypatch.setattr(
        network.recurrent, "forward", lambda x, *a: (longest.append(x.longest), inner(x, *a))[1]
    )
    network.fit([(dense(95, 1, 2), dense(95, 1, 3))])
    assert max(longest) == 10 and sum(longest) == 95


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_readouts_of_whole_rows(readout, bidirectional):
    network = made(
        readout=readout, bidirectional=bidirectional, hidden=6, washout=2, num_layers=2, reads_input=True
    )
    x = rows(5, 3, 9)
    hidden, _ = network.recurrent(x)
    expected = []
    for row, given in zip(hidden, x, strict=True):
        blocks = list(row.split(6, 1))
        if readout == "mean":
            expected.append(torch.cat([row[2:].mean(0), given[2:].mean(0)]))
        else:  # l0, its reverse, l1, its reverse
            ends = [b[0] if bidirectional and k % 2 else b[-1] for k, b in enumerate(blocks)]
            expected.append(torch.cat([*ends, given[-1]]))
    torch.nn.init.normal_(network.output.weight)
    output, _ = network(x)
    torch.testing.assert_close(output, network.output(torch.stack(expected)))


def test_classes_of_rows_are_learned():
    # Which of two frequencies: not to be told from the mean input, which is zero for both.
    def waves(seed):
        drawn = torch.Generator().manual_seed(seed)
        phase = torch.rand(40, generator=drawn).double() * 6
        t = torch.arange(60).double()
        labels = torch.arange(40) % 2
        return torch.sin(t[:, None] * (0.3 + 0.3 * labels) + phase)[..., None], labels

    network = made("leaky", 1, 60, 2, readout="mean", washout=10)
    path = network.fit([waves(0)], [1e-8, 1e-4, 1.0, 100.0], validation=[waves(1)])
    assert len(path.points) == 4 and path.best.wrong == min(point.wrong for point in path.points) == 0
    x, labels = waves(2)
    assert (network(x)[0].argmax(1) == labels).all()
    alike = torch.nn.functional.one_hot(labels, 2).double()
    numbers = made("leaky", 1, 60, 2, readout="mean", washout=10)
    numbers.fit([(x, alike)])
    network.fit([(x, labels)])
    assert torch.equal(numbers.output.weight, network.output.weight)


def test_classes_of_steps():
    network, labels = made(outputs=2), (dense(50, 3, 2)[..., 0] > 0).long()
    path = network.fit([(dense(50, 3, 2), labels)], 1e-6, validation=[(dense(50, 3, 2), labels)])
    output, _ = network(dense(50, 3, 2))
    assert path.best.wrong == pytest.approx(float((output.argmax(2) != labels).double().mean()))
    assert path.best.wrong < 0.1


def test_refit_takes_the_validation_data_in():
    x, y = dense(60, 1, 2), dense(60, 1, 3, seed=1)
    halves = [(x[:30], y[:30])], [(x[30:], y[30:])]
    refitted, expected = made(), made()
    path = refitted.fit(halves[0], [1e-6, 1.0], validation=halves[1], refit=True)
    expected.fit([*halves[0], *halves[1]], path.best.ridge)
    torch.testing.assert_close(refitted.output.weight, expected.output.weight, rtol=1e-7, atol=1e-10)


# --- fixed and trained weights -------------------------------------------------------------------


def test_only_the_readout_is_trained_until_it_is_unfrozen():
    network = made()
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"output.weight", "output.bias"}
    network.unfreeze()
    assert all(p.requires_grad for p in network.parameters())
    network.freeze()
    assert {name for name, p in network.named_parameters() if p.requires_grad} == trained


def test_training_by_gradients_begins_at_the_ridge_solution_and_is_better():
    x = dense(200, 1, 1)
    y = torch.roll(x, 3, 0)  # longer ago than ten units remember that forget so fast
    network = made(inputs=1, hidden=10, outputs=1, leak=1.0, spectral_radius=0.3, density=1.0)
    network.fit([(x, y)])

    def loss():
        return (network(x)[0] - y)[5:].square().mean()

    begin = loss().item()
    network.unfreeze()
    assert loss().item() == begin
    before = network.recurrent.cell_weights()["U"].detach().clone()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        loss().backward()
        assert network.recurrent.cell_weights()["U"].grad.abs().sum() > 0
        optimiser.step()
    assert loss().item() < 0.8 * begin
    assert not torch.equal(before, network.recurrent.cell_weights()["U"])


def test_a_sparse_one_is_the_dense_one_and_is_not_trained():
    x, y = dense(40, 2, 2), dense(40, 2, 3)
    sparse, full = made(sparse=True, density=0.05, hidden=40), made(density=0.05, hidden=40)
    for network in (sparse, full):
        network.fit([(x, y)])
    assert sparse.sparse and not full.sparse and sparse.recurrent.engine == "sparse"
    torch.testing.assert_close(sparse.output.weight, full.output.weight, rtol=1e-6, atol=1e-9)
    with pytest.raises(SettingError, match=r"Set network.sparse = False before unfreeze\(\)"):
        sparse.unfreeze()
    sparse.sparse = False
    sparse.unfreeze()
    sparse(x)[0].sum().backward()
    with pytest.raises(SettingError, match="sparse is for a network made with sparse=True"):
        full.sparse = True


def test_a_sparse_one_runs_freely():
    options = {"inputs": 0, "outputs": 2, "hidden": 40, "density": 0.05, "feedback_scaling": 0.5}
    sparse, full = made(sparse=True, **options), made(**options)
    for network in (sparse, full):
        network.fit([(None, dense(60, 1, 2))])
    states = [network(None, targets=dense(20, 1, 2))[1] for network in (sparse, full)]
    one, other = (n.generate(6, s)[0] for n, s in zip((sparse, full), states, strict=True))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


# --- options -------------------------------------------------------------------------------------

CHANGED = {
    "leak": 0.7,
    "spectral_radius": 0.4,
    "density": 0.5,
    "input_scaling": 0.3,
    "bias_scaling": 0.9,
    "feedback_scaling": 0.2,
    "depth_scaling": 0.2,
    "seed": 2,
    "reads_input": True,
    "washout": 5,
    "num_layers": 3,
    "hidden": 25,
}


@pytest.mark.parametrize("option", CHANGED)
def test_every_option_changes_the_result(option):
    usual = {"feedback_scaling": 0.5, "num_layers": 2}
    results = []
    for options in (usual, usual | {option: CHANGED[option]}):
        network = made(**options)
        network.fit([(dense(40, 2, 2), dense(40, 2, 3, seed=1))])
        results.append(network(dense(40, 2, 2), targets=dense(40, 2, 3, seed=1))[0])
    assert not torch.allclose(*results, rtol=1e-3)


def test_the_seed_alone_says_what_is_drawn_and_moves_nothing():
    before = torch.random.get_rng_state()
    one = made()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    two = made()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "bidirectional": True, "readout": "mean", "washout": 3, "dtype": "float32"},
        {"leak": 0.8, "inputs": 0, "feedback_scaling": 0.5, "hidden": [9, 4], "sparse": True},
        {"cell": own, "reads_input": True, "readout": "last", "spectral_radius": 0.5, "density": 0.3},
    ],
)
def test_settings_and_weights_bring_it_back(options):
    network = made(**options)
    torch.nn.init.normal_(network.output.weight)
    content = json.loads(json.dumps({"settings": network.settings, "cell": network.cell.text}))
    stored = save(network.state_dict())
    again = EchoStateNetwork(Cell.from_text(content["cell"]), **content["settings"])
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.recurrent.parameters(), network.recurrent.parameters(), strict=True)
    )
    again.load_state_dict(load(stored))
    assert again.settings == network.settings and again.number_of_parameters == network.number_of_parameters
    dtype = network.output.weight.dtype
    if network.has_feedback:
        runs = [n(None, targets=dense(6, 2, 3).to(dtype))[0] for n in (network, again)]
    else:
        runs = [n(dense(6, 2, 2).to(dtype))[0] for n in (network, again)]
    assert torch.equal(*runs)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"cell": "gruu"}, SettingError, "a cell must be a name of the catalogue"),
        ({"cell": "gru", "leak": 0.5}, SettingError, "gru has no constant leak. Leave leak= out"),
        ({"leak": 1.5}, SettingError, r"leak must be in \(0, 1\], got 1.5"),
        ({"readout": "max"}, SettingError, "readout must be one of step, last, mean, got 'max'"),
        ({"dtype": "float16"}, SettingError, "dtype must be one of float32, float64, got 'float16'"),
        ({"outputs": 0}, SettingError, "output_size must be a whole number >= 1, got 0"),
        ({"washout": -1}, SettingError, "washout must be a whole number >= 0, got -1"),
        (
            {"inputs": 0},
            SettingError,
            "a network with input_size=0 reads its own output. Give feedback_scaling",
        ),
        (
            {"feedback_scaling": 1.0, "bidirectional": True},
            SettingError,
            "for one direction and readout='step'",
        ),
        ({"feedback_scaling": 1.0, "readout": "last"}, SettingError, "for one direction and readout='step'"),
        ({"spectral_radius": -1.0}, SettingError, "spectral_radius must be a number >= 0"),
        ({"hidden": 0}, ShapeError, "hidden_size must be a whole number >= 1, got 0"),
    ],
)
def test_options_that_are_refused(options, error, told):
    with pytest.raises(error, match=told):
        made(**options)


@cell(static=("context",))
def conditioned(x, h, context, *, W, U, V):
    """A cell with a static input."""
    return tanh(W @ x + U @ h + V @ context)


def test_a_cell_with_a_static_input_is_refused():
    with pytest.raises(SettingError, match="conditioned has the static input context"):
        made(conditioned)


def test_calls_that_are_refused():
    plain, fed, pooled = made(), made(feedback_scaling=1.0), made(readout="mean", washout=3)
    x, y = dense(6, 2, 2), dense(6, 2, 3)
    with pytest.raises(
        SettingError, match=r"this network has no feedback. Make it with feedback_scaling=1.0"
    ):
        plain.generate(3)
    with pytest.raises(SettingError, match=r"needs targets= to run over; or use generate\(steps\)"):
        fed(x)
    with pytest.raises(ShapeError, match=r"x must be \(T, B, I\) = \(3, 1, 2\), got None"):
        fed.generate(3)
    with pytest.raises(ShapeError, match=r"x must be \(T, B, I\) with I=2, got None"):
        plain(None)
    with pytest.raises(ShapeError, match="the same kind of batch, with the same T and B"):
        fed(x, targets=y[:5])
    with pytest.raises(ShapeError, match="the state must be that of B=1 rows, got 2"):
        fed(x[:, :1], fed(x, targets=y)[1], targets=y[:, :1])
    with pytest.raises(
        ShapeError, match=r"targets must be \(T, B, O\) or a Ragged with O=3, got \(6, 2, 2\)"
    ):
        plain.fit([(x, x)])
    with pytest.raises(ShapeError, match="targets must have the lengths of the input"):
        plain.fit([(x, y[:5])])
    with pytest.raises(DataError, match="classes must be whole numbers from 0 to 2, got 0 to 3"):
        pooled.fit([(x, torch.tensor([0, 3]))])
    with pytest.raises(ShapeError, match=r"targets must be one for each of B=2 rows, got 1"):
        pooled.fit([(x, torch.tensor([0]))])
    with pytest.raises(DataError, match="rows must have more than washout=3 steps, row 1 has 3"):
        pooled(rows(5, 3))
    with pytest.raises(SettingError, match="several ridges, and refit, need validation= data"):
        plain.fit([(x, y)], [1.0, 2.0])
    with pytest.raises(DataError, match="a readout needs at least one step of data, got none"):
        plain.fit([])
    with pytest.raises(DataError, match="the validation data must have at least one step"):
        plain.fit([(x, y)], [1.0, 2.0], validation=[])
    with pytest.raises(EquationError, match="leaky has no constant k"):
        plain.cell.set(k=1)
