import json
import os
import signal
import subprocess
import sys
import tomllib

import pytest

from unrolled.models.folder import load_model
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

QUICK = ["--hidden", 4, "--steps", 8, "--batch", 4, "--updates", 2]


def config(run):
    return tomllib.loads((run / "config.toml").read_text())


def test_it_trains_and_says_what_to_do_next(unrolled, text, tmp_path):
    code, out, err = unrolled("train", "lm", text, *QUICK, "--run", tmp_path / "run")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("model gru, 1 x 4 units, ")
    assert lines[1] == "text  1 document, 864 characters to train on, 96 to validate on"
    assert lines[-2].startswith("Finished after 2 updates in ")
    assert lines[-1] == f"Next: unrolled sample {tmp_path}/run"


@pytest.mark.parametrize(
    ("option", "value", "section", "name"),
    [
        ("--cell", "lstm", "model", "cell"),
        ("--hidden", 5, "model", "hidden"),
        ("--layers", 2, "model", "layers"),
        ("--embedding", 3, "model", "embedding"),
        ("--steps", 9, "training", "steps"),
        ("--batch", 3, "training", "batch"),
        ("--updates", 3, "training", "updates"),
        ("--epochs", 0.5, "training", "epochs"),
        ("--minutes", 0.5, "training", "minutes"),
        ("--learning-rate", 0.5, "training", "learning_rate"),
        ("--warmup", 7, "training", "warmup"),
        ("--clip", 0.5, "training", "clip"),
        ("--validate-every", 1, "training", "validate_every"),
        ("--patience", 1, "training", "patience"),
        ("--seed", 5, "training", "seed"),
        ("--probe", 3, "training", "probe"),
        ("--validation", 0.2, "data", "validation"),
        ("--minimum-count", 2, "data", "minimum_count"),
    ],
)
def test_every_option_reaches_the_settings(unrolled, text, tmp_path, option, value, section, name):
    """That each setting changes the result is tested with the training itself."""
    arguments = list(QUICK)
    if option in arguments:
        place = arguments.index(option)
        del arguments[place : place + 2]
    assert unrolled("train", "lm", text, *arguments, option, value, "--run", tmp_path / "run")[0] == 0
    assert config(tmp_path / "run")[section][name] == value


TOGETHER = [
    {
        "model": {
            "embedding": 4,
            "tied": True,
            "layers": 2,
            "dropout_embedding": 0.1,
            "dropout_input": 0.2,
            "dropout": 0.3,
            "dropout_output": 0.4,
            "dropconnect": 0.5,
            "initialise": "chrono:50",
        },
        "training": {
            "optimizer": "sgd",
            "momentum": 0.5,
            "schedule": "plateau",
            "decay": 0.5,
            "plateau_patience": 3,
            "weight_decay": 0.1,
            "average": "triggered",
            "average_after": 3,
            "variable_steps": True,
            "ar": 2.0,
            "tar": 3.0,
        },
        "data": {
            "unit": "word",
            "lower": True,
            "digits": True,
            "vocabulary": 5,
            "ends": "line",
            "carry": True,
            "encoding": "latin-1",
        },
    },
    {
        "model": {"projection": 3, "adaptive": "3,5"},
        "training": {"preset": "small"},
        "data": {"unit": "word", "pretokenized": True, "validate_on": "other.txt"},
    },
]
"""Options that go together, as a run writes them down; each is another than the usual value."""


@pytest.mark.parametrize("settings", TOGETHER)
def test_options_that_go_together_reach_the_settings(unrolled, text, tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text(text.read_text())
    given = []
    for name, value in (item for section in settings.values() for item in section.items()):
        given += ["--" + name.replace("_", "-")] + ([] if value is True else [value])
    assert unrolled("train", "lm", text, *QUICK, *given, "--run", "run")[0] == 0
    written = config(tmp_path / "run")
    for section, values in settings.items():
        assert {name: written[section][name] for name in values} == values


def test_no_setting_is_left_untried():
    (mark,) = test_every_option_reaches_the_settings.pytestmark
    tried = {(section, name) for _, _, section, name in mark.args[1]}
    tried |= {(section, name) for settings in TOGETHER for section in settings for name in settings[section]}
    groups = {"model": ModelSettings, "training": FitSettings, "data": DataSettings}
    assert tried == {(section, name) for section, group in groups.items() for name in group.model_fields}


def test_json_on_standard_output_and_the_progress_beside_it(unrolled, text, tmp_path):
    code, out, err = unrolled("train", "lm", text, *QUICK, "--run", tmp_path / "run", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["run"] == str(tmp_path / "run")
    assert (result["reason"], result["updates"], result["unit"]) == ("finished", 2, "bits per character")
    assert "update      2" in err


def test_a_hyphen_is_standard_input(text, tmp_path):
    process = start("train", "lm", "-", *QUICK, "--run", tmp_path / "run", stdin=subprocess.PIPE)
    out, err = process.communicate(text.read_text(), timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "864 characters to train on" in out
    assert config(tmp_path / "run")["paths"] == ["-"]


def test_the_default_run_folder(unrolled, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unrolled("train", "lm", text, *QUICK)
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("lm-")
    assert run.name.endswith("-1")


def test_wrong_input_is_one_line(refused, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\x7fELF\0")
    (tmp_path / "empty").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "bad.txt").write_text("def bad(x, h, *, W, U):\n    return tanh(W @ x + U @ x) * h + W\n")
    (tmp_path / "evil.txt").write_text(
        "def evil(x, h):\n    return __import__('os').system('touch hacked')\n"
    )
    assert "Nearest: lstm" in refused("train", "lm", text, "--cell", "lsmt")
    assert refused("train", "lm", "binary").startswith("binary: byte 4 (line 1) is NUL")
    assert refused("train", "lm", "empty") == "empty: the file is empty; name a file with text"
    assert refused("train", "lm", "nothing").startswith("nothing: no such file")
    assert refused("train", "lm", text, *QUICK, "--run", "full").startswith("full: the folder is not empty")
    assert "less than one window" in refused("train", "lm", text, "--batch", "200")
    assert "bad.txt" in refused("train", "lm", text, *QUICK, "--cell", "bad.txt")
    assert "evil.txt" in refused("train", "lm", text, *QUICK, "--cell", "evil.txt")
    assert (
        refused("train", "lm", text, "--hidden", "0") == "--hidden must be greater than or equal to 1, got 0"
    )
    assert refused("train", "lm", text, "--hidden", "many") == "--hidden must be a valid integer, got many"
    assert "--hidden 3000000 does not fit into memory" in refused(
        "train", "lm", text, *QUICK[2:], "--hidden", 3000000
    )
    assert "Did you mean --hidden?" in refused("train", "lm", text, "--hiden", "3")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bad.txt",
        "binary",
        "empty",
        "evil.txt",
        "full",
    ]


def test_a_file_name_that_is_not_utf8(unrolled, text, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")
    with open(name, "w") as file:
        file.write(text.read_text())
    assert unrolled("train", "lm", name, *QUICK, "--run", tmp_path / "run")[0] == 0
    assert config(tmp_path / "run")["paths"] == [f"{tmp_path}/\N{REPLACEMENT CHARACTER}.txt"]


def start(*arguments, **options):
    command = [sys.executable, "-m", "unrolled", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_ctrl_c_keeps_the_model_and_says_what_to_do_next(tmp_path):
    process = start(
        "train", "lm", "--hidden", 8, "--run", tmp_path / "run", env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    while not process.stdout.readline().startswith("  |"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "Stopped after" in out
    assert out.splitlines()[-1].startswith("Next: unrolled sample")
    load_model(tmp_path / "run")


def test_a_disk_that_takes_no_more_is_one_line(text, tmp_path):
    """The limit on the size of a file stands for the full disk: the write itself fails, in the middle."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = start("train", "lm", text, *QUICK, "--run", tmp_path / "run", preexec_fn=limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == (
        f"unrolled: {tmp_path}/run/model/model.safetensors: cannot be written (File too large); "
        "check the path, or choose another folder with --run\n"
    )
    assert sorted(path.name for path in (tmp_path / "run" / "model").iterdir()) == [
        "model.json",
        "vocabulary.json",
    ]
