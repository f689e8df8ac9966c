"""What must hold for any cell over any batch: pieces, rows, padding, directions, resets, forced states."""

from __future__ import annotations

import pytest
import torch

from tests.contract.cases import Case, arrays, cases, layer_of, random_static
from unrolled.layers import Recurrent, State

ALL = cases()
BY_NAME = pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
CLOSE = {"rtol": 0, "atol": 1e-12}


def batch(layer: Recurrent, time: int, rows: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    return torch.randn(time, rows, layer.input_size, dtype=torch.float64), random_static(layer, rows)


def same_state(a: State, b: State) -> None:
    for mine, theirs in zip(a.cells, b.cells, strict=True):
        assert mine.clock.tolist() == theirs.clock.tolist()
        for name in mine.values:
            torch.testing.assert_close(mine.values[name], theirs.values[name], **CLOSE)


@BY_NAME
def test_pieces_with_carried_state_are_the_whole(case: Case) -> None:
    layer = layer_of(case)
    x, static = batch(layer, 11, 3)
    whole, end = layer(x, static=static)
    pieces, state = [], None
    for piece in x.split([1, 4, 2, 0, 4]):
        output, state = layer(piece, state, static=static)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces), whole, **CLOSE)
    same_state(state, end)


@BY_NAME
def test_gradients_flow_through_the_carried_state(case: Case) -> None:
    layer = layer_of(case)
    x, static = batch(layer, 6, 2)
    x.requires_grad_()
    (whole,) = torch.autograd.grad(layer(x, static=static)[0].sum(), x, materialize_grads=True)
    first, state = layer(x[:2], static=static)
    second, _ = layer(x[2:], state, static=static)
    (pieces,) = torch.autograd.grad(first.sum() + second.sum(), x, materialize_grads=True)
    torch.testing.assert_close(pieces, whole, **CLOSE)


@BY_NAME
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_row_alone_is_the_row_in_a_ragged_batch(case: Case, bidirectional: bool) -> None:
    layer = layer_of(case, bidirectional=bidirectional, num_layers=2)
    lengths = [4, 0, 7, 2]
    x, static = batch(layer, 7, 4)
    output, state = layer(x, lengths=torch.tensor(lengths), static=static)
    for b, length in enumerate(lengths):
        alone, end = layer(x[:length, b : b + 1], static={name: v[b : b + 1] for name, v in static.items()})
        torch.testing.assert_close(output[:length, b], alone[:, 0], **CLOSE)
        same_state(state.rows([b]), end)


@BY_NAME
def test_padding_of_nan_changes_nothing(case: Case) -> None:
    layer = layer_of(case, bidirectional=True)
    lengths = [3, 5, 0]
    x, static = batch(layer, 5, 3)
    results = []
    for filler in (0.0, float("nan")):
        padded = x.clone()
        for b, length in enumerate(lengths):
            padded[length:, b] = filler
        padded.requires_grad_()
        output, state = layer(padded, lengths=lengths, static=static)
        parameters = list(layer.parameters())
        loss = output.sum() + sum(value.sum() for value in state)
        results.append([output, *torch.autograd.grad(loss, [padded, *parameters], materialize_grads=True)])
    for zeros, nans in zip(*results, strict=True):
        assert torch.equal(zeros, nans)


@BY_NAME
def test_the_reverse_direction_is_the_forward_one_on_reversed_rows(case: Case) -> None:
    both = layer_of(case, bidirectional=True)
    forward = layer_of(case)
    with torch.no_grad():
        for name, value in both.cell_weights("l0_reverse").items():
            forward.cell_weights()[name].copy_(value)
    x, static = batch(both, 6, 3)
    reverse = both(x, static=static)[0][..., forward.output_size :]
    torch.testing.assert_close(forward(x.flip(0), static=static)[0].flip(0), reverse, **CLOSE)


@BY_NAME
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_reset_is_a_cut(case: Case, bidirectional: bool) -> None:
    layer = layer_of(case, bidirectional=bidirectional, initial_state="learned")
    x, static = batch(layer, 7, 2)
    resets = torch.zeros(7, 2, dtype=torch.bool)
    resets[3, 0] = resets[5, 0] = True
    output, _ = layer(x, static=static, resets=resets)
    mine = {name: value[:1] for name, value in static.items()}
    pieces = [layer(piece, static=mine)[0] for piece in x[:, :1].split([3, 2, 2])]
    torch.testing.assert_close(output[:, :1], torch.cat(pieces), **CLOSE)
    torch.testing.assert_close(output[:, 1:], layer(x, static=static)[0][:, 1:], **CLOSE)


@BY_NAME
def test_resets_agree_with_the_oracle_in_a_ragged_run_that_goes_on(case: Case) -> None:
    layer = layer_of(case)
    x, static = batch(layer, 6, 2)
    resets = torch.rand(6, 2) < 0.4
    warm = layer(x, static=static)[1]
    output, _ = layer(x, warm, lengths=[6, 4], resets=resets, static=static)
    for b, length in enumerate([6, 4]):
        arguments = {"static": {name: value[b].numpy() for name, value in static.items()}}
        weights = arrays(layer.cell_weights())
        carried = layer.cell.run(x[:, b].numpy(), weights, **arguments).carried
        result = layer.cell.run(
            x[:length, b].numpy(), weights, carried, resets=resets[:length, b], **arguments
        )
        torch.testing.assert_close(output[:length, b], torch.from_numpy(result.outputs), **CLOSE)


@BY_NAME
def test_forced_states_agree_with_the_oracle(case: Case) -> None:
    layer = layer_of(case)
    x, static = batch(layer, 5, 2)
    name = case.cell.states[-1]
    size = case.cell.state_sizes(layer.input_size, layer.hidden_size, **case.sizes)[name]
    forced = {name: torch.randn(5, 2, size, dtype=torch.float64)}
    output, state = layer(x, forced=forced, static=static, lengths=[5, 3])
    for b, length in enumerate([5, 3]):
        result = layer.cell.run(
            x[:length, b].numpy(),
            arrays(layer.cell_weights()),
            forced={name: forced[name][:length, b].numpy()},
            static={key: value[b].numpy() for key, value in static.items()},
        )
        torch.testing.assert_close(output[:length, b], torch.from_numpy(result.outputs), **CLOSE)
        assert torch.equal(state[name][0, b], forced[name][length - 1, b])


@BY_NAME
def test_equations_survive_text_pickle_and_copy(case: Case) -> None:
    import copy
    import pickle

    cell = case.cell
    assert type(cell).from_text(str(cell.graph)).graph == cell.graph
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert copy.deepcopy(cell) == cell
