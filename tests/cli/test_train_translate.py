import csv
import io
import json
import sys
import tomllib

import pytest

from unrolled.cli import main

QUICK = ["--hidden", 4, "--embedding", 4, "--updates", 2, "--batch", 4, "--minimum-count", 1]
SENTENCES = [
    ("go now", "va"),
    ("stop!", "halte !"),
    ("run", "cours"),
    ("he eats", "il mange"),
    ("go", "pars"),
]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in SENTENCES * 4))
    return path


@pytest.fixture(scope="session")
def translator(pairs, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    options = [*QUICK, "--validation-data", pairs, "--run", path]
    assert main([str(one) for one in ("train", "translate", pairs, *options)]) == 0
    return path


def config(folder):
    return tomllib.loads((folder / "config.toml").read_text())


def test_it_trains_and_says_what_to_do_next(unrolled, pairs, tmp_path):
    code, out, err = unrolled(
        "train", "translate", pairs, *QUICK, "--validation", 0.2, "--run", tmp_path / "run"
    )
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("model gru, 1 x 4 units, both directions, attention over the source, ")
    assert lines[1].startswith(
        "data  16 pairs of 1 to 2 words and 1 to 2 words to train on, 4 to validate on"
    )
    assert lines[-1].startswith(f"Next: unrolled evaluate {tmp_path}/run PAIRS, or unrolled predict ")


@pytest.mark.parametrize(
    ("option", "value", "section", "name"),
    [
        ("--unit", "character", "model", "unit"),
        ("--cell", "lstm", "model", "cell"),
        ("--layers", 2, "model", "layers"),
        ("--condition", "state", "model", "condition"),
        ("--attention", "dot", "model", "attention"),
        ("--source-vocabulary", 5, "model", "source_vocabulary"),
        ("--dropout", 0.1, "model", "dropout"),
        ("--smoothing", 0.2, "training", "smoothing"),
        ("--learning-rate", 0.5, "training", "learning_rate"),
        ("--seed", 5, "training", "seed"),
        ("--source", "1", "reading", "source"),
        ("--target", "2", "reading", "target"),
        ("--longest", 30, "reading", "longest"),
    ],
)
def test_every_option_reaches_the_settings(unrolled, pairs, tmp_path, option, value, section, name):
    assert unrolled("train", "translate", pairs, *QUICK, option, value, "--run", tmp_path / "run")[0] == 0
    assert config(tmp_path / "run")[section][name] == value


def test_it_evaluates(unrolled, translator, pairs):
    code, out, _ = unrolled("evaluate", translator, pairs, "--json")
    found = json.loads(out)
    assert (code, found["task"], found["count"], found["counted"]) == (0, "translate", 5, "sources")
    assert set(found["scores"]) == {"BLEU", "chrF", "exact match", "nats per target word"}
    code, out, _ = unrolled("evaluate", translator, pairs, "--beam", 1)
    assert code == 0
    assert "the likeliest symbol at every step" in out
    assert "note  BLEU: nrefs:1|case:mixed" in out


def test_it_predicts_lines_tables_and_json(unrolled, translator, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("go now\nrun\n")
    code, out, _ = unrolled("predict", translator, path)
    texts = out.splitlines()
    assert (code, len(texts)) == (0, 2)
    code, out, _ = unrolled("predict", translator, path, "--format", "csv", "--number", 2)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["line"], row["rank"], row["source"]) for row in rows] == [
        ("1", "1", "go now"),
        ("1", "2", "go now"),
        ("2", "1", "run"),
        ("2", "2", "run"),
    ]
    assert [row["prediction"] for row in rows[::2]] == texts
    assert unrolled("predict", translator, path, "--output", tmp_path / "out.jsonl")[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == texts


def test_it_answers_standard_input(unrolled, translator, monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(b"go\n\nrun\n")})())
    code, out, err = unrolled("predict", translator, "-", "--skip-bad")
    assert (code, len(out.split("\n")), out.split("\n")[1]) == (0, 4, "")
    assert err == "note  1 text left out: 1 of an empty line\n"


def test_bad_lines_are_refused_with_their_place(refused, pairs, translator, tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("go\tva\n\n")
    start = f"{path}, line 2: "
    for command in (("train", "translate", path), ("evaluate", translator, path)):
        assert refused(*command).startswith(
            f"{start}a pair must be source TAB target, got an empty line; remove it"
        )
    path.write_text("стій\tва\n")
    assert "nothing of the source 'стій' is in the model's vocabulary" in refused(
        "evaluate", translator, path
    )
    assert refused("train", "translate", pairs, "--longest", 1).startswith(
        f"{pairs}, line 1: the source has 2 words, more than --longest 1; shorten it, or raise --longest, or leave"
    )


def test_the_count_of_what_was_left_out_is_printed(unrolled, tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("go\tva\n\nrun\ngo on\tva\n" + "go " * 300 + "\tva\n")
    code, out, _ = unrolled("train", "translate", path, *QUICK, "--skip-bad", "--run", tmp_path / "run")
    assert code == 0
    assert (
        "note  3 pairs left out: 1 of an empty line, 1 with a missing side, 1 of more than 200 words" in out
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("evaluate", "RUN", "PAIRS", "--label", "x"),
            "--label is for other models, a translator has --source and",
        ),
        (("predict", "RUN", "PAIRS", "--probabilities"), "--probabilities is for classes and tags"),
        (("predict", "RUN", "PAIRS", "--number", 9), "--number must be at most --beam, got 9 and 5"),
        (
            ("predict", "RUN", "PAIRS", "--format", "conll"),
            "--format conll is for taggers, RUN holds a translator",
        ),
        (
            ("evaluate", "RUN", "PAIRS", "--rows", 2),
            "--rows is for a language model, this run holds a translator",
        ),
        (("train", "translate", "PAIRS", "--hiden", 3), "unknown option: --hiden. Did you mean --hidden?"),
    ],
)
def test_options_that_mean_nothing_here_are_refused(refused, translator, pairs, arguments, said):
    given = [{"RUN": translator, "PAIRS": pairs}.get(one, one) for one in arguments]
    assert refused(*given).startswith(said.replace("RUN", str(translator)))


def test_options_of_translators_are_refused_for_others(refused, trained, text):
    assert refused("evaluate", trained, text, "--beam", 3) == (
        "--beam is for a translator, this run holds a language model; leave it out"
    )
