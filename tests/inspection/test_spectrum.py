"""Spectra of matrices that were put in."""

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import cell, concat, sigmoid, tanh
from unrolled.errors import SettingError
from unrolled.inspection.spectrum import spectrum, spectrum_course, spectrum_probe
from unrolled.layers import Recurrent
from unrolled.models import LanguageModel

I, H = 3, 8


def names(found):
    return [one.name for one in found.matrices]


def test_the_eigenvalues_are_those_of_the_matrix():
    angle = 0.3
    turn = 0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.zeros((4, 4))
    matrix[:2, :2], matrix[2, 2], matrix[3, 3], matrix[2, 3] = turn, 0.5, -0.2, 3.0
    found = spectrum(Recurrent("elman", I, 4, start={"U": torch.tensor(matrix)}, dtype=torch.float64))
    [one] = found.matrices
    np.testing.assert_allclose(np.abs(one.eigenvalues), [0.9, 0.9, 0.5, 0.2], atol=1e-12)
    np.testing.assert_allclose(np.sort(np.angle(one.eigenvalues[:2])), [-angle, angle])
    assert one.radius == pytest.approx(0.9)
    assert one.norm == pytest.approx(np.linalg.norm(matrix, 2))
    assert "0.90, of U in l0" in found.figure().layout.title.text
    plain = found.to_dict()["matrices"][0]
    assert plain["radius"] == pytest.approx(0.9) and np.shape(plain["eigenvalues"]) == (4, 2)


def test_which_matrices_are_recurrent():
    assert names(spectrum(Recurrent("lstm", H, H))) == ["U_i", "U_f", "U_c", "U_o"]  # W are square here, too
    assert names(spectrum(Recurrent("gru", I, H, 2))) == ["U_z", "U_r", "U"] * 2
    assert names(spectrum(Recurrent("jordan", I, H, sizes={"output": 3}))) == []
    assert names(spectrum(Recurrent("jordan", I, H, sizes={"output": H}))) == ["U_h", "W_y"]
    assert names(spectrum(Recurrent("skip_in_time", I, H))) == ["U", "U_k"]
    assert names(spectrum(Recurrent("mingru", H, H))) == []
    assert "No square matrix" in spectrum(Recurrent("mingru", H, H)).figure().layout.title.text


def test_matrices_are_taken_as_the_equations_use_them():
    found = spectrum(Recurrent("clockwork", I, H, dtype=torch.float64))
    layer = Recurrent("clockwork", I, H, dtype=torch.float64)
    layer.load_state_dict(layer.state_dict())
    U = layer.cell_weights()["U"].detach().numpy()
    blocks = np.arange(H) // 2
    masked = np.where(blocks[:, None] <= blocks, U, 0)
    [one] = spectrum(layer).matrices
    np.testing.assert_allclose(one.singular_values, np.linalg.svd(masked)[1])
    assert names(found) == ["U"]


def test_blocks_of_joined_and_stacked_matrices():
    @cell
    def joined(x, h, *, W_a, b):
        return tanh(W_a @ concat(h, x) + b)

    layer = Recurrent(joined, I, H, dtype=torch.float64)
    [one] = spectrum(layer).matrices
    block = layer.cell_weights()["W_a"].detach().numpy()[:, :H]
    assert one.name == "W_a[h]"
    np.testing.assert_allclose(one.singular_values, np.linalg.svd(block)[1])
    stacked = Recurrent("lstm_layer_norm", I, H, dtype=torch.float64)
    found = spectrum(stacked)
    assert names(found) == [f"W_h[{k}]" for k in range(4)]
    third = stacked.cell_weights()["W_h"].detach().numpy()[2 * H : 3 * H]
    np.testing.assert_allclose(found.matrices[2].singular_values, np.linalg.svd(third)[1])


def test_a_transposed_difference():
    @cell
    def antisymmetric(x, h, *, W, U, b):
        return h + tanh(W @ x + U @ h - U.T @ h + b) * sigmoid(b)

    layer = Recurrent(antisymmetric, I, H, dtype=torch.float64)
    found = {one.name: one for one in spectrum(layer).matrices}
    U = layer.cell_weights()["U"].detach().numpy()
    assert set(found) == {"U", "U.T"}
    np.testing.assert_allclose(found["U.T"].singular_values, np.linalg.svd(U)[1])


def test_over_training():
    model = LanguageModel(Vocabulary.from_text(["abc"]), "elman", 4)
    probe = spectrum_probe(model, every=10)
    for update in (10, 20):
        probe(update)
        with torch.no_grad():
            model.recurrent.cell_weights()["U"].mul_(2)
    radii = probe.course().values["l0 U radius"]
    assert radii[1] == pytest.approx(2 * radii[0])
    later = spectrum_course({0: model, 7: model})
    assert later.updates.tolist() == [0, 7]
    assert later.values["l0 U norm"][0] == pytest.approx(4 * probe.course().values["l0 U norm"][0])
    with pytest.raises(SettingError, match="every must be 1 or more updates, got 0"):
        spectrum_probe(model, every=0)
    with pytest.raises(SettingError, match="expected a LanguageModel or a Recurrent, got Linear"):
        spectrum(torch.nn.Linear(2, 2))
