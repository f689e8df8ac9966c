import tomllib

import numpy as np
import pytest
import torch

from unrolled.errors import DataError, FolderError, SettingError
from unrolled.generation.score import log_probabilities
from unrolled.models.folder import load_model
from unrolled.training.events import Prepared, Validated
from unrolled.training.language import train_language_model
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

SHORT = {"steps": 8, "batch": 4, "updates": 6, "validate_every": 3}


def written(folder):
    path = folder / "text.txt"
    path.write_text("the cat sat on the mat.\n" * 40)
    return path


@pytest.fixture
def text(tmp_path):
    return written(tmp_path)


def train(text, tmp_path, name="run", report=lambda event: None, model=None, data=None, **training):
    return train_language_model(
        [text],
        DataSettings(**(data or {})),
        ModelSettings(**{"hidden": 8, **(model or {})}),
        FitSettings(**{**SHORT, **training}),
        tmp_path / name,
        report,
    )


def weights(run):
    return torch.cat(
        [p.detach().flatten() for p in load_model(run.path / "checkpoints" / "last").parameters()]
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The weights of a run with the usual settings."""
    folder = tmp_path_factory.mktemp("usual")
    return weights(train(written(folder), folder))


def test_a_run_leaves_everything_a_run_folder_holds(text, tmp_path):
    run = train(text, tmp_path)
    names = sorted(path.name for path in run.path.iterdir())
    assert names == ["checkpoints", "config.toml", "metrics.jsonl", "model", "samples.jsonl"]
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert config["task"] == "lm"
    assert config["paths"] == [str(text)]
    assert config["model"].items() >= {"cell": "gru", "hidden": 8, "layers": 1, "initialise": "roles"}.items()
    assert config["training"]["steps"] == 8


def test_the_same_seed_gives_the_same_bits_and_leaves_the_callers_random_numbers_alone(text, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a = train(text, tmp_path, "a")
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(weights(a), weights(train(text, tmp_path, "b")))
    assert not torch.equal(weights(a), weights(train(text, tmp_path, "c", seed=1)))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"cell": "lstm"}},
        {"model": {"hidden": 9}},
        {"model": {"layers": 2}},
        {"model": {"embedding": 4}},
        {"model": {"initialise": "chrono:50"}},
        {"model": {"projection": 3}},
        {"model": {"dropout_output": 0.4}},
        {"model": {"dropconnect": 0.4}},
        {"data": {"validation": 0.31}},
        {"data": {"minimum_count": 50}},
        {"steps": 7},
        {"batch": 3},
        {"updates": 5},
        {"epochs": 0.1},
        {"learning_rate": 0.01},
        {"warmup": 2},
        {"clip": 0.01},
        {"seed": 3},
        {"weight_decay": 0.5},
        {"optimizer": "sgd"},
        {"optimizer": "rmsprop"},
        {"schedule": "constant"},
        {"variable_steps": True},
        {"ar": 2.0},
        {"tar": 2.0},
    ],
    ids=str,
)
def test_every_setting_changes_the_result(text, tmp_path, usual, change):
    after = weights(train(text, tmp_path, "other", **change))
    assert usual.shape != after.shape or not torch.equal(usual, after)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({"model": {"embedding": 8}}, {"model": {"tied": True}}),
        ({"data": {"unit": "word"}}, {"data": {"unit": "word"}, "model": {"adaptive": "2"}}),
        ({"model": {"embedding": 8}}, {"model": {"dropout_embedding": 0.4}}),
        ({"model": {"embedding": 8}}, {"model": {"dropout_input": 0.4}}),
        ({"model": {"layers": 2}}, {"model": {"dropout": 0.4}}),
        ({"optimizer": "sgd"}, {"momentum": 0.5}),
        ({"optimizer": "sgd"}, {"weight_decay": 0.5}),
        ({"optimizer": "rmsprop"}, {"momentum": 0.5}),
    ],
    ids=str,
)
def test_every_setting_that_goes_with_another_changes_the_result(text, tmp_path, base, change):
    both = {**base, **change, "model": {**base.get("model", {}), **change.get("model", {})}}
    before, after = (
        weights(train(text, tmp_path, name, **settings)) for name, settings in (("a", base), ("b", both))
    )
    assert before.shape != after.shape or not torch.equal(before, after)


def test_averaging_changes_the_model_that_is_kept(text, tmp_path):
    def kept(name, **settings):
        run = train(text, tmp_path, name, validate_every=6, **settings)
        return torch.cat([p.detach().flatten() for p in load_model(run.path).parameters()])

    assert not torch.equal(kept("a"), kept("b", average="always"))


@pytest.mark.parametrize("model", [{}, {"dropout_output": 0.5, "dropconnect": 0.5}], ids=str)
def test_what_is_drawn_while_it_trains_depends_on_the_seed_alone(text, tmp_path, model):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = train(text, tmp_path, "a", model=model, variable_steps=True)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(weights(first), weights(train(text, tmp_path, "b", model=model, variable_steps=True)))


def test_a_preset_is_written_down_and_gives_way_to_what_is_set(text, tmp_path):
    run = train(text, tmp_path, preset="awd", data={"unit": "character"}, batch=2)
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert (config["model"]["cell"], config["model"]["layers"], config["model"]["hidden"]) == ("lstm", 3, 8)
    assert (config["training"]["batch"], config["training"]["ar"], config["training"]["preset"]) == (
        2,
        2,
        "awd",
    )
    assert config["data"]["unit"] == "character"


def test_the_same_settings_give_the_same_result(text, tmp_path, usual):
    assert torch.equal(weights(train(text, tmp_path)), usual)


def test_validate_every_and_patience_change_the_course(text, tmp_path):
    def validations(name, **settings):
        seen = []
        train(text, tmp_path, name, seen.append, **settings)
        return [event.update for event in seen if isinstance(event, Validated)]

    assert validations("a") == [0, 3, 6]
    assert validations("b", validate_every=2) == [0, 2, 4, 6]
    # A learning rate far too high never gets better than the first validation.
    assert validations("c", validate_every=1, patience=2, learning_rate=30.0, warmup=0) == [0, 1, 2]


def test_validation_characters_never_enter_the_vocabulary_and_are_reported(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("ab" * 450 + "ñ€" * 50)
    seen = []
    run = train(path, tmp_path, report=seen.append)
    assert load_model(run.path).vocabulary.symbols == ("<unk>", "<eos>", "a", "b")
    assert isinstance(seen[0], Prepared)
    assert (
        "not in the vocabulary, read as <unk>: 2 characters of the validation text, 'ñ' '€'" in seen[0].notes
    )


def test_bits_per_character_count_every_character_and_the_end_once(text, tmp_path):
    seen = []
    run = train(text, tmp_path, report=seen.append)
    model = load_model(run.path / "checkpoints" / "last")
    held_out = text.read_text()[-96:]
    symbols = torch.from_numpy(np.append(model.vocabulary.encode(held_out), 1))
    bits = -float(log_probabilities(model, symbols).sum()) / np.log(2) / 97
    assert [event for event in seen if isinstance(event, Validated)][-1].validation == pytest.approx(
        bits, rel=1e-5
    )


def test_crlf_and_skipped_files_are_said_once(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_bytes(b"one two three\r\n" * 30)
    (folder / "c").write_bytes(b"\0")
    seen = []
    train(folder, tmp_path, report=seen.append)
    assert len(seen[0].notes) == 4
    assert seen[0].notes[2].startswith("at the start: Signals ")
    assert seen[0].notes[3].startswith("floor: counting what follows the last ")
    assert seen[0].notes[0] == "line ends CRLF read as LF in 2 files"
    assert seen[0].notes[1].startswith(f"skipped {folder}/c: byte 0 (line 1) is NUL")


def test_of_many_skipped_files_only_some_are_named(text, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "good").write_text(text.read_text())
    for number in range(10):
        (folder / f"x{number}").write_bytes(b"\0")
    seen = []
    train(folder, tmp_path, report=seen.append)
    assert len(seen[0].notes) == 11
    assert seen[0].notes[-3] == "skipped 2 more files"


@pytest.mark.parametrize("unit", ["character", "byte"])
def test_groups_by_frequency_need_symbols_in_that_order(text, tmp_path, unit):
    with pytest.raises(SettingError, match=f"{unit}s stand in the order of their codes; .*--unit word"):
        train(text, tmp_path, data={"unit": unit}, model={"adaptive": "5,9"})


def test_a_text_shorter_than_a_window_names_settings_that_work(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("short text, fifty characters long, not one more. \n")
    message = "45 characters to train on, less than one window of --steps 64 x --batch 64 = 4096; .*--steps 5 --batch 2"
    with pytest.raises(DataError, match=message):
        train(path, tmp_path, steps=64, batch=64)
    assert not (tmp_path / "run").exists()
    train(path, tmp_path, steps=5, batch=2)


@pytest.mark.parametrize("content", ["a", "ab"])
def test_a_text_of_nearly_nothing_is_refused(tmp_path, content):
    path = tmp_path / "text.txt"
    path.write_text(content)
    with pytest.raises(DataError, match="too short: no character is left for validation"):
        train(path, tmp_path)


def test_nothing_is_written_before_the_input_has_been_checked(text, tmp_path):
    with pytest.raises(SettingError, match="lstm"):
        train(text, tmp_path, model={"cell": "lsmt"})
    with pytest.raises(DataError):
        train(tmp_path / "nothing", tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_run_never_overwrites_another(text, tmp_path):
    run = train(text, tmp_path)
    before = weights(run)
    with pytest.raises(FolderError, match="not empty"):
        train(text, tmp_path, seed=1)
    assert torch.equal(weights(run), before)


def test_a_cell_from_a_file_of_equations(text, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("def own(x, h, *, W, U, b):\n    return tanh(W @ x + U @ h + b)\n")
    run = train(text, tmp_path, model={"cell": str(own)})
    own.unlink()
    assert load_model(run.path).cell.name == "own"
