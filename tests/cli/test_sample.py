import io
import json
import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unrolled.cli import main
from unrolled.cli.sample import shown, warn_unseen
from unrolled.data.music_events import EventVocabulary
from unrolled.data.units.byte_pairs import BytePairs
from unrolled.data.units.bytes import Bytes
from unrolled.data.units.characters import Characters
from unrolled.data.units.chunks import Chunks
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import SPECIAL
from unrolled.generation.beam import beam
from unrolled.models.folder import load_model, save_model
from unrolled.models.language import LanguageModel


def test_the_prompt_and_what_follows(unrolled, trained):
    code, out, err = unrolled(
        "sample", trained, "--prompt", "the ", "--length", 20, "--seed", 1, "--past-end"
    )
    assert (code, err) == (0, "")
    assert out.startswith("the ")
    assert out.endswith("\n")
    assert len(out.replace("<eos>", "E")) == len("the ") + 20 + 1


def test_the_same_seed_draws_the_same_text(unrolled, trained):
    first, again = (unrolled("sample", trained, "--seed", 3)[1] for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "options",
    [
        ["--prompt", "cat"],
        ["--length", 7],
        ["--temperature", 3],
        ["--temperature", 0],
        ["--top-k", 1],
        ["--top-p", 0.1],
        ["--min-p", 0.5],
        ["--repetition-penalty", 3],
        ["--beam", 2],
        ["--match", "[a-m ]*"],
        ["--number", 2],
        ["--seed", 8],
        ["--json"],
    ],
    ids=str,
)
def test_every_option_changes_what_is_drawn(unrolled, trained, options):
    base = ["--length", 60, "--seed", 1, "--past-end"]
    if options[0] in ("--match", "--beam"):
        base = base[:-1] if options[0] == "--match" else base[:2]
    assert unrolled("sample", trained, *base)[1] != unrolled("sample", trained, *base, *options)[1]


def test_past_end_goes_on(unrolled, trained):
    long = ["--length", 400, "--temperature", 9, "--seed", 1]
    ended, going_on = (unrolled("sample", trained, *long, *more)[1] for more in ([], ["--past-end"]))
    assert "<eos>" not in ended
    assert going_on.startswith(ended[:-1] + "<eos>")
    assert len(going_on.replace("<eos>", "E")) == 401


def test_a_prompt_may_begin_with_a_hyphen(unrolled, trained):
    assert unrolled("sample", trained, "--prompt", "-a", "--length", 2)[1].startswith("-a")


def test_json(unrolled, trained):
    options = ["--prompt", "a", "--length", 30, "--seed", 2]
    plain = unrolled("sample", trained, *options)[1]
    assert json.loads(unrolled("sample", trained, *options, "--json")[1]) == {
        "prompt": "a",
        "text": plain[1:-1],
        "ended": len(plain) < 32,
    }


def test_unseen_characters_of_the_prompt_are_said(unrolled, trained):
    code, out, err = unrolled("sample", trained, "--prompt", "cжt€", "--length", 1)
    assert code == 0
    assert out.startswith("cжt€")
    assert err == "unrolled: the prompt has characters this model has never seen, read as <unk>: 'ж' '€'\n"


def test_wrong_input_is_one_line(refused, trained, tmp_path):
    assert refused("sample", trained, "--temperature", "-1").startswith("temperature must be 0 ")
    assert refused("sample", trained, "--top-p", "2").startswith("top-p must be above 0 and at most 1, got 2")
    assert refused("sample", trained, "--min-p", "0").startswith("min-p must be above 0 and at most 1, got 0")
    assert refused("sample", trained, "--repetition-penalty", "0").startswith(
        "the repetition penalty must be"
    )
    assert refused("sample", trained, "--number", "0").startswith("the number of samples must be at least 1")
    assert refused("sample", trained, "--match", "(?=a)").startswith(
        "the regular expression '(?=a)' has at character 1 a group with a special meaning"
    )
    assert refused("sample", trained, "--match", "ж").startswith("no text of this model's characters matches")
    assert refused("sample", trained, "--seed", 10**40).startswith("the seed must be from 0")
    assert refused("sample", tmp_path).startswith(f"{tmp_path}: no model.json here")
    assert refused("sample", tmp_path / "x").startswith(f"{tmp_path}/x: no such folder")
    assert "must be a whole number, got 1.5" in refused("sample", trained, "--top-k", "1.5")
    assert "requires an argument. Try: unrolled sample --help" in refused("sample")


def test_a_reader_that_leaves_early_is_no_error(trained):
    command = f"{sys.executable} -m unrolled sample {trained} --length 100000 --past-end | head -c 5"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60
    )
    assert len(ended.stdout) == 5
    assert ended.stderr == ""
    assert ended.returncode == 141


def test_control_characters_reach_a_file_but_not_a_terminal(monkeypatch):
    assert shown("a\x1b[31m\n\tñ\xa0") == "a\x1b[31m\n\tñ\xa0"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert shown("a\x1b[31m\n\tñ\xa0") == "a\N{REPLACEMENT CHARACTER}[31m\n\tñ\xa0"


def test_every_character_is_flushed_as_it_is_drawn(trained, monkeypatch):
    class Screen(io.StringIO):
        def flush(self):
            seen.append(self.getvalue())

    seen = []
    monkeypatch.setattr("sys.stdout", Screen())
    assert (
        main(["sample", str(trained), "--prompt", "the", "--length", "5", "--top-k", "1", "--seed", "1"]) == 0
    )
    whole = seen[-1].rstrip("\n")
    assert len(whole) == 8
    assert seen[:5] == [whole[:length] for length in range(4, 9)]


def test_several_stand_under_a_rule_each_and_begin_alike_with_any_number(unrolled, trained):
    options = ["--prompt", "th", "--length", 20, "--seed", 4]
    out = unrolled("sample", trained, *options, "--number", 3)[1]
    parts = re.split(r"^--- (\d) -+\n", out, flags=re.MULTILINE)
    assert parts[::2][0] == "" and parts[1::2] == ["1", "2", "3"]
    assert len(set(parts[2::2])) == 3
    assert parts[2] == unrolled("sample", trained, *options)[1]
    lines = unrolled("sample", trained, *options, "--number", 3, "--json")[1].splitlines()
    assert [json.loads(line)["prompt"] + json.loads(line)["text"] + "\n" for line in lines] == parts[2::2]


def test_pieces_as_json_lines(unrolled, trained):
    options = ["--length", 15, "--seed", 4, "--number", 2, "--json"]
    whole = [json.loads(line) for line in unrolled("sample", trained, *options)[1].splitlines()]
    lines = [json.loads(line) for line in unrolled("sample", trained, *options, "--stream")[1].splitlines()]
    for row in (0, 1):
        assert (
            "".join(one["text"] for one in lines if one["row"] == row and "text" in one) == whole[row]["text"]
        )
    assert lines[-2:] == [{"row": row, "ended": whole[row]["ended"]} for row in (0, 1)]
    assert [one["row"] for one in lines[:4]] == [0, 1, 0, 1]


def test_no_stream_holds_the_text_back_until_it_is_complete(trained, monkeypatch, unrolled):
    class Screen(io.StringIO):
        def write(self, text):
            written.append(text)
            return super().write(text)

    written = []
    plain = unrolled("sample", trained, "--length", "8", "--seed", "1")[1]
    monkeypatch.setattr("sys.stdout", Screen())
    assert main(["sample", str(trained), "--length", "8", "--seed", "1", "--no-stream"]) == 0
    assert [text for text in written if text != "\n"] == [plain[:-1]]


def test_a_beam_shows_the_likeliest_texts(unrolled, trained):
    options = ["--prompt", "the ", "--length", 6, "--beam", 4]
    found = beam(load_model(trained), "the ", length=6, width=4, n_best=3)
    assert unrolled("sample", trained, *options)[1] == f"the {found[0].text}\n"
    out = unrolled("sample", trained, *options, "--number", 3)[1]
    expected = [f"--- {i} log P {one.log_probability:.3f} " for i, one in enumerate(found, 1)]
    assert [line.rstrip("-") for line in out.splitlines() if line.startswith("---")] == expected
    lines = unrolled("sample", trained, *options, "--number", 2, "--json")[1].splitlines()
    assert [json.loads(line)["log_probability"] for line in lines] == [f.log_probability for f in found[:2]]
    # Longer texts come first if the mean decides.
    short, long = (
        len(unrolled("sample", trained, "--length", 60, "--beam", 8, "--length-penalty", p)[1])
        for p in (0, 3)
    )
    assert short <= long


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beam", 3, "--temperature", 1], "--temperature: --beam searches for the likeliest text"),
        (["--beam", 3, "--top-k", 1, "--min-p", 0.1], "--top-k, --min-p: --beam searches"),
        (["--beam", 3, "--seed", 1, "--past-end"], "--seed, --past-end: --beam searches"),
        (["--beam", 3, "--stream"], "--stream: --beam searches"),
        (
            ["--beam", 3, "--number", 4],
            "the number of texts must be from 1 to the width of the beam, 3, got 4",
        ),
        (["--beam", 0], "the width of the beam must be at least 1, got 0"),
        (["--length-penalty", 1], "--length-penalty: this is for --beam; leave it out"),
        (["--number", 2, "--stream"], "--stream: several texts at once are streamed as --json only"),
        (["--match", "a", "--past-end"], "a constrained text ends with its match"),
        (["--match", "a", "--choices", "x"], "--match and --choices both say"),
        (["--encoding", "latin-1"], "--encoding: there is no file of --choices to read"),
        (["--prime", "x.mid"], "writes text, and this is for music; leave it out"),
        (["--output", "x.mid", "--picture", "y.html"], "leave them out"),
    ],
)
def test_options_that_do_not_go_together(refused, trained, options, message):
    assert message in refused("sample", trained, *options)


def test_what_is_drawn_matches(unrolled, trained):
    for seed in range(5):
        out = unrolled(
            "sample", trained, "--prompt", "at ", "--match", "[a-e]{2} ?(cat|mat)?", "--seed", seed
        )[1]
        assert re.fullmatch("at [a-e]{2} ?(cat|mat)?\n", out)
    found = json.loads(unrolled("sample", trained, "--match", "(the|on) mat", "--beam", 3, "--json")[1])
    assert found["text"] in ("the mat", "on mat")
    assert found["ended"]


def test_a_match_that_was_cut_off_is_said(unrolled, trained):
    code, out, err = unrolled("sample", trained, "--match", "a{9}", "--length", 4)
    assert (code, out) == (0, "aaaa\n")
    assert err == "unrolled: the length ran out before the text came to an end; give more --length\n"
    options = ["--match", "a{9}|m", "--length", 4, "--number", 9, "--temperature", 5, "--seed", 1]
    code, out, err = unrolled("sample", trained, *options)
    cut = [str(i) for i, text in enumerate(re.findall(r"^\w+$", out, re.MULTILINE), 1) if text == "aaaa"]
    assert 0 < len(cut) < 9
    assert f"before text {', '.join(cut)} came" in err


def test_choices_from_a_file(unrolled, refused, trained, tmp_path):
    path = tmp_path / "choices.txt"
    path.write_bytes("the cat\r\nmat\r\n\r\nжаба\r\n".encode())
    drawn = set()
    for seed in range(8):
        code, out, err = unrolled("sample", trained, "--choices", path, "--temperature", 3, "--seed", seed)
        drawn.add(out)
        assert code == 0
        assert err == (
            f"unrolled: 1 of 3 texts in {path} have characters this model has never seen and cannot be drawn, "
            "such as 'жаба'\n"
        )
    assert drawn == {"the cat\n", "mat\n"}
    path.write_bytes("\n".encode("utf-16"))
    assert refused("sample", trained, "--choices", path).endswith("must hold one text a line, got nothing")
    path.write_bytes(b"caf\xe9\nmat\n")
    assert "line 1: not UTF-8" in refused("sample", trained, "--choices", path)
    assert "cannot be drawn" in unrolled("sample", trained, "--choices", path, "--encoding", "latin-1")[2]
    assert "cannot be read" in refused("sample", trained, "--choices", tmp_path / "none.txt")


TEXT = "The cat sat (on a mat). ¿Qué? Він сів на килим. " * 3


def vocabulary_of(unit):
    if unit == "bpe":
        pytest.importorskip("tokenizers")
        return BytePairs.trained([TEXT], size=300)
    if unit == "byte":
        return Bytes()
    empty = {"character": Characters(SPECIAL), "word": Words(SPECIAL), "2-gram": Chunks(SPECIAL, "text", 2)}[
        unit
    ]
    return replace(empty, symbols=SPECIAL + tuple(dict.fromkeys(empty.split(TEXT))))


@pytest.fixture
def of_unit(tmp_path):
    """A model folder whose symbols are of the unit."""

    def make(unit):
        torch.manual_seed(0)
        save_model(LanguageModel(vocabulary_of(unit), "gru", hidden_size=8), tmp_path)
        return tmp_path

    return make


@pytest.mark.parametrize("unit", ["character", "word", "byte", "bpe", "2-gram"])
def test_every_unit_draws_searches_and_matches(unrolled, of_unit, unit):
    folder = of_unit(unit)
    several = unrolled("sample", folder, "--length", 10, "--number", 3, "--seed", 0, "--json")[1].splitlines()
    streamed = unrolled("sample", folder, "--length", 10, "--seed", 0)[1]
    assert json.loads(several[0])["text"] + "\n" == streamed
    assert len(json.loads(unrolled("sample", folder, "--length", 5, "--beam", 3, "--json")[1])["text"]) > 0
    # Written in every unit: n-grams cut a text after every second character.
    expression = "(The |cat |sat |a )*(на |mat)(\\.)?" if unit != "2-gram" else "(Th|e |ca|t |mat)*ma"
    ended = 0
    for seed in range(6):
        options = ["--match", expression, "--seed", seed, "--temperature", 2, "--json"]
        drawn = json.loads(unrolled("sample", folder, *options)[1])
        ended += drawn["ended"]
        assert bool(re.fullmatch(expression, drawn["text"])) >= drawn["ended"]
    assert ended


def test_bytes_of_one_character_are_shown_together(of_unit, monkeypatch):
    class Screen(io.StringIO):
        def flush(self):
            seen.append(self.getvalue())

    folder, seen = of_unit("byte"), []
    monkeypatch.setattr("sys.stdout", Screen())
    assert main(["sample", str(folder), "--match", "[ñж€]{3}", "--prompt", "q", "--seed", "2"]) == 0
    assert [len(text) for text in seen[:3]] == [2, 3, 4]
    assert re.fullmatch("q[ñж€]{3}\n", seen[-1])


def test_one_blank_stands_between_the_prompt_and_words(unrolled, of_unit):
    folder = of_unit("word")
    for prompt in ("The", "The "):
        for more in ([], ["--number", 2], ["--match", "cat sat"]):
            out = unrolled("sample", folder, "--prompt", prompt, "--length", 2, "--top-k", 1, *more)[1]
            text = next(line for line in out.splitlines() if line.startswith("The"))
            assert "The  " not in text
        assert out == "The cat sat\n"


@pytest.fixture
def events(tmp_path, monkeypatch):
    """A model of musical events, and what is asked of the command that writes music."""
    save_model(LanguageModel(EventVocabulary.for_keys(60, 5, 4), "gru", hidden_size=4), tmp_path)
    asked = []
    stand_in = types.SimpleNamespace(sample_music=lambda model, **options: asked.append((model, options)))
    monkeypatch.setitem(sys.modules, "unrolled.cli.sample_music", stand_in)
    return tmp_path, asked


def test_music_goes_its_own_way(unrolled, events):
    folder, asked = events
    options = ["--prime", "a.mid", "--output", "b.mid", "--picture", "c.html", "--length", 7, "--number", 2]
    assert unrolled("sample", folder, *options, "--temperature", 0.5, "--seed", 3, "--json") == (0, "", "")
    ((model, got),) = asked
    assert model.vocabulary.unit == "event"
    assert got == {
        "prime": Path("a.mid"),
        "output": Path("b.mid"),
        "picture": Path("c.html"),
        "length": 7,
        "temperature": 0.5,
        "seed": 3,
        "number": 2,
        "json": True,
    }
    assert unrolled("sample", folder)[0] == 0
    assert asked[1][1]["temperature"] == 1.0


@pytest.mark.parametrize(
    "option", ["--prompt=a", "--top-k=3", "--beam=2", "--match=a", "--choices=f", "--past-end", "--no-stream"]
)
def test_options_of_text_are_refused_for_music(refused, events, option):
    name = option.split("=")[0].replace("--no-stream", "--stream")
    assert refused("sample", events[0], option) == (
        f"{name}: {events[0]} writes music, and this is for text; leave it out"
    )


def test_of_many_unseen_pieces_some_are_named(capsys):
    warn_unseen("the text", [f"w{i}" for i in range(2025)], "word")
    told = capsys.readouterr().err
    assert told.startswith(
        "unrolled: the text has words this model has never seen, read as <unk>: 'w0' 'w1' "
    )
    assert told.endswith("'w19' and 2,005 more\n")
