import numpy as np
import pytest

from unrolled.data.records import Place, Record
from unrolled.errors import SettingError
from unrolled.training import reading
from unrolled.training.classification import train_classifier
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.events import Prepared, ReadSoFar
from unrolled.training.reading import ReportedReader


class Letters:
    kind, facts, notes = "text", {"text": "1"}, ["a note"]

    def __iter__(self):
        for number, letter in enumerate("abcde", 1):
            yield Record(letter, "x", Place("a.csv", number))
        self.notes[:] = ["read to the end"]


def test_records_come_through_and_now_and_then_it_is_said_how_many(monkeypatch):
    clock = iter([0.0, 0.2, 0.6, 0.9, 1.0, 1.3])
    monkeypatch.setattr(reading.time, "monotonic", lambda: next(clock))
    seen = []
    reader = ReportedReader(Letters(), seen.append)
    assert [record.values for record in reader] == list("abcde")
    assert seen == [ReadSoFar(2, 0.6, "a.csv"), ReadSoFar(5, 1.3, "a.csv")]
    assert (reader.kind, reader.facts, reader.notes) == ("text", {"text": "1"}, ["read to the end"])


def test_options_of_text_mean_nothing_for_numbers(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(20, 4, 2)), labels=np.arange(20) % 2)
    for name, value in (
        ("unit", "word"),
        ("ngram", 2),
        ("lower", False),
        ("minimum_count", 2),
        ("unknown", 0.3),
    ):
        option = name.replace("_", "-")
        with pytest.raises(
            SettingError, match=f"--{option} is for text, and the data is series; leave it out"
        ):
            train_classifier(
                [tmp_path / "x.npz"], model=ClassifierSettings(**{name: value}), run=tmp_path / "r"
            )
    assert not (tmp_path / "r").exists()


def test_reading_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_EVERY", -1.0)
    np.savez(tmp_path / "x.npz", x=np.ones((20, 4, 2)), labels=np.arange(20) % 2)
    seen = []
    train_classifier(
        [tmp_path / "x.npz"],
        model=ClassifierSettings(hidden=2),
        training=ClassifySettings(updates=1),
        run=tmp_path / "r",
        report=seen.append,
    )
    assert [event.records for event in seen if isinstance(event, ReadSoFar)] == list(range(1, 21))
    prepared = next(event for event in seen if isinstance(event, Prepared))
    assert "18 sequences of 4 steps to train on" in prepared.data
