import csv
import json

import pytest

from unrolled.cli.evaluate import print_evaluation
from unrolled.cli.main import main
from unrolled.inspection.evaluation import Evaluation, Grid

ROWS = [("muy bueno", "sí"), ("muy malo, de verdad", "no")] * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    for name, rows in (("train.csv", ROWS), ("test.csv", ROWS[:7])):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=";", lineterminator="\r\n").writerows([("review", "stars"), *rows])
    options = "--epochs 8 --hidden 16 --embedding 8 --learning-rate 0.02 --warmup 0 --json".split()
    assert main(["train", "classify", str(folder / "train.csv"), "--run", str(folder / "run"), *options]) == 0
    return folder


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_train_prints_its_result_as_json_and_keeps_the_run(folder, tmp_path, capsys):
    arguments = [
        "train",
        "classify",
        folder / "train.csv",
        "--epochs",
        "1",
        "--run",
        tmp_path / "r",
        "--json",
    ]
    code, out, err = run(capsys, *arguments)
    result = json.loads(out)
    assert code == 0 and result["run"] == str(tmp_path / "r") and result["unit"] == "cross-entropy"
    assert "the text is column 'review', the label column 'stars'" in err
    assert (tmp_path / "r" / "model" / "model.json").exists()


def test_evaluate_shows_scores_beside_the_floor(folder, capsys):
    code, out, _ = run(capsys, "evaluate", folder / "run", folder / "test.csv")
    assert code == 0
    for part in ("accuracy", "macro F1", "1.0000", "7 sequences; floor: always", "taken for", "precision"):
        assert part in out


def test_evaluate_as_json(folder, capsys):
    code, out, _ = run(capsys, "evaluate", folder / "run", folder / "test.csv", "--json")
    found = json.loads(out)
    assert (
        code == 0 and found["scores"]["accuracy"] == 1 and found["floors"]["accuracy"] == pytest.approx(3 / 7)
    )


def test_predict_as_csv_and_as_json_lines(folder, tmp_path, capsys):
    code, out, _ = run(capsys, "predict", folder / "run", folder / "test.csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0 and [row["prediction"] for row in rows] == [label for _, label in ROWS[:7]]
    assert [int(row["line"]) for row in rows] == list(range(2, 9))
    output = tmp_path / "answers.jsonl"
    assert (
        run(capsys, "predict", folder / "run", folder / "test.csv", "--output", output, "--probabilities")[0]
        == 0
    )
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["prediction"] for line in lines] == [row["prediction"] for row in rows]
    assert all(line["P(no)"] + line["P(sí)"] == pytest.approx(1, abs=1e-5) for line in lines)


def test_a_failing_prediction_leaves_no_half_written_file(folder, tmp_path, capsys):
    data = tmp_path / "bad.csv"
    data.write_text("review;stars\nbueno;sí\n;no\n", encoding="utf-8")
    output = tmp_path / "answers.csv"
    code, _, err = run(capsys, "predict", folder / "run", data, "--output", output)
    assert code == 2 and "bad.csv, line 3" in err and len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "{run}", "{test}", "--label", "nope"], "no column 'nope'; name another with --label"),
        (
            ["evaluate", "{run}", "{test}", "--last", "0.2"],
            "--last is for a forecaster, this run holds a classifier",
        ),
        (
            ["evaluate", "{run}", "{test}", "--dynamic", "1"],
            "--dynamic is for a language model, this run holds a",
        ),
        (["evaluate", "{run}", "{test}", "--rows", "1"], "--rows is for a language model, this run holds a"),
        (["predict", "{run}", "{test}", "--steps", "3"], "--steps is for a forecaster"),
        (["predict", "{run}", "{test}", "--figure", "a.html"], "--figure is for a forecaster"),
        (["predict", "{run}", "{test}", "--format", "conll"], "--format conll is for taggers"),
        (["predict", "{run}", "{test}", "--output", "{test}"], "exists already; remove it first"),
        (
            ["predict", "{run}", "{test}", "--probabilites"],
            "unknown option: --probabilites. Did you mean --probabilities?",
        ),
        (["predict", "{run}", "missing.csv"], "missing.csv: no such file or folder"),
        (["predict", "nowhere", "{test}"], "nowhere: no such folder"),
        (["evaluate", "{run}"], "no data was named"),
        (["train", "classify", "{test}", "--cell", "gruu"], "gruu"),
        (["train", "classify", "{test}", "--epochs", "0"], "--epochs must be greater than 0"),
        (["score", "{run}", "hola"], "must hold a language model, got a classifier"),
        (["sample", "{run}"], "must hold a language model, got a classifier"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(folder, capsys, arguments, message):
    names = {"run": folder / "run", "test": folder / "test.csv"}
    code, out, err = run(capsys, *(argument.format(**names) for argument in arguments))
    assert code == 2 and out == "" and message in err and len(err.splitlines()) == 1


def test_predicting_with_a_language_model_says_what_to_do(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("hola " * 400)
    options = ["--updates", "1", "--steps", "8", "--batch", "4", "--hidden", "4", "--json"]
    assert run(capsys, "train", "lm", tmp_path / "a.txt", "--run", tmp_path / "lm", *options)[0] == 0
    code, _, err = run(capsys, "predict", tmp_path / "lm", tmp_path / "a.txt")
    assert (
        code == 2
        and "needs a classifier, tagger, forecaster, music model or translator, got another kind of model (language)"
        in err
    )
    assert "use unrolled evaluate, score or next" in err


def test_files_of_predictions_are_checked_before_anything_is_read(folder, tmp_path, capsys):
    def refused(*options):
        code, out, err = run(capsys, "predict", folder / "run", folder / "test.csv", *options)
        assert code == 2 and out == "" and len(err.splitlines()) == 1
        return err

    assert "--output must end in .csv, .jsonl, .conll, .txt, or say --format" in refused(
        "--output", tmp_path / "a.xlsx"
    )
    assert "or choose another folder with --output" in refused("--output", tmp_path / "none" / "a.csv")
    code, _, _ = run(
        capsys,
        "predict",
        folder / "run",
        folder / "test.csv",
        "--output",
        tmp_path / "a.txt",
        "--format",
        "jsonl",
    )
    assert code == 0 and json.loads((tmp_path / "a.txt").read_text().splitlines()[0])["line"] == 2


def test_a_folder_with_blanks_is_quoted_in_what_to_do_next(folder, tmp_path, capsys):
    code, out, _ = run(
        capsys, "train", "classify", folder / "train.csv", "--updates", "1", "--run", tmp_path / "a b"
    )
    assert code == 0 and f"unrolled evaluate '{tmp_path / 'a b'}' DATA" in out


def test_a_table_wider_than_the_console_is_lines_with_every_number(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    names = tuple(f"class {n}" for n in range(30))
    rows = tuple((name, *(1234 if name == other else 0 for other in names)) for name in names)
    print_evaluation(
        Evaluation(
            "classify",
            1,
            "sequences",
            {"accuracy": 1.0},
            "none",
            {},
            (Grid("All", ("", *names), rows, True),),
        )
    )
    out = capsys.readouterr().out
    assert "1 sequence; floor" in out and "class 7: class 7 1,234\n" in out and "…" not in out
