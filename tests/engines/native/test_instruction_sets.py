"""Every instruction set of the machine, and work buffers full of NaN: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.engines.native.alone import ROOT, everything, everything_with
from tests.engines.native.runs import same
from unrolled import _native

SETS = _native.build_info()["instruction_sets"]


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    return everything("reference")


@pytest.mark.parametrize("name", SETS)
def test_outputs_and_gradients_equal_the_reference(
    name: str, reference: dict[str, Tensor], tmp_path: Path
) -> None:
    found = everything_with({"UNROLLED_ISA": name}, tmp_path)
    assert found.keys() == reference.keys()
    for key, value in found.items():
        close = 1e-5 if value.dtype == torch.float32 else 1e-12
        torch.testing.assert_close(
            value, reference[key], rtol=close, atol=close, msg=lambda m, k=key: f"{k}: {m}"
        )


def test_an_unknown_instruction_set_is_refused_in_one_line() -> None:
    code = "import torch, unrolled; unrolled.Recurrent('gru', 2, 3)(torch.randn(2, 1, 2))"
    environment = {**os.environ, "UNROLLED_ISA": "mmx"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    told = f"UNROLLED_ISA is expected to be one of {', '.join(SETS)} on this machine, got mmx; unset it to run the best"
    assert done.stderr.splitlines()[-1].endswith(told)


def test_memory_full_of_nan_changes_no_bit(tmp_path: Path) -> None:
    same(everything_with({"UNROLLED_POISON": "1"}, tmp_path), everything())
