"""The tagger as an estimator: words, characters and numbers, labels of any type, entities."""

import random

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.estimators.tagger import SequenceTagger

SMALL = {
    "hidden_size": 8,
    "spelling": 4,
    "letters": 4,
    "epochs": 12,
    "batch": 8,
    "learning_rate": 0.03,
    "warmup": 5,
}
PLACES, NAMES, VERBS = ("Rome", "Paris", "Oslo"), ("Ada", "Emmy", "Alan"), ("sees", "leaves", "likes")


def sentences(count=40, seed=0):
    """A name of two words before a verb, a place behind it; and the BIO tags."""
    draw = random.Random(seed)
    X = [
        [draw.choice(NAMES), draw.choice(NAMES), draw.choice(VERBS), draw.choice(PLACES)]
        for _ in range(count)
    ]
    X = [words[:3] if n % 4 == 0 else words for n, words in enumerate(X)]
    return X, [["B-per", "I-per", "O", "B-loc"][: len(words)] for words in X]


def test_words():
    X, y = sentences()
    model = SequenceTagger(**SMALL)
    assert model.fit(X, y) is model
    assert model.classes_.tolist() == ["B-loc", "B-per", "I-per", "O"] and not hasattr(
        model, "n_features_in_"
    )
    X, y = sentences(seed=1)
    assert (
        model.score(X, y) > 0.95 and model.score_entities(X, y) > 0.9
    )  # any one tag reaches less than a third
    assert model.predict(X[:1]) == y[:1]
    found = model.predict_proba(X)
    assert [one.shape for one in found] == [(len(words), 4) for words in X]
    np.testing.assert_allclose(np.concatenate(found).sum(1), 1, rtol=1e-4)
    likeliest = [model.classes_[one.argmax(1)].tolist() for one in found]
    assert np.mean([a == b for a, b in zip(likeliest, model.predict(X), strict=True)]) > 0.9


def test_scores_are_counted_by_hand():
    X, y = sentences(8)
    model = SequenceTagger(**SMALL | {"epochs": 1}).fit(X, y)
    pairs = [
        (a, b) for true, row in zip(y, model.predict(X), strict=True) for a, b in zip(true, row, strict=True)
    ]
    assert model.score(X, y) == sum(a == b for a, b in pairs) / len(pairs)
    wrong = [["O"] * len(row) for row in y]
    assert model.score_entities(X, wrong) == 0


@pytest.mark.parametrize(("low", "high"), [(10, 9), (False, True), (0.0, -1.5), ("9", "10")])
def test_numbers_with_labels_of_any_type(low, high):
    rows = [np.cumsum(np.random.default_rng(n).choice([-1.0, 1.0], 6 + n % 5)) for n in range(30)]
    y = [[high if x > 0 else low for x in row] for row in rows]
    given = [np.array(row) for row in y] if low == 10 else y
    model = SequenceTagger(**SMALL | {"epochs": 20, "dropout": 0.1}).fit(rows, given)
    assert model.n_features_in_ == 1
    found = model.predict(rows)
    assert {type(one) for row in found for one in row} == {type(low)}
    assert model.score(rows, given) > 0.9
    column = model.classes_.tolist().index(high)
    shares = np.concatenate(model.predict_proba(rows))[:, column]
    assert shares[np.concatenate(rows) > 0].mean() > 0.7 > 0.3 > shares[np.concatenate(rows) <= 0].mean()


def test_a_label_for_every_character():
    X = ["ab1c", "12", "x9", "hello", "3a3"] * 6
    y = ["".join("d" if c.isdigit() else "a" for c in text) for text in X]
    model = SequenceTagger(**SMALL).fit(X, y)
    assert model.predict(["b2a"]) == [["a", "d", "a"]]


def test_a_label_that_a_single_sequence_has_is_trained_on():
    X, y = sentences(20)
    for rare in range(20):  # wherever the share that is kept out falls
        labels = [["B-odd", *row[1:]] if n == rare else row for n, row in enumerate(y)]
        model = SequenceTagger(**SMALL | {"epochs": 0.1, "validation": 0.3}).fit(X, labels)
        assert "B-odd" in model.model_.tags.names
        assert model.history_[0]["validation"] is not None


CHANGED = {
    "cell": "gru",
    "hidden_size": 5,
    "num_layers": 2,
    "bidirectional": False,
    "output": "softmax",
    "constrained": False,
    "embedding_size": 3,
    "letters": 7,
    "spelling": 0,
    "dropout": 0.1,
    "lower": False,
    "minimum_count": 3,
    "unknown": 9.0,
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
    "seed": 5,
}


@pytest.mark.parametrize("option", CHANGED)
def test_every_option_acts(option):
    X, y = sentences(16)
    X = [[*words[:-1], words[-1].upper() if n % 2 else words[-1]] for n, words in enumerate(X)]
    usual = SMALL | {"epochs": 2, "validation": 0.3}
    if option == "patience":  # nothing to learn: it soon gets no better
        X, y, usual = [["same"]] * 20, [["r"], ["b"]] * 10, usual | {"epochs": 12, "learning_rate": 0.3}
    models = [SequenceTagger(**usual | one).fit(X, y) for one in ({}, {option: CHANGED[option]})]
    if option == "validate_every":
        assert len(models[0].history_) < len(models[1].history_)
    elif option == "patience":
        assert [model.outcome_.reason for model in models] == ["finished", "early stopping"]
    else:
        found = [np.concatenate(model.predict_proba(X)) for model in models]
        assert not np.allclose(*found, atol=1e-5)


def test_data_that_is_refused():
    X, y = sentences(8)
    model = SequenceTagger(**SMALL | {"epochs": 1})
    for labels, told in (
        (y[:7], "^y must hold labels for each of the 8 sequences of X, got 7"),
        ([*y[:2], y[2][:2], *y[3:]], r"^y\[2\] must have a label for each of the 4 steps of X\[2\], got 2"),
        ([3, *y[1:]], r"^y\[0\] must be a list of labels, one for each step of X\[0\], got 3"),
        ([["O"] * len(row) for row in y], r"^y must hold at least two labels, got \['O'\]"),
        ([[3] * len(y[0]), *y[1:]], "^y must hold labels that are all of one type"),
        ("text", "^y must be a list, got str"),
    ):
        with pytest.raises(DataError, match=told):
            model.fit(X, labels)
    with pytest.raises(DataError, match=r"^X\[1\]: the sequence is empty"):
        model.fit([X[0], [], *X[2:]], y)
    model.fit(X, y)
    with pytest.raises(DataError, match=r"^X\[0\]: the model reads words"):
        model.predict([np.zeros((3, 1))])
    with pytest.raises(
        DataError, match=r"^y\[0\] must have a label for each of the 3 steps of X\[0\], got 1"
    ):
        model.score(X, [["O"], *y[1:]])
    other = SequenceTagger(**SMALL | {"epochs": 1}).fit(
        X, [["a", "b", "a", "b"][: len(words)] for words in X]
    )
    with pytest.raises(
        DataError, match=r"^entities are counted in BIO tags such as B-place and O, got \['a', 'b'\]"
    ):
        other.score_entities(X, y)
