import math

import pytest
import torch

from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Bad, Pair, Usable
from unrolled.data.units.words import Words
from unrolled.errors import DataError
from unrolled.generation.translation import translate
from unrolled.inspection import translation as module
from unrolled.inspection.translation import Search, evaluate, lines, predict, translated
from unrolled.models.encoder_decoder import EncoderDecoder

WORDS = Words(("<unk>", "<eos>", "go", "stop", "now", "run", "!"))


@pytest.fixture
def model():
    torch.manual_seed(3)
    return EncoderDecoder(WORDS, WORDS, hidden_size=6, embedding_size=4)


@pytest.fixture
def answers(monkeypatch):
    """Stands for the search: what is asked for, and an answer by hand."""
    asked = []

    def found(model, texts, **options):
        asked.append((list(texts), options))
        said = {"go now": "run!", "stop": "stop!"}
        return [[type("Found", (), {"text": said.get(text, "now")})()] for text in texts]

    monkeypatch.setattr(module, "translate", found)
    return asked


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_source_counts_once_with_all_its_targets(model, answers, tmp_path):
    path = written(tmp_path / "a.tsv", "go now\tgo !\nstop\tnow\ngo now\trun !\nrun\tnow\n")
    found = evaluate(model, [path], PairSettings(), Search(width=3, length_penalty=0.5))
    assert answers == [(["go now", "stop", "run"], {"width": 3, "n_best": 1, "length_penalty": 0.5})]
    assert (found.count, found.counted, found.task) == (3, "sources", "translate")
    assert found.scores["exact match"] == pytest.approx(2 / 3)
    assert found.floors["exact match"] == 0
    assert set(found.floors) == {"BLEU", "chrF", "exact match"}
    assert found.notes[0] == "4 pairs; translations by a beam of 3"
    assert found.notes[1].startswith("BLEU: nrefs:var|case:mixed")
    assert found.grids[0].rows[0] == ("go now", "run!", "go !")


def test_nats_are_the_mean_over_the_symbols_of_all_pairs(model, tmp_path):
    path = written(tmp_path / "a.tsv", "go now\tgo !\nstop\tnow\n")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    found = evaluate(model, [path], PairSettings())
    # Without weights every symbol has 1 / V.
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    assert evaluate(model, [path], PairSettings()).scores["nats per target word"] == pytest.approx(
        math.log(7)
    )
    assert found.scores["nats per target word"] != pytest.approx(math.log(7), abs=1e-2)


def test_the_copied_source_is_the_floor(model, tmp_path):
    path = written(tmp_path / "a.tsv", "go now\tgo now\nstop run\tstop now\n")
    assert evaluate(model, [path], PairSettings()).floors["exact match"] == 0.5


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("стій\tstop", "nothing of the source 'стій' is in the model's vocabulary"),
        ("stop\tстій", "nothing of the target 'стій' is in the model's vocabulary"),
        ("go " * 9 + "\tstop", "the source has 9 words, more than --longest 5"),
        ("stop", "a pair must be source TAB target, got only 'stop'"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused_or_counted(model, tmp_path, line, said):
    path = written(tmp_path / "a.tsv", f"go\tgo\n{line}\n")
    with pytest.raises(DataError) as caught:
        evaluate(model, [path], PairSettings(longest=5))
    assert str(caught.value).startswith(f"{path}, line 2: {said}")
    found = evaluate(model, [path], PairSettings(longest=5, skip_bad=True))
    assert (found.count, found.notes[0].partition(":")[0]) == (1, "1 pair left out")
    path.write_text(f"{line}\n")
    with pytest.raises(DataError, match=r"^no pair is left to evaluate"):
        evaluate(model, [path], PairSettings(longest=5, skip_bad=True))


def test_texts_are_translated_in_their_order_with_lines_left_out_empty(model, answers, tmp_path):
    path = written(tmp_path / "a.txt", "go now\n\nстій\nstop\tignored\n")
    usable = Usable(True, "text")
    assert list(lines(model, [path], PairSettings(skip_bad=True), usable=usable)) == ["run!", "", "", "stop!"]
    assert usable.notes() == [
        "2 texts left out: 1 of an empty line, 1 with nothing that is in the vocabulary"
    ]
    assert [texts for texts, _ in answers] == [["go now", "stop"]]
    with pytest.raises(DataError, match=rf"^{path}, line 2: a source must hold a text, got an empty line"):
        list(lines(model, [path], PairSettings()))
    found = list(translated(model, [path], PairSettings(skip_bad=True)))
    assert [type(source) for source, _ in found] == [Pair, Bad, Bad, Pair]


def test_rows_say_where_a_text_stands_and_how_likely_each_translation_is(model, tmp_path):
    paths = [written(tmp_path / "a.txt", "go now\n"), written(tmp_path / "b.txt", "stop\nrun!\n")]
    rows = list(predict(model, paths, PairSettings(), Search(width=3, n_best=2)))
    assert [(row["file"], row["line"], row["rank"]) for row in rows] == [
        (str(path), line, rank)
        for path, line in ((paths[0], 1), (paths[1], 1), (paths[1], 2))
        for rank in (1, 2)
    ]
    wanted = translate(model, ["run!"], width=3, n_best=2)[0]
    assert [row["prediction"] for row in rows[-2:]] == [one.text for one in wanted]
    assert [row["log P"] for row in rows[-2:]] == pytest.approx(
        [one.log_probability for one in wanted], abs=1e-5
    )


def test_files_are_translated_many_lines_at_a_time_and_standard_input_line_by_line(
    model, answers, tmp_path, monkeypatch
):
    import io
    import sys

    path = written(tmp_path / "a.txt", "go\n" * 700)
    assert len(list(lines(model, [path], PairSettings()))) == 700
    assert [len(texts) for texts, _ in answers] == [512, 188]
    answers.clear()
    given = type("Input", (), {"buffer": io.BytesIO(b"go\nstop\n")})()
    monkeypatch.setattr(sys, "stdin", given)
    flowing = lines(model, ["-"], PairSettings())
    assert next(flowing) == "now"
    assert answers[0][0] == ["go"] and given.buffer.tell() == 3
    assert list(flowing) == ["stop!"]
