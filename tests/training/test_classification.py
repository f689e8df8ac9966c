import json
import tomllib

import numpy as np
import pytest
import torch

from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, SettingError
from unrolled.inspection.classification import evaluate, predict, predictions
from unrolled.models.classifier import Classifier
from unrolled.models.folder import load_model
from unrolled.training.classification import train_classifier
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.events import Prepared, Updated, Validated
from unrolled.training.settings import TaskSettings

SMALL = ClassifierSettings(hidden=12, embedding=8, dropout=0.1)


class Records(list):
    """Records that somebody has read."""

    kind, facts, notes = "text", {"text": "review"}, ["the label is the column stars"]


def texts(count=60, seed=0, wrong=()):
    """A text is good if it holds the word good, wherever that stands."""
    rng = np.random.default_rng(seed)
    records = Records()
    for index in range(count):
        words = list(rng.choice(["a", "film", "so", "long", "and"], rng.integers(1, 7)))
        good = index % 2 == 0
        words.insert(rng.integers(0, len(words) + 1), "good" if good else "bad")
        records.append(
            Record(" ".join(words), "+" if good else "-", Place("r.csv", index + 2), {"id": str(index)})
        )
    return records


@pytest.fixture(autouse=True)
def read(monkeypatch):
    """Paths are names of records that tests put here."""
    known = {}

    def open_records(paths, settings=None, labelled=True):
        return known[str(paths[0])]

    monkeypatch.setattr("unrolled.training.supervised.open_records", open_records)
    monkeypatch.setattr("unrolled.inspection.classification.open_records", open_records)
    known["train"], known["test"] = texts(), texts(40, seed=9)
    return known


def train(tmp_path, name="run", model=SMALL, report=lambda event: None, validation_paths=(), **training):
    settings = ClassifySettings(**{"epochs": 12, "learning_rate": 0.02, "warmup": 0, **training})
    return train_classifier(["train"], None, model, settings, validation_paths, tmp_path / name, report)


def weights(run):
    return torch.cat([p.detach().flatten() for p in load_model(run.path).parameters()])


def test_it_learns_and_says_how_well_beside_the_floor(tmp_path):
    run = train(tmp_path)
    found = evaluate(load_model(run.path, Classifier), ["test"], ReadSettings())
    assert found.scores["accuracy"] >= 0.9
    assert found.floors == {"accuracy": 0.5, "macro F1": pytest.approx(1 / 3)}
    assert found.count == 40 and found.floor in ("always +", "always -")
    assert run.outcome.scores["accuracy"] >= 0.8
    assert json.dumps(found.to_dict())


def test_evaluation_counts_what_predictions_say(tmp_path, read):
    model = load_model(train(tmp_path, epochs=1).path, Classifier)
    expected, surprise = [], 0.0
    for record in read["test"]:
        words = torch.tensor(model.input.encode(record.values))[:, None]
        p = model(words).softmax(1)[0].detach()
        expected.append(model.labels.names[int(p.argmax())])
        surprise -= float(p[model.labels.index(record.label)].log()) / 40
    assert [p.names(model) for p in predictions(model, read["test"])] == [[name] for name in expected]
    found = evaluate(model, ["test"], ReadSettings())
    right = [a == r.label for a, r in zip(expected, read["test"], strict=True)]
    assert found.scores["accuracy"] == pytest.approx(np.mean(right))
    assert found.scores["cross-entropy"] == pytest.approx(surprise, rel=1e-4)
    table = found.grids[1]
    assert sum(sum(row[1:]) for row in table.rows) == 40


def test_predictions_are_rows_with_what_else_the_table_says(tmp_path):
    model = load_model(train(tmp_path).path, Classifier)
    rows = list(predict(model, ["test"], ReadSettings(), probabilities=True))
    assert list(rows[0]) == ["file", "line", "id", "prediction", "P(+)", "P(-)"]
    assert rows[3]["id"] == "3" and rows[3]["line"] == 5
    assert all(row["P(+)"] + row["P(-)"] == pytest.approx(1, abs=1e-5) for row in rows)
    assert all(row["prediction"] == ("+" if row["P(+)"] > 0.5 else "-") for row in rows)
    assert "P(+)" not in next(predict(model, ["test"], ReadSettings()))


def test_the_same_seed_gives_the_same_bits_and_another_one_not(tmp_path):
    state = torch.random.get_rng_state()
    first, again, other = train(tmp_path, "a"), train(tmp_path, "b"), train(tmp_path, "c", seed=1)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"cell": "lstm"}},
        {"model": {"hidden": 13}},
        {"model": {"layers": 2}},
        {"model": {"bidirectional": False}},
        {"model": {"pooling": "mean"}},
        {"model": {"embedding": 9}},
        {"model": {"dropout": 0.5}},
        {"model": {"unit": "character"}},
        {"model": {"minimum_count": 35}},
        {"model": {"unknown": 0.3}},
        {"model": {"ngram": 2}},
        {"model": {"positions": 3}},
        {"validation": 0.3},
        {"smoothing": 0.1},
        {"batch": 8},
        {"weight_decay": 0.5},
        {"epochs": 3},
        {"updates": 2, "epochs": None},
    ],
)
def test_every_setting_changes_the_result(tmp_path, change):
    usual = train(tmp_path, "usual", epochs=4)
    model = ClassifierSettings(**{**SMALL.model_dump(), **change.pop("model", {})})
    changed = train(tmp_path, "changed", model, **{"epochs": 4, **change})
    a, b = weights(usual), weights(changed)
    assert a.shape != b.shape or not torch.equal(a, b)


def test_capital_letters_are_read_as_small_ones_unless_told_otherwise(tmp_path, read):
    read["train"].append(Record("GOOD", "+", Place("r.csv", 99)))
    lower = load_model(train(tmp_path, "a", epochs=1).path, Classifier)
    cased = load_model(
        train(tmp_path, "b", ClassifierSettings(**{**SMALL.model_dump(), "lower": False}), epochs=1).path,
        Classifier,
    )
    assert "GOOD" not in lower.input.symbols and "GOOD" in cased.input.symbols


def test_balanced_classes_weigh_the_same(tmp_path, read):
    read["train"] = Records(r for i, r in enumerate(read["train"]) if r.label == "-" or i % 10 == 0)
    seen = []
    run = train(
        tmp_path, "a", balance=True, validation=0, epochs=1, updates=None, report=seen.append, batch=100
    )
    model = load_model(run.path / "checkpoints" / "last", Classifier)
    assert model.labels.counts == (6, 30)
    # One batch: the weighted mean counts each class with half of the whole.
    start = train(tmp_path, "b", validation=0, batch=100, updates=1, epochs=None, learning_rate=1e-30)
    first = next(event.train for event in seen if isinstance(event, Updated))
    assert first == pytest.approx(
        np.mean(losses_by_class(load_model(start.path, Classifier), read["train"])), rel=0.1
    )


def losses_by_class(model, records):
    model.eval()
    found = {"+": [], "-": []}
    for record in records:
        logits = model(torch.tensor(model.input.encode(record.values))[:, None])
        found[record.label].append(
            -float(logits.log_softmax(1)[0, model.labels.index(record.label)].detach())
        )
    return [np.mean(losses) for losses in found.values()]


def test_several_labels_a_sequence(tmp_path, read):
    records = Records(texts(80))
    for name in ("train", "test"):
        read[name] = Records(
            Record(r.values, "|".join(w for w in ("good", "film", "long") if w in r.values.split()), r.place)
            for r in records
        )
    run = train(tmp_path, several="|", epochs=40)
    model = load_model(run.path, Classifier)
    assert model.labels.names == ("film", "good", "long")
    found = evaluate(model, ["test"], ReadSettings())
    assert found.scores["micro F1"] > 0.95 > found.floors["micro F1"]
    row = next(r for r in predict(model, ["test"], ReadSettings()) if "|" in r["prediction"])
    assert set(row["prediction"].split("|")) <= {"film", "good", "long"}


def test_validation_files_are_used_instead_of_a_share(tmp_path, read):
    seen = []
    train(tmp_path, validation_paths=["test"], epochs=2, report=seen.append)
    prepared = next(event for event in seen if isinstance(event, Prepared))
    assert "60 sequences of" in prepared.data and "40 to validate on" in prepared.data
    assert prepared.notes == ("the label is the column stars",)


def test_without_validation_the_last_model_is_kept(tmp_path):
    seen = []
    run = train(tmp_path, validation=0, epochs=2, report=seen.append)
    assert all(event.validation is None and event.best for event in seen if isinstance(event, Validated))
    last = torch.cat(
        [p.detach().flatten() for p in load_model(run.path / "checkpoints" / "last").parameters()]
    )
    assert torch.equal(weights(run), last) and np.isnan(run.outcome.best)


def test_the_best_model_is_the_one_with_most_right_then_the_smallest_loss(tmp_path):
    seen = []
    train(tmp_path, epochs=6, validate_every=1, report=seen.append)
    validated = [event for event in seen if isinstance(event, Validated)]
    best = [event for event in validated if event.best][-1]
    order = [(-event.scores["accuracy"], event.validation) for event in validated[1:]]
    assert (-best.scores["accuracy"], best.validation) == min(order)


def test_the_config_says_what_was_chosen(tmp_path):
    run = train(tmp_path, epochs=None)
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert config["task"] == "classify" and config["training"]["batch"] == 16
    assert config["training"]["epochs"] == 100.0
    assert load_model(run.path).reading == {
        **ReadSettings().model_dump(exclude_none=True),
        "text": "review",
        "kind": "text",
    }


def test_text_without_spaces_and_dna_are_read_by_character(tmp_path, read):
    read["train"] = Records(Record(r.values.replace(" ", ""), r.label, r.place) for r in read["train"])
    assert load_model(train(tmp_path, epochs=1).path, Classifier).input.unit == "character"
    read["train"] = Records(texts())
    read["train"].kind = "dna"
    assert load_model(train(tmp_path, "dna", epochs=1).path, Classifier).input.unit == "character"


@pytest.mark.parametrize("shape", [(3,), (8, 8, 3)])
def test_frames_and_pictures_are_learned_too(tmp_path, read, shape):
    rng = np.random.default_rng(0)
    records = Records()
    for index in range(60):
        up, steps = index % 2, int(rng.integers(2, 6))
        slope = np.linspace(0, 60, steps) * (1 if up else -1) + 120
        frames = slope.reshape(-1, *[1] * len(shape)) + rng.normal(0, 5, (steps, *shape))
        frames = frames.astype(np.uint8 if len(shape) == 3 else np.float32)
        records.append(Record(frames, "up" if up else "down", Place(f"{index}.x")))
    read["train"] = records
    model = ClassifierSettings(hidden=16, dropout=0.0)
    run = train(tmp_path, model=model, epochs=30)
    assert run.outcome.scores["accuracy"] == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda r: r.__setitem__(0, Record("a", None, Place("r.csv", 2))),
            DataError,
            "r.csv, line 2: a sequence must have",
        ),
        (
            lambda r: r.__setitem__(0, Record("", "+", Place("r.csv", 2))),
            DataError,
            "r.csv, line 2: the sequence is empty",
        ),
        (lambda r: r.__delitem__(slice(1, None)), DataError, "at least two classes, got only '\\+'"),
    ],
)
def test_bad_data_is_refused_before_anything_is_written(tmp_path, read, change, error, message):
    change(read["train"])
    with pytest.raises(error, match=message):
        train(tmp_path)
    assert not (tmp_path / "run").exists()


def test_an_unknown_cell_is_refused_before_the_data_is_read(tmp_path, read):
    read.clear()
    with pytest.raises(SettingError, match="gruu"):
        train(tmp_path, model=ClassifierSettings(cell="gruu"))


def test_a_label_of_the_validation_files_never_seen_is_refused(tmp_path, read):
    read["test"].append(Record("a film", "?", Place("v.csv", 41)))
    with pytest.raises(
        DataError, match=r"v.csv, line 41: the label '\?' was never seen in training, known: "
    ):
        train(tmp_path, validation_paths=["test"])


def test_data_of_another_kind_is_refused_where_it_stands(tmp_path):
    model = load_model(train(tmp_path, epochs=1).path, Classifier)
    with pytest.raises(DataError, match=r"x.wav: the model reads text, got frames of 3 channels"):
        list(predictions(model, [Record(np.zeros((2, 3), np.float32), None, Place("x.wav"))]))
    with pytest.raises(DataError, match=r"x.csv, line 4: the sequence is empty"):
        list(predictions(model, [Record("  ", None, Place("x.csv", 4))]))


@pytest.mark.parametrize(
    ("sequences", "batch", "epochs"), [(50, 16, 100), (270, 16, 100), (5000, 32, 25), (100_000, 64, 6)]
)
def test_defaults_follow_the_size_of_the_data(sequences, batch, epochs):
    chosen = TaskSettings().chosen(sequences)
    assert (chosen.batch, chosen.epochs) == (batch, epochs)
    assert 10 <= chosen.validate_every <= 200
    own = TaskSettings(batch=3, updates=7, validate_every=2).chosen(sequences)
    assert (own.batch, own.epochs, own.updates, own.validate_every) == (3, None, 7, 2)
