"""Step Jacobians against central differences of single steps, and against the formula of a simple network."""

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import cell, tanh
from unrolled.errors import SettingError
from unrolled.inspection.jacobian import step_jacobians
from unrolled.layers import Recurrent
from unrolled.layers.state import CellState, State
from unrolled.models import LanguageModel

I, H = 3, 4


def flat(state, names):
    return torch.cat([state.cells[0].values[name][:, 0].flatten() for name in names])


def by_differences(layer, x, before, eps=1e-6):
    """d state after / d state before, of one step."""
    names = list(before.cells[0].values)
    size = len(flat(before, names))
    found = np.zeros((size, size))
    for j in range(size):
        ends = []
        for sign in (1, -1):
            vector = flat(before, names).clone()
            vector[j] += sign * eps
            values, at = {}, 0
            for name in names:
                like = before.cells[0].values[name]
                count = like.shape[0] * like.shape[2]
                values[name] = vector[at : at + count].reshape(like.shape)
                at += count
            ends.append(flat(layer(x, State([CellState(values, before.cells[0].clock)]))[1], names))
        found[:, j] = ((ends[0] - ends[1]) / (2 * eps)).numpy()
    return found


@pytest.mark.parametrize("name", ["lstm", "gru", "skip_in_time", "clockwork", "lstm_layer_norm", "leaky"])
def test_any_cell_against_differences(name):
    layer = Recurrent(name, I, H, dtype=torch.float64)
    x = torch.randn(9, 2, I, dtype=torch.float64)
    found = step_jacobians(layer, x, steps=[0, 3, 8], row=1)
    with torch.no_grad():
        for n, t in enumerate((0, 3, 8)):
            before = layer(x[:t, 1:])[1] if t else layer._start_state(1)
            expected = by_differences(layer, x[t : t + 1, 1:], before)
            scale = max(1.0, np.abs(expected).max())  # a layer norm of a state near zero is steep
            np.testing.assert_allclose(
                found.matrices[n] / scale, expected / scale, atol=2e-5 if scale > 9 else 1e-8
            )
    values = found.singular_values
    assert np.allclose(found.norms, [np.linalg.norm(one, 2) for one in found.matrices])
    assert (np.diff(values) <= 1e-12).all() and (found.radii <= found.norms + 1e-9).all()


def test_both_directions_of_a_deep_network_against_the_formula():
    layer = Recurrent("elman", I, H, 2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(7, 1, I, dtype=torch.float64)
    resets = torch.zeros(7, 1, dtype=torch.bool)
    resets[4] = True
    _, _, records = layer(x, resets=resets, record=("h",))
    for index, name in enumerate(("l0", "l0_reverse", "l1", "l1_reverse")):
        found = step_jacobians(layer, x, layer=name, steps=range(7), resets=resets)
        U = layer.cell_weights(name)["U"].detach().numpy()
        for t in range(7):
            h = records["h"][index][t, 0].detach().numpy()
            cut = t == (3 if "reverse" in name else 4)
            expected = np.zeros((H, H)) if cut else (1 - h**2)[:, None] * U
            np.testing.assert_allclose(found.matrices[t], expected, atol=1e-12)


def test_static_inputs_and_carried_states_take_part():
    @cell(static=("context",))
    def conditioned(x, h, context, *, W, U, C):
        return tanh(W @ x + U @ h + C @ context)

    layer = Recurrent(conditioned, I, H, sizes={"context": 2}, dtype=torch.float64)
    x, static = torch.randn(3, 2, I, dtype=torch.float64), {"context": torch.randn(2, 2, dtype=torch.float64)}
    _, state = layer(x, static=static)
    _, _, records = layer(x, state, static=static, record=("h",))
    found = step_jacobians(layer, x, steps=[2], row=1, state=state, static=static)
    h = records["h"][0][2, 1].detach().numpy()
    expected = (1 - h**2)[:, None] * layer.cell_weights()["U"].detach().numpy()
    np.testing.assert_allclose(found.matrices[0], expected, atol=1e-12)


def test_a_language_model_gives_those_of_its_layer():
    model = LanguageModel(Vocabulary.from_text(["abc "]), "gru", H).double()
    found = step_jacobians(model, "abc cab abc", steps=[5])
    read = torch.tensor([[1], *([int(i)] for i in model.vocabulary.encode("abc cab ab"))])
    with torch.no_grad():
        _, before = model(read[:5])
        expected = by_differences(model.recurrent, read[5:6], before)
    np.testing.assert_allclose(found.matrices[0], expected, atol=1e-8)
    assert len(step_jacobians(model, "abc cab abc" * 3).steps) == 16
    assert found.places == {"h": (0, H)} and "l0" in found.figure().layout.title.text


def test_what_is_not_there_is_refused():
    layer, x = Recurrent("gru", I, H), torch.zeros(5, 2, I)
    with pytest.raises(SettingError, match="layer must be l0, got 'l1'"):
        step_jacobians(layer, x, layer="l1")
    with pytest.raises(SettingError, match="row must lie below B=2, got 2"):
        step_jacobians(layer, x, row=2)
    with pytest.raises(SettingError, match=r"steps must lie from 0 to T-1 = 4, got \[.*5.*\]"):
        step_jacobians(layer, x, steps=[5])
