import io
import json
import math

import pytest

from unrolled.cli.score import _odds
from unrolled.generation.score import Comparison, score
from unrolled.models.folder import load_model


def test_best_first_with_the_probability_of_every_character(unrolled, trained):
    code, out, _ = unrolled("score", trained, "tzzx", "the ")
    best, worst = (score(load_model(trained), text) for text in ("the ", "tzzx"))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith(
        f"1  'the '  log P {best.log_probability:.3f}   perplexity {best.perplexity:,.2f} per character   "
        f"{best.bits_per_character:.3f} bits per character"
    )
    assert lines[1].split() == ["t", "h", "e", "␣"]
    assert lines[2].split() == [f"{100 * p:.1f}%" for _, p in best.symbols]
    assert lines[3].startswith(f"2  'tzzx'  log P {worst.log_probability:.3f}")
    odds = math.exp(best.log_probability - worst.log_probability)
    said = f"{odds:.3g}" if odds <= 1000 else f"10^{math.log10(odds):.1f}"
    (h, z) = (one.symbols[1][1] for one in (best, worst))
    assert lines[6] == (
        f"1 is {said} times as likely as 2; they part at symbol 2: 'h' ({100 * h:.3g}%) in 1, 'z' ({100 * z:.3g}%) in 2"
    )


def test_where_texts_part_is_marked_and_what_is_read_the_same_is_said(unrolled, trained):
    out = unrolled("score", trained, "th", "the")[1]
    assert "they part at symbol 3: nothing more in 1, 'e' (" in out
    assert (
        "1 is 1 times as likely as 2; the model reads them as the same symbols"
        in unrolled("score", trained, "the", "the")[1]
    )


def test_far_apart_in_powers_of_ten():
    assert _odds(Comparison(math.log(37), 0)) == "37 times"
    assert _odds(Comparison(50 * math.log(10), 0)) == "10^50.0 times"
    assert _odds(Comparison(1e4, 0)) == "10^4342.9 times"


def test_a_file_of_texts_is_ranked(unrolled, trained, tmp_path, monkeypatch):
    path = tmp_path / "sentences.txt"
    path.write_text("mat the\n\nthe mat\nzzzzzzz\n")
    code, out, _ = unrolled("score", trained, "--file", path)
    model = load_model(trained)
    texts = sorted(["mat the", "the mat", "zzzzzzz"], key=lambda text: -score(model, text).log_probability)
    best = score(model, texts[0])
    lines = out.splitlines()
    assert code == 0 and lines[0] == "place  log P  perplexity per character  odds of the first  text"
    assert [line.rpartition("  ")[2] for line in lines[1:]] == texts
    assert lines[1] == f"1  {best.log_probability:.3f}  {best.perplexity:,.2f}  1 times  {texts[0]}"
    rows = json.loads(unrolled("score", trained, "--file", path, "--json", "--end")[1])
    assert len(rows) == 3 and rows[0]["symbols"][-1]["symbol"] == "<eos>" and rows[0]["parts_at"] is None
    assert rows[2]["log_odds"] == pytest.approx(rows[0]["log_probability"] - rows[2]["log_probability"])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n")))
    assert unrolled("score", trained, "--file", "-")[1].endswith("  1 times  the cat\n")


def test_json_and_end(unrolled, trained):
    (plain,) = json.loads(unrolled("score", trained, "the", "--json")[1])
    (ended,) = json.loads(unrolled("score", trained, "the", "--json", "--end")[1])
    product = math.prod(symbol["probability"] for symbol in plain["symbols"])
    assert plain["log_probability"] == pytest.approx(math.log(product))
    assert plain["perplexity"] == pytest.approx(2 ** plain["bits_per_character"])
    assert plain["unit"] == "character"
    assert [symbol["symbol"] for symbol in ended["symbols"]] == ["t", "h", "e", "<eos>"]
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
    assert "got both; leave one out" in refused("score", trained, "a", "--file", "b")
    assert "no such file" in refused("score", trained, "--file", tmp_path / "none")
    assert "is a folder; name a file with a text in every line" in refused(
        "score", trained, "--file", tmp_path
    )
    (tmp_path / "blank").write_text("\n \n")
    assert "no text in any line" in refused("score", trained, "--file", tmp_path / "blank")
    assert refused("score", tmp_path, "a").startswith(f"{tmp_path}: no model.json here")
    assert "Did you mean --json?" in refused("score", trained, "a", "--jsn")
