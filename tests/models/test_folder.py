import errno
import json
import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import Cell
from unrolled.errors import FolderError
from unrolled.models.folder import load_model, save_model
from unrolled.models.language import LanguageModel

OWN = '''
def own(x, h, *, W, U, b, leak=0.5):
    """A cell that no catalogue has."""
    return leak * h + tanh(W @ x + U @ h + b)
'''


def build(cell="gru", text="abñ\n", **settings):
    return LanguageModel(Vocabulary.from_text([text]), cell, **{"hidden_size": 5, **settings})


@pytest.fixture
def folder(tmp_path):
    save_model(build(), tmp_path / "model")
    return tmp_path / "model"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "embedding_size": 3}, {"cell": "lstm"}])
def test_a_loaded_model_computes_the_same_bits(tmp_path, settings):
    model = build(**settings)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    tokens = torch.randint(6, (9, 2))
    assert torch.equal(loaded(tokens)[0], model(tokens)[0])
    assert loaded.vocabulary == model.vocabulary
    assert not loaded.training


@pytest.mark.parametrize("settings", [{"hidden_size": 4}, {"hidden_size": 6, "projection": 4}], ids=str)
def test_tied_weights_are_written_once_and_tied_again(tmp_path, settings):
    model = build(**settings, embedding_size=4, tied=True)
    save_model(model, tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    assert sum(tensor.numel() for tensor in written.values()) == model.number_of_parameters
    loaded = load_model(tmp_path, LanguageModel)
    assert loaded.output.weight is loaded.embedding.weight
    tokens = torch.tensor([[1, 2], [3, 4]])
    assert torch.equal(loaded(tokens)[0], model(tokens)[0])


def test_a_cell_of_ones_own_travels_as_its_equations(tmp_path):
    model = build(Cell.from_text(OWN).set(leak=0.25))
    save_model(model, tmp_path)
    tokens = torch.randint(6, (9, 2))
    assert torch.equal(load_model(tmp_path)(tokens)[0], model(tokens)[0])
    assert "leak=0.25" in json.loads((tmp_path / "model.json").read_text())["cell"]["equations"]


def test_the_three_files_and_what_they_say(folder):
    assert sorted(os.listdir(folder)) == ["model.json", "model.safetensors", "vocabulary.json"]
    description = json.loads((folder / "model.json").read_text())
    assert description["format"] == 1
    sizes = {"hidden_size": 5, "num_layers": 1, "embedding_size": None}
    assert description["settings"].items() >= sizes.items()
    assert description["sizes"]["parameters"] == sum(
        t.numel() for t in load_file(folder / "model.safetensors").values()
    )
    assert description["versions"]["torch"] == torch.__version__


def test_a_run_folder_stands_for_the_model_in_it(folder):
    assert load_model(folder.parent).vocabulary == load_model(folder).vocabulary


def test_loading_leaves_the_random_numbers_alone(folder):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_model(folder)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("name", ["vocabulary.json", "model.safetensors"])
def test_a_missing_file_makes_it_incomplete(folder, name):
    (folder / name).unlink()
    with pytest.raises(FolderError, match=rf"{name}: the file is missing, so the model folder is incomplete"):
        load_model(folder)


def test_a_folder_without_a_model_and_no_folder(tmp_path):
    with pytest.raises(FolderError, match=r"no model.json here"):
        load_model(tmp_path)
    with pytest.raises(FolderError, match="no such folder"):
        load_model(tmp_path / "nothing")


def test_a_newer_format_asks_for_an_upgrade(folder):
    change(folder / "model.json", format=2)
    with pytest.raises(FolderError, match=r"format 2 is newer than 1, .*pip install --upgrade unrolled"):
        load_model(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": None}, "no format number"),
        ({"architecture": "seer"}, "architecture 'seer' is unknown, this version has language"),
        ({"cell": {}}, "no 'equations'"),
        ({"cell": {"equations": "import os"}}, "cannot be built"),
        ({"settings": {"hidden": 5}}, "cannot be built .*hidden"),
        (
            {"settings": {"hidden_size": 6}},
            r"output.weight must be \(6, 6\), got \(6, 5\); .*different models",
        ),
        ({"settings": {"hidden_size": 5, "num_layers": 2}}, "got absent"),
    ],
)
def test_a_wrong_description_is_refused_in_one_line(folder, values, message):
    change(folder / "model.json", **values)
    with pytest.raises(FolderError, match=message) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_model_with_the_same_shapes_are_refused(folder, tmp_path):
    save_model(build(text="xyz\n"), tmp_path / "other")
    for name in ("vocabulary.json", "model.json"):
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(FolderError, match="belongs to another"):
        load_model(folder)


def test_tensors_of_a_wrong_shape_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["output.bias"] = torch.zeros(7)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(FolderError, match=r"output.bias must be \(6,\), got \(7,\)"):
        load_model(folder)


@pytest.mark.parametrize("name", ["vocabulary.json", "model.json", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 11])
def test_a_file_cut_off_is_damaged(folder, name, keep):
    path = folder / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FolderError, match=rf"{name}.*damaged"):
        load_model(folder)


def test_a_pickle_is_never_read(folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was read",))

    for name in os.listdir(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(FolderError, match="damaged"):
            load_model(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("after", range(6))
def test_a_disk_that_fills_up_during_a_save_leaves_the_earlier_model(folder, monkeypatch, after):
    before = load_model(folder)
    better = build()
    sync, calls = os.fsync, []

    def fill_up(handle):
        calls.append(handle)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(FolderError, match="No space left on device"):
        save_model(better, folder)
    loaded = load_model(folder)
    expected = better if after == 5 else before  # 5: only the last sync of the folder failed
    assert torch.equal(loaded.output.weight, expected.output.weight)
