import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.inspection.metrics import Confusion

sklearn_metrics = pytest.importorskip("sklearn.metrics")

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs):
    truth, predicted = zip(*pairs, strict=True)
    found = Confusion.of(truth, predicted, 5)
    classes = list(range(5))
    expected = sklearn_metrics.precision_recall_fscore_support(
        truth, predicted, labels=classes, zero_division=0
    )
    for mine, theirs in zip((found.precision, found.recall, found.f1), expected, strict=False):
        np.testing.assert_allclose(mine, theirs)
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(truth, predicted))
    assert found.macro_f1 == pytest.approx(
        sklearn_metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    )
    np.testing.assert_array_equal(
        found.table, sklearn_metrics.confusion_matrix(truth, predicted, labels=classes)
    )
