"""A network of torch.nn and ours with the same arguments and the same weights, and how the two are compared."""

from __future__ import annotations

import torch
from torch import nn

import unrolled

PAIRS = {name: (getattr(nn, name), getattr(unrolled, name)) for name in ("RNN", "GRU", "LSTM")}
CELL_PAIRS = {
    name: (getattr(nn, name), getattr(unrolled, name)) for name in ("RNNCell", "GRUCell", "LSTMCell")
}
I, H = 5, 7
CLOSE = {"rtol": 0, "atol": 1e-12}


def pair(name, *sizes, **options):
    """Torch's module and ours from one seed, in float64 unless said otherwise."""
    theirs_class, ours_class = (PAIRS | CELL_PAIRS)[name]
    options = {"dtype": torch.float64, **options}
    made = []
    for kind in (theirs_class, ours_class):
        torch.manual_seed(3)
        made.append(kind(*(sizes or (I, H)), **options))
    return made


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def hidden(module, *rows):
    """Drawn initial states as the module takes them."""
    count = module.num_layers * (2 if module.bidirectional else 1)
    sizes = [module.proj_size or module.hidden_size]
    sizes += [module.hidden_size] * (module.mode == "LSTM")
    dtype = module.weight_ih_l0.dtype
    drawn = tuple(torch.randn(count, *rows, n, dtype=dtype) for n in sizes)
    return drawn if module.mode == "LSTM" else drawn[0]


def leaves(given):
    """The same values, asked for their gradients."""
    if given is None:
        return None
    if isinstance(given, tuple):
        return tuple(leaves(one) for one in given)
    return given.detach().clone().requires_grad_()


def weighed(values):
    """A scalar that weighs every number differently."""
    total = 0.0
    for value in values:
        total = (
            total + (value * torch.linspace(-1, 1, value.numel(), dtype=value.dtype).view(value.shape)).sum()
        )
    return total


def strides(value):
    """Of what has more than one entry: those of the rest say nothing."""
    return [stride for stride, size in zip(value.stride(), value.shape, strict=True) if size > 1]


def same_results(ours, theirs, **close):
    """Values, shapes, and how they lie in memory."""
    close = close or CLOSE
    for mine, other in zip(ours, theirs, strict=True):
        assert strides(mine) == strides(other)
        assert mine.is_contiguous() == other.is_contiguous()
        torch.testing.assert_close(mine, other, **close)


def same_gradients(ours, theirs, our_leaves, their_leaves, atol=1e-12):
    for (name, mine), (key, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == key
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=atol, msg=lambda m, k=key: f"{k}: {m}")
    for mine, other in zip(our_leaves, their_leaves, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=atol)
