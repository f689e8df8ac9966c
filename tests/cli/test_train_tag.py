import json
import subprocess
import sys
import tomllib

import pytest
from cyclopts import App

from unrolled.cli.train_tag import tag
from unrolled.errors import SettingError

QUICK = [
    "--hidden",
    "4",
    "--embedding",
    "4",
    "--letters",
    "3",
    "--spelling",
    "3",
    "--updates",
    "2",
    "--batch",
    "4",
]
APP = App(name="train", result_action="return_value")
APP.command(tag)


@pytest.fixture
def conll(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("\n\n".join("Ada B-per\nSmith I-per\nsees O\nRome B-loc" for _ in range(10)) + "\n")
    return path


def run(*arguments):
    APP(["tag", *map(str, arguments)], exit_on_error=False, print_error=False)


def config(folder):
    return tomllib.loads((folder / "config.toml").read_text())


def test_it_trains_and_says_what_to_do_next(conll, tmp_path, capsys):
    run(conll, *QUICK, "--run", tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model lstm, 1 x 4 units, both directions, CRF, ")
    assert lines[1] == "data  9 sequences of 4 to 4 words to train on, 1 to validate on"
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
def test_every_option_reaches_the_settings(conll, tmp_path, option, value, section, name):
    run(conll, *QUICK, option, value, "--run", tmp_path / "run")
    assert config(tmp_path / "run")[section][name] == value


@pytest.mark.parametrize("option", ["bidirectional", "constrained", "lower"])
def test_switches_can_be_turned_off(conll, tmp_path, option):
    run(conll, *QUICK, f"--no-{option}", "--run", tmp_path / "run")
    assert config(tmp_path / "run")["model"][option] is False


def test_validation_data_and_json(conll, tmp_path, capsys):
    run(conll, *QUICK, "--validation-data", conll, "--run", tmp_path / "run", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["run"] == str(tmp_path / "run")
    assert answer["updates"] == 2
    assert set(answer["scores"]) == {"entity F1"}
    assert config(tmp_path / "run")["validation_paths"] == [str(conll)]


def test_an_option_misspelt_behind_the_files_is_refused(conll):
    with pytest.raises(SettingError, match=r"unknown option: --hiden\. Did you mean --hidden"):
        run(conll, "--hiden", 3)


def test_help_needs_no_torch():
    program = (
        "import sys; from cyclopts import App; from unrolled.cli.train_tag import tag; app = App(); app.command(tag);"
        "app(['tag', '--help'], result_action='return_value'); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "unrolled train tag train.conll --validation-data dev.conll" in done.stdout
