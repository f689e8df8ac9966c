"""The contract table: every cell on every engine against the NumPy oracle, values and gradients."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from tests.contract.cases import Case, arrays, cases, layer_of, random_state, random_static, renamed_cases
from unrolled.layers import Recurrent

ALL = [*cases(), *renamed_cases()]
BY_NAME = pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
CATALOGUED = pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
STEP = 1e-6


@dataclass
class Problem:
    """A layer, a ragged batch, and the weights of a scalar loss over everything it gives."""

    layer: Recurrent
    x: torch.Tensor
    state: dict[str, torch.Tensor]
    static: dict[str, torch.Tensor]
    lengths: list[int]
    loss_output: torch.Tensor = field(init=False)
    loss_state: dict[str, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        time, rows = self.x.shape[:2]
        self.loss_output = torch.randn(time, rows, self.layer.output_size, dtype=torch.float64)
        self.loss_state = {name: torch.randn_like(value) for name, value in self.state.items()}

    def run(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        output, state = self.layer(self.x, self.state, lengths=self.lengths, static=self.static)
        return output, {name: state[name] for name in state.names}

    def loss(self) -> torch.Tensor:
        output, state = self.run()
        total = (output * self.loss_output).sum()
        return total + sum((state[name] * self.loss_state[name]).sum() for name in state)

    def oracle(self, values: dict[str, np.ndarray]) -> tuple[list[np.ndarray], list[dict[str, np.ndarray]]]:
        """Outputs and final states row by row from NumPy; `values` has every input of the problem by name."""
        outputs, finals = [], []
        for b, length in enumerate(self.lengths):
            result = self.layer.cell.run(
                values["x"][:length, b],
                {name: values[f"parameter {name}"] for name in self.layer.cell_weights()},
                {name: values[f"state {name}"][0, b] for name in self.state},
                static={name: values[f"static {name}"][b] for name in self.static},
            )
            outputs.append(result.outputs)
            finals.append({name: result.carried[name] for name in self.state})
        return outputs, finals

    def inputs(self) -> dict[str, torch.Tensor]:
        return {
            "x": self.x,
            **{f"parameter {name}": value for name, value in self.layer.cell_weights().items()},
            **{f"state {name}": value for name, value in self.state.items()},
            **{f"static {name}": value for name, value in self.static.items()},
        }

    def oracle_loss(self, values: dict[str, np.ndarray]) -> float:
        outputs, finals = self.oracle(values)
        total = 0.0
        for b, length in enumerate(self.lengths):
            total += float((outputs[b] * self.loss_output[:length, b].numpy()).sum())
            total += sum(float((finals[b][n] * self.loss_state[n][0, b].numpy()).sum()) for n in self.state)
        return total


def problem(case: Case, lengths: list[int]) -> Problem:
    layer = layer_of(case)
    time, rows = max(lengths), len(lengths)
    x = torch.randn(time, rows, layer.input_size, dtype=torch.float64)
    made = Problem(layer, x, random_state(layer, rows), random_static(layer, rows), lengths)
    for value in made.inputs().values():
        value.requires_grad_(True)
    return made


@BY_NAME
def test_outputs_and_final_states_equal_the_oracle(case: Case) -> None:
    made = problem(case, [6, 3, 0, 5])
    output, state = made.run()
    outputs, finals = made.oracle(arrays(made.inputs()))
    for b, length in enumerate(made.lengths):
        np.testing.assert_allclose(output[:length, b].detach(), outputs[b], rtol=1e-11, atol=1e-12)
        assert (output[length:, b] == 0).all()
        for name in made.state:
            np.testing.assert_allclose(state[name][0, b].detach(), finals[b][name], rtol=1e-11, atol=1e-12)


@BY_NAME
def test_every_gradient_equals_the_slope_of_the_oracle(case: Case) -> None:
    made = problem(case, [5, 2, 0, 3])
    made.loss().backward()
    values = arrays(made.inputs())
    for name, tensor in made.inputs().items():
        direction = np.random.default_rng(3).standard_normal(values[name].shape)
        ahead = made.oracle_loss({**values, name: values[name] + STEP * direction})
        behind = made.oracle_loss({**values, name: values[name] - STEP * direction})
        slope = (ahead - behind) / (2 * STEP)
        gradient = 0.0 if tensor.grad is None else float((tensor.grad.numpy() * direction).sum())
        assert gradient == pytest.approx(slope, rel=2e-6, abs=2e-7), name


@CATALOGUED
def test_gradients_pass_gradcheck_entry_by_entry(case: Case) -> None:
    layer = layer_of(case, hidden_size=8, input_size=2)
    weights = layer.weights["l0"]
    static = random_static(layer, 2)

    def run(x: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(weights, values, strict=True))
        parameters = {f"weights.l0.{name}": value for name, value in named.items()}
        arguments = {"lengths": [3, 1], "static": static}
        output, state = torch.func.functional_call(layer, parameters, (x,), arguments)
        return (output, *state)

    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    values = [weights[name].detach().clone().requires_grad_() for name in weights]
    assert torch.autograd.gradcheck(run, (x, *values), fast_mode=True)


@CATALOGUED
def test_second_derivatives_pass_gradgradcheck(case: Case) -> None:
    layer = layer_of(case, hidden_size=8, input_size=2)
    static = random_static(layer, 2)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: layer(v, static=static)[0], (x,), fast_mode=True)


@CATALOGUED
def test_vmap_equals_a_python_loop(case: Case) -> None:
    layer = layer_of(case)
    static = random_static(layer, 2)
    stack = torch.randn(3, 4, 2, layer.input_size, dtype=torch.float64)
    together = torch.func.vmap(lambda x: layer(x, static=static)[0])(stack)
    torch.testing.assert_close(
        together, torch.stack([layer(x, static=static)[0] for x in stack]), rtol=0, atol=1e-12
    )
