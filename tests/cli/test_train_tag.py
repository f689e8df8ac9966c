import json
import tomllib

import pytest

QUICK = ["--hidden", 4, "--embedding", 4, "--letters", 3, "--spelling", 3, "--updates", 2, "--batch", 4]


@pytest.fixture
def conll(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("\n\n".join("Ada B-per\nSmith I-per\nsees O\nRome B-loc" for _ in range(10)) + "\n")
    return path


def config(folder):
    return tomllib.loads((folder / "config.toml").read_text())


def test_it_trains_and_says_what_to_do_next(unrolled, conll, tmp_path):
    code, out, err = unrolled("train", "tag", conll, *QUICK, "--run", tmp_path / "run")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("model lstm, 1 x 4 units, both directions, CRF, ")
    assert lines[1] == "data  9 sequences of 4 words to train on, 1 to validate on"
    assert lines[-1].startswith(f"Next: unrolled evaluate {tmp_path}/run DATA, or unrolled predict ")


@pytest.mark.parametrize(
    ("option", "value", "section", "name"),
    [
        ("--cell", "gru", "model", "cell"),
        ("--layers", 2, "model", "layers"),
        ("--output", "softmax", "model", "output"),
        ("--dropout", 0.1, "model", "dropout"),
        ("--minimum-count", 2, "model", "minimum_count"),
        ("--unknown", 1.5, "model", "unknown"),
        ("--learning-rate", 0.5, "training", "learning_rate"),
        ("--validation", 0.2, "training", "validation"),
        ("--seed", 5, "training", "seed"),
        ("--kind", "conll", "reading", "kind"),
    ],
)
def test_every_option_reaches_the_settings(unrolled, conll, tmp_path, option, value, section, name):
    arguments = ("train", "tag", conll, *QUICK, option, value, "--run", tmp_path / "run")
    assert unrolled(*arguments)[0] == 0
    assert config(tmp_path / "run")[section][name] == value


@pytest.mark.parametrize("option", ["bidirectional", "constrained", "lower"])
def test_switches_can_be_turned_off(unrolled, conll, tmp_path, option):
    assert unrolled("train", "tag", conll, *QUICK, f"--no-{option}", "--run", tmp_path / "run")[0] == 0
    assert config(tmp_path / "run")["model"][option] is False


def test_validation_data_and_json(unrolled, conll, tmp_path):
    options = ("--validation-data", conll, "--run", tmp_path / "run", "--json")
    _, out, _ = unrolled("train", "tag", conll, *QUICK, *options)
    answer = json.loads(out)
    assert answer["run"] == str(tmp_path / "run")
    assert answer["updates"] == 2
    assert set(answer["scores"]) == {"entity F1"}
    assert config(tmp_path / "run")["validation_paths"] == [str(conll)]


def test_its_run_can_be_evaluated_and_predicts(unrolled, conll, tmp_path):
    unrolled("train", "tag", conll, *QUICK, "--run", tmp_path / "run")
    code, out, _ = unrolled("evaluate", tmp_path / "run", conll, "--json")
    result = json.loads(out)
    assert (code, result["task"], result["count"], result["floors"]["entity F1"]) == (0, "tag", 40, 1.0)
    code, out, _ = unrolled("predict", tmp_path / "run", conll)
    words = [line.split("\t")[0] for line in out.splitlines()]
    assert (code, words[:5]) == (0, ["Ada", "Smith", "sees", "Rome", ""])
    code, out, _ = unrolled("predict", tmp_path / "run", conll, "--format", "csv", "--probabilities")
    header = [
        "file",
        "line",
        "sequence",
        "step",
        "symbol",
        "prediction",
        "P(B-loc)",
        "P(B-per)",
        "P(I-per)",
        "P(O)",
    ]
    assert (code, out.splitlines()[0].split(",")) == (0, header)


def test_an_option_misspelt_behind_the_files_is_refused(refused, conll):
    assert refused("train", "tag", conll, "--hiden", 3).startswith(
        "unknown option: --hiden. Did you mean --hidden?"
    )


def test_data_that_cannot_be_used_is_refused_with_its_place(refused, tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("Ada B-per\nsees\n")
    assert refused("train", "tag", path).startswith(f"{path}, line 2: ")
