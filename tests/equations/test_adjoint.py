"""Backward cells against derivatives by hand and against finite differences of the oracle run."""

from __future__ import annotations

import numpy as np
import pytest

from tests.equations.backward_by_hand import Gradients, backward_run, forward_run, outside
from tests.random_cells import random_cell
from unrolled.cells import catalogue, elman
from unrolled.equations import Cell
from unrolled.equations.interior import interior
from unrolled.equations.schedule import make_schedule
from unrolled.equations.show_backward import Backward

TIME, INPUT, HIDDEN, STEP = 6, 3, 4, 1e-6
CELLS = {**catalogue(), **{f"random_{seed}": Cell.from_text(random_cell(seed).text) for seed in range(12)}}


class Problem:
    """One cell with drawn values, and a loss that weighs every output and every final state."""

    def __init__(self, cell: Cell, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.cell = cell
        sizes = {name: 2 + i for i, name in enumerate(cell.named_sizes)}
        self.letters = cell.letters(INPUT, HIDDEN, **sizes)
        shapes = cell.parameter_shapes(INPUT, HIDDEN, **sizes)
        states = cell.state_sizes(INPUT, HIDDEN, **sizes)
        self.values = {
            "x": {"x": rng.normal(size=(TIME, INPUT))},
            "parameters": {name: rng.uniform(-0.8, 0.8, shape) for name, shape in shapes.items()},
            "initial": {name: rng.uniform(-0.8, 0.8, size) for name, size in states.items()},
            "static": {name: rng.normal(size=sizes[name]) for name in cell.signature.statics},
        }
        self.output = rng.normal(size=(TIME, cell.output_size(INPUT, HIDDEN, **sizes)))
        self.final = {name: rng.normal(size=size) for name, size in states.items()}
        self.backward = Backward(make_schedule(cell.graph))

    def loss(self, values: dict[str, dict[str, np.ndarray]]) -> float:
        """By the oracle, which knows no graph."""
        run = self.cell.run(
            values["x"]["x"], values["parameters"], values["initial"], static=values["static"]
        )
        ends = sum((run.carried[name] * weight).sum() for name, weight in self.final.items())
        return float((run.outputs * self.output).sum() + ends)

    def fixed(self, values: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The parameters and static inputs of the interior."""
        inside = interior(make_schedule(self.cell.graph))
        known = outside(
            make_schedule(self.cell.graph).graph, {**values["parameters"], **values["static"]}, self.letters
        )
        return {name: np.array(known[i], dtype=float) for name, i in (*inside.parameters, *inside.statics)}

    def gradients(self) -> Gradients:
        adjoint, fixed = self.backward.adjoint, self.fixed(self.values)
        forward = forward_run(
            adjoint.forward, self.values["x"]["x"], fixed, self.values["initial"], self.letters
        )
        return backward_run(adjoint, forward, fixed, self.output, self.final, self.letters)

    def moved(
        self, direction: dict[str, dict[str, np.ndarray]], by: float
    ) -> dict[str, dict[str, np.ndarray]]:
        return {
            kind: {name: value + by * direction[kind].get(name, 0.0) for name, value in values.items()}
            for kind, values in self.values.items()
        }


def directions(problem: Problem, rng: np.random.Generator):
    """One value at a time, all of its entries in a drawn direction."""
    for kind, values in problem.values.items():
        for name, value in values.items():
            drawn = {other: {} for other in problem.values}
            drawn[kind] = {name: rng.normal(size=value.shape)}
            yield kind, name, drawn


@pytest.mark.parametrize("name", list(CELLS))
def test_backward_cells_against_finite_differences_of_the_oracle(name):
    problem = Problem(CELLS[name])
    found = problem.gradients()
    for kind, own, direction in directions(problem, np.random.default_rng(1)):
        ahead, behind = (problem.moved(direction, sign * STEP) for sign in (1, -1))
        slope = (problem.loss(ahead) - problem.loss(behind)) / (2 * STEP)
        if kind == "x":
            expected = (found.x * direction["x"]["x"]).sum()
        elif kind == "initial":
            expected = (found.initial[own] * direction[kind][own]).sum()
        else:
            first, second = problem.fixed(ahead), problem.fixed(behind)
            expected = sum((found.fixed[p] * (first[p] - second[p]) / (2 * STEP)).sum() for p in found.fixed)
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7), (kind, own)


ELMAN = """\
elman: the backward pass, from the last step to the first
  names   dv is dL/dv, the gradient that reaches a value v; δv the same before the activation that gives v
  given   dL/dh_t from the loss at step t
          dh_next from step t+1, which calls it dh_prev; 0 after the last step
  saved   nothing: 0 floats by step and row, beside x_t and h_t
  before  -
  loop    dh_t = dL/dh_t + dh_next
          δ_t = (1 - h_t ⊙ h_t) ⊙ dh_t
          dh_prev = Uᵀ · δ_t
  after   dx_t = Wᵀ · δ_t
          dW += δ_t x_tᵀ
          dU += δ_t h_{t-1}ᵀ
          db += δ_t"""


def test_elman_is_printed_as_lectures_derive_it():
    assert elman.backward() == ELMAN


def test_what_elman_prints_is_what_it_computes_at_every_step():
    problem = Problem(elman)
    found = problem.gradients()
    backward = problem.backward
    position = {name: i for i, name in backward.names.items()}
    weights, x = problem.values["parameters"], problem.values["x"]["x"]
    run = elman.run(x, weights, problem.values["initial"])
    before = np.concatenate([problem.values["initial"]["h"][None], run.outputs[:-1]])
    gradients = {name: np.zeros_like(value) for name, value in weights.items()}
    arriving = problem.final["h"]
    for tick, t in enumerate(reversed(range(TIME))):
        now = found.steps[tick]
        dh = problem.output[t] + arriving
        delta = (1 - np.tanh(weights["W"] @ x[t] + weights["U"] @ before[t] + weights["b"]) ** 2) * dh
        arriving = weights["U"].T @ delta
        np.testing.assert_allclose(now[position["dh_next"]] + problem.output[t], dh, rtol=1e-12)
        np.testing.assert_allclose(now[position["δ_t"]], delta, rtol=1e-12)
        np.testing.assert_allclose(now[backward.graph.next_states[0]], arriving, rtol=1e-12)
        np.testing.assert_allclose(found.x[t], weights["W"].T @ delta, rtol=1e-12)  # da/dx
        gradients["W"] += np.outer(delta, x[t])  # da/dW_ax
        gradients["U"] += np.outer(delta, before[t])  # da/dW_aa
        gradients["b"] += delta  # da/db
    graph = backward.adjoint.forward
    for name in weights:
        own = next(p for p in found.fixed if backward.forward_names[graph.leaf[p]] == name)
        np.testing.assert_allclose(found.fixed[own], gradients[name], rtol=1e-12)
    np.testing.assert_allclose(found.initial["h"], arriving, rtol=1e-12)
