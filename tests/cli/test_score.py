import json
import math

import pytest

from unrolled.generation.score import score
from unrolled.models.folder import load_model


def test_best_first_with_the_probability_of_every_character(unrolled, trained):
    code, out, _ = unrolled("score", trained, "tzzx", "the ")
    best, worst = (score(load_model(trained), text) for text in ("the ", "tzzx"))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith(
        f"'the '  log P {best.log_probability:.3f}   perplexity {best.perplexity:,.2f}"
    )
    assert lines[1].split() == ["t", "h", "e", "␣"]
    assert lines[2].split() == [f"{100 * p:.1f}%" for _, p in best.characters]
    assert lines[3].startswith(f"'tzzx'  log P {worst.log_probability:.3f}")


def test_json_and_end(unrolled, trained):
    (plain,) = json.loads(unrolled("score", trained, "the", "--json")[1])
    (ended,) = json.loads(unrolled("score", trained, "the", "--json", "--end")[1])
    product = math.prod(character["probability"] for character in plain["characters"])
    assert plain["log_probability"] == pytest.approx(math.log(product))
    assert plain["perplexity"] == pytest.approx(2 ** plain["bits_per_character"])
    assert [character["character"] for character in ended["characters"]] == ["t", "h", "e", "<eos>"]
    assert ended["log_probability"] < plain["log_probability"]


def test_unseen_characters_are_said_and_long_texts_wrap(unrolled, trained):
    _, out, err = unrolled("score", trained, "ж" + "the cat " * 10)
    assert err == "unrolled: the text has characters this model has never seen, read as <unk>: 'ж'\n"
    assert max(len(line) for line in out.splitlines()[1:]) <= 80
    assert out.count("%") == 81


def test_control_characters_and_spaces_are_visible(unrolled, trained):
    out = unrolled("score", trained, "a\n\t[b]\x1b")[1]
    assert out.splitlines()[1].split() == ["a", r"\n", r"\t", "[", "b", "]", r"\x1b"]


def test_a_text_that_begins_with_a_hyphen_stands_behind_two(unrolled, trained):
    assert unrolled("score", trained, "--", "-a")[1].startswith("'-a'")


def test_wrong_input_is_one_line(refused, trained, tmp_path):
    assert refused("score", trained).startswith("no text to score; give one or more in quotes")
    assert refused("score", trained, "").startswith("an empty text has no characters to score")
    assert refused("score", tmp_path, "a").startswith(f"{tmp_path}: no model.json here")
    assert "Did you mean --json?" in refused("score", trained, "a", "--jsn")
