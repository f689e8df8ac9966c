import doctest

import pytest
import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unrolled.errors import SettingError, ShapeError
from unrolled.layers import linear_cross_entropy as module
from unrolled.layers.linear_cross_entropy import linear_cross_entropy

N, H, V = 23, 6, 11


@pytest.fixture(autouse=True, params=[8_000_000, 4 * V, 1])
def chunks_of_all_of_four_and_of_one_row(request, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", request.param)


def make(dtype=torch.float64, bias=True, spread=1.0):
    x = (torch.randn(N, H, dtype=torch.float64) * spread).to(dtype).requires_grad_()
    weight = torch.randn(V, H, dtype=torch.float64).to(dtype).requires_grad_()
    offset = torch.randn(V, dtype=torch.float64).to(dtype).requires_grad_() if bias else None
    targets = torch.randint(V, (N,))
    targets[::5] = -1
    return x, weight, offset, targets


def plain(x, weight, bias, targets, ignored=-1, reduction="mean"):
    return cross_entropy(linear(x, weight, bias), targets, ignore_index=ignored, reduction=reduction)


def gradients(function, x, weight, bias, targets, *rest):
    known = [value for value in (x, weight, bias) if value is not None]
    loss = function(x, weight, bias, targets, *rest)
    by_row = torch.linspace(-1, 2, N, dtype=loss.dtype) if loss.dim() else loss.new_tensor(0.7)
    return [loss.detach(), *torch.autograd.grad(loss, known, by_row)]


def assert_same(found, expected, tolerance=1e-12):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        assert (one - other).abs().max() <= tolerance * other.abs().max()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("ignored", [-1, 3])
def test_the_loss_and_its_gradients_are_the_plain_ones(reduction, bias, ignored):
    x, weight, offset, targets = make(bias=bias)
    if ignored == 3:
        targets = targets.clamp(min=0)
    rest = (ignored, reduction)
    assert_same(
        gradients(linear_cross_entropy, x, weight, offset, targets, *rest),
        gradients(plain, x, weight, offset, targets, *rest),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_finite_differences(reduction):
    x, weight, bias, targets = make()
    torch.autograd.gradcheck(
        lambda *values: linear_cross_entropy(*values, targets, reduction=reduction), (x, weight, bias)
    )


def test_float32_is_near_the_truth_and_no_worse_than_the_plain_loss():
    values = make(torch.float32, spread=4.0)
    doubled = [value.detach().double().requires_grad_() for value in values[:3]]
    true = gradients(plain, *doubled, values[3])
    found, usual = (gradients(function, *values) for function in (linear_cross_entropy, plain))
    for mine, theirs, exact in zip(found, usual, true, strict=True):
        off, usually_off = ((one.double() - exact).abs().max() / exact.abs().max() for one in (mine, theirs))
        assert off <= 1e-6
        assert off <= max(2 * usually_off, 2e-7)


def test_logits_of_thousands_neither_overflow_nor_vanish():
    values = make(spread=2000.0)
    assert_same(gradients(linear_cross_entropy, *values), gradients(plain, *values))


def test_any_strides():
    x, weight, bias, targets = make()
    strided = (
        torch.empty(H, 2 * N, dtype=x.dtype).t()[::2].copy_(x).detach().requires_grad_(),
        torch.empty(V, 2 * H, dtype=x.dtype)[:, ::2].copy_(weight).detach().requires_grad_(),
        bias.detach().flip(0).flip(0)[:, None].expand(V, 2)[:, 0].requires_grad_(),
        targets[:, None].expand(N, 3)[:, 1],
    )
    assert not any(value.is_contiguous() for value in strided[:2])
    assert_same(gradients(linear_cross_entropy, *strided), gradients(plain, x, weight, bias, targets))


@pytest.mark.parametrize("learned", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_only_what_needs_a_gradient_gets_one(learned):
    *values, targets = make()
    for place, value in enumerate(values):
        value.requires_grad_(place in learned)
    linear_cross_entropy(*values, targets).backward()
    expected = make_again(values, targets)
    for place, value in enumerate(values):
        if place in learned:
            torch.testing.assert_close(value.grad, expected[place], rtol=1e-12, atol=1e-15)
        else:
            assert value.grad is None


def make_again(values, targets):
    leaves = [value.detach().requires_grad_() for value in values]
    return torch.autograd.grad(plain(*leaves, targets), leaves)


def test_without_gradients_there_is_only_the_loss():
    x, weight, bias, targets = make()
    with torch.no_grad():
        loss = linear_cross_entropy(x, weight, bias, targets)
    assert not loss.requires_grad
    torch.testing.assert_close(loss, plain(x, weight, bias, targets).detach(), rtol=1e-12, atol=0)
    detached = linear_cross_entropy(x.detach(), weight.detach(), None, targets, reduction="none")
    expected = plain(x, weight, None, targets, reduction="none").detach()
    torch.testing.assert_close(detached, expected, rtol=1e-12, atol=0)


def test_going_backward_twice_gives_the_same_twice():
    x, weight, bias, targets = make()
    loss = linear_cross_entropy(x, weight, bias, targets) * 3
    first = torch.autograd.grad(loss, (x, weight, bias), retain_graph=True)
    kept = [one.clone() for one in first]
    second = torch.autograd.grad(loss, (x, weight, bias), retain_graph=True)
    third = torch.autograd.grad(loss, (x, weight, bias))
    true = torch.autograd.grad(plain(x, weight, bias, targets) * 3, (x, weight, bias))
    for found in (first, kept, second, third):
        assert_same(found, true)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(loss, (x, weight, bias))


def test_a_second_derivative_is_refused():
    x, weight, bias, targets = make()
    loss = linear_cross_entropy(x, weight, bias, targets)
    with pytest.raises(SettingError, match="no second derivatives"):
        torch.autograd.grad(loss, x, create_graph=True)


def test_weights_changed_between_forward_and_backward_are_noticed():
    x, weight, bias, targets = make()
    loss = linear_cross_entropy(x, weight, bias, targets)
    with torch.no_grad():
        weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_add_up_in_grad_and_do_not_share_memory():
    x, weight, bias, targets = make()
    loss = linear_cross_entropy(x, weight, bias, targets)
    loss.backward(retain_graph=True)
    once = weight.grad.clone()
    loss.backward()
    torch.testing.assert_close(weight.grad, 2 * once, rtol=1e-12, atol=0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("rows", [0, N])
def test_without_any_target_the_loss_and_its_gradients_are_zero(rows, reduction):
    x, weight, bias, _ = make()
    loss = linear_cross_entropy(x[:rows], weight, bias, torch.full((rows,), -1), reduction=reduction)
    assert loss.item() == 0
    for gradient, value in zip(torch.autograd.grad(loss, (x, weight, bias)), (x, weight, bias), strict=True):
        assert torch.equal(gradient, torch.zeros_like(value))
    with torch.no_grad():
        assert linear_cross_entropy(x[:rows], weight, bias, torch.full((rows,), -1)).item() == 0


def test_an_ignored_row_has_no_loss_even_where_it_is_not_a_number():
    x, weight, bias, targets = make()
    spoiled = x.detach().clone()
    spoiled[targets == -1] = torch.nan
    torch.testing.assert_close(
        linear_cross_entropy(spoiled, weight, bias, targets), plain(x, weight, bias, targets)
    )


class Largest(TorchDispatchMode):
    """The most numbers in any tensor that an operation gives."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        given = operation(*args, **(kwargs or {}))
        for value in tree_leaves(given):
            if isinstance(value, torch.Tensor):
                self.numbers = max(self.numbers, value.numel())
        return given


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_no_tensor_is_of_the_size_of_the_logits(monkeypatch, reduction):
    rows, symbols = 60, 50
    monkeypatch.setattr(module, "CHUNK", 4 * symbols)
    x = torch.randn(rows, 2, requires_grad=True)
    weight, bias = (torch.randn(*shape, requires_grad=True) for shape in ((symbols, 2), (symbols,)))
    targets = torch.randint(symbols, (rows,))
    for function, most in ((linear_cross_entropy, 4 * symbols), (plain, rows * symbols)):
        with Largest() as largest:
            function(x, weight, bias, targets, reduction=reduction).sum().backward()
        assert largest.numbers == most


def test_the_gradient_of_the_weight_is_handed_over_and_not_copied():
    x, weight, bias, targets = make()
    loss = linear_cross_entropy(x, weight, bias, targets)
    address = loss.grad_fn.gradients[1].data_ptr()
    (2 * loss).backward()
    assert weight.grad.data_ptr() == address


def test_under_autocast_the_weights_say_the_dtype():
    x, weight, bias, targets = make(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        low = x.bfloat16()
        found = gradients(linear_cross_entropy, x, weight, bias, targets)
        loss = linear_cross_entropy(low, weight, bias, targets)
    assert_same(found, gradients(plain, x, weight, bias, targets), 1e-6)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plain(low.float(), weight, bias, targets))


def test_inside_a_compiled_function():
    x, weight, bias, targets = make()
    compiled = torch.compile(lambda *values: 2 * linear_cross_entropy(*values, targets), backend="eager")
    found = torch.autograd.grad(compiled(x, weight, bias), (x, weight, bias))
    expected = torch.autograd.grad(2 * plain(x, weight, bias, targets), (x, weight, bias))
    assert_same(found, expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"reduction": "avg"}, SettingError, "reduction must be .* got 'avg'"),
        (
            {"x": torch.zeros(2, 3, H)},
            ShapeError,
            r"x must be \(N, H\).*got \(2, 3, 6\) and \(11, 6\); flatten",
        ),
        ({"x": torch.zeros(N, H + 1)}, ShapeError, r"got \(23, 7\) and \(11, 6\)"),
        ({"bias": torch.zeros(V + 1)}, ShapeError, r"the bias must be \(11,\), .* got \(12,\)"),
        (
            {"targets": torch.zeros(N)},
            ShapeError,
            r"targets must be int64 \(23,\).*got torch.float32 \(23,\)",
        ),
        ({"targets": torch.zeros(3, dtype=torch.int64)}, ShapeError, r"got torch.int64 \(3,\)"),
        (
            {"targets": torch.full((N,), V)},
            ShapeError,
            r"targets must be in 0 .. 10 or -1 for ignored, got 11",
        ),
        ({"targets": torch.full((N,), -2)}, ShapeError, r"or -1 for ignored, got -2"),
        (
            {"x": torch.zeros(N, H)},
            ShapeError,
            "all float32 or all float64, got torch.float32, torch.float64",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    x, weight, bias, targets = make()
    with pytest.raises(error, match=message):
        linear_cross_entropy(**{"x": x, "weight": weight, "bias": bias, "targets": targets, **change})


def test_half_precision_is_refused():
    x, weight, _, targets = make(torch.float16)
    with pytest.raises(ShapeError, match=r"got torch\.float16"):
        linear_cross_entropy(x, weight, None, targets)


def test_the_example():
    outcome = doctest.testmod(module)
    assert outcome.attempted and not outcome.failed
