import json

import pytest

from unrolled.cells import catalogue

QUICK = ["--sequences", 60, "--hidden", 4, "--lengths", "4,6"]


def told(unrolled, *arguments):
    code, out, _ = unrolled("bench", "memory", *arguments, "--json")
    assert code == 0
    return json.loads(out)


def trials(found):
    return [trial for point in found["points"] for trial in point["trials"]]


def test_a_table_of_cells_and_lengths(unrolled):
    code, out, err = unrolled(
        "bench", "memory", "copying", *QUICK, "--cell", "elman", "--cell", "lstm@forget:2"
    )
    lines = [line for line in out.splitlines() if line.startswith("│")]
    assert code == 0
    assert "copying: below a tenth of the floor" in out
    assert [line.split()[1] for line in lines] == ["elman", "lstm@forget:2"]
    assert all(line.count("of floor") == 2 for line in lines)
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "1/4  elman, T 4, seed 0",
        "2/4  elman, T 6, seed 0",
        "3/4  lstm@forget",
        "4/4  lstm@forget",
    ]
    assert "not solved (sequences) after 60 sequences" in err


def test_what_is_solved_shows_its_sequences(unrolled):
    arguments = [
        "running_parity",
        "--cell",
        "lstm",
        "--lengths",
        "3",
        "--hidden",
        16,
        "--learning-rate",
        0.03,
    ]
    found = told(unrolled, *arguments)
    (trial,) = trials(found)
    assert trial["solved"] and trial["reason"] == "solved" and trial["test"]["wrong"] == 0
    _, out, err = unrolled("bench", "memory", *arguments)
    assert f"{trial['sequences']:,}" in out.splitlines()[-3]
    assert f"solved after {trial['sequences']:,} sequences" in err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--hidden", 5),
        ("--learning-rate", 0.1),
        ("--anneal", None),
        ("--batch", 7),
        ("--clip", 1e-4),
        ("--sequences", 61),
        ("--seed", 1),
        ("--seeds", 2),
        ("--initialise", "uniform"),
        ("--lengths", "4,7"),
        ("--cell", "gru"),
    ],
)
def test_every_option_changes_the_result(unrolled, option, value):
    base = {"--sequences": 60, "--hidden": 4, "--lengths": "4,6", "--cell": "elman"}

    def losses(options):
        flat = [part for pair in options.items() for part in pair if part is not None]
        return [
            (trial["test"]["loss"], trial["sequences"]) for trial in trials(told(unrolled, "adding", *flat))
        ]

    assert losses(base) == losses(base)
    assert losses(base) != losses(base | {option: value})


def test_minutes_end_a_training(unrolled):
    found = told(unrolled, *QUICK, "--cell", "gru", "--minutes", 1e-9)
    assert {trial["reason"] for trial in trials(found)} == {"minutes"}
    assert {trial["sequences"] for trial in trials(found)} == {20}


def test_the_length_stands_in_for_T_in_a_start(unrolled):
    found = told(unrolled, *QUICK, "--cell", "gru@chrono:T", "--cell", "lstm", "--initialise", "forget:T")
    assert [trial["initialise"] for trial in trials(found)] == [
        "chrono:4",
        "chrono:6",
        "forget:4",
        "forget:6",
    ]
    assert [point["contender"] for point in found["points"][::2]] == ["gru@chrono:T", "lstm@forget:T"]


def test_a_figure_that_needs_nothing_else(unrolled, tmp_path):
    path = tmp_path / "span.html"
    unrolled("bench", "memory", *QUICK, "--cell", "elman", "--figure", path)
    page = path.read_text()
    assert "adding, solved: elman to no length" in page
    assert "Plotly.newPlot" in page and len(page) > 1e6


def test_a_file_of_equations(unrolled, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def mine(v, s, *, A, B):\n    return tanh(A @ v + B @ s)\n")
    found = told(unrolled, *QUICK, "--cell", f"{path}@critical:0.9")
    assert {trial["cell"] for trial in trials(found)} == {"mine"}


def test_no_cell_is_hidden_by_the_command():
    assert "memory" not in catalogue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["addding"], "a task must be one of adding"),
        (["--cell", "gruu"], "gru"),
        (["--cell", "elman@chrono:T"], "the start chrono:50 needs a logistic gate"),
        (["--cell", "lstm@chron"], "initialise must be one of"),
        (["--lengths", "5,x"], "--lengths must be whole numbers with commas between, got 5,x"),
        (["--lengths", "5,1"], "the length of adding must be a whole number >= 2, got 1"),
        (["--hidden", 0], "hidden must be a whole number >= 1"),
        (["--batch", 0], "batch must be"),
        (["--sequences", 0], "sequences must be"),
        (["--seeds", 0], "one seed"),
        (["--learning-rate", -1], "learning_rate must be a number above 0"),
        (["--clip", "nan"], "clip must be a number above 0"),
        (["--minutes", 0], "minutes must be a number above 0"),
        (["--figure", "/no/such/folder/x.html"], "--figure must name a file in a folder that exists"),
        (["--cell", "clockwork", "--hidden", 6], "multiple of 4"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(refused, arguments, said):
    assert said in refused("bench", "memory", *arguments)


def test_a_folder_is_no_figure(unrolled, tmp_path):
    code, _, err = unrolled("bench", "memory", *QUICK, "--cell", "elman", "--figure", tmp_path)
    assert code == 2
    assert "the figure could not be written to" in err
