from itertools import pairwise, product

import pytest
import torch
from torch.nn.functional import cross_entropy

from unrolled.data.inputs import PictureInput, TextInput
from unrolled.data.labels import Labels
from unrolled.data.usual_tags import UsualTags
from unrolled.data.word_input import WordInput
from unrolled.errors import FolderError, SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.models.classifier import Classifier
from unrolled.models.folder import load_model, save_model
from unrolled.models.tagger import Tagger

BIO = ["O", "B-x", "I-x"]
SENTENCES = [("in", "Rome"), ("the", "end", "!")]


def tagger(**options):
    return Tagger(2, BIO, **{"cell": "gru", "hidden_size": 4, **options})


def batch(lengths=(3, 1, 4)):
    return Ragged(torch.randn(sum(lengths), 2), lengths)


def words():
    read = WordInput.fitted(SENTENCES)
    return Tagger(read, Labels.fitted(BIO), hidden_size=4, embedding_size=3, unknown=0.5)


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_a_row_gets_the_same_answers_alone_padded_and_in_a_batch(output):
    model, rows = tagger(output=output).eval(), batch()
    padded = rows.padded(value=float("nan"), steps=6)
    for answer in (model, model.decode, model.probabilities):
        together = answer(rows)
        assert torch.equal(answer(padded, rows.lengths), together.padded(steps=6))
        for k in range(3):
            torch.testing.assert_close(answer(rows[[k]]).values, together[k])


def test_the_loss_of_softmax_is_the_cross_entropy_of_every_step():
    model, rows, tags = tagger(output="softmax"), batch(), torch.randint(3, (8,))
    emissions = model(rows).values
    torch.testing.assert_close(model.loss(rows, tags), cross_entropy(emissions, tags))
    assert torch.equal(model.decode(rows).values, emissions.argmax(1))
    torch.testing.assert_close(model.probabilities(rows).values, emissions.softmax(1).detach())


def test_the_loss_of_a_crf_is_that_of_whole_rows_for_each_step():
    model, rows, tags = tagger(), batch((3, 2)), torch.randint(3, (5,))
    for parameter in model.crf.parameters():
        torch.nn.init.normal_(parameter)
    crf, emissions, expected = model.crf, model(rows), 0.0
    for row, wanted in zip(emissions, tags.split([3, 2]), strict=True):

        def score(path, row=row):
            ways = sum(crf.transitions[a, b] for a, b in pairwise(path))
            return crf.start[path[0]] + crf.end[path[-1]] + ways + sum(row[t, k] for t, k in enumerate(path))

        every = torch.stack([score(path) for path in product(range(3), repeat=len(row))])
        expected = expected + every.logsumexp(0) - score(wanted.tolist())
    torch.testing.assert_close(model.loss(rows, tags), expected / 5)


def test_tags_may_be_ragged_or_padded():
    model, rows = tagger(), batch()
    tags = rows.with_values(torch.randint(3, (8,)))
    expected = model.loss(rows, tags.values)
    assert torch.equal(model.loss(rows, tags), expected)
    assert torch.equal(model.loss(rows.padded(), tags.padded(value=9), rows.lengths), expected)
    with pytest.raises(ShapeError, match="tags must be one for each of the 8 steps, got"):
        model.loss(rows, tags.values[1:])


def test_it_learns_what_depends_on_both_sides():
    """The tag of a step is the sign of the step after it: no network that reads forward only can know."""
    model = Tagger(1, ["-", "+"], "gru", hidden_size=8)
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        rows = Ragged(torch.randn(160, 1), [8] * 20)
        tags = (rows.padded().roll(-1, 0) > 0).long()[..., 0]
        tags[-1] = 0
        loss = model.loss(rows, Ragged.from_padded(tags))
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert (model.eval().decode(rows).padded() == tags).double().mean() > 0.95


def test_before_training_the_most_frequent_tag_is_answered():
    labels = Labels(BIO, counts=[90, 6, 4], total=100)
    model = Tagger(2, labels, "gru", hidden_size=4)
    assert set(model.decode(batch()).values.tolist()) == {0}


@pytest.mark.parametrize(
    "read", [WordInput.fitted(SENTENCES), TextInput.fitted(["ab"], "character"), PictureInput(9, 9)]
)
def test_what_it_reads(read):
    values = {
        "words": lambda: torch.from_numpy(read.encode(("in", "Rome", "!"))),
        "text": lambda: torch.from_numpy(read.encode("abc")),
        "pictures": lambda: torch.zeros(3, 9, 9, 3, dtype=torch.uint8),
    }[read.kind]()
    model = Tagger(read, BIO, hidden_size=4, embedding_size=5)
    assert model(Ragged(values, [2, 1])).values.shape == (3, 3)


def test_a_loaded_model_gives_the_same_answers(tmp_path):
    model = words()
    model.usual = UsualTags.fitted([(SENTENCES[0], ("O", "B-x"))])
    save_model(model.eval(), tmp_path)
    loaded = load_model(tmp_path, Tagger)
    rows = Ragged(torch.from_numpy(model.input.encode(("In", "Rom", "!"))), [3])
    assert torch.equal(loaded(rows).values, model(rows).values)
    assert torch.equal(loaded.front.hidden, model.front.hidden)
    assert loaded.tags.to_json() == model.tags.to_json()
    assert loaded.usual.tags(("Rome", "in")) == ["B-x", "O"]
    with pytest.raises(FolderError, match="must hold a classifier, got a tagger"):
        load_model(tmp_path, Classifier)


def test_the_constraint_is_kept_with_the_model(tmp_path):
    save_model(tagger(constrained=True), tmp_path)
    assert load_model(tmp_path, Tagger).crf.constrained


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "hmm"}, "output must be crf or softmax, got 'hmm'"),
        ({"output": "softmax", "constrained": True}, "constrained needs output='crf'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        tagger(**options)


def test_words_need_an_embedding():
    with pytest.raises(SettingError, match="words need embedding_size, got none; name one"):
        Tagger(WordInput.fitted(SENTENCES), BIO)
