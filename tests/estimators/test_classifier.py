"""The classifier as an estimator: what it learns of numbers, texts and words, and what it refuses."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.estimators.classifier import SequenceClassifier

SMALL = {"hidden_size": 8, "epochs": 15, "batch": 8, "learning_rate": 0.02, "warmup": 5}


def waves(count=45, seed=0):
    """Sequences (T_i, 2) of three speeds at any phase, and their classes."""
    drawn = np.random.default_rng(seed)
    rows, labels = [], []
    for n in range(count):
        t = np.arange(drawn.integers(12, 25)) * (0.3, 0.8, 1.6)[n % 3] + drawn.uniform(0, 6)
        rows.append(np.c_[50 + 9 * np.sin(t), 0.01 * np.cos(t)])
        labels.append(("slow", "middle", "fast")[n % 3])
    return rows, labels


def test_classes_of_sequences_of_any_length():
    rows, labels = waves()
    model = SequenceClassifier(**SMALL)
    assert model.fit(rows, labels) is model
    assert model.classes_.tolist() == ["fast", "middle", "slow"] and model.n_features_in_ == 2
    rows, labels = waves(seed=1)
    assert model.score(rows, labels) > 0.9  # any one class reaches a third
    found = model.predict_proba(rows)
    assert found.shape == (45, 3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    assert model.predict(rows).tolist() == [model.classes_[k] for k in found.argmax(1)]
    assert model.score(rows, ["slow"] * 45) == pytest.approx(np.mean(model.predict(rows) == "slow"))


def test_a_row_alone_is_a_row_among_others():
    rows, labels = waves()
    model = SequenceClassifier(hidden_size=8, epochs=1).fit(rows, labels)
    alone = np.concatenate([model.predict_proba([row]) for row in rows])
    np.testing.assert_allclose(alone, model.predict_proba(rows), rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [[2, 10, 3], ["2", "10", "3"], [True, False], [1.0, -2.0], ["b", "B", "ab"], np.array([7, 5], np.uint8)],
)
def test_probabilities_stand_in_the_order_of_the_classes(names):
    rows, y = zip(*[(np.full(3 + k, k), names[k]) for k in range(len(names))] * 6, strict=True)
    model = SequenceClassifier(**SMALL).fit(rows, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    found = model.predict(rows)
    assert found.dtype == np.asarray(y).dtype and found.tolist() == np.asarray(y).tolist()
    # The columns are those of the classes, though a model sorts names in its own way.
    at = [list(model.classes_).index(one) for one in y]
    assert model.predict_proba(rows)[np.arange(len(y)), at].min() > 0.4


def test_texts():
    good, bad = (
        ["a fine film", "fine, and great fun!", "Great music"],
        ["a dull film", "dull and bad", "Bad noise!"],
    )
    X, y = (good + bad) * 4, (["+"] * 3 + ["-"] * 3) * 4
    model = SequenceClassifier(**SMALL).fit(X, y)
    assert model.predict(["FINE noise", "dull music"]).tolist() == ["+", "-"]
    assert "fine" in model.model_.input.symbols and not hasattr(model, "n_features_in_")
    letters = SequenceClassifier(**SMALL | {"epochs": 1, "unit": "character"}).fit(X, y)
    assert "f" in letters.model_.input.symbols


def test_words_that_are_given_stay_whole():
    X = [["New York", "is", "BIG"], ["York"], ["New York"], ["York", "big"]] * 5
    model = SequenceClassifier(**SMALL).fit(X, [1, 0] * 10)
    assert set(model.model_.input.symbols) == {"<unk>", "new york", "is", "big", "york"}
    assert model.predict([["NEW YORK"], ["york"]]).tolist() == [1, 0]
    as_written = SequenceClassifier(**SMALL | {"epochs": 1, "lower": False}).fit(X, [1, 0] * 10)
    assert "BIG" in as_written.model_.input.symbols
    pairs = SequenceClassifier(**SMALL | {"epochs": 1, "ngram": 2}).fit(X, [1, 0] * 10)
    assert "new york is" in pairs.model_.input.symbols


def test_fit_again_with_other_data():
    model = SequenceClassifier(hidden_size=4, epochs=1).fit(*waves())
    model.fit(["a b", "c d"] * 3, [0, 1] * 3)
    assert model.classes_.tolist() == [0, 1] and not hasattr(model, "n_features_in_")
    assert model.predict(["a"]).shape == (1,)


def test_the_history_holds_the_validations():
    model = SequenceClassifier(hidden_size=4, epochs=3, batch=9, validate_every=5).fit(*waves())
    assert [row["update"] for row in model.history_] == [0, 5, 10, 15]
    names = {"update", "seconds", "train", "validation", "best", "accuracy", "averaged"}
    assert all(set(row) == names for row in model.history_)
    assert model.history_[0]["train"] is None and all(0 <= row["accuracy"] <= 1 for row in model.history_)
    assert model.outcome_.reason == "finished" and model.outcome_.updates == 15
    nothing_kept_out = SequenceClassifier(hidden_size=4, epochs=1, validation=0).fit(*waves())
    assert {row["validation"] for row in nothing_kept_out.history_} == {None}


CHANGED = {
    "cell": "elman",
    "hidden_size": 5,
    "num_layers": 2,
    "bidirectional": False,
    "pooling": "last",
    "embedding_size": 3,
    "dropout": 0.6,
    "unit": "character",
    "ngram": 2,
    "positions": 4,
    "lower": False,
    "minimum_count": 3,
    "unknown": 0.5,
    "batch": 4,
    "updates": 1,
    "epochs": 1,
    "minutes": 1e-9,
    "learning_rate": 0.05,
    "weight_decay": 0.9,
    "warmup": 0,
    "clip": 1e-9,
    "validation": 0.0,
    "validate_every": 1,
    "patience": 1,
    "smoothing": 0.5,
    "balance": True,
    "seed": 5,
}


@pytest.mark.parametrize("option", CHANGED)
def test_every_option_acts(option):
    X = ["Red and blue", "red", "Blue or red or blue", "blue", "a red", "and Blue", "red red"] * 3
    y = ["r" if "red" in text else "b" for text in X]
    usual = {"hidden_size": 6, "epochs": 3, "dropout": 0.1, "learning_rate": 0.02, "validation": 0.3}
    if option == "patience":  # nothing to learn: it soon gets no better
        X, y, usual = (
            ["same"] * 20,
            ["r", "b"] * 10,
            usual | {"epochs": 12, "learning_rate": 1.0, "warmup": 0},
        )
    models = [SequenceClassifier(**usual | one).fit(X, y) for one in ({}, {option: CHANGED[option]})]
    if option == "validate_every":
        assert len(models[0].history_) < len(models[1].history_)
    elif option == "patience":
        assert [model.outcome_.reason for model in models] == ["finished", "early stopping"]
    else:
        assert not np.allclose(*(model.predict_proba(X) for model in models), atol=1e-5)


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (["a"] * 5, "^y must hold one class for each of the 6 sequences of X, got 5; correct y"),
        (["a"] * 6, r"^y must hold at least two classes, got \['a'\]; give more data"),
        (["a", 1] * 3, "^y must hold labels that are all of one type"),
        ([["a"], ["b"]] * 3, "^y must hold labels that are all of one type"),
        ([0.5, 1.0] * 3, "^y must hold classes, got numbers such as 0.5"),
        ([np.nan, 1.0] * 3, "^y must hold classes, got numbers such as nan"),
        ("ababab", "^y must be a list, got str"),
    ],
)
def test_classes_that_are_refused(y, told):
    with pytest.raises(DataError, match=told):
        SequenceClassifier(hidden_size=4, epochs=1).fit(waves(6)[0], y)


def test_sequences_that_are_refused():
    rows, labels = waves(6)
    model = SequenceClassifier(hidden_size=4, epochs=1)
    with pytest.raises(DataError, match=r"^X\[2\]: the sequence is empty; remove it"):
        model.fit([*rows[:2], np.zeros((0, 2)), *rows[3:]], labels)
    with pytest.raises(DataError, match=r"^X\[3\]: the sequence holds nothing that can be read; remove it"):
        model.fit(["one", "two two", "three four", "  ", "five five", "six six"], labels)
    model.fit(rows, labels)
    with pytest.raises(DataError, match=r"^X\[1\]: the sequence is empty"):
        model.predict([rows[0], rows[1][:0]])
    with pytest.raises(
        DataError, match=r"^X\[0\]: the model reads frames of 2 channels, got frames of 1 channels"
    ):
        model.predict([np.zeros(3)])
    with pytest.raises(DataError, match=r"^X\[0\]: the model reads frames of 2 channels, got text"):
        model.predict(["text"])
    with pytest.raises(DataError, match=r"^y must hold one class for each of the 6 sequences of X, got 5"):
        model.score(rows, labels[:5])
