"""The cheapest cut against brute force: every subset of small random graphs is tried."""

import itertools
import random

import pytest

from unrolled.equations.cut import minimum_cut


def random_graph(seed):
    rng = random.Random(seed)
    inner = list(range(rng.randint(0, 6)))
    vertices = ["source", *inner, "sink"]
    capacities = {
        (a, b): rng.choice([0.001, 1.0, 1.0, 2.0, 3.0, float("inf") if rng.random() < 0.3 else 1.5])
        for a, b in itertools.permutations(vertices, 2)
        if a != "sink" and b != "source" and rng.random() < 0.5
    }
    capacities.pop(("source", "sink"), None)
    return inner, capacities


def price(capacities, side):
    return sum(capacity for (a, b), capacity in capacities.items() if a in side and b not in side)


@pytest.mark.parametrize("late", [False, True])
def test_no_subset_is_cheaper(late):
    checked = 0
    for seed in range(400):
        inner, capacities = random_graph(seed)
        subsets = itertools.chain.from_iterable(
            itertools.combinations(inner, n) for n in range(len(inner) + 1)
        )
        sides = [{"source", *subset} for subset in subsets]
        cheapest = min(price(capacities, side) for side in sides)
        if cheapest == float("inf"):
            continue
        found = minimum_cut(capacities, "source", "sink", late=late)
        assert "source" in found
        assert "sink" not in found
        assert price(capacities, found) == pytest.approx(cheapest)
        equal = [side for side in sides if price(capacities, side) == pytest.approx(cheapest)]
        known = {vertex for edge in capacities for vertex in edge}
        if late:  # of equal cuts the one nearest to the sink
            assert all(side & known <= found for side in equal)
        else:
            assert all(found <= side for side in equal)
        checked += 1
    assert checked > 300
