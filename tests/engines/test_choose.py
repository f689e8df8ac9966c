"""Choosing an engine: by name, by what accepts, and with the reasons when none does."""

import pytest
import torch

from unrolled.cells import catalogue
from unrolled.engines import ENGINES, choose
from unrolled.engines.engine import Steps
from unrolled.errors import EngineError

SCHEDULE = catalogue()["gru"].schedule()
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_called_by_its_name(name):
    assert ENGINES[name].name == name
    reason = ENGINES[name].accepts(SCHEDULE, CPU, torch.float32)
    if reason is None:
        assert choose(SCHEDULE, CPU, torch.float32, name) is ENGINES[name]
    else:
        with pytest.raises(EngineError, match=name):
            choose(SCHEDULE, CPU, torch.float32, name)


def test_reference_is_the_engine_of_every_floating_dtype():
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        assert choose(SCHEDULE, CPU, dtype, "reference").name == "reference"
    assert (
        ENGINES["reference"].accepts(SCHEDULE, CPU, torch.int64)
        == "cells compute in floating point, got torch.int64"
    )


@pytest.mark.parametrize("name", ["cudnn", "Reference", 3])
def test_an_unknown_engine_is_refused_with_the_known_ones(name):
    with pytest.raises(
        EngineError, match=rf"engine must be one of .*reference.*, got {name!r}. Leave it out"
    ):
        choose(SCHEDULE, CPU, torch.float32, name)


def test_when_none_accepts_every_reason_is_told():
    with pytest.raises(
        EngineError, match=r"no engine can run gru on cpu in torch.int64 \(.*reference: cells compute"
    ):
        choose(SCHEDULE, CPU, torch.int64)
    with pytest.raises(
        EngineError, match=r"no engine can run gru on cpu in torch.int64 \(reference: cells compute"
    ):
        choose(SCHEDULE, CPU, torch.int64, "reference")


def test_the_steps_of_a_packed_batch():
    steps = Steps((3, 3, 1), 4)
    assert steps.total == 7
    assert steps.offsets == (0, 3, 6)
    assert list(steps.order) == [0, 1, 2]
    assert list(Steps((3, 3, 1), 4, reverse=True).order) == [2, 1, 0]
    assert steps.lengths(CPU).tolist() == [3, 2, 2, 0]
    assert Steps((), 2).offsets == ()
    assert Steps((), 2).lengths(CPU).tolist() == [0, 0]
