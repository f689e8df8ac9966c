"""`Recurrent`: its arguments, what it refuses, and what each option changes."""

import numpy as np
import pytest
import torch

from unrolled.cells import catalogue
from unrolled.equations import Cell, cell, tanh
from unrolled.errors import EngineError, EquationError, SettingError, ShapeError
from unrolled.layers import Recurrent

CLOSE = {"rtol": 0, "atol": 1e-12}
F64 = {"dtype": torch.float64}


def layer(name="elman", *sizes, **options):
    return Recurrent(name, *(sizes or (3, 4)), **{**F64, **options})


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def text_cell(body, signature, decorator="@cell"):
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return Cell.from_text(f"{decorator}\ndef c({signature}):\n{lines}")


# --- making a layer -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("elmann", 3, 4), {}, SettingError, "Nearest: elman"),
        ((123, 3, 4), {}, SettingError, "cell must be a Cell or a name of the catalogue, got 123"),
        ((torch.tanh, 3, 4), {}, SettingError, "Put @cell over the function"),
        (("elman", -1, 4), {}, ShapeError, "input_size must be a whole number >= 0, got -1"),
        (("elman", 3, 0), {}, ShapeError, "hidden_size must be a whole number >= 1, got 0"),
        (("elman", 3, 4.0), {}, ShapeError, "hidden_size must be a whole number >= 1, got 4.0"),
        (("elman", 3, True), {}, ShapeError, "hidden_size must be a whole number >= 1, got True"),
        (("elman", 3, 4, 0), {}, ShapeError, "num_layers must be a whole number >= 1, got 0"),
        (("jordan", 3, 4), {}, ShapeError, "jordan also needs the size output"),
        (
            ("jordan", 3, 4),
            {"sizes": {"output": 0}},
            ShapeError,
            "the size output must be a whole number >= 1, got 0",
        ),
        (("jordan", 3, 4), {"sizes": {"output": 2, "q": 3}}, ShapeError, "jordan has no size named q"),
        (("clockwork", 3, 6), {}, ShapeError, "Use a multiple of 4"),
        (
            ("elman", 3, 4),
            {"initialise": "zeros"},
            SettingError,
            r"initialise must be one of roles, uniform, .* got 'zeros'",
        ),
        (
            ("elman", 3, 4),
            {"initial_state": "one"},
            SettingError,
            "initial_state must be 'zero' or 'learned', got 'one'",
        ),
        (
            ("elman", 3, 4),
            {"start": {"Q": 0}},
            SettingError,
            "start= names Q, but elman has the parameters W, U, b",
        ),
        (
            ("elman", 3, 4),
            {"start": {"U": "unit"}},
            SettingError,
            "start= of the matrix U must be one of identity",
        ),
        (("elman", 3, 4), {"start": {"b": "glorot"}}, SettingError, "start= of the vector b must be one of"),
        (
            ("elman", 3, 4),
            {"start": {"b": torch.ones(3)}},
            SettingError,
            r"start= of b must have shape \(4,\), got \(3,\)",
        ),
        (
            ("elman", 3, 4),
            {"start": {"b": [1, 2]}},
            SettingError,
            "start= of b must be a name, a number, a tensor",
        ),
        (
            ("elman", 3, 4),
            {"engine": "cudnn"},
            EngineError,
            "engine must be one of .*reference.*, got 'cudnn'",
        ),
        (
            ("elman", 3, 4),
            {"dtype": torch.int64},
            SettingError,
            "cells compute in floating point, got dtype=torch.int64",
        ),
        (("elman", 3, 4), {"dtype": torch.complex64}, SettingError, "cells compute in floating point"),
    ],
)
def test_what_makes_no_layer_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Recurrent(*arguments, **options)


def test_a_cell_or_its_name_or_a_file():
    named, given = layer("gru"), layer(catalogue()["gru"])
    assert named.cell == given.cell


def test_whole_numbers_of_numpy_are_whole_numbers():
    made = layer("elman", np.int64(3), np.int32(4), np.int64(2))
    assert repr(made) == repr(layer("elman", 3, 4, 2))


def test_the_representation_says_what_was_chosen_and_counts_the_parameters():
    plain = layer("elman")
    assert "elman, input_size=3, hidden_size=4, engine=" in repr(plain)
    assert f"{4 * 3 + 4 * 4 + 4} parameters" in repr(plain)
    assert "l0): Weights(W (4, 3), U (4, 4), b (4,))" in repr(plain)
    rich = Recurrent("jordan", 30, 400, 2, True, True, sizes={"output": 7}, initial_state="learned")
    text = repr(rich)
    for part in (
        "output=7",
        "num_layers=2",
        "bidirectional=True",
        "batch_first=True",
        "initial_state='learned'",
    ):
        assert part in text
    count = sum(parameter.numel() for parameter in rich.parameters())
    assert f"{count:,} parameters" in text
    assert count > 1000


def test_parameters_are_named_as_in_the_equations():
    made = layer("gru", 3, 4, 2, bidirectional=True)
    names = [name for name, _ in made.named_parameters()]
    assert names[:3] == ["weights.l0.W_z", "weights.l0.U_z", "weights.l0.b_z"]
    for ending in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert f"weights.{ending}.U" in names
    assert all(name.split(".")[-1] in made.cell.signature.parameters for name in names)
    assert list(made.cell_weights("l1")) == list(made.cell.signature.parameters)
    assert made.cell_weights("l1")["W"].shape == (4, 8)


def test_any_name_may_be_a_parameter():
    awkward = text_cell("return tanh(half @ x + type @ h + forward + train * self)",
                        "x, h, *, half, type, forward, train, self")  # fmt: skip
    made = layer(awkward)
    assert {name.split(".")[-1] for name, _ in made.named_parameters()} == {
        "half",
        "type",
        "forward",
        "train",
        "self",
    }
    made = made.half().double().train().eval()
    output, _ = made(draw(2, 2, 3))
    assert output.dtype == torch.float64
    state = made.state_dict()
    other = layer(awkward)
    other.load_state_dict(state)
    assert torch.equal(other.cell_weights()["half"], made.cell_weights()["half"])
    with torch.no_grad():
        zeroed = {name: torch.zeros_like(value) for name, value in made.named_parameters()}
        result, _ = torch.func.functional_call(made, zeroed, (draw(2, 2, 3),))
    assert (result == 0).all()


@pytest.mark.parametrize("engine", [None, "reference"])
def test_the_engine_that_runs_can_be_read_and_chosen(engine):
    made = layer("elman", engine=engine)
    assert made.engine in repr(made)
    assert engine is None or made.engine == engine


def test_an_engine_says_why_it_cannot_run():
    made = layer("elman").to(torch.float64)
    made.cell_weights()["W"].data = made.cell_weights()["W"].data.to(torch.complex64)
    with pytest.raises(
        EngineError, match=r"no engine can run elman on cpu in torch.complex64 \(.*reference: cells compute"
    ):
        _ = made.engine


# --- the input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (draw(5, 2, 4), "the input must have I=3 entries a step, got 4"),
        (
            draw(5, 2, 3, 1),
            r"the input must be \(T, B, I\), or without B for one sequence, got \(5, 2, 3, 1\)",
        ),
        (draw(5), r"the input must be \(T, B, I\)"),
        (torch.zeros(5, 2, 3, dtype=torch.long), r"the input must be \(T, B\), or without B"),
        (torch.zeros(5, 2, dtype=torch.bool), "indices must be whole numbers, got torch.bool"),
        (torch.full((5, 2), 3), "indices must lie from 0 to I-1 = 2, got 3 to 3"),
        (torch.full((5, 2), -1), "indices must lie from 0 to I-1 = 2, got -1 to -1"),
        (np.zeros((5, 2, 3)), "the input must be a tensor, got ndarray"),
        ([[1.0]], "the input must be a tensor, got list"),
        (
            draw(5, 2, 3).float(),
            r"expected the input to have the same dtype as the parameters, but got: torch.float32",
        ),
        (None, "the layer reads inputs of size 3 and got none. Give x, or make the layer with input_size=0"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ShapeError, match=message):
        layer()(x)


def test_the_layout_in_the_message_is_the_layers():
    with pytest.raises(ShapeError, match=r"the input must be \(B, T, I\)"):
        layer(batch_first=True)(draw(5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": [1]}, r"lengths must have one entry for each of 2 rows, got \(1,\)"),
        ({"lengths": torch.ones(2, 1)}, r"lengths must have one entry for each of 2 rows, got \(2, 1\)"),
        ({"lengths": [6, 1]}, r"lengths\[0\] must be a whole number from 0 to T=5, got 6"),
        ({"lengths": [1, -1]}, r"lengths\[1\] must be a whole number from 0 to T=5, got -1"),
        ({"lengths": [1, 1.5]}, r"lengths\[1\] must be a whole number from 0 to T=5, got 1.5"),
        ({"lengths": [1, float("nan")]}, r"lengths\[1\] must be a whole number"),
        ({"lengths": ["a", 1]}, r"lengths must be whole numbers \(B,\), got"),
        ({"lengths": torch.tensor([True, False])}, r"lengths\[0\] must be a whole number"),
        ({"resets": torch.zeros(5, 2)}, r"resets must be bool \(T, B\) = \(5, 2\), got torch.float32"),
        ({"resets": torch.zeros(2, 5, dtype=torch.bool)}, r"got torch.bool \(2, 5\)"),
        ({"resets": [True]}, "resets must be a tensor, got list"),
        ({"forced": {"h": draw(5, 2, 3)}}, r"forced h must be \(T, B, n\) = \(5, 2, 4\), got \(5, 2, 3\)"),
        ({"forced": {"h": [1]}}, "forced h must be a tensor, got list"),
        ({"static": {"v": draw(2, 3)}}, "the cell's static inputs are none, got v"),
        ({"steps": 5}, "steps= is for networks without input"),
        ({"state": draw(2, 2, 4)}, r"the state h must be \(L\*D, B, n\) = \(1, 2, 4\), got \(2, 2, 4\)"),
        ({"state": draw(1, 2, 4).float()}, "expected the state h to have the same dtype"),
        ({"state": (draw(1, 2, 4), draw(1, 2, 4))}, r"the state must be \(h\), got 2 tensors"),
        ({"state": {"c": draw(1, 2, 4)}}, "the cell has the states h, not c"),
        ({"state": (None,)}, "the state h must be a tensor, got NoneType"),
        ({"state": 3}, "the state must be a State, tensors or tensors by name, got int"),
        ({"state": "h"}, "the state must be a State, tensors or tensors by name, got str"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ShapeError, match=message):
        layer()(draw(5, 2, 3), **arguments)


def test_an_unknown_forced_state_is_refused():
    with pytest.raises(EquationError, match="elman has no state c, its states: h"):
        layer()(draw(5, 2, 3), forced={"c": draw(5, 2, 4)})


def test_states_are_forced_in_one_layer_only():
    for options in ({"num_layers": 2}, {"bidirectional": True}):
        with pytest.raises(ShapeError, match="states are forced in one layer, one direction"):
            layer(**options)(draw(5, 2, 3), forced={"h": draw(5, 2, 4)})


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", ["lstm", "clockwork", "mingru"])
def test_one_sequence_is_a_batch_of_one(name, batch_first):
    made = layer(name, 3, 4, 2, bidirectional=True, batch_first=batch_first)
    x, cuts = draw(6, 3), torch.tensor([False, False, True, False, False, False])
    alone, state = made(x, resets=cuts, lengths=[5])
    time = 1 if batch_first else 0
    batch, expected = made(x.unsqueeze(1 - time), resets=cuts.unsqueeze(1 - time), lengths=[5])
    assert alone.shape == (6, 8)
    torch.testing.assert_close(alone, batch.squeeze(1 - time), **CLOSE)
    for mine, other in zip(state, expected, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


def test_batch_first_is_a_transposition_of_everything_but_the_states():
    first, last = layer("gru", 3, 4, 2, batch_first=True), layer("gru", 3, 4, 2)
    last.load_state_dict(first.state_dict())
    x, cuts, start = draw(5, 3, 3), torch.rand(5, 3) < 0.3, draw(2, 3, 4)
    expected, state = last(x, start, resets=cuts, lengths=[5, 2, 0])
    output, other = first(x.transpose(0, 1), start, resets=cuts.t(), lengths=[5, 2, 0])
    torch.testing.assert_close(output.transpose(0, 1), expected, **CLOSE)
    torch.testing.assert_close(other["h"], state["h"], **CLOSE)


# --- networks without input, static inputs, named sizes -------------------------------------------


@pytest.mark.parametrize("name", ["elman", "lstm", "mingru"])
def test_a_network_without_input_runs_for_a_number_of_steps(name):
    made = layer(name, 0, 4)
    with torch.no_grad():
        for value in made.parameters():
            value.uniform_(-1, 1)
    start = [draw(1, 2, 4) for _ in made.cell.states]
    output, state = made(None, tuple(start), steps=5)
    for b in range(2):
        weights = {key: value.detach().numpy() for key, value in made.cell_weights().items()}
        given = {key: value[0, b].numpy() for key, value in zip(made.cell.states, start, strict=True)}
        expected = made.cell.run(np.zeros((5, 0)), weights, given)
        np.testing.assert_allclose(output[:, b].detach(), expected.outputs, atol=1e-12)
    again, _ = made(None, state, steps=2)
    assert again.shape == (2, 2, 4)
    torch.testing.assert_close(made(draw(5, 2, 0), tuple(start))[0], output, **CLOSE)
    output.sum().backward()


def test_the_rows_of_a_network_without_input_come_from_whatever_has_rows():
    made = layer("elman", 0, 4, num_layers=2, bidirectional=True)
    assert made(None, steps=3)[0].shape == (3, 1, 8)
    assert made(None, steps=3, lengths=[3, 0, 2])[0].shape == (3, 3, 8)
    assert made(None, draw(4, 5, 4), steps=3)[0].shape == (3, 5, 8)
    assert made(None, {"h": draw(4, 5, 4)}, steps=3)[0].shape == (3, 5, 8)
    assert made(None, draw(4, 4), steps=3)[0].shape == (3, 8)  # one sequence
    assert made(None, steps=0)[0].shape == (0, 1, 8)
    described = text_cell("return tanh(U @ h + C @ v)", "x, h, v, *, U, C", '@cell(static=("v",))')
    made = layer(described, 0, 4, sizes={"v": 2})
    assert made(None, static={"v": draw(5, 2)}, steps=3)[0].shape == (3, 5, 4)


@pytest.mark.parametrize("steps", [-1, 1.5, True, "3"])
def test_steps_are_whole(steps):
    with pytest.raises(ShapeError, match=f"steps must be a whole number >= 0, got {steps!r}"):
        layer("elman", 0, 4)(None, steps=steps)


def test_static_inputs_are_constant_over_time_and_have_gradients():
    with_static = text_cell(
        "return tanh(W @ x + U @ h + C @ v)", "x, h, v, *, W, U, C", '@cell(static=("v",))'
    )
    made = layer(with_static, sizes={"v": 2}, num_layers=2, bidirectional=True)
    x, v = draw(4, 3, 3), draw(3, 2).requires_grad_()
    output, _ = made(x, static={"v": v}, lengths=[4, 2, 0])
    output.sum().backward()
    assert (v.grad[:2] != 0).all()
    assert (v.grad[2] == 0).all()
    alone, _ = made(x[:2, 1], static={"v": v[1]})
    torch.testing.assert_close(output[:2, 1], alone, **CLOSE)
    for wrong in ({}, {"v": draw(3, 2), "w": draw(3, 2)}):
        with pytest.raises(ShapeError, match="the cell's static inputs are v, got"):
            made(x, static=wrong)
    with pytest.raises(ShapeError, match=r"static v must be \(B, n\) = \(3, 2\), got \(2, 2\)"):
        made(x, static={"v": draw(2, 2)})


def test_an_output_of_another_size_is_what_the_next_layer_reads():
    made = layer("jordan", 3, 4, 3, bidirectional=True, sizes={"output": 2})
    assert made.output_size == 4
    assert made.cell_weights("l1")["W_h"].shape == (4, 4)
    assert made.cell_weights("l2_reverse")["U_h"].shape == (4, 2)
    output, state = made(draw(5, 2, 3))
    assert output.shape == (5, 2, 4)
    assert state["y"].shape == (6, 2, 2)


def test_an_output_of_the_inputs_size_grows_with_both_directions():
    residual = text_cell("return x + V @ h, tanh(W @ x + U @ h)", "x, h, *, V, W, U")
    made = layer(residual, 3, 4, 3, bidirectional=True)
    output, _ = made(draw(5, 2, 3))
    assert output.shape == (5, 2, made.output_size) == (5, 2, 24)


def test_a_cell_with_nothing_to_learn_moves_to_another_dtype():
    @cell
    def latch(x, h):
        return 0.5 * h

    made = Recurrent(latch, 3, 4)
    with pytest.raises(ShapeError, match="same dtype"):
        made(draw(5, 2, 3))
    output, _ = made.double()(draw(5, 2, 3), draw(1, 2, 4))
    assert output.dtype == torch.float64
    assert Recurrent(latch, 3, 4, dtype=torch.float64)(draw(2, 2, 3))[0].dtype == torch.float64
    assert made.state_dict() == {}


def test_a_forced_run_has_no_step_group_and_shifts_the_targets():
    made = layer("jordan", 3, 4, sizes={"output": 2})
    x, targets = draw(5, 2, 3), draw(5, 2, 2)
    start = draw(1, 2, 2)
    output, state = made(x, start, forced={"y": targets})
    weights = made.cell_weights()
    fed = torch.cat([start, targets[:-1]])
    hidden = torch.tanh(x @ weights["W_h"].T + fed @ weights["U_h"].T + weights["b_h"])
    torch.testing.assert_close(output, hidden @ weights["W_y"].T + weights["b_y"], **CLOSE)
    torch.testing.assert_close(state["y"][0], targets[-1], **CLOSE)


def test_devices_that_compute_nothing_still_give_shapes():
    made = Recurrent("clockwork", 3, 4, device="meta")
    output, state = made(torch.empty(5, 2, 3, device="meta"), lengths=[5, 2])
    assert output.shape == (5, 2, 4)
    assert state["h"].device.type == "meta"


def test_a_layer_is_a_module_inside_others():
    both = torch.nn.ModuleList([layer("gru"), layer("lstm", 4, 5)])
    x = draw(3, 2, 3)
    for part in both:
        x, _ = part(x)
    assert x.shape == (3, 2, 5)
    assert tanh is not None
