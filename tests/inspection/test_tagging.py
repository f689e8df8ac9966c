import pytest
import torch

from unrolled.data.labels import Labels
from unrolled.data.settings import ReadSettings
from unrolled.data.usual_tags import UsualTags
from unrolled.data.word_input import WordInput
from unrolled.errors import DataError
from unrolled.inspection.tagging import conll, evaluate, predict
from unrolled.models.tagger import Tagger

READING = ReadSettings()
SENTENCES = [("Ada", "Smith", "sees", "Rome"), ("Rome", "falls")]
TAGS = [("B-per", "I-per", "O", "B-loc"), ("B-loc", "O")]


def tagger(tags, table, **options):
    """A tagger that answers by a table: word to tag, with nothing learned behind it."""
    read = WordInput.fitted(SENTENCES)
    labels = Labels.fitted(tag for row in tags for tag in row)
    usual = UsualTags.fitted([*zip(SENTENCES, tags, strict=True), (("and", "so"), ("O", "O"))])
    model = Tagger(read, labels, hidden_size=4, embedding_size=4, usual=usual, **options)

    class ByTable(torch.nn.Module):
        def forward(self, rows):
            emissions = torch.zeros(len(rows), len(labels))
            for row, word in zip(emissions, rows[:, 0].tolist(), strict=True):
                row[labels.index(table.get(read.symbols[word], "O"))] = 5.0
            return emissions

    class Through(torch.nn.Module):
        def forward(self, rows):
            return rows, None

    model.front, model.recurrent, model.output = ByTable(), Through(), torch.nn.Identity()
    return model


def write(path, sentences, tags):
    blocks = zip(sentences, tags, strict=True)
    path.write_text(
        "\n\n".join("\n".join(map(" ".join, zip(*block, strict=True))) for block in blocks) + "\n"
    )
    return path


@pytest.fixture
def answers():
    """Smith is missed, falls is taken for a place."""
    return tagger(TAGS, {"ada": "B-per", "rome": "B-loc", "falls": "B-loc"})


@pytest.fixture
def files(tmp_path):
    return [write(tmp_path / "test.conll", SENTENCES, TAGS)]


def test_scores_are_those_counted_by_hand(answers, files):
    result = evaluate(answers, files, READING)
    assert (result.task, result.count, result.counted) == ("tag", 6, "words")
    # Named: Ada (wrong border), Rome, Rome, falls; there: Ada Smith, Rome, Rome.
    expected = {"entity F1": 4 / 7, "entity precision": 2 / 4, "entity recall": 2 / 3, "accuracy": 4 / 6}
    assert result.scores == pytest.approx(expected)
    assert result.floors == dict.fromkeys(expected, 1.0)  # the table of the training data, on it
    assert result.floor == "each symbol's most frequent tag, O for others"


def test_every_type_has_its_row(answers, files):
    grid = evaluate(answers, files, READING).grids[0]
    assert grid.columns == ("type", "there", "named", "right", "precision", "recall", "F1")
    rows = {row[0]: row[1:] for row in grid.rows}
    assert rows["loc"] == pytest.approx((2, 3, 2, 2 / 3, 1.0, 4 / 5))
    assert rows["per"] == pytest.approx((1, 1, 0, 0.0, 0.0, 0.0))
    assert rows["all"] == pytest.approx((3, 4, 2, 1 / 2, 2 / 3, 4 / 7))


def test_the_floor_gives_unseen_words_the_usual_tag(answers, tmp_path):
    path = write(tmp_path / "other.conll", [("Ada", "Paris")], [("B-per", "B-loc")])
    result = evaluate(answers, [path], READING)
    assert result.floors["entity precision"] == 1.0
    assert result.floors["entity recall"] == 0.5


def test_types_never_seen_in_training_count_as_missed(answers, tmp_path):
    path = write(tmp_path / "other.conll", [("Ada", "Rex")], [("B-per", "B-dog")])
    result = evaluate(answers, [path], READING)
    assert result.scores["entity recall"] == 0.5
    assert result.scores["accuracy"] == 0.5
    assert "never seen in training: B-dog" in result.notes


def test_tags_that_mark_no_entities_are_scored_by_themselves(tmp_path):
    tags = [("NOUN", "NOUN", "VERB", "NOUN"), ("NOUN", "VERB")]
    model = tagger(tags, {"ada": "NOUN", "smith": "NOUN", "rome": "NOUN", "sees": "VERB", "falls": "NOUN"})
    result = evaluate(model, [write(tmp_path / "test.conll", SENTENCES, tags)], READING)
    assert result.scores == pytest.approx({"accuracy": 5 / 6, "macro F1": (8 / 9 + 2 / 3) / 2})
    assert result.grids[0].rows[1] == ("VERB", 2, 1.0, 0.5, pytest.approx(2 / 3))


def test_conll_lines_can_be_read_again(answers, files):
    lines = list(conll(answers, files, READING))
    assert lines == [
        "Ada\tB-per",
        "Smith\tO",
        "sees\tO",
        "Rome\tB-loc",
        "",
        "Rome\tB-loc",
        "falls\tB-loc",
        "",
    ]


def test_tags_are_written_in_the_scheme_of_the_training_data(files):
    model = tagger(TAGS, {"ada": "B-per", "smith": "I-per", "rome": "B-loc"})
    model.reading = {"scheme": "BIOES"}
    assert list(conll(model, files, READING))[:4] == ["Ada\tB-per", "Smith\tE-per", "sees\tO", "Rome\tS-loc"]
    assert [row["prediction"] for row in predict(model, files, READING)][:2] == ["B-per", "E-per"]


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_probabilities_are_those_of_the_model(files, output):
    model = tagger(TAGS, {"ada": "B-per"}, output=output)
    rows = list(predict(model, files, READING, probabilities=True))
    assert len(rows) == 6
    first = rows[0]
    assert (first["sequence"], first["step"], first["symbol"], first["prediction"]) == (1, 1, "Ada", "B-per")
    share = float(torch.tensor([5.0, 0, 0, 0]).softmax(0)[0])  # a CRF that has learned nothing adds nothing
    assert first["P(B-per)"] == pytest.approx(share, abs=1e-6)
    assert sum(first[f"P({name})"] for name in model.tags.names) == pytest.approx(1, abs=1e-5)
    assert next(conll(model, files, READING, probabilities=True)) == f"Ada\tB-per\t{share:.4f}"


def test_files_need_no_tags_to_be_predicted(answers, tmp_path):
    path = tmp_path / "new.conll"
    path.write_text("Rome\nfalls\n")
    assert list(conll(answers, [path], READING)) == ["Rome\tB-loc", "falls\tB-loc", ""]


def test_tags_of_another_kind_are_refused_with_their_place(answers, tmp_path):
    path = write(tmp_path / "other.conll", SENTENCES, [("A", "B", "C", "D"), ("A", "B")])
    with pytest.raises(DataError, match=r"other.conll, line 1: a tag of an entity must be O or such as"):
        evaluate(answers, [path], READING)
