"""What probes write while a language model trains, and that they change nothing that is learned."""

import json

import pytest
import torch

from unrolled.data.encoded import encode_corpus
from unrolled.errors import SettingError
from unrolled.inspection.gradient_flow import gradient_flow
from unrolled.inspection.spectrum import spectrum
from unrolled.models.folder import load_model
from unrolled.models.language import LanguageModel
from unrolled.training.events import Probed
from unrolled.training.language import train_language_model
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and (so) on.\n" * 40)
    return path


def train(text, tmp_path, name, report=lambda event: None, data=None, **training):
    settings = FitSettings(steps=8, batch=4, validate_every=100, **{"updates": 6, **training})
    data = DataSettings(**(data or {}))
    return train_language_model([text], data, ModelSettings(hidden=8), settings, tmp_path / name, report)


def metrics(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def probes(run):
    return [line for line in metrics(run) if line["event"] == "probe"]


def losses(run):
    return [line["train"] for line in metrics(run) if line["event"] != "probe"]


def test_the_last_values_are_those_of_the_functions_on_the_last_weights(text, tmp_path):
    run = train(text, tmp_path, "run", probe=3)
    found = probes(run)
    assert [line["update"] for line in found] == [0, 3, 6]
    model = load_model(run.path / "checkpoints" / "last", LanguageModel)
    ids = torch.from_numpy(encode_corpus([text]).validation)
    flow = gradient_flow(model, ids, lags=64, rows=4)
    expected = {
        "l0 rate": flow.rates[0],
        "l0 memory": min(flow.memories[0], 64),
        "l0 left": flow.norms[0, -1] / flow.norms[0, 0],
    }
    for matrix in spectrum(model).matrices:
        expected |= {f"l0 {matrix.name} radius": matrix.radius, f"l0 {matrix.name} norm": matrix.norm}
    assert found[-1]["values"] == expected
    assert found[0]["values"] != expected


def test_training_is_the_same_to_the_bit_with_and_without(text, tmp_path):
    looked = train(text, tmp_path, "looked", probe=1)
    plain = train(text, tmp_path, "plain")
    assert len(probes(looked)) == 7 and not probes(plain)
    for place in ("model", "checkpoints/last"):
        one, other = (load_model(run.path / place, LanguageModel).state_dict() for run in (looked, plain))
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert losses(looked) == losses(plain)
    assert (looked.path / "samples.jsonl").read_text() == (plain.path / "samples.jsonl").read_text()


def test_each_look_is_an_event_too(text, tmp_path):
    seen = []
    run = train(text, tmp_path, "run", seen.append, probe=4)
    events = [event for event in seen if isinstance(event, Probed)]
    assert [event.update for event in events] == [0, 4]
    assert [dict(event.values) for event in events] == [line["values"] for line in probes(run)]


def test_a_text_kept_out_shorter_than_what_it_looks_back(text, tmp_path):
    run = train(text, tmp_path, "run", data={"validation": 0.004}, probe=6)
    assert [line["update"] for line in probes(run)] == [0, 6]


def test_below_one_is_refused():
    with pytest.raises(SettingError, match="probe"):
        FitSettings(probe=0)
