"""`--reservoir` of train classify and train forecast."""

import json
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from safetensors.numpy import load_file

from unrolled.cli import main


@pytest.fixture(scope="session")
def numbers(tmp_path_factory):
    """A folder with a series to forecast, and labelled ones."""
    folder = tmp_path_factory.mktemp("numbers")
    drawn = np.random.default_rng(0)
    steps = np.arange(160)
    values = 20 + np.sin(steps / 4) + 0.2 * drawn.normal(size=160)
    (folder / "sales.csv").write_text("sales\n" + "".join(f"{v:.4f}\n" for v in values))
    speeds = (0.3, 0.8)
    lines = []
    for n in range(40):
        t = np.arange(drawn.integers(9, 20)) * speeds[n % 2] + drawn.uniform(0, 6)
        lines.append(",".join(f"{v:.4f}" for v in np.sin(t)) + f":{'ab'[n % 2]}")
    head = "@problemName waves\n@univariate true\n@equalLength false\n@classLabel true a b\n@data\n"
    (folder / "waves.ts").write_text(head + "\n".join(lines) + "\n")
    return folder


CLASSIFY = ["train", "classify", "waves.ts", "--reservoir", "--hidden", 12]
FORECAST = ["train", "forecast", "sales.csv", "--reservoir", "--hidden", 12, "--shape", "many-to-many"]


def trained(numbers, run, *arguments):
    given = [str(numbers / a) if str(a).endswith((".ts", ".csv")) else str(a) for a in arguments]
    assert main([*given, "--run", str(run)]) == 0
    return load_file(run / "model" / "model.safetensors")


def test_it_trains_evaluates_and_predicts(unrolled, numbers, tmp_path):
    code, out, _ = unrolled(
        "train", "classify", numbers / "waves.ts", "--reservoir", "--run", tmp_path / "run"
    )
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("model leaky, 1 x 400 units, both directions, mean over the steps, ")
    assert lines[2] == "plan  ridge regression, the best of 10 strengths on what is kept out"
    ridges = [line for line in lines if line.startswith("ridge ")]
    assert len(ridges) == 10 and sum(line.endswith(" *") for line in ridges) == 1
    assert "  wrong  0.00% *" in "".join(ridges)
    assert lines[-2].startswith("Finished after 0 updates in ") and "accuracy 1.000" in lines[-2]
    code, out, _ = unrolled("evaluate", tmp_path / "run", numbers / "waves.ts", "--json")
    assert json.loads(out)["scores"]["accuracy"] == 1
    code, out, _ = unrolled("predict", tmp_path / "run", numbers / "waves.ts")
    assert (code, len(out.splitlines())) == (0, 41)


def test_a_forecast_in_json(unrolled, numbers, tmp_path):
    code, out, err = unrolled(
        *FORECAST[:2], numbers / FORECAST[2], *FORECAST[3:], "--run", tmp_path / "run", "--json"
    )
    found = json.loads(out)
    assert (code, found["reason"], found["updates"]) == (0, "finished", 0)
    assert found["symbols_per_second"] > 0 and found["scores"]["RMSE"] < 0.5
    assert err.count("ridge ") == 11  # the plan, and ten strengths
    code, out, _ = unrolled("predict", tmp_path / "run", numbers / "sales.csv", "--steps", 3)
    assert (code, len(out.splitlines())) == (0, 4)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--leak", 0.7),
        ("--spectral-radius", 0.5),
        ("--density", 0.5),
        ("--input-scaling", 0.2),
        ("--bias-scaling", 0.1),
        ("--ridges", "1e-2"),
        ("--fine-tune", 2),
        ("--washout", 20),
        ("--validation", 0.4),
        ("--seed", 1),
        ("--cell", "gru"),
        ("--layers", 2),
    ],
)
@pytest.mark.parametrize("command", [CLASSIFY, FORECAST], ids=["classify", "forecast"])
def test_every_option_changes_what_is_learned(numbers, tmp_path, command, option, value):
    if command is CLASSIFY and option == "--washout":
        pytest.skip("of forecasters")
    usual = trained(numbers, tmp_path / "usual", *command, "--ridges", "1e-5", "--validation", 0.2)
    kept = [] if option == "--ridges" else ["--ridges", "1e-5"]
    kept += [] if option == "--validation" else ["--validation", 0.2]
    changed = trained(numbers, tmp_path / "changed", *command, *kept, option, value)
    same = usual.keys() == changed.keys() and all(
        a.shape == changed[n].shape and np.array_equal(a, changed[n]) for n, a in usual.items()
    )
    # Fine-tuning keeps the best model, which may be the one it began with: the last one is another in any case.
    if option == "--fine-tune":
        last = load_file(tmp_path / "changed" / "checkpoints" / "last" / "model.safetensors")
        same = all(np.array_equal(a, last[n]) for n, a in usual.items())
    assert not same
    config = tomllib.loads((tmp_path / "changed" / "config.toml").read_text())
    name = option.removeprefix("--").replace("-", "_")
    found = next(
        config[section][name] for section in ("reservoir", "training", "model") if name in config[section]
    )
    assert found == ([0.01] if name == "ridges" else value)


def test_fine_tuning_has_the_options_of_training(numbers, tmp_path):
    runs = {}
    for name, more in {
        "a": [],
        "b": ["--learning-rate", 0.1],
        "c": ["--batch", 5],
        "d": ["--updates", 1],
    }.items():
        trained(numbers, tmp_path / name, *CLASSIFY, "--fine-tune", 2, *more)
        runs[name] = load_file(tmp_path / name / "checkpoints" / "last" / "model.safetensors")[
            "output.weight"
        ]
    assert all(not np.array_equal(runs["a"], runs[name]) for name in "bcd")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*CLASSIFY[:3], "--leak", "0.2"], "--leak is for reservoirs; add --reservoir, or leave it out"),
        ([*FORECAST[:3], "--washout", "2"], "--washout is for reservoirs; add --reservoir, or leave it out"),
        ([*CLASSIFY[:3], "--no-reservoir", "--fine-tune", "2"], "--fine-tune is for reservoirs"),
        (
            [*CLASSIFY, "--epochs", "3"],
            "--epochs acts on training by gradients, and a reservoir is not trained so",
        ),
        ([*CLASSIFY, "--dropout", "0.1"], "--dropout acts on training by gradients"),
        ([*CLASSIFY, "--unknown", "0.1"], "--unknown acts on training by gradients"),
        ([*CLASSIFY, "--balance"], "--balance acts on training by gradients"),
        ([*FORECAST, "--steps", "9"], "--steps acts on training by gradients"),
        ([*CLASSIFY, "--fine-tune", "2", "--epochs", "3"], "--fine-tune says how many passes there are"),
        ([*CLASSIFY, "--pooling", "attention"], "--pooling attention is learned by gradients"),
        ([*CLASSIFY, "--cell", "gru", "--leak", "0.2"], "gru has no leak to set"),
        ([*CLASSIFY, "--validation", "0"], "nothing is kept out to choose the strength of the ridge by"),
        (
            [*CLASSIFY, "--ridges", "1e-3,x"],
            "--ridges must be numbers >= 0 such as 1e-6,1e-4,1e-2, got 1e-3,x",
        ),
        ([*CLASSIFY, "--ridges", "-1"], "--ridges must be numbers >= 0"),
        ([*CLASSIFY, "--density", "0"], "--density must be greater than 0, got 0"),
        ([*CLASSIFY, "--leak", "1.5"], "--leak must be less than or equal to 1, got 1.5"),
        ([*FORECAST, "--quantiles", "0.1,0.9"], "--quantiles cannot be found by least squares"),
        ([*FORECAST[:6], "--washout", "3"], "--washout is for --shape many-to-many"),
    ],
)
def test_what_is_refused(refused, numbers, tmp_path, arguments, message):
    given = [numbers / a if str(a).endswith((".ts", ".csv")) else a for a in arguments]
    assert message in refused(*given, "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["classify", "forecast"])
def test_help_names_the_options_without_torch(task):
    code = (
        "import sys; from unrolled.cli import main; "
        f"main(['train', '{task}', '--help']); sys.exit('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0 and "--spectral-radius" in ran.stdout and "--fine-tune" in ran.stdout
    assert ("--washout" in ran.stdout) == (task == "forecast")
