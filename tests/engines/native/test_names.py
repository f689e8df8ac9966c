"""A cell may use any names: those that the engine gives to its own values too."""

import pytest
import torch

from unrolled import Cell, Recurrent

NAMES = ["x", "p2", "p3", "s1", "v0", "v3", "d_1", "state", "forced", "out"]


@pytest.mark.parametrize("x", NAMES)
@pytest.mark.parametrize("h", ["h", "v4", "p1", "p2_"])
def test_names_change_nothing(x: str, h: str) -> None:
    head = "@cell(static=('c',))\ndef named({x}, {h}, c, *, W, U, V, b):\n"
    text = head + "    return tanh(W @ {x} + U @ {h} + V @ c + b)\n"
    found = []
    for names in ({"x": x, "h": h}, {"x": "first", "h": "second"}):
        torch.manual_seed(1)
        layer = Recurrent(Cell.from_text(text.format(**names)), 3, 4, sizes={"c": 2}, engine="native")
        given, c = torch.randn(5, 2, 3, requires_grad=True), torch.randn(2, 2)
        output, _ = layer(given, static={"c": c})
        output.square().sum().backward()
        found.append([output, given.grad, *(p.grad for p in layer.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
