"""Runs in a process of their own, where the environment says what the core reads once: results go to a file.

`python -m tests.engines.native.alone FILE` writes outputs and gradients of a few cells, float and double.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from tests.engines.native.runs import bits, case_named, layer, statics, warm_state
from unrolled.layers import Recurrent

CELLS = ("lstm_layer_norm", "clockwork", "skip_in_time", "random_10")
LENGTHS = [5, 0, 2, 5, 4, 1, 3]
ROOT = Path(__file__).parents[3]


def everything(engine: str | None = None) -> dict[str, Tensor]:
    """Everything that ragged runs of the cells give, both directions, with resets, and with indices as input."""
    found = {}
    for name in CELLS:
        for dtype in (torch.float32, torch.float64):
            runs = {"x": _with_resets(name, dtype, engine)}
            if not name.startswith("random"):  # those use x outside a product
                runs["indices"] = _indices(name, dtype, engine)
            for kind, values in runs.items():
                found |= {f"{name} {dtype} {kind} {key}": value for key, value in values.items()}
    return found


def _layer(name: str, dtype: torch.dtype, engine: str | None) -> Recurrent:
    made = layer(case_named(name), dtype, hidden_size=20, bidirectional=True, initial_state="learned")
    made._engine_name = engine or "native"
    return made


def _with_resets(name: str, dtype: torch.dtype, engine: str | None) -> dict[str, Tensor]:
    made = _layer(name, dtype, engine)
    rows = len(LENGTHS)
    x, resets = torch.randn(5, rows, made.input_size, dtype=dtype), torch.rand(5, rows) < 0.3
    options = {"static": statics(made, rows), "lengths": LENGTHS, "resets": resets}
    ours, parameters = bits(made, x, warm_state(made, rows), **options)
    return {**ours, **parameters}


def _indices(name: str, dtype: torch.dtype, engine: str | None) -> dict[str, Tensor]:
    made = _layer(name, dtype, engine)
    x = torch.randint(0, made.input_size, (5, len(LENGTHS)))
    output, state = made(x, lengths=LENGTHS, static=statics(made, len(LENGTHS)))
    loss = output.sum() + sum(value.sum() for value in state)
    named = dict(made.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
    return {"output": output.detach(), **dict(zip(named, found, strict=True))}


def everything_with(environment: Mapping[str, str], folder: Path) -> dict[str, Tensor]:
    """The same from a process of its own."""
    file = folder / "results.pt"
    command = [sys.executable, "-m", "tests.engines.native.alone", str(file)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return torch.load(file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "UNROLLED_POISON" in os.environ:  # and so with the memory that torch gives
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.save(everything(), sys.argv[1])
