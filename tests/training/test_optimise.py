import math

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.training.optimise import optimizer_of
from unrolled.training.settings import CourseSettings

GRADIENTS = np.random.default_rng(0).normal(size=(12, 5)) * [1, 1e-3, 10, 0.1, 0]


def stepped(rates, **settings):
    """The weights behind steps with these gradients, from ones."""
    weight = nn.Parameter(torch.ones(5, dtype=torch.float64))
    optimizer = optimizer_of([weight], CourseSettings(**settings))
    for gradient, rate in zip(GRADIENTS, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
    return weight.detach().numpy()


def adam(rates, decay, momentum):
    w, m, v = np.ones(5), np.zeros(5), np.zeros(5)
    for n, (g, rate) in enumerate(zip(GRADIENTS, rates, strict=True), 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - rate * decay * w
        w = w - rate * m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    return w


def sgd(rates, decay, momentum):
    w, b = np.ones(5), np.zeros(5)
    for g, rate in zip(GRADIENTS, rates, strict=True):
        b = momentum * b + g + decay * w
        w = w - rate * b
    return w


def rmsprop(rates, decay, momentum):
    w, v, b = np.ones(5), np.zeros(5), np.zeros(5)
    for g, rate in zip(GRADIENTS, rates, strict=True):
        full = g + decay * w
        v = 0.99 * v + 0.01 * full**2
        b = momentum * b + full / (np.sqrt(v) + 1e-8)
        w = w - rate * b
    return w


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("name", "formula", "momentum"),
    [
        ("adam", adam, 0.0),
        ("sgd", sgd, 0.0),
        ("sgd", sgd, 0.9),
        ("rmsprop", rmsprop, 0.0),
        ("rmsprop", rmsprop, 0.7),
    ],
)
def test_steps_by_their_formulas(name, formula, momentum, decay):
    rates = [0.02 * (1 + math.cos(n)) for n in range(len(GRADIENTS))]
    found = stepped(rates, optimizer=name, momentum=momentum, weight_decay=decay)
    np.testing.assert_allclose(found, formula(rates, decay, momentum), rtol=1e-12)


@pytest.mark.parametrize(("name", "rate"), [("adam", 0.004), ("sgd", 1.0), ("rmsprop", 0.004)])
def test_the_first_rate_is_that_of_the_settings(name, rate):
    weight = nn.Parameter(torch.zeros(1))
    assert optimizer_of([weight], CourseSettings(optimizer=name)).param_groups[0]["lr"] == rate
    assert optimizer_of([weight], CourseSettings(optimizer=name, learning_rate=7)).param_groups[0]["lr"] == 7
