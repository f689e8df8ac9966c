import contextlib
import io
import json
from pathlib import Path

import pytest
import torch

from benchmarks import command, report, saved
from benchmarks.competitors import COMPETITORS, OURS, unrolled_native
from benchmarks.page import page
from benchmarks.workloads import Shape

TINY = ["--rounds", "2", "--only", "gru", "--shapes", "T3B4I3H5", "--threads", "1"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one run wrote, what it printed, and where it wrote."""
    path = tmp_path_factory.mktemp("benchmarks") / "new" / "one.json"
    parts, printed = "dense,ragged,saved", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr("benchmarks.timing.fma_peak", lambda threads, seconds: 2e9)
        command.main([*TINY, "--parts", parts, "--against", "torch.nn, python loop", "--json", str(path)])
    return json.loads(path.read_text()), printed.getvalue(), path


def test_json_has_every_sample_and_what_follows_from_it(found):
    runs = found[0]["runs"]
    assert [(one["mode"], one["ragged"]) for one in runs] == [
        ("forward", False), ("training", False), ("forward", True), ("training", True),
    ]  # fmt: skip
    record = runs[1]
    work = 3 * 2 * 3 * 4 * 3 * (5 * 3 + 5 * 5)
    assert record["shape"] == {"T": 3, "B": 4, "I": 3, "H": 5}
    assert (record["cell"], record["steps"], record["operations"]) == ("gru", 12, work)
    assert list(record["results"]) == [OURS, "Python loop"]
    ours, loop = record["results"].values()
    assert len(ours["samples"]) == 2
    assert ours["ratio"] == 1 and loop["ratio"] == loop["seconds"] / ours["seconds"]
    assert ours["gigaflops"] == pytest.approx(work / ours["seconds"] / 1e9)
    assert ours["share_of_peak"] == pytest.approx(ours["gigaflops"] / 2)
    assert max(ours["difference"].values()) < 1e-5
    assert found[0]["peak"] == {"gigaflops": 2, "samples": [2, 2, 2]}
    assert found[0]["streaming"] == {}


def test_ragged_batches_are_compared_with_dense_ones_by_real_step(found):
    dense, _, forward, training = found[0]["runs"]
    assert "share_of_dense" not in dense
    assert forward["steps"] < dense["steps"] == 12
    for record in (forward, training):
        assert len(record["dense_samples"]) == 2 and "dense" not in record["results"]
        ours = record["results"][OURS]["seconds"] / record["steps"]
        assert record["share_of_dense"] == pytest.approx(sum(record["dense_samples"]) / 2 / 12 / ours)
    (table,) = (one for one in report.tables(found[0]) if one.title.startswith("Ragged"))
    shown = dict(zip(table.head, table.rows[0], strict=True))
    assert shown["of dense"] == f"{forward['share_of_dense']:.0%}"
    assert shown["by step"] == report.seconds(forward["results"][OURS]["seconds"] / forward["steps"])


def test_the_tables_name_who_is_left_out(found):
    _, out, path = found
    assert "gru   T3 B4 I3 H5  training" in out
    assert "left out: torch.nn: does not have this (gru, gru ragged)" in out
    assert str(path.with_suffix(".html")) in out


def test_the_page_loads_nothing_from_elsewhere(found):
    text = found[2].with_suffix(".html").read_text()
    assert page(found[0]).count("<table>") == text.count("<table>") == len(report.tables(found[0]))
    assert "plotly.js v" in text
    assert "<script src" not in text and "<link" not in text
    assert text.count("Plotly.newPlot(") >= 4


def test_a_run_on_a_busy_machine_says_so(found):
    busy, calm = ("\n".join(report.heading(found[0] | {"load": [load, 2.0]})) for load in (3.0, 0.1))
    assert "busy" in busy and "busy" not in calm


def test_interrupted_it_reports_what_it_has(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.timing.fma_peak", lambda threads, seconds: 2e9)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.saved.measure", interrupt)
    command.main([*TINY, "--parts", "dense,saved", "--against", ""])
    out = capsys.readouterr().out
    assert "interrupted" in out and "training" in out


def test_competitors_are_chosen_by_name():
    everybody = [one.name for one in COMPETITORS]
    assert [one.name for one in command.chosen(None)] == [n for n in everybody if n != "torch.compile"]
    assert [one.name for one in command.chosen(None, compiled=True)] == everybody
    assert [one.name for one in command.chosen("onnx runtime")] == [OURS, "ONNX Runtime"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "keras"], "--against must be among unrolled, torch.nn"),
        (["--parts", "dense,sparse"], "--parts must be among .*, got sparse"),
        (["--shapes", "100"], "a shape must be written as"),
        (["--only", "gruu"], "gru"),
        (["--threads", "0"], "must be 1 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(arguments, said):
    with pytest.raises(SystemExit, match=said) as refused:
        command.main(arguments)
    assert str(refused.value).startswith("benchmarks: ")


def test_options_change_what_is_asked_for():
    quick, full = command.read(["--quick"]), command.read([])
    assert (quick.rounds, full.rounds) == (3, 11)
    assert command.read(["--html", "a.html"]).html == Path("a.html")
    assert "lstm_layer_norm" in command.read(["--only", "all"]).cells


def test_kept_bytes_count_every_storage_once_and_nothing_at_hand():
    def run(x):
        middle = x.exp()  # exp keeps its result, and the product keeps it too
        return (middle * middle).sin()  # sin keeps what it is given

    assert saved.kept_bytes(run, torch.ones(10), ()) == 2 * 10 * 4
    weight = torch.ones(10, requires_grad=True)
    assert saved.kept_bytes(lambda x: x * weight, torch.ones(10), (weight,)) == 0


def test_saved_bytes_of_the_lstm_are_less_than_torchs():
    shape = Shape(T=20, B=4, I=16, H=32)
    kept = saved.measure("lstm", shape)["bytes"]
    assert 4 * 32 * 4 < kept[unrolled_native.COMPETITOR.name] < kept["torch.nn"]
