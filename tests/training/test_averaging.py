import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel

from unrolled.training.averaging import Average, Trigger


def walked(network, steps=20):
    """Weights that wander, one state after the other."""
    generator = torch.Generator().manual_seed(4)
    for _ in range(steps):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
        yield


def flat(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_the_mean_is_that_of_torch_and_of_all_weights_written_down():
    network = nn.Linear(3, 4).double()
    average, torchs, written = Average(list(network.parameters())), AveragedModel(network), []
    for _ in walked(network):
        average.add()
        torchs.update_parameters(network)
        written.append(flat(network))
    with average.in_place():
        torch.testing.assert_close(flat(network), torch.stack(written).mean(0), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(flat(network), flat(torchs.module), rtol=1e-12, atol=1e-12)
    assert average.number == 20


def test_behind_it_the_weights_are_what_they_were_and_the_mean_goes_on():
    network = nn.Linear(2, 2)
    average = Average(list(network.parameters()))
    seen = []

    def stopped():
        with average.in_place():
            seen.append(flat(network))
            raise ValueError("stopped")

    for _ in walked(network, 5):
        before = flat(network)
        average.add()
        with pytest.raises(ValueError, match="stopped"):
            stopped()
        assert torch.equal(flat(network), before)
    with average.in_place():
        assert torch.equal(flat(network), seen[-1])
    assert not torch.equal(seen[-1], seen[-2])


def test_without_an_update_the_weights_stay():
    network = nn.Linear(2, 2)
    before = flat(network)
    with Average(list(network.parameters())).in_place():
        assert torch.equal(flat(network), before)


def test_weights_that_do_not_move_keep_their_bits():
    network = nn.Linear(3, 3)
    average = Average(list(network.parameters()))
    for _ in range(7):
        average.add()
    before = flat(network)
    with average.in_place():
        assert torch.equal(flat(network), before)


def first_of_the_paper(losses, n):
    """The validation at which Algorithm 1 begins to average; logs is filled as there."""
    logs = []
    for k, v in enumerate(losses):
        if k > n and v > min(logs[l] for l in range(k - n)):
            return k
        logs.append(v)
    return None


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 6))
def test_it_triggers_where_the_paper_does(losses, after):
    trigger = Trigger(after)
    found = next((k for k, loss in enumerate(losses) if trigger((float(loss),))), None)
    assert found == first_of_the_paper(losses, after)


def test_what_decides_is_the_place_and_not_the_loss_alone():
    trigger = Trigger(1)
    places = ((-0.5, 2.0), (-0.6, 3.0), (-0.5, 1.0), (-0.55, 0.1))
    assert [trigger(place) for place in places] == [False, False, False, True]
