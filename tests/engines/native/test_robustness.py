"""Interrupts, threads, forks, copies and programs that are none."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tests.engines.native.alone import ROOT
from tests.engines.native.runs import bits, case_named, layer, same, threads
from unrolled import _native
from unrolled.engines.native.plan import plan_for
from unrolled.errors import ShapeError
from unrolled.layers import Recurrent


def trained(name: str, **options: Any) -> Recurrent:
    """A layer that has run forward and backward, on two threads."""
    made = layer(case_named(name), torch.float32, **options)
    with threads(2):
        made(batch(made))[0].sum().backward()
    return made


def batch(made: Recurrent) -> torch.Tensor:
    return torch.randn(4, 3, made.input_size, generator=torch.Generator().manual_seed(5))


def run_often(made: Recurrent, x: torch.Tensor) -> None:
    for _ in range(1000):
        made(x)


@contextmanager
def interruptible() -> Iterator[None]:
    """Python's own handler of Ctrl-C, whatever a library has put in its place."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_during_a_run_arrives_and_the_next_run_is_right() -> None:
    made = layer(case_named("lstm"), torch.float32, 64, 16)
    x = torch.randn(500, 12, 16)
    with torch.no_grad(), threads(2), interruptible():
        expected = made(x[:5])[0]
        timer = threading.Timer(0.02, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run_often(made, x)
        timer.join()
        assert torch.equal(made(x[:5])[0], expected)


def test_an_exception_in_another_thread_disturbs_nothing() -> None:
    made, failed = trained("gru_reset_after"), []

    def fail() -> None:
        for _ in range(20):
            with pytest.raises(ShapeError, match="the input must have"):
                made(torch.randn(4, 3, made.input_size + 1))
            failed.append(True)

    expected = bits(made, batch(made))
    other = threading.Thread(target=fail)
    other.start()
    with threads(2):
        found = [bits(made, batch(made)) for _ in range(20)]
    other.join()
    assert len(failed) == 20
    for ours in found:
        same(ours[0], expected[0])
        same(ours[1], expected[1])


def test_two_models_in_two_threads() -> None:
    models = [layer(case_named(name), torch.float32, 68) for name in ("lstm", "skip_in_time")]
    expected = [bits(made, batch(made)) for made in models]
    found: dict[int, list[Any]] = {0: [], 1: []}

    def work(n: int) -> None:
        with threads(2):
            for _ in range(15):
                found[n].append(bits(models[n], batch(models[n])))

    workers = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for n, all_found in found.items():
        assert len(all_found) == 15
        for values, parameters in all_found:
            same(values, expected[n][0])
            same(parameters, expected[n][1])


class Encoded(Dataset[torch.Tensor]):
    """Examples that are outputs of a layer."""

    def __init__(self, made: Recurrent) -> None:
        self.made = made

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        with torch.no_grad(), threads(2):
            return self.made(batch(self.made) + index)[0]


def test_workers_of_a_data_loader_run_a_layer_that_has_run() -> None:
    made = trained("gru")
    examples = Encoded(made)
    loader = DataLoader(examples, num_workers=2, batch_size=None, multiprocessing_context="fork")
    for index, found in enumerate(loader):
        assert torch.equal(found, examples[index])


def _in_child(made: Recurrent, results: Any) -> None:
    with threads(2):
        values, parameters = bits(made, batch(made))
    results.put({name: value.numpy() for name, value in {**values, **parameters}.items()})


def test_a_forked_child_runs_forward_and_backward() -> None:
    made = trained("lstm")
    values, parameters = bits(made, batch(made))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_in_child, args=(made, results))
    child.start()
    found = results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    same({name: torch.from_numpy(value) for name, value in found.items()}, {**values, **parameters})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_layer_that_has_run_can_be_copied(copied: Any) -> None:
    made = trained("gru_reset_after", bidirectional=True)
    again = copied(made)
    for ours, theirs in zip(bits(again, batch(made)), bits(made, batch(made)), strict=True):
        same(ours, theirs)


def test_the_interpreter_ends_quietly_after_a_run_on_threads() -> None:
    code = "import torch, unrolled; torch.set_num_threads(2); unrolled.Recurrent('gru', 2, 3)(torch.randn(2, 1, 2))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- what is no program -------------------------------------------------------------------------------------


def encoded(name: str = "gru") -> tuple[list[int], list[float]]:
    made = layer(case_named(name), torch.float32)
    program = plan_for(made.schedule, made._letters[0], False).inference.lowered.program
    return program.encode(), program.numbers


def test_a_program_that_ends_early_or_goes_on_is_refused() -> None:
    code, numbers = encoded()
    _native.Program(code, numbers)
    with pytest.raises(RuntimeError, match=r"^the program goes on after its end$"):
        _native.Program([*code, 0], numbers)
    for length in range(len(code)):
        with pytest.raises(
            RuntimeError, match=r"^the program (ends too early|has an impossible count|names)"
        ):
            _native.Program(code[:length], numbers)


def refusal(code: list[int], numbers: list[float]) -> str | None:
    try:
        _native.Program(code, numbers)
    except RuntimeError as error:
        return str(error)
    return None


def test_an_unknown_operation_and_an_empty_product_are_refused() -> None:
    made = layer(case_named("elman"), torch.float32)
    for change, told in (
        (lambda stage: setattr(stage.instructions[0], "op", 27), "has an unknown operation"),
        (lambda stage: setattr(stage.instructions[0], "op", 99), "has an unknown operation"),
        (lambda stage: setattr(stage.instructions[0], "a", None), "names something that is not there"),
        (lambda stage: setattr(stage.gates[0].factors[0], "vector", None), "multiplies nothing"),
        (lambda stage: setattr(stage, "width", -1), "has an impossible size"),
    ):
        program = copy.deepcopy(plan_for(made.schedule, made._letters[0], False).inference.lowered.program)
        change(program.groups[1][0])
        assert refusal(program.encode(), program.numbers) == f"the program {told}"


@pytest.mark.parametrize("wrong", [-2, 10**6, 2**40])
def test_a_program_with_a_wrong_entry_is_refused_in_one_line_or_is_another_program(wrong: int) -> None:
    code, numbers = encoded("skip_in_time")
    refused = [refusal([*code[:i], wrong, *code[i + 1 :]], numbers) for i in range(len(code))]
    told = [message for message in refused if message is not None]
    assert len(told) > len(code) // 2
    assert all(re.fullmatch("the program [^\n]+", message) for message in told)


def test_a_call_that_does_not_fit_is_refused() -> None:
    code, numbers = encoded()
    program = _native.Program(code, numbers)
    with pytest.raises(RuntimeError, match=r"^the call does not fit the program$"):
        _native.run_float(program, [], [], [], [], [], [], [], [3, 2], 3, False, 0, 0, 1)
    with pytest.raises(RuntimeError, match=r"^the call does not fit the program$"):
        _native.run_float(program, [0] * 99, [], [], [], [], [], [], [3], 3, False, 0, 0, 1)
    empty = _native.Program([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [])
    with pytest.raises(RuntimeError, match=r"^the counts of running rows must not grow$"):
        _native.run_float(empty, [], [], [], [], [], [], [], [1, 2], 3, False, 0, 0, 1)
