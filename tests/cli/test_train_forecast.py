import csv
import io
import json
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from cyclopts import App

from unrolled.cli.main import main
from unrolled.cli.train_forecast import forecast
from unrolled.errors import SettingError, UnrolledError

QUICK = ["--hidden", 4, "--updates", 2]


@pytest.fixture(scope="session")
def months(tmp_path_factory):
    path = tmp_path_factory.mktemp("months") / "months.csv"
    rng = np.random.default_rng(0)
    rows = [
        f"{1950 + t // 12}-{t % 12 + 1:02},{t % 2},{20 + t % 12 + rng.normal():.3f},{rng.normal():.3f}"
        for t in range(96)
    ]
    path.write_text("Month,h,sales,noise\n" + "\n".join(rows) + "\n")
    return path


def train(*arguments):
    app = App()
    app.command(forecast)
    app(
        ["forecast", *map(str, arguments)],
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )


def test_it_trains_evaluates_and_predicts(unrolled, months, tmp_path, capsys):
    train(months, "--target", "sales", "--horizon", 3, *QUICK, "--run", tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model gru, 1 x 4 units, ")
    assert lines[0].endswith("parameters; reads windows of 12 steps, forecasts the mean of 3 steps")
    assert lines[1] == "data  1 series of 96 steps in all, 82 to train on, 14 to validate on"
    assert "note  forecast: sales; dates: Month" in lines
    assert (
        lines[-1] == f"Next: unrolled evaluate {tmp_path}/run DATA, or unrolled predict {tmp_path}/run DATA"
    )
    code, out, _ = unrolled("evaluate", tmp_path / "run", months, "--json")
    found = json.loads(out)
    assert (code, found["task"], found["count"]) == (0, "forecast", 12)
    assert set(found["scores"]) == {"RMSE", "MAE"}
    code, out, _ = unrolled("predict", tmp_path / "run", months)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["Month"] for row in rows] == ["1958-01", "1958-02", "1958-03"]
    assert all(float(row["sales"]) for row in rows)


@pytest.mark.parametrize(
    ("option", "value", "section", "name"),
    [
        ("--horizon", 2, "model", "horizon"),
        ("--cell", "lstm", "model", "cell"),
        ("--hidden", 5, "model", "hidden"),
        ("--layers", 2, "model", "layers"),
        ("--shape", "many-to-many", "model", "shape"),
        ("--window", 7, "model", "window"),
        ("--quantiles", "0.1,0.9", "model", "quantiles"),
        ("--relative", "last", "model", "relative"),
        ("--read", "differences", "model", "read"),
        ("--season", 6, "model", "season"),
        ("--scale", "window", "model", "scale"),
        ("--dropout", 0.5, "model", "dropout"),
        ("--validation", 0.3, "training", "validation"),
        ("--batch", 3, "training", "batch"),
        ("--epochs", 0.5, "training", "epochs"),
        ("--minutes", 0.5, "training", "minutes"),
        ("--learning-rate", 0.5, "training", "learning_rate"),
        ("--weight-decay", 0.5, "training", "weight_decay"),
        ("--warmup", 7, "training", "warmup"),
        ("--clip", 0.5, "training", "clip"),
        ("--validate-every", 1, "training", "validate_every"),
        ("--patience", 1, "training", "patience"),
        ("--seed", 5, "training", "seed"),
        ("--target", "sales", "reading", "target"),
        ("--with", "noise", "reading", "with"),
        ("--date", "none", "reading", "date"),
        ("--fill", "linear", "reading", "fill"),
        ("--encoding", "latin-1", "reading", "encoding"),
        ("--delimiter", ",", "reading", "delimiter"),
    ],
)
def test_every_option_reaches_the_settings(months, tmp_path, option, value, section, name):
    """That each changes the result is tested with the training and the reader."""
    given = [] if option == "--hidden" else QUICK[:2]
    given += [] if option == "--target" else ["--target", "sales"]
    train(months, *given, "--updates", 2, option, value, "--run", tmp_path / "run")
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert config[section][name] == value


def test_switches_and_options_of_other_shapes(months, tmp_path):
    more = ["--target", "sales", *QUICK]
    train(months, *more, "--log", "--header", "--with", "h", "--known", "h", "--run", tmp_path / "a")
    config = tomllib.loads((tmp_path / "a" / "config.toml").read_text())
    assert (config["model"]["log"], config["reading"]["header"]) == (True, True)
    assert (config["reading"]["with"], config["reading"]["known"]) == ("h", "h")
    train(months, *more, "--shape", "many-to-many", "--steps", 9, "--run", tmp_path / "b")
    assert tomllib.loads((tmp_path / "b" / "config.toml").read_text())["training"]["steps"] == 9
    train(months, *more, "--series", "h", "--date", "none", "--window", 5, "--run", tmp_path / "c")
    assert tomllib.loads((tmp_path / "c" / "config.toml").read_text())["reading"]["series"] == "h"


def test_json_on_standard_output_and_the_progress_beside_it(months, tmp_path, capsys):
    train(months, *QUICK, "--run", tmp_path / "run", "--json")
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert (result["run"], result["reason"], result["updates"]) == (str(tmp_path / "run"), "finished", 2)
    assert result["unit"] == "squared error"
    assert "update      2" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--horizn", "3"], "Did you mean --horizon?"),
        (["--target", "seles"], "no column 'seles'; name another with --target"),
        (["--cell", "lsmt"], "Nearest: lstm"),
        (["--quantiles", "0.9,0.1"], "--quantiles must be numbers that rise"),
        (["--horizon", "60"], "too short"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(months, tmp_path, arguments, message):
    with pytest.raises((UnrolledError, Exception)) as caught:
        train(months, *QUICK, *arguments, "--run", tmp_path / "run")
    text = str(caught.value) + str(caught.value.__cause__)
    assert message in text
    assert not (tmp_path / "run").exists()


def test_no_data_is_refused(tmp_path):
    with pytest.raises((UnrolledError, SettingError), match="no data was named"):
        train(*QUICK, "--run", tmp_path / "run")


def test_the_help_does_not_import_torch():
    code = (
        "import sys; from cyclopts import App; from unrolled.cli.train_forecast import forecast\n"
        "app = App(); app.command(forecast)\n"
        "app(['forecast', '--help'], exit_on_error=False, result_action='return_value')\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--quantiles" in done.stdout


def test_the_files_of_a_forecast_are_checked(months, tmp_path, capsys):
    train(months, "--target", "sales", *QUICK, "--run", tmp_path / "r")
    capsys.readouterr()

    def predicted(*options):
        code = main(["predict", str(tmp_path / "r"), str(months), *map(str, options)])
        return code, capsys.readouterr().err

    page = tmp_path / "a.html"
    assert predicted("--steps", "0") == (2, "unrolled: --steps must be at least 1, got 0\n")
    assert "--figure must end in .html" in predicted("--figure", tmp_path / "a.png")[1]
    assert "another folder with --figure" in predicted("--figure", months / "a.html")[1]
    assert predicted("--figure", page)[0] == 0 and "<html>" in page.read_text(encoding="utf-8")
    assert (
        "a.html: exists already; remove it first, or name another --figure" in predicted("--figure", page)[1]
    )
