import itertools
import math

import numpy as np
import pytest
import tomli_w
import torch

from tests.oracles.witten_bell import WittenBell as ByHand
from unrolled.data import corpus
from unrolled.data.units.characters import Characters
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.inspection import language
from unrolled.inspection.language import Dynamic, evaluate
from unrolled.models.language import LanguageModel

ONE, TWO = "the cat sat\non a mat\n" * 3, "a dog! sat\n"
PREPARED = "the <unk> sat on a mat\n\n the cat \nsat\n"


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, text in zip(paths, (ONE, TWO), strict=True):
        path.write_text(text)
    return paths


def model_of(vocabulary, **options):
    torch.manual_seed(0)
    model = LanguageModel(vocabulary, "gru", hidden_size=7, **options)
    for parameter in model.parameters():
        parameter.data *= 3
    return model


@pytest.fixture
def model():
    return model_of(Vocabulary.from_text([ONE]))


def stepwise(model, symbols):
    """-log P of all symbols, one after the other."""
    total, state = 0.0, None
    for symbol, following in itertools.pairwise([END, *symbols]):
        if symbol == END and not model.carry:
            state = None
        with torch.no_grad():
            logits, state = model.step(symbol, state)
        total -= float(torch.log_softmax(logits.double(), 0)[following])
    return total


def symbols_of(model, *texts):
    return [i for text in texts for i in [*model.vocabulary.encode(text).tolist(), END]]


def test_figures_are_those_of_one_step_after_the_other(model, files):
    symbols = symbols_of(model, ONE, TWO)
    nats = stepwise(model, symbols)
    found = evaluate(model, files)
    words, lines = len((ONE + TWO).split()), (ONE + TWO).count("\n")
    assert found.count == len(symbols) == len(ONE) + len(TWO) + 2 and found.counted == "characters"
    assert found.scores == {
        "nats per character": pytest.approx(nats / len(symbols)),
        "bits per character": pytest.approx(nats / len(symbols) / math.log(2)),
        "perplexity per character": pytest.approx(math.exp(nats / len(symbols))),
        "perplexity per blank-separated word": pytest.approx(math.exp(nats / (words + lines)), rel=1e-5),
    }
    unknown = 100 * symbols.count(UNKNOWN) / len(symbols)
    assert UNKNOWN in symbols
    assert (
        f"per character: {len(symbols)} characters, <eos> counted at 2 text ends, <unk> counted as a character "
        f"({unknown:.3g} %)" in found.notes
    )
    assert "one row: the state is carried through all, and starts anew behind <eos>" in found.notes
    assert (
        f"per character: {len(ONE + TWO)} characters; per blank-separated word: {words} words and {lines} line ends"
        in found.notes
    )


@pytest.mark.parametrize("carry", [False, True])
def test_words_of_a_prepared_file(tmp_path, carry):
    path = tmp_path / "prepared.txt"
    path.write_text(PREPARED)
    vocabulary = Words((*SPECIAL, "the", "sat", "on", "a", "mat"), "line", pretokenized=True)
    model = model_of(vocabulary, carry=carry)
    text = "the <unk> sat on a mat <eos> the <unk> <eos> sat <eos>".split()
    symbols = [vocabulary.symbols.index(word) for word in text]
    nats = stepwise(model, symbols)
    found = evaluate(model, [path])
    assert found.count == 12
    assert found.scores["perplexity per word"] == pytest.approx(math.exp(nats / 12))
    assert found.scores["perplexity per blank-separated word"] == pytest.approx(math.exp(nats / 12))
    assert found.scores["bits per character"] == pytest.approx(nats / math.log(2) / len(PREPARED))
    assert "per word: 12 words, <eos> counted at 3 line ends, <unk> counted as a word (16.7 %)" in found.notes
    assert any(("goes on" if carry else "starts anew") in note for note in found.notes)


def test_pieces_and_windows_change_nothing(model, files, tmp_path, monkeypatch):
    files[1].write_text("a dog! sat" * 30)  # no line end to cut at
    whole = evaluate(model, files, dynamic=Dynamic(0.1, 7))
    monkeypatch.setattr(corpus, "PIECE", 16)
    monkeypatch.setattr(language, "_WINDOW", 5)
    pieces = evaluate(model, files, dynamic=Dynamic(0.1, 7))
    assert pieces.scores == pytest.approx(whole.scores, rel=1e-6)
    assert (pieces.count, pieces.notes) == (whole.count, whole.notes)


def test_rows_begin_as_texts_do(model, files):
    symbols = symbols_of(model, ONE, TWO)
    parts = np.array_split(symbols, 4)
    found = evaluate(model, files, rows=4)
    nats = sum(stepwise(model, part.tolist()) for part in parts)
    assert found.scores["nats per character"] == pytest.approx(nats / len(symbols))
    assert any("4 rows side by side: each begins with <eos> and a zero state" in note for note in found.notes)
    with pytest.raises(SettingError, match=f"--rows must be from 1 to the {len(symbols)} symbols"):
        evaluate(model, files, rows=len(symbols) + 1)


def test_dynamic_evaluation_learns_from_what_was_scored(model, files):
    symbols = torch.tensor(symbols_of(model, ONE, TWO))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    static = evaluate(model, files)
    found = evaluate(model, files, dynamic=Dynamic(0.3, 10))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: found.scores[name] for name in static.scores} == static.scores
    inputs, total, state = torch.cat([torch.tensor([END]), symbols[:-1]]), 0.0, None
    for start in range(0, len(symbols), 10):
        window = slice(start, start + 10)
        logits, state = model(inputs[window, None], state)
        loss = torch.nn.functional.cross_entropy(logits[:, 0], symbols[window])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        total += float(loss.detach()) * len(symbols[window])
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.data -= 0.3 * gradient
        state = state.detach()
    assert found.scores["nats per character, dynamic"] == pytest.approx(total / len(symbols), rel=1e-5)
    assert found.scores["nats per character, dynamic"] < static.scores["nats per character"]


@pytest.mark.parametrize("validate_on", [False, True])
def test_the_floor_counts_the_training_text(files, tmp_path, validate_on):
    text = "a cat sat on the mat\n" * 20 + "the dog sat\n" * 20
    training = tmp_path / "training.txt"
    training.write_text(text)
    data = {"validate_on": str(files[0])} if validate_on else {"validation": 0.25}
    run = tmp_path / "run"
    (run / "checkpoints" / "last").mkdir(parents=True)
    (run / "config.toml").write_text(tomli_w.dumps({"task": "lm", "paths": [str(training)], "data": data}))
    read = text if validate_on else text[: round(0.75 * len(text))]
    model = model_of(Vocabulary.from_text([read]))
    size = len(model.vocabulary)

    def known(text):  # as the vocabulary sees it: one letter for what is unknown, one for <eos>
        return "".join(c if c in model.vocabulary.symbols else "?" for c in text)

    evaluated = known(ONE) + "$" + known(TWO) + "$"
    nats = []
    for order in range(8):
        oracle = ByHand(read + "$" * validate_on, order)
        oracle.size = size
        nats.append(oracle.nats(evaluated, before="$"))
    for place in (run, run / "checkpoints" / "last"):
        found = evaluate(model, files, run=place)
        assert found.floor == f"counts, Witten-Bell of order {int(np.argmin(nats))}"
        assert found.floors["nats per character"] == pytest.approx(min(nats))
        assert found.floors.keys() == found.scores.keys()
    assert any(
        note.startswith(f"floor: counts of {len(read) + validate_on} characters of") for note in found.notes
    )


def test_of_a_long_training_text_the_last_symbols_are_counted(model, files, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text(tomli_w.dumps({"task": "lm", "paths": [str(path) for path in files]}))
    everything, _ = language.training_symbols(model.vocabulary, run)
    monkeypatch.setattr(corpus, "PIECE", 16)
    monkeypatch.setattr(language, "MOST_COUNTED", 9)
    last, note = language.training_symbols(model.vocabulary, run)
    assert last.tolist() == everything[-9:].tolist() and "counts of the last 9 characters" in note
    found = evaluate(model, files, run=run)
    assert (
        f"{files[0]} is what this run was trained on: these figures say how well it is remembered"
        in found.notes
    )


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, "no floor: the training text is named in the config.toml of a run folder"),
        ({"task": "classify"}, "no floor: the training text is named in the config.toml of a run folder"),
        ({"task": "lm", "paths": ["-"]}, "no floor: the training text came from standard input"),
        ({"task": "lm", "paths": ["gone.txt"]}, "cannot be read again (gone.txt: no such file)"),
        (
            {"task": "lm", "paths": [], "data": {"validation": 2}},
            "no floor: the training text cannot be read",
        ),
    ],
)
def test_without_the_training_text_there_is_no_floor(model, files, tmp_path, config, reason):
    if config is not None:
        (tmp_path / "config.toml").write_text(tomli_w.dumps(config))
    found = evaluate(model, files, run=tmp_path)
    assert found.floor == "none" and not found.floors
    assert any(reason in note for note in found.notes)


def test_what_was_read_is_said(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"hola\r\nhola\r\n")
    (tmp_path / "b.bin").write_bytes(b"\0\1")
    notes = evaluate(model_of(Vocabulary.from_text(["hola\n"])), [tmp_path]).notes
    assert "line ends CRLF read as LF in 1 file" in notes
    assert any(note.startswith("skipped") and "b.bin" in note for note in notes)
    assert any(note.endswith("no <unk>") for note in notes)


def test_what_makes_text_easier_is_said(files):
    vocabulary = Words((*SPECIAL, "the", "sat"), lower=True)
    notes = " ".join(evaluate(model_of(vocabulary), files).notes)
    assert "only models that know the same words compare" in notes
    assert "only models that read alike compare" in notes


def test_what_cannot_be_judged_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="no data was named; give a text file"):
        evaluate(model, [])
    (tmp_path / "blank").write_text("\n\n")
    with pytest.raises(DataError, match="the text has no symbols, only empty lines"):
        evaluate(model_of(Characters(model.vocabulary.symbols, "line")), [tmp_path / "blank"])
    with pytest.raises(SettingError, match="the rate of dynamic evaluation must be above 0, got 0"):
        Dynamic(0)
    with pytest.raises(SettingError, match="at least one step, got 0"):
        Dynamic(1, 0)
    (tmp_path / "text").write_text(ONE)
    with pytest.raises(
        SettingError, match=r"with --dynamic 3e\+38 the loss is not finite; use a smaller rate"
    ):
        evaluate(model, [tmp_path / "text"], dynamic=Dynamic(3e38, 2))
