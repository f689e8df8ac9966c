"""Attention after the loop against its formula in NumPy, one step of one row at a time."""

import numpy as np
import pytest
import torch

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.attention import LuongAttention
from unrolled.layers.ragged import Ragged

ASKED, KEPT = [2, 0, 3, 1], [5, 2, 1, 3]
SCORES = ["general", "dot"]


def made(score):
    q, m = (4, 4) if score == "dot" else (4, 6)
    attention = LuongAttention(q, m, 3, score).double()
    queries = Ragged(torch.randn(sum(ASKED), q, dtype=torch.float64), ASKED)
    return attention, queries, Ragged(torch.randn(sum(KEPT), m, dtype=torch.float64), KEPT)


def by_hand(attention, h, memory):
    """The vector and the weights of one step."""
    matrix = np.eye(4) if attention.keys is None else attention.keys.weight.detach().numpy()
    scores = np.array([h @ matrix @ m for m in memory])
    shares = np.exp(scores) / np.exp(scores).sum()
    context = sum(share * m for share, m in zip(shares, memory, strict=True))
    return np.tanh(attention.combine.weight.detach().numpy() @ np.concatenate([context, h])), shares


@pytest.mark.parametrize("score", SCORES)
def test_it_is_its_formula(score):
    attention, queries, memories = made(score)
    output, weights = attention(queries, memories, weights=True)
    assert output.lengths.tolist() == ASKED
    assert tuple(weights.shape) == (4, 3, 5)
    seen = torch.zeros_like(weights, dtype=torch.bool)
    for b, (row, memory) in enumerate(zip(queries, memories, strict=True)):
        for t, h in enumerate(row.numpy()):
            vector, shares = by_hand(attention, h, memory.numpy())
            np.testing.assert_allclose(output[b][t].detach().numpy(), vector, rtol=1e-12)
            np.testing.assert_allclose(weights[b, t, : len(memory)].detach().numpy(), shares, rtol=1e-12)
            seen[b, t, : len(memory)] = True
    assert not weights[~seen].any()
    assert torch.equal(attention(queries, memories).values, output.values)


@pytest.mark.parametrize("score", SCORES)
def test_its_gradients_are_those_of_finite_differences(score):
    attention, queries, memories = made(score)
    names = [name for name, _ in attention.named_parameters()]

    def call(h, m, *weights):
        given = (queries.with_values(h), memories.with_values(m))
        found, shares = torch.func.functional_call(
            attention, dict(zip(names, weights, strict=True)), given, {"weights": True}
        )
        return found.values, shares

    inputs = [queries.values, memories.values, *(p.detach() for p in attention.parameters())]
    assert torch.autograd.gradcheck(call, [value.clone().requires_grad_() for value in inputs])


@pytest.mark.parametrize("score", SCORES)
def test_a_row_does_not_depend_on_the_others(score):
    attention, queries, memories = made(score)
    together = attention(queries, memories)
    for b in range(4):
        alone = attention(queries[[b]], memories[[b]])
        torch.testing.assert_close(alone.values, together[b], rtol=1e-13, atol=1e-14)


def test_memories_are_prepared_once_for_steps_of_several_rows():
    attention, queries, memories = made("general")
    prepared = attention.prepare(memories)
    wanted, weights = attention(queries[[2, 2]], memories[[2, 0]], weights=True)
    found, shares = attention.step(
        queries[[2, 2]].padded(batch_first=True), prepared.rows(torch.tensor([2, 0]))
    )
    torch.testing.assert_close(found.flatten(0, 1), wanted.values, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(shares, weights, rtol=1e-13, atol=1e-14)
    assert prepared.rows(torch.tensor([1, 2])).values.shape[1] == 2  # no longer than the longest of them


def test_large_scores_do_not_overflow():
    attention = LuongAttention(2, 2, 2, "dot")
    memories = Ragged(torch.tensor([[300.0, 0.0], [0.0, 300.0]]), [2])
    _, weights = attention(Ragged(torch.tensor([[300.0, 0.0]]), [1]), memories, weights=True)
    assert weights.flatten().tolist() == [1.0, 0.0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingError, match="attention must be general or dot, got 'additive'"):
        LuongAttention(2, 2, 2, "additive")
    with pytest.raises(SettingError, match="one size, got 2 and 3"):
        LuongAttention(2, 3, 2, "dot")
    attention, queries, memories = made("general")
    with pytest.raises(ShapeError, match=r"queries must be \(N, Q\) with Q=4, got \(11, 6\)"):
        attention(memories, memories)
    with pytest.raises(ShapeError, match=r"memories must be \(N, M\) with M=6, got \(6, 4\)"):
        attention(queries, queries)
    with pytest.raises(ShapeError, match="as many rows, got 4 and 2"):
        attention(queries, memories[:2])
    with pytest.raises(ShapeError, match="at least one step to attend to"):
        attention.prepare(Ragged(torch.zeros(2, 6, dtype=torch.float64), [2, 0]))
