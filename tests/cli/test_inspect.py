import json

import pytest
import torch

from unrolled.cli import main
from unrolled.inspection.gradient_flow import gradient_flow
from unrolled.inspection.report.pages import TITLES
from unrolled.inspection.spectrum import spectrum
from unrolled.inspection.surprise import surprise
from unrolled.models.classifier import Classifier
from unrolled.models.folder import load_model, save_model
from unrolled.models.forecaster import Forecaster
from unrolled.models.language import LanguageModel

TEXT = "the cat sat on the mat.\nthe mat sat on the cat.\n"
QUICK = ["--text", TEXT, "--window", "4"]


def test_it_writes_a_report_and_prints_its_findings(unrolled, trained, tmp_path):
    path = tmp_path / "said.html"
    code, out, err = unrolled("inspect", trained, *QUICK, "--output", path)
    assert (code, err) == (0, "")
    assert "Looked at: the text given, 48 characters" in out
    assert all(title in out for title in TITLES.values())
    assert f"Report: {path}" in out
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_json_holds_the_numbers(unrolled, trained, tmp_path):
    path = tmp_path / "report.html"
    code, out, _ = unrolled("inspect", trained, *QUICK, "--json", "--output", path)
    found = json.loads(out)
    assert code == 0 and found["report"] == str(path) and path.exists()
    pages = found["models"]["run"]["pages"]
    model = load_model(trained, LanguageModel)
    assert list(pages) == list(TITLES)
    assert pages["surprise"]["bits_per_symbol"] == pytest.approx(surprise(model, TEXT).bits_per_symbol)
    flow = gradient_flow(model, TEXT, lags=len(TEXT))
    assert pages["gradient"]["layers"][0]["rate"] == pytest.approx(flow.rates[0])
    assert pages["gradient"]["gradient"] == flow.verdict
    radii = [one["radius"] for one in pages["spectrum"]["matrices"]]
    assert radii == pytest.approx([one.radius for one in spectrum(model).matrices])
    assert all(page["verdict"] for page in pages.values())


def test_without_a_text_it_reads_the_end_of_its_own(unrolled, text, trained):
    code, out, err = unrolled("inspect", trained, "--window", "3", "--characters", "40")
    assert (code, err) == (0, "")
    assert f"Looked at: the end of what it was validated on, {text}, 40 of 96 characters" in out
    assert (trained / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--characters", "20"], lambda found: found["text"] == "the text given, 20 of 48 characters"),
        (["--window", "7"], lambda found: _page(found, "memorization")["window"] == 7),
    ],
)
def test_options_change_the_result(unrolled, trained, tmp_path, options, changed):
    plain, other = (
        json.loads(
            unrolled("inspect", trained, "--text", TEXT, *more, "--json", "--output", tmp_path / "a.html")[1]
        )
        for more in ([], options)
    )
    assert changed(other) and not changed(plain)


def test_best_is_how_many_guesses_are_kept(unrolled, trained, tmp_path):
    unrolled("inspect", trained, *QUICK, "--best", "2", "--output", tmp_path / "two.html")
    assert '"best":2,' in (tmp_path / "two.html").read_text("utf-8")


def _page(found, name):
    return found["models"]["run"]["pages"][name]


def test_a_file_and_standard_input(unrolled, trained, tmp_path, monkeypatch):
    path = tmp_path / "page.txt"
    path.write_text(TEXT)
    out = unrolled("inspect", trained, "--file", path, "--window", "3", "--output", tmp_path / "r.html")[1]
    assert f"Looked at: the beginning of {path}, 48 characters" in " ".join(out.split())


def test_runs_side_by_side(unrolled, trained, tmp_path):
    again, third = tmp_path / "again", tmp_path / "third"
    for folder in (again, third):
        save_model(load_model(trained, LanguageModel), folder)
    arguments = [*QUICK, "--json", "--output", tmp_path / "r.html"]
    found = json.loads(unrolled("inspect", trained, "--other", again, third, *arguments)[1])
    assert list(found["models"]) == ["run", "again", "third"]
    assert found["models"]["run"]["pages"]["surprise"] == found["models"]["third"]["pages"]["surprise"]


def test_characters_it_has_never_seen_are_said(unrolled, trained, tmp_path):
    code, _, err = unrolled("inspect", trained, "--text", "cat Ω sat", "--output", tmp_path / "r.html")
    assert code == 0
    assert err == "unrolled: the text has characters this model has never seen, read as <unk>: 'Ω'\n"
    assert "reads them as &lt;unk&gt;: &#x27;Ω&#x27;" in (tmp_path / "r.html").read_text("utf-8")


def test_refusals(refused, trained, tmp_path):
    assert refused("inspect", tmp_path / "none").endswith("ls runs lists them")
    assert "no model.json here" in refused("inspect", tmp_path)
    assert refused("inspect", trained, "--text", "").startswith("the text must have at least one character")
    assert "--text and --file cannot both be given" in refused(
        "inspect", trained, "--text", "a", "--file", "b"
    )
    assert refused("inspect", trained, "--file", tmp_path / "no.txt").startswith(f"{tmp_path / 'no.txt'}: no")
    assert "names a run twice" in refused("inspect", trained, "--other", trained, "--text", "a")
    assert "--characters must be 1 or more" in refused("inspect", trained, "--text", "a", "--characters", "0")
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    assert "exists and is no report" in refused("inspect", trained, "--text", "cat", "--output", mine)
    assert mine.read_text() == "mine"


@pytest.fixture
def questions(tmp_path, capsys):
    path = tmp_path / "questions.csv"
    path.write_text("label,text\n" + "no,how many cats are there\nyes,what is a cat\n" * 30)
    run = tmp_path / "classifier"
    options = ["--hidden", "8", "--updates", "2", "--cell", "lstm", "--bidirectional", "--run", str(run)]
    assert main(["train", "classify", str(path), *options]) == 0
    capsys.readouterr()
    return run, path


def test_of_a_classifier_the_dynamics(unrolled, questions, tmp_path):
    run, path = questions
    arguments = ["inspect", run, "--json", "--output", tmp_path / "r.html"]
    alone = json.loads(unrolled(*arguments)[1])["models"]["classifier"]["pages"]
    assert list(alone) == ["spectrum"]
    found = json.loads(unrolled(*arguments, "--file", path)[1])
    pages = found["models"]["classifier"]["pages"]
    assert list(pages) == ["gradient", "spectrum", "gates"]
    assert found["text"] == f"16 sequences of {path}, the first 5 steps of each"
    model = load_model(run, Classifier)
    x = model.front(torch.from_numpy(model.input.encode("how many cats are there")))[:, None]
    flow = gradient_flow(
        model.recurrent, x.expand(-1, 16, *x.shape[2:]), lambda out: model.output(out).amax(-1)
    )
    assert [one["rate"] for one in pages["gradient"]["layers"]] == pytest.approx(
        flow.rates.tolist(), rel=1e-4
    )


def test_what_makes_no_sense_for_a_model_is_refused(refused, questions, tmp_path):
    run, path = questions
    for option in (
        ["--text", "a"],
        ["--window", "3"],
        ["--best", "3"],
        ["--characters", "3"],
        ["--other", run],
    ):
        said = refused("inspect", run, *option)
        assert said.startswith(f"{option[0]} is for language models, this run holds a classifier")
    save_model(Forecaster(1, hidden_size=4), tmp_path / "forecaster")
    assert "only the spectrum is drawn" in refused("inspect", tmp_path / "forecaster", "--file", path)
    short = tmp_path / "short.csv"
    short.write_text("label,text\nno,a\n")
    assert "must have 2 steps or more" in refused("inspect", run, "--file", short)


def test_of_a_forecaster_the_spectrum(unrolled, tmp_path):
    save_model(Forecaster(1, hidden_size=4), tmp_path / "forecaster")
    found = json.loads(unrolled("inspect", tmp_path / "forecaster", "--json")[1])
    assert list(found["models"]["forecaster"]["pages"]) == ["spectrum"]
    assert (tmp_path / "forecaster" / "report.html").exists()
