import json

import pytest
import torch

from unrolled.data.units.words import Words
from unrolled.data.vocabulary import SPECIAL
from unrolled.generation.following import next_symbols, next_words
from unrolled.models.folder import load_model, save_model
from unrolled.models.language import LanguageModel


def test_bars_of_the_likeliest_words(unrolled, trained):
    code, out, err = unrolled("next", trained, "the ", "-k", "3")
    expected = next_words(load_model(trained), "the ", 3)
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 3
    for line, (word, p) in zip(lines, expected, strict=True):
        assert line.split()[:2] == [word, f"{100 * p:.2f}%"]
    assert lines[0].endswith("█" * 30)
    share = expected[2][1] / expected[0][1]
    assert lines[2].count("█") == round(share * 240) // 8


def test_json_and_symbols(unrolled, trained):
    model = load_model(trained)
    found = json.loads(unrolled("next", trained, "the c", "--json")[1])
    assert found["text"] == "the c" and found["unit"] == "word"
    assert [(one["text"], one["probability"]) for one in found["next"]] == next_words(model, "the c", 5)
    found = json.loads(unrolled("next", trained, "the", "--symbols", "--number", "7", "--json")[1])
    assert found["unit"] == "character"
    assert [(one["text"], one["probability"]) for one in found["next"]] == next_symbols(model, "the", 7)


def test_the_beam_is_used(unrolled, trained):
    def words(beam):
        rows = json.loads(unrolled("next", trained, "", "--json", "-k", "300", "--beam", beam)[1])["next"]
        return len(rows)

    assert words(1) < words(64)


def test_blanks_are_visible_and_the_unseen_is_said(unrolled, trained):
    _, out, err = unrolled("next", trained, "жthe", "--symbols", "-k", "30")
    assert "␣" in out and r"\n" in out and "<eos>" in out
    assert "never seen, read as <unk>: 'ж'" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-k", "0"], "the number of words (-k) must be at least 1, got 0"),
        (["--beam", "0"], "the beam must be at least 1"),
        (["--symbols", "--beam", "9"], "--beam searches for words in smaller units than words; leave it out"),
        (["-k", "1.5"], "must be a whole number"),
        (["--simbols"], "Did you mean --symbols?"),
    ],
)
def test_wrong_input_is_one_line(refused, trained, options, message):
    assert message in refused("next", trained, "the", *options)


def test_a_model_of_words_needs_no_beam(unrolled, refused, tmp_path):
    torch.manual_seed(0)
    save_model(LanguageModel(Words((*SPECIAL, "the", "cat")), "gru", 4), tmp_path)
    assert "leave it out" in refused("next", tmp_path, "the", "--beam", "9")
    code, out, err = unrolled("next", tmp_path, "the")
    assert (code, err) == (0, "") and {line.split()[0] for line in out.splitlines()} == {"the", "cat"}
