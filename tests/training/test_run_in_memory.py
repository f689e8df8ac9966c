"""A run in memory: the same training as in a folder, and nothing on disk."""

import json

import pytest
import torch

from unrolled.cells import find
from unrolled.data.readers import open_records
from unrolled.errors import SettingError
from unrolled.models.folder import load_model
from unrolled.training.classification import classification_task, train_classifier
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.events import Prepared
from unrolled.training.run_in_memory import RunInMemory

MODEL = ClassifierSettings(hidden=6)
TRAINING = ClassifySettings(epochs=3, batch=4, validation=0.25)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "reviews.csv"
    lines = [f"{'good' if n % 2 else 'bad'} film {n},{n % 2}" for n in range(16)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


def in_memory(table, training=TRAINING, report=lambda event: None):
    run = RunInMemory()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        task = classification_task(open_records([table]), find("gru"), MODEL, training)
        task.train(run, report)
    return task, run


def test_it_holds_what_a_folder_holds(table, tmp_path):
    task, run = in_memory(table)
    ended = train_classifier([table], None, MODEL, TRAINING, run=tmp_path / "run")
    rows = [json.loads(line) for line in (ended.path / "metrics.jsonl").read_text().splitlines()]
    timed = {"seconds", "symbols_per_second"}
    assert [{k: v for k, v in row.items() if k not in timed} for row in run.metrics] == [
        {k: v for k, v in row.items() if k not in timed} for row in rows
    ]
    run.restore(task.objective.model)
    kept = load_model(ended.path).state_dict()
    assert kept and all(
        torch.equal(kept[name], one) for name, one in task.objective.model.state_dict().items()
    )


def test_what_is_said_names_no_folder(table):
    events = []
    in_memory(table, report=events.append)
    [prepared] = [event for event in events if isinstance(event, Prepared)]
    assert prepared.run is None
    with pytest.raises(
        SettingError, match=r"use a smaller --learning-rate \(now 1e\+37\) or --clip \(now 1\)$"
    ):
        in_memory(table, TRAINING.model_copy(update={"learning_rate": 1e37, "warmup": 0, "epochs": 40.0}))
