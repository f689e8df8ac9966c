import json

import pytest
import torch

from unrolled.cells import catalogue
from unrolled.engines import ENGINES
from unrolled.engines.choose import preferred
from unrolled.layers import Recurrent

CPU = torch.device("cpu")


def test_every_engine_is_listed_with_what_it_runs(unrolled):
    code, out, _ = unrolled("engines")
    assert code == 0
    for name, engine in ENGINES.items():
        assert f"{name:<13}  {engine.runs}\n{'':<13}  float32 on cpu: can run here" in out


def test_an_engine_that_cannot_run_says_why(unrolled):
    out = unrolled("engines", "--dtype", "float16")[1]
    assert "float16 on cpu: cannot run here: it computes in float32 and float64" in out
    assert "float16 on cpu: can run here" in out


@pytest.mark.parametrize("name", list(catalogue()))
def test_what_is_explained_is_what_a_layer_does(unrolled, name):
    found = json.loads(unrolled("engines", "--explain", name, "--json")[1])
    chosen = [engine["name"] for engine in found["engines"] if engine["chosen"]]
    layer = Recurrent(name, 3, 8, sizes=dict.fromkeys(catalogue()[name].named_sizes, 2))
    assert (found["cell"], chosen) == (name, [layer.engine])
    assert [engine["name"] for engine in found["engines"]] == list(preferred(CPU))


def test_why_the_others_do_not(unrolled):
    lines = unrolled("engines", "--explain", "lstm")[1].splitlines()
    assert lines[0] == "lstm in float32 on cpu runs on the native engine"
    assert lines[2].startswith("  native         chosen, the first that can: any cell, on the CPU")
    assert lines[3].startswith(
        '  reference      not chosen, native comes first; it can, ask for it with engine="reference"'
    )
    assert lines[-1] == "  frame by frame, layer.stream(): packed once, then kept in the core"
    assert lines[4].startswith("  torch_kernels  not chosen, native comes first; it can, ask for it with")
    lines = unrolled("engines", "--explain", "gru")[1].splitlines()
    assert lines[4].startswith("  torch_kernels  not chosen, it cannot: gru is not one of torch's networks")
    lines = unrolled("engines", "--explain", "lstm", "--dtype", "bfloat16")[1].splitlines()
    assert lines[0] == "lstm in bfloat16 on cpu runs on the reference engine"
    assert lines[2].startswith("  native         not chosen, it cannot: it computes in float32 and float64")
    assert lines[-1].endswith("a call of the reference engine at every step")


def test_a_cell_from_a_file(unrolled, tmp_path):
    (tmp_path / "own.tex").write_text(r"h_t = \tanh(W x_t + U h_{t-1})", encoding="utf-8")
    assert unrolled("engines", "--explain", tmp_path / "own.tex")[1].startswith(
        "own in float32 on cpu runs on"
    )
    (tmp_path / "two.txt").write_text(
        "def two(x, p, h, *, W, U, V):\n    return W @ x, tanh(U @ p + V @ h)\n"
    )
    last = unrolled("engines", "--explain", tmp_path / "two.txt")[1].splitlines()[-1]
    assert "a call at every step: its state p is no part of the loop" in last


def test_wrong_input_is_one_line(refused):
    assert "Nearest: lstm" in refused("engines", "--explain", "lsmt")
    assert refused("engines", "--dtype", "int8").startswith("--dtype must be one of float32, float64")
    assert refused("engines", "--device", "abacus").startswith("--device abacus is no device of this machine")


def test_another_device_changes_what_runs(unrolled):
    out = unrolled("engines", "--device", "meta")[1]
    assert "float32 on meta: cannot run here: it runs on the CPU" in out


def test_help_teaches(unrolled):
    out = unrolled("engines", "--help")[1]
    assert "an engine is what runs them" in out and "--explain" in out
