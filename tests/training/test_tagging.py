import json
import random
import tomllib

import numpy as np
import pytest
import torch

from unrolled.data.gathered import Gathered
from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.data.word_input import WordInput
from unrolled.errors import DataError, SettingError
from unrolled.models.folder import load_model
from unrolled.models.tagger import Tagger
from unrolled.training.events import Prepared, Validated
from unrolled.training.tag_settings import TaggerSettings, TagSettings
from unrolled.training.tagging import step_labels, tagged_examples, train_tagger

SMALL = TaggerSettings(cell="gru", hidden=8, embedding=6, letters=4, spelling=4, dropout=0.0, unknown=0.5)
SHORT = TagSettings(epochs=2, batch=4)
PLACES, NAMES, VERBS = ("Rome", "Paris", "Oslo"), ("Ada", "Emmy", "Alan"), ("sees", "leaves", "likes")


def sentence(draw):
    """A name of two words before a verb, a place behind it."""
    first, last = draw.choice(NAMES), draw.choice(NAMES)
    lines = [
        f"{first} B-per",
        f"{last} I-per",
        f"{draw.choice(VERBS)} O",
        f"{draw.choice(PLACES)} B-loc",
        ". O",
    ]
    return "\n".join(lines)


@pytest.fixture
def conll(tmp_path):
    draw = random.Random(0)
    path = tmp_path / "data.conll"
    path.write_text("\n\n".join(sentence(draw) for _ in range(40)) + "\n")
    return path


def trained(conll, tmp_path, model=SMALL, training=SHORT, **options):
    events = []
    ended = train_tagger(
        [conll], model=model, training=training, run=tmp_path / "run", report=events.append, **options
    )
    return ended, events


def test_a_run_learns_and_leaves_a_model(conll, tmp_path):
    training = TagSettings(epochs=12, batch=6, learning_rate=0.05, warmup=5)
    ended, events = trained(conll, tmp_path, training=training)
    assert ended.outcome.scores["entity F1"] == 1.0
    assert ended.outcome.unit == "nats per step"
    model = load_model(ended.path, Tagger)
    assert model.crf.constrained
    assert model.reading["scheme"] == "BIO"
    assert model.usual.tags(("Rome", "Ada", "new")) == ["B-loc", model.usual.others["Ada"], "O"]
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert prepared.model.startswith("gru, 1 x 8 units, both directions, CRF, ")
    assert prepared.data == "36 sequences of 5 words to train on, 4 to validate on"


def test_the_same_seed_gives_the_same_model(conll, tmp_path):
    losses = []
    for k in range(2):
        ended = train_tagger([conll], None, SMALL, SHORT, run=tmp_path / str(k))
        lines = (ended.path / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["train"] for line in lines])
    assert losses[0] == losses[1]


def test_validation_is_the_loss_and_f1_of_the_whole_set(conll, tmp_path):
    _, events = trained(conll, tmp_path, validation_paths=[conll])
    last = [event for event in events if isinstance(event, Validated)][-1]
    model = load_model(tmp_path / "run" / "checkpoints" / "last", Tagger)
    gathered = Gathered.of(
        Record(tuple(words), tuple(tags), Place("x"))
        for block in conll.read_text().strip().split("\n\n")
        for words, tags in [zip(*(line.split() for line in block.splitlines()), strict=True)]
    )
    rows, tags = tagged_examples(model, gathered, np.arange(40)).batch(np.arange(40))
    assert last.validation == pytest.approx(float(model.loss(rows, tags).detach()), rel=1e-5)


def test_without_entities_the_model_is_judged_by_accuracy(conll, tmp_path):
    text = conll.read_text()
    for old, new in (("B-per", "NOUN"), ("I-per", "NOUN"), ("B-loc", "NOUN"), (" O", " VERB")):
        text = text.replace(old, new)
    conll.write_text(text)
    ended, _ = trained(conll, tmp_path, training=TagSettings(epochs=5, batch=4, learning_rate=0.05, warmup=5))
    assert ended.outcome.scores == {"accuracy": 1.0}
    assert not load_model(ended.path, Tagger).crf.constrained


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("output", "softmax", lambda model: model.crf is None),
        ("constrained", False, lambda model: not model.crf.constrained),
        ("layers", 2, lambda model: model.recurrent.num_layers == 2),
        ("bidirectional", False, lambda model: not model.recurrent.bidirectional),
        ("cell", "lstm", lambda model: model.cell.name == "lstm"),
        ("spelling", 0, lambda model: model.input.characters == 0),
        ("spelling", 3, lambda model: model.front.spelling.hidden_size == 3),
        ("letters", 3, lambda model: model.front.letters.size == 3),
        ("embedding", 7, lambda model: model.front.words.size == 7),
        ("lower", False, lambda model: "Ada" in model.input.symbols),
        ("minimum_count", 1000, lambda model: model.input.symbols == ("<unk>",)),
        ("dropout", 0.25, lambda model: model.dropout.p == 0.25),
        ("unknown", 2.0, lambda model: float(model.front.hidden[1]) < 1 / 5),
    ],
)
def test_every_setting_reaches_the_model(conll, tmp_path, setting, value, found):
    model = SMALL.model_copy(update={setting: value})
    ended, _ = trained(conll, tmp_path, model=model, training=TagSettings(updates=1))
    assert found(load_model(ended.path, Tagger))


def test_the_configuration_says_what_was_chosen(conll, tmp_path):
    ended, _ = trained(conll, tmp_path)
    config = tomllib.loads((ended.path / "config.toml").read_text())
    assert config["task"] == "tag"
    assert config["model"]["hidden"] == 8
    assert config["training"]["batch"] == 4


def frames(draw, steps):
    """The label is whether the frame before was positive."""
    values = draw.normal(size=(steps, 1)).astype(np.float32)
    before = np.concatenate([[[0.0]], values[:-1]])[:, 0]
    return values, tuple("up" if x > 0 else "down" for x in before)


def bases(draw, steps):
    """The label is whether the base behind is an A."""
    text = "".join(draw.choice(list("ACGT"), steps))
    return text, tuple("yes" if base == "A" else "no" for base in text[1:] + "-")


@pytest.mark.parametrize("drawn", [frames, bases])
def test_frames_and_characters_with_a_label_each(tmp_path, monkeypatch, drawn):
    """No reader of ours gives labels of frames and characters, so one of the test's own does."""
    draw = np.random.default_rng(0)

    class Own:
        kind, facts, notes = "own", {}, []

        def __iter__(self):
            return (Record(*drawn(draw, 10), Place("x", k)) for k in range(60))

    monkeypatch.setattr("unrolled.training.supervised.open_records", lambda paths, reading: Own())
    training = TagSettings(epochs=8, batch=8, learning_rate=0.05, warmup=5)
    model = TaggerSettings(cell="gru", hidden=8, dropout=0.0)
    ended = train_tagger(["x"], None, model, training, run=tmp_path / "run")
    assert ended.outcome.scores["accuracy"] > 0.9


def gathered(*records):
    return Gathered.of(Record(values, label, Place("a.x", k)) for k, (values, label) in enumerate(records, 1))


@pytest.mark.parametrize(("label", "found"), [(None, "none"), ("yes", "one for all of it")])
def test_sequences_without_labels_for_each_step_are_refused(label, found):
    with pytest.raises(
        DataError, match=f"a.x, line 2: a sequence must have a label for each step, got {found}"
    ):
        step_labels(gathered((("a", "b"), ("O", "O")), (("a", "b"), label)))


def test_labels_that_do_not_fit_the_steps_are_refused():
    model = Tagger(WordInput((), ()), ["O", "B-x"], hidden_size=2, embedding_size=2)
    with pytest.raises(DataError, match=r"a.x, line 1: .* a label for each of its 3 steps, got 2"):
        tagged_examples(model, gathered((("a", "b", "c"), ("O", "B-x"))), np.arange(1))


def test_a_tag_of_the_validation_data_that_was_never_seen_is_refused(conll, tmp_path):
    other = tmp_path / "other.conll"
    other.write_text("Ada B-dog\n")
    with pytest.raises(DataError, match=r"other.conll, line 1: the label 'B-dog' was never seen in training"):
        trained(conll, tmp_path, validation_paths=[other])
    assert not (tmp_path / "run").exists()


def test_one_tag_only_is_refused(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("a O\n\nb O\n")
    with pytest.raises(DataError, match="at least two classes, got only 'O'"):
        train_tagger([path], ReadSettings(), SMALL, SHORT)


def test_the_random_numbers_of_the_caller_do_not_move(conll, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    trained(conll, tmp_path, training=TagSettings(updates=1))
    assert torch.equal(torch.rand(2), expected)


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingError, match="--output must be 'crf' or 'softmax', got hmm"):
        TaggerSettings(output="hmm")


def test_options_that_mean_nothing_for_a_tagger_are_refused(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("a X\nb Y\n\n" * 10)
    softmax = TaggerSettings(output="softmax", constrained=False)
    with pytest.raises(SettingError, match="--constrained is for --output crf; leave it out"):
        train_tagger([path], model=softmax, run=tmp_path / "r")
    np.savez(tmp_path / "x.npz", x=np.ones((4, 3, 2)), step_labels=np.arange(12).reshape(4, 3) % 2)
    for options in ({"lower": False}, {"minimum_count": 2}):
        with pytest.raises(SettingError, match=r"and the data (holds none|is numbers); leave it out"):
            train_tagger([tmp_path / "x.npz"], model=TaggerSettings(**options), run=tmp_path / "r")
    assert not (tmp_path / "r").exists()
