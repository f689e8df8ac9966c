import io
import json
import subprocess
import sys

import pytest

from unrolled.cli import main
from unrolled.cli.sample import shown


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
        ["--seed", 8],
        ["--json"],
    ],
    ids=str,
)
def test_every_option_changes_what_is_drawn(unrolled, trained, options):
    base = ["--length", 60, "--seed", 1, "--past-end"]
    assert unrolled("sample", trained, *base)[1] != unrolled("sample", trained, *base, *options)[1]


def test_past_end_goes_on(unrolled, trained):
    long = ["--length", 3000, "--temperature", 4, "--seed", 1]
    ended, going_on = (unrolled("sample", trained, *long, *more)[1] for more in ([], ["--past-end"]))
    assert "<eos>" not in ended
    assert going_on.startswith(ended[:-1] + "<eos>")
    assert len(going_on.replace("<eos>", "E")) == 3001


def test_a_prompt_may_begin_with_a_hyphen(unrolled, trained):
    assert unrolled("sample", trained, "--prompt", "-a", "--length", 2)[1].startswith("-a")


def test_json(unrolled, trained):
    options = ["--prompt", "a", "--length", 30, "--seed", 2]
    plain = unrolled("sample", trained, *options)[1]
    assert json.loads(unrolled("sample", trained, *options, "--json")[1]) == {
        "prompt": "a",
        "text": plain[1:-1],
    }


def test_unseen_characters_of_the_prompt_are_said(unrolled, trained):
    code, out, err = unrolled("sample", trained, "--prompt", "cжt€", "--length", 1)
    assert code == 0
    assert out.startswith("cжt€")
    assert err == "unrolled: the prompt has characters this model has never seen, read as <unk>: 'ж' '€'\n"


def test_wrong_input_is_one_line(refused, trained, tmp_path):
    assert refused("sample", trained, "--temperature", "-1").startswith("temperature must be 0 ")
    assert refused("sample", trained, "--top-p", "2").startswith("top-p must be above 0 and at most 1, got 2")
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
