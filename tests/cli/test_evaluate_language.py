import json
from dataclasses import dataclass

import pytest

from unrolled.cli.evaluate import only_for, task_module
from unrolled.data.vocabulary import SPECIAL, Listed
from unrolled.errors import SettingError
from unrolled.inspection import music
from unrolled.inspection.language import Dynamic
from unrolled.inspection.language import evaluate as evaluate_language
from unrolled.models.folder import load_model
from unrolled.models.language import LanguageModel


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.txt"
    path.write_text("the mat sat on the cat.\n" * 10)
    return path


def test_a_whole_file_beside_counts_of_the_training_text(unrolled, trained, other):
    code, out, err = unrolled("evaluate", trained, other)
    result = evaluate_language(load_model(trained), [other], run=trained)
    assert (code, err) == (0, "") and "241 characters; floor: counts, Witten-Bell of order" in out
    for name in result.scores:
        [line] = [line for line in out.splitlines() if f" {name} " in line]
        assert f" {result.scores[name]:.4f} " in line and f" {result.floors[name]:.4f} " in line
    for note in result.notes:
        assert f"note  {note}\n" in out


def test_json_and_every_option(unrolled, trained, other):
    def scores(*options):
        code, out, _ = unrolled("evaluate", trained, other, "--json", *options)
        assert code == 0
        return json.loads(out)["scores"]

    model = load_model(trained)
    plain = scores()
    assert plain == evaluate_language(model, [other], run=trained).scores
    learned = scores("--dynamic", "0.5")
    assert learned == evaluate_language(model, [other], dynamic=Dynamic(0.5)).scores
    assert learned.items() > plain.items()
    windows = scores("--dynamic", "0.5", "--window", "9")
    assert windows == evaluate_language(model, [other], dynamic=Dynamic(0.5, 9)).scores != learned
    assert scores("--rows", "3") == evaluate_language(model, [other], rows=3).scores != plain
    utf16 = other.with_name("latin.txt")
    utf16.write_bytes(other.read_text().replace("a", "ç").encode("latin-1"))
    code, out, _ = unrolled("evaluate", trained, utf16, "--encoding", "latin-1", "--json")
    assert code == 0 and json.loads(out)["count"] == 241


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no data was named; give a text file, a folder, or - for standard input"),
        (["{other}", "--label", "a"], "--label is for tables and labels, a language model reads texts"),
        (["{other}", "--text", "a"], "--text is for tables and labels"),
        (["{other}", "--delimiter", "a"], "--delimiter is for tables and labels"),
        (["{other}", "--last", "0.5"], "--last is for a forecaster, this run holds a language model"),
        (["{other}", "--window", "5"], "--window is for dynamic evaluation; give its rate too"),
        (["{other}", "--dynamic", "0"], "the rate of dynamic evaluation must be above 0, got 0"),
        (["{other}", "--dynamic", "1", "--window", "0"], "at least one step, got 0"),
        (["{other}", "--rows", "0"], "--rows must be from 1 to the 241 symbols of the text, got 0"),
        (["{other}", "--encoding", "nope"], "--encoding must be an encoding"),
        (["{other}", "--dinamic", "1"], "Did you mean --dynamic?"),
        (["gone.txt"], "gone.txt: no such file"),
    ],
)
def test_wrong_input_is_one_line(refused, trained, other, options, message):
    assert message in refused("evaluate", trained, *(option.format(other=other) for option in options))


def test_a_language_model_of_musical_events_is_one_of_music():
    @dataclass(frozen=True)
    class Events(Listed):
        unit = "event"

        def split_part(self, text):
            return text.split()

    model = LanguageModel(Events(SPECIAL), hidden_size=2)
    assert task_module(model) is music
    with pytest.raises(SettingError, match="--rows is for a language model, this run holds a music model"):
        only_for(model, "language", rows=2)
