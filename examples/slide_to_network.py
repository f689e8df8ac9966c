"""From a slide to a network: paste the equations as they stand, in either notation.

Slides write the same network in two ways. One stacks the old state and the input and has one matrix for both,

    a_t = tanh(W_a [a_{t-1}, x_t] + b_a)

the other has a matrix for each,

    a_t = tanh(W_aa a_{t-1} + W_ax x_t + b_a)

where W_a = [W_aa, W_ax], side by side. This example pastes both, for a simple network and for the gated
recurrent unit, and shows that they are one network: the same numbers, and the same work in the same order.

    python examples/slide_to_network.py
"""

import numpy as np

from unrolled.cells import gru
from unrolled.equations import Cell, Schedule, cell, concat, sigmoid, tanh

I, H, T = 5, 4, 20  # input size, hidden size, steps


# --- a simple network, pasted as text ------------------------------------------------------------

STACKED = """
@cell
def stacked(x, a, *, W_a, b_a):
    a = tanh(W_a @ concat(a, x) + b_a)
    return a
"""

SEPARATE = """
@cell
def separate(x, a, *, W_aa, W_ax, b_a):
    a = tanh(W_aa @ a + W_ax @ x + b_a)
    return a
"""


# --- the gated recurrent unit, pasted as Python --------------------------------------------------


@cell
def stacked_gru(x, c, *, W_u, b_u, W_r, b_r, W_c, b_c):
    """GRU in the notation W [c, x], with its gates called update and relevance."""
    update = sigmoid(W_u @ concat(c, x) + b_u)
    relevance = sigmoid(W_r @ concat(c, x) + b_r)
    candidate = tanh(W_c @ concat(relevance * c, x) + b_c)
    return update * candidate + (1 - update) * c


@cell
def separate_gru(x, c, *, W_uc, W_ux, b_u, W_rc, W_rx, b_r, W_cc, W_cx, b_c):
    """GRU with one matrix for the state and one for the input."""
    update = sigmoid(W_uc @ c + W_ux @ x + b_u)
    relevance = sigmoid(W_rc @ c + W_rx @ x + b_r)
    candidate = tanh(W_cc @ (relevance * c) + W_cx @ x + b_c)
    return update * candidate + (1 - update) * c


# --- the same network ----------------------------------------------------------------------------


def draw(network: Cell, seed: int = 0) -> dict[str, np.ndarray]:
    """Random parameters, by their names in the equations."""
    generator = np.random.default_rng(seed)
    shapes = network.parameter_shapes(I, H)
    return {name: generator.normal(0, 0.5, shape) for name, shape in shapes.items()}


def cut(parameters: dict[str, np.ndarray], state: str) -> dict[str, np.ndarray]:
    """Cut every matrix of the stacked notation into the columns of the state and those of the input."""
    separate = {}
    for name, value in parameters.items():
        if value.ndim == 2:
            separate[f"{name}{state}"], separate[f"{name}x"] = value[:, :H], value[:, H:]
        else:
            separate[name] = value
    return separate


def difference(one: Cell, its: dict, other: Cell, others: dict) -> float:
    """The largest difference between the outputs of two cells on one random sequence (T, I)."""
    sequence = np.random.default_rng(1).normal(size=(T, I))
    return float(np.abs(one.run(sequence, its).outputs - other.run(sequence, others).outputs).max())


def work(schedule: Schedule) -> dict[str, list]:
    """What a schedule does, group by group and phase by phase, whatever the parameters are called."""
    graph = schedule.graph

    def shapes(matrices):
        return [" x ".join(str(size) for size in graph.shapes[matrix]) for matrix in matrices]

    def phase(its):
        products = [(graph.nodes[p.vector].operation, shapes(p.matrices)) for p in its.products]
        return products, [graph.nodes[value].operation for value in its.values]

    groups = {"before": schedule.before, "step": schedule.step, "after": schedule.after}
    return {name: [phase(its) for its in phases] for name, phases in groups.items()}


def as_in_the_catalogue(slide: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The slide's parameters under the names of `unrolled.cells.gru`: update is z, relevance is r."""
    renamed = {}
    for gate, ending in {"u": "_z", "r": "_r", "c": ""}.items():
        renamed[f"U{ending}"] = slide[f"W_{gate}c"]
        renamed[f"W{ending}"] = slide[f"W_{gate}x"]
        renamed[f"b{ending}"] = slide[f"b_{gate}"]
    return renamed


def compare(stacked: Cell, separate: Cell, state: str) -> None:
    """Print both notations, how far apart their numbers are, and whether their schedules do the same."""
    print(stacked.equations(), separate.equations(), sep="\n\n")
    parameters = draw(stacked)
    apart = difference(stacked, parameters, separate, cut(parameters, state))
    counts = stacked.parameter_count(I, H), separate.parameter_count(I, H)
    same = work(stacked.schedule()) == work(separate.schedule())
    print(f"\nnumbers to learn for I={I}, H={H}:    {counts[0]} and {counts[1]}")
    print(f"largest difference over {T} steps: {apart:.0e}")
    print(f"the schedules do the same work:   {'yes' if same else 'no'}\n")


def main() -> None:
    """Compare the two notations of both networks, then the slide's GRU with the one in the catalogue."""
    compare(Cell.from_text(STACKED), Cell.from_text(SEPARATE), state="a")
    compare(stacked_gru, separate_gru, state="c")
    print("the schedule of the stacked notation, where [c, x] is nowhere put together:\n")
    print(stacked_gru.schedule())
    slide = cut(draw(stacked_gru), "c")
    apart = difference(separate_gru, slide, gru, as_in_the_catalogue(slide))
    print(f"\nlargest difference between the slide and unrolled.cells.gru: {apart:.0e}")


if __name__ == "__main__":
    main()
