"""What a run folder says of its training, and which text is looked at when none is given."""

import json

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.inspection.report.build import report
from unrolled.inspection.report.runs import trained_run
from unrolled.inspection.report.texts import given_text, own_text, text_of_file
from unrolled.models.language import LanguageModel
from unrolled.training.language import train_language_model
from unrolled.training.settings import FitSettings, ModelSettings

LINE = "the cat sat on the mat.\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text(LINE * 40)
    settings = FitSettings(steps=8, batch=4, updates=4, probe=2)
    return train_language_model(
        [folder / "text.txt"], None, ModelSettings(hidden=8), settings, folder / "run"
    ).path


def model():
    torch.manual_seed(0)
    return LanguageModel(Vocabulary.from_text([LINE]), "gru", 8)


def test_the_course_is_that_of_the_events(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    looks = [line for line in lines if line["event"] == "probe"]
    found = trained_run(run)
    assert found.steps == 8
    assert found.course.updates.tolist() == [0, 2, 4]
    assert list(found.course.values) == list(looks[0]["values"])
    for name, values in found.course.values.items():
        assert values.tolist() == [look["values"][name] for look in looks]


@pytest.mark.parametrize("place", ["model", "checkpoints/last"])
def test_a_model_folder_inside_of_a_run_knows_it_too(run, place):
    assert trained_run(run / place).config == trained_run(run).config != {}


def test_the_report_draws_the_course_and_says_where_it_led(run):
    found = report({"m": model()}, LINE * 4, runs={"m": trained_run(run)}, window=4)
    course = trained_run(run).course.values["l0 memory"]
    gradient, spectrum = (found.models[0].page(name) for name in ("gradient", "spectrum"))
    assert f"the reach of l0 went from {course[0]:.0f} to {course[-1]:.0f} steps" in gradient.verdict
    assert len(gradient.figures) == len(spectrum.figures) == 2
    np.testing.assert_array_equal(gradient.figures[1].data[0].y, course)
    assert "With the 8 steps it was trained with" in found.models[0].page("truncation").verdict
    without = report({"m": model()}, LINE * 4, window=4)
    assert len(without.models[0].page("gradient").figures) == 1
    assert "trained" not in without.models[0].page("truncation").verdict


def test_a_bare_model_folder_knows_nothing(tmp_path):
    found = trained_run(tmp_path)
    assert found.config == {} and not len(found.course.updates) and found.steps is None


def test_a_run_that_still_grows_and_one_that_is_damaged(tmp_path):
    (tmp_path / "config.toml").write_text("task = 'lm'\n")
    look = json.dumps({"event": "probe", "update": 5, "values": {"l0 rate": None}})
    (tmp_path / "metrics.jsonl").write_text(f'{look}\n{{"event": "prob')
    course = trained_run(tmp_path).course
    assert course.updates.tolist() == [5] and np.isnan(course.values["l0 rate"]).all()
    (tmp_path / "metrics.jsonl").write_text(f"{look}\n{{broken\n{look}\n")
    with pytest.raises(FolderError, match=r"metrics\.jsonl:2: must be JSON"):
        trained_run(tmp_path)
    (tmp_path / "config.toml").write_text("task = ")
    with pytest.raises(FolderError, match=r"config\.toml: cannot be read"):
        trained_run(tmp_path)


def test_by_default_it_is_the_end_of_the_validation_text(run):
    text = LINE * 40
    chosen = own_text(model(), trained_run(run), 50)
    assert chosen.text == text[-50:]
    assert str(chosen).startswith("the end of what it was validated on, ")
    assert str(chosen).endswith("text.txt, 50 of 96 characters")
    assert own_text(model(), trained_run(run)).text == text[-96:]


def test_its_own_text_is_read_as_it_was_for_training(run, tmp_path):
    """In its encoding, and cut where it was cut: behind a word of a model of words."""
    path = tmp_path / "text.txt"
    path.write_text("año " * 100, encoding="latin-1")
    found = trained_run(run)
    data = {"validation": 0.015, "unit": "word", "encoding": "latin-1"}
    own = type(found)({**found.config, "paths": [str(path)], "data": data}, found.course)
    chosen = own_text(model(), own, 9)
    assert str(chosen) == f"the end of what it was validated on, {path}, 4 characters"
    assert chosen.text == "año "


def test_settings_that_are_none_are_a_reason_like_any_other(run):
    found = trained_run(run)
    for data in ({"validation": 2}, {"validation": 0.1, "encoding": "none such"}):
        odd = type(found)({**found.config, "data": data}, found.course)
        assert "drawn from the model at temperature 0.8 (its own text was not found: " in str(
            own_text(model(), odd, 30)
        )


def test_without_its_text_the_model_draws_one(run, tmp_path):
    found = trained_run(run)
    gone = type(found)({**found.config, "paths": [str(tmp_path / "gone.txt")]}, found.course)
    chosen = own_text(model(), gone, 30)
    assert 1 <= len(chosen.text) <= 30 and set(chosen.text) <= set(LINE)
    assert "drawn from the model" in str(chosen) and "gone.txt: no such file" in str(chosen)
    assert own_text(model(), gone, 30) == chosen
    standard = type(found)({**found.config, "paths": ["-"]}, found.course)
    assert "trained on standard input" in str(own_text(model(), standard, 30))


def test_given_texts_are_cut_and_say_so(tmp_path):
    assert str(given_text("abcdef", 4)) == "the text given, 4 of 6 characters"
    assert given_text("abcdef", 4).text == "abcd"
    assert str(given_text("a")) == "the text given, 1 character"
    path = tmp_path / "page.txt"
    path.write_text("abcdef")
    assert text_of_file(str(path), 3).text == "abc"
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(DataError, match="must be one file, got 2 texts"):
        text_of_file(str(tmp_path))
    with pytest.raises(SettingError, match="--characters must be 1 or more, got 0"):
        given_text("abc", 0)
    with pytest.raises(DataError, match="at least one character"):
        given_text("")
