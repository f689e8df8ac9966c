"""Runs in segments against plain ones."""

import pytest
import torch

from unrolled.cells import catalogue
from unrolled.engines.segments import segment_length
from unrolled.errors import SettingError
from unrolled.layers import Recurrent
from unrolled.layers.regularise import Regularise
from unrolled.layers.state import Key

T, B, I, H = 11, 4, 3, 8


def layers(cell="lstm", length=3, **options):
    """The same layer without segments, and with segments of `length` steps."""
    named = catalogue()[cell]
    made = []
    for checkpoint in (None, "sqrt"):
        torch.manual_seed(1)
        sizes = dict.fromkeys(named.named_sizes, 3)
        options = {"dtype": torch.float64, "sizes": sizes, **options}
        made.append(Recurrent(cell, I, H, checkpoint=checkpoint, **options))
    return made


@pytest.fixture(autouse=True)
def short_segments(monkeypatch, request):
    length = getattr(request, "param", 3)
    monkeypatch.setattr("unrolled.engines.segments.segment_length", lambda *_: length)
    return length


def results(layer, x, state, **call):
    """Output, final states, and gradients of everything."""
    x = x.clone().requires_grad_(x.is_floating_point())
    state = {name: value.clone().requires_grad_() for name, value in state.items()}
    layer.zero_grad()
    output, end = layer(x, state, **call)
    torch.manual_seed(9)
    loss = (output * torch.randn_like(output)).sum() + sum((v * torch.randn_like(v)).sum() for v in end)
    loss.backward()
    leaves = [*([x] if x.is_floating_point() else []), *state.values(), *layer.parameters()]
    return [output.detach(), *(v.detach() for v in end)], [leaf.grad for leaf in leaves]


def assert_same(plain, other, bits=True):
    for one, two in zip(plain[0], other[0], strict=True):
        assert torch.equal(one, two) if bits else torch.allclose(one, two, rtol=1e-12, atol=1e-14)
    for one, two in zip(plain[1], other[1], strict=True):
        zero = torch.zeros(()) if one is None or two is None else None
        one, two = (zero if g is None else g for g in (one, two))
        torch.testing.assert_close(
            *torch.broadcast_tensors(one, two), rtol=1e-11, atol=1e-13, check_dtype=False
        )


def begun(layer):
    torch.manual_seed(3)
    blank = layer._start_state(B)
    return {name: torch.randn_like(blank[name]) for name in blank.names}


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("cell", sorted(catalogue()))
def test_every_cell_has_the_gradients_of_a_plain_run(cell, engine):
    plain, cut = layers(cell, engine=engine)
    x, state = torch.randn(T, B, I, dtype=torch.float64), begun(plain)
    names = plain.cell.signature.statics
    call = {"static": {n: torch.randn(B, 3, dtype=torch.float64) for n in names}} if names else {}
    assert_same(results(plain, x, state, **call), results(cut, x, state, **call), bits=engine == "native")


@pytest.mark.parametrize("short_segments", [1, 4, 10], indirect=True)
@pytest.mark.parametrize("cell", ["lstm", "skip_in_time", "clockwork", "mingru"])
def test_deep_ragged_bidirectional_batches_that_restart(cell, short_segments):
    plain, cut = layers(cell, num_layers=2, bidirectional=True)
    x, state = torch.randn(T, B, I, dtype=torch.float64), begun(plain)
    call = {"lengths": [T, 0, 3, 7], "resets": torch.rand(T, B) < 0.2}
    assert_same(results(plain, x, state, **call), results(cut, x, state, **call))


def test_indices_forced_states_learned_starts_and_masks():
    plain, cut = layers(
        "gru", initial_state="learned", num_layers=1, regularise=Regularise(zoneout=0.3, recurrent=0.3)
    )
    found = []
    for layer in (plain, cut):
        layer.zero_grad()
        carried = layer._start_state(B)
        carried.key = Key(4, torch.zeros(B, dtype=torch.int64))
        torch.manual_seed(0)
        output, _ = layer(torch.randint(I, (T, B)), carried, resets=torch.rand(T, B) < 0.2)
        output.square().sum().backward()
        found.append(([output.detach()], [p.grad for p in layer.parameters()]))
    assert_same(*found)
    plain, cut = layers("jordan")
    x, y = torch.randn(T, B, I, dtype=torch.float64), torch.randn(T, B, 3, dtype=torch.float64)
    assert_same(*(results(layer, x, begun(layer), forced={"y": y}) for layer in (plain, cut)))


def test_what_is_kept_grows_with_the_segments_and_not_with_the_steps():
    plain, cut = layers("lstm")
    x = torch.randn(300, B, I, dtype=torch.float64, requires_grad=True)

    def kept(layer):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda v: (sizes.append(v.nbytes), v)[1], lambda v: v):
            layer(x)
        return sum(sizes)

    parameters = sum(p.nbytes for p in cut.parameters())
    assert kept(cut) < 2 * x.nbytes + parameters + 10_000
    assert kept(plain) > 300 * B * 5 * H * 8


def test_backward_twice_and_double_backward():
    _, cut = layers("gru")
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    loss = cut(x)[0].square().sum()
    first = torch.autograd.grad(loss, x, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, x, retain_graph=True)[0])
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


class TestLength:
    cell = catalogue()["lstm"]
    letters = cell.letters(
        I, H
    )  # between segments 2H numbers a row, by step 5H saved and output with gradient 2H

    def length(self, time, budget, row_bytes=4):
        return segment_length(self.cell.schedule(), self.letters, time, row_bytes, budget)

    def test_the_square_root(self):
        assert [self.length(time, "sqrt") for time in (0, 1, 4, 10, 1_000_000)] == [1, 1, 2, 4, 1000]

    def test_the_longest_that_the_budget_allows(self):
        def needed(length, time=1000):
            return 4 * (-(-time // length) * 2 * H + length * 7 * H)

        for budget in (needed(17), needed(40), needed(200), needed(1000), 10 * needed(1000)):
            best = self.length(1000, budget)
            assert needed(best) <= budget
            assert best == 1000 or needed(best + 1) > budget

    def test_too_little_is_refused_with_what_is_needed(self):
        with pytest.raises(
            SettingError, match=r"checkpoint=1000 bytes is too little .* it needs \d+ at least"
        ):
            self.length(1000, 1000)


@pytest.mark.parametrize("checkpoint", ["cube", 0, -1, True, 2.5])
def test_other_values_are_refused(checkpoint):
    with pytest.raises(SettingError, match="checkpoint must be 'sqrt' or a number of bytes > 0, got"):
        Recurrent("gru", I, H, checkpoint=checkpoint)
