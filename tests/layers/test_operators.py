"""Layers under torch.compile and torch.export: the layer's own bits, from operators that torch can see."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim
from torch.func import functional_call, grad, jacrev, jvp, vmap
from torch.utils import _pytree as pytree

from tests.contract.cases import Case, layer_of, random_state, random_static
from unrolled import cell
from unrolled.cells import catalogue
from unrolled.equations import sigmoid, tanh
from unrolled.errors import EngineError, ShapeError
from unrolled.layers import Recurrent
from unrolled.layers import operators as defined
from unrolled.layers.state import Key, State

ROOT = Path(__file__).resolve().parents[2]
RUN = torch.ops.unrolled.run.default
CLOSE = {"rtol": 0, "atol": 1e-11}


@cell(static=("context",))
def conditioned(x, h, context, *, W, U, C, b, c):
    """Static inputs; two parameters with one gradient, computed with before the first step."""
    return tanh(W @ x + U @ h + sigmoid(C @ context) + sigmoid(b + c))


@cell
def shifted(x, h, p, *, W, U, V):
    """A state that no loop carries: its sequence is a result of its own."""
    return tanh(U @ h + V @ p), W @ x


# Plain and gated cells, a delay, a clock, one whose backward has no product in its loop, and the two above.
KNOWN = ("elman", "lstm", "gru", "skip_in_time", "clockwork", "mingru")
CELLS = {name: catalogue()[name] for name in KNOWN} | {"conditioned": conditioned, "shifted": shifted}
BY_NAME = pytest.mark.parametrize("name", CELLS)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()


class Graphs:
    """A backend of torch.compile that keeps the graphs it was given."""

    def __init__(self) -> None:
        self.seen: list[torch.fx.GraphModule] = []

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        self.seen.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    def calls(self) -> list[str]:
        """The operators of the newest graph."""
        return [str(node.target) for node in self.seen[-1].graph.nodes if node.op == "call_function"]


def compiled(layer: Recurrent, backend: Any = "aot_eager") -> Any:
    return torch.compile(layer, fullgraph=True, backend=backend)


def made(name: str, **options: Any) -> Recurrent:
    return layer_of(Case(name, CELLS[name]), engine="native", **options)


def everything(layer: Recurrent, run: Any, x: Tensor, state: Any = None, **options: Any) -> list[Tensor]:
    """Output, final state, clock, and the gradients of all that has one, by `run`."""
    given = {"x": x, **(state or {}), **options.pop("static", {})}
    leaves = {n: v.detach().clone().requires_grad_(v.is_floating_point()) for n, v in given.items()}
    statics = {n: leaves[n] for n in layer.cell.signature.statics}
    start = {n: leaves[n] for n in state} if state else None
    output, end = run(leaves["x"], start, static=statics, **options)
    weights = torch.arange(output.numel(), dtype=output.dtype).reshape(output.shape)
    loss = (output * weights).sum() + sum(value.square().sum() for value in end)
    wanted = [*(v for v in leaves.values() if v.requires_grad), *layer.parameters()]
    found = torch.autograd.grad(loss, wanted, materialize_grads=True)
    return [output.detach(), *(value.detach() for value in end), end.clock, *found]


def same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.equal(mine, other), number


def batch(layer: Recurrent, time: int = 4, rows: int = 3) -> dict[str, Any]:
    dtype = next(layer.parameters()).dtype
    x = torch.randn(time, rows, layer.input_size, dtype=dtype)
    return {"x": x, "state": random_state(layer, rows), "static": random_static(layer, rows)}


# --- torch.compile -----------------------------------------------------------------------------------


@BY_NAME
def test_a_compiled_layer_gives_the_bits_of_the_layer(name: str) -> None:
    layer, backend = made(name), Graphs()
    given = {**batch(layer), "lengths": torch.tensor([2, 4, 0])}
    same(everything(layer, compiled(layer, backend), **given), everything(layer, layer, **given))
    assert backend.calls().count("unrolled.run") == 1
    assert not [call for call in backend.calls() if "mm" in call or "linear" in call or "tanh" in call]


@pytest.mark.parametrize("name", ["lstm", "clockwork"])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_deep_layers_in_both_directions(name: str, backend: str) -> None:
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True, "initial_state": "learned"}
    layer = made(name, **options)
    given = {"x": torch.randn(3, 4, 5, dtype=torch.float64), "resets": torch.rand(3, 4) < 0.4}
    same(everything(layer, compiled(layer, backend), **given), everything(layer, layer, **given))


def test_lengths_may_change_from_call_to_call() -> None:
    layer, backend = made("gru"), Graphs()
    run, given = compiled(layer, backend), batch(layer)
    for lengths in ([2, 4, 0], [4, 4, 4], [0, 0, 0], [1, 2, 3]):
        given["lengths"] = torch.tensor(lengths)
        same(everything(layer, run, **given), everything(layer, layer, **given))
    assert len(backend.seen) == 1


def test_time_and_rows_may_change_from_call_to_call() -> None:
    layer, backend = made("lstm"), Graphs()
    run = compiled(layer, backend)
    for time, rows in ((4, 3), (7, 2), (9, 5), (11, 6), (30, 7)):
        given = batch(layer, time, rows)
        same(everything(layer, run, **given), everything(layer, layer, **given))
    assert len(backend.seen) <= 3


def test_indices_forced_states_and_a_carried_state() -> None:
    layer = made("gru")
    given = {"x": torch.randint(0, layer.input_size, (4, 3)), "state": random_state(layer, 3)}
    same(everything(layer, compiled(layer), **given), everything(layer, layer, **given))
    layer, forced = made("elman"), {"h": torch.randn(4, 3, 8, dtype=torch.float64)}
    given = {**batch(layer), "forced": forced}
    same(everything(layer, compiled(layer), **given), everything(layer, layer, **given))
    layer = made("skip_in_time")
    run, x, start = compiled(layer), torch.randn(4, 3, 5, dtype=torch.float64), layer._start_state(3)
    mine = theirs = layer(x, start)[1].detach()
    for _ in range(2):
        (ours, mine), (expected, theirs) = run(x, mine), layer(x, theirs)
        same([ours, mine.clock, *mine], [expected, theirs.clock, *theirs])


def test_what_values_can_say_is_refused_when_the_compiled_layer_runs() -> None:
    layer = made("gru")
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    with pytest.raises(ShapeError, match=r"^lengths\[1\] must be a whole number from 0 to T=4, got 9"):
        compiled(layer)(x, lengths=torch.tensor([1, 9, 2]))
    with pytest.raises(ShapeError, match=r"^indices must lie from 0 to I-1 = 4, got 9 to 9"):
        compiled(layer)(torch.full((4, 3), 9))
    with pytest.raises(Exception, match="the input must have I=5 entries a step, got 6"):
        compiled(layer)(torch.randn(4, 3, 6, dtype=torch.float64))


def test_results_of_the_operators_share_no_memory() -> None:
    """Inductor uses the memory of a result again; torch would also hand out one gradient for b and c."""
    layer = made("conditioned")
    given = batch(layer)
    expected = everything(layer, layer, **given)
    found = everything(layer, compiled(layer, "inductor"), **given)
    same(found, expected)
    assert torch.equal(found[-1], found[-2])
    found[-1].zero_()
    same(found[:-1], expected[:-1])


# --- torch.func --------------------------------------------------------------------------------------


def loss_of(layer: Recurrent, given: dict[str, Any]) -> Any:
    def loss(values: dict[str, Tensor], x: Tensor) -> Tensor:
        options = {"static": given["static"]}
        return functional_call(layer, values, (x, given["state"]), options)[0].square().sum()

    return loss


@pytest.mark.parametrize("name", ["gru", "skip_in_time", "clockwork"])
def test_transforms_inside_a_compiled_function(name: str) -> None:
    layer = made(name)
    given = batch(layer)
    values = {key: value.detach() for key, value in layer.named_parameters()}
    loss, stack = loss_of(layer, given), torch.stack([given["x"], 2 * given["x"]])
    for transform, x in (
        (grad(loss), given["x"]),
        (vmap(grad(loss), (None, 0)), stack),
        (vmap(loss, (None, 0)), stack),
        (jacrev(loss, 1), given["x"]),
    ):
        found = torch.compile(transform, fullgraph=True, backend="aot_eager")(values, x)
        torch.testing.assert_close(found, transform(values, x), **CLOSE)


def test_forward_mode_is_refused_by_name_where_the_core_would_run() -> None:
    layer = made("gru")
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    for gradients in (True, False):
        with (
            torch.autograd.forward_ad.dual_level(),
            torch.set_grad_enabled(gradients),
            pytest.raises(EngineError, match="the native engine has no forward-mode derivatives"),
        ):
            layer(torch.autograd.forward_ad.make_dual(x, x))


def test_func_jvp_is_the_slope() -> None:
    layer = made("lstm")
    x, way = torch.randn(2, 4, 3, 5, dtype=torch.float64).unbind()
    _, slope = jvp(lambda v: layer(v)[0], (x,), (way,))
    with torch.no_grad():
        ahead, behind = layer(x + 1e-6 * way)[0], layer(x - 1e-6 * way)[0]
    torch.testing.assert_close(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


# --- torch.export ------------------------------------------------------------------------------------


def exported(layer: Recurrent, given: dict[str, Any], **options: Any) -> torch.export.ExportedProgram:
    return torch.export.export(
        layer, (given["x"], given.get("state")), {"static": given["static"]}, **options
    )


def saved(program: torch.export.ExportedProgram) -> io.BytesIO:
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return file


@BY_NAME
def test_an_exported_layer_gives_the_bits_of_the_layer(name: str) -> None:
    layer = made(name)
    given = batch(layer)
    program = exported(layer, given)
    assert [n.target for n in program.graph.nodes if n.op == "call_function"].count(RUN) == 1
    expected = everything(layer, layer, **given)
    for module in (program.module(), torch.export.load(saved(program)).module()):
        again = made(name)
        again.parameters = module.parameters  # type: ignore[method-assign]
        ours = everything(again, lambda x, s, module=module, **kw: module(x, s, **kw), **given)
        same(ours, expected)


def test_an_exported_layer_takes_other_lengths_of_time_and_rows() -> None:
    layer = made("gru", bidirectional=True)
    x, lengths = torch.randn(4, 3, 5, dtype=torch.float64), torch.tensor([2, 4, 0])
    time, rows = Dim("time"), Dim("rows")
    shapes = {"x": {0: time, 1: rows}, "lengths": {0: rows}}
    program = torch.export.export(layer, (x,), {"lengths": lengths}, dynamic_shapes=shapes)
    other, others = torch.randn(9, 2, 5, dtype=torch.float64), torch.tensor([9, 3])
    output, state = torch.export.load(saved(program)).module()(other, lengths=others)
    expected, end = layer(other, lengths=others)
    same([output, *state, state.clock], [expected, *end, end.clock])


def test_a_carried_state_goes_through_an_exported_program() -> None:
    layer = made("skip_in_time")
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    carried = layer(x)[1].detach()
    program = torch.export.load(saved(torch.export.export(layer, (x, carried)))).module()
    for _ in range(2):
        (ours, mine), (expected, theirs) = program(x, carried), layer(x, carried)
        same([ours, mine.clock, *mine], [expected, theirs.clock, *theirs])
        carried = theirs.detach()


@pytest.mark.parametrize("key", [None, Key(7, torch.tensor([3, 4]))])
def test_a_state_is_a_tree_of_tensors(key: Key | None) -> None:
    """What torch's transforms take apart and put together again."""
    cells = Recurrent("lstm", 5, 8, bidirectional=True)(torch.randn(4, 2, 5))[1].cells
    state = State(cells, key)
    doubled = pytree.tree_map(lambda value: 2 * value, state)
    assert torch.equal(doubled["c"], 2 * state["c"]) and torch.equal(doubled.clock, 2 * state.clock)
    assert (doubled.key is None) == (key is None)
    assert key is None or (doubled.key.number == 7 and doubled.key.steps.tolist() == [6, 8])
    kind = pytree.tree_structure(state)
    assert pytree.treespec_loads(pytree.treespec_dumps(kind)) == kind
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(state)[0]]
    assert len(paths) == len(set(paths)) == len(pytree.tree_leaves(state))


def test_transforms_of_an_exported_program() -> None:
    layer = made("lstm")
    x = torch.randn(3, 2, 5, dtype=torch.float64)
    program = torch.export.export(layer, (x,)).module()
    square = lambda run: lambda v: run(v)[0].square().sum()  # noqa: E731
    stack = torch.stack([x, -x])
    for transform, value in ((grad, x), (jacrev, x), (vmap, stack), (lambda f: vmap(grad(f)), stack)):
        found, expected = transform(square(program))(value), transform(square(layer))(value)
        torch.testing.assert_close(found, expected, **CLOSE)
    x = x.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: program(v)[0], (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda v: program(v)[0], (x,), fast_mode=True)


ELSEWHERE = """
import sys
import torch
import unrolled.layers
x, output = torch.load(sys.argv[2])
assert torch.equal(torch.export.load(sys.argv[1]).module()(x)[0], output)
"""


def test_an_exported_program_runs_in_another_process(tmp_path: Path) -> None:
    layer, x = made("lstm"), torch.randn(4, 3, 5, dtype=torch.float64)
    torch.export.save(torch.export.export(layer, (x,)), tmp_path / "layer.pt2")
    torch.save((x, layer(x)[0].detach()), tmp_path / "expected.pt")
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "layer.pt2", tmp_path / "expected.pt"]
    subprocess.run(command, check=True, cwd=ROOT, timeout=100)


# --- the operators themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "clockwork", "mingru"])
def test_operators_keep_what_torch_asks_of_operators(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas, shapes that are made up, autograd, and no shared memory: torch's own check."""
    told: list[Any] = []

    def told_run(tensors: list[Tensor], what: str) -> list[Tensor]:
        told.append((list(tensors), what))
        return defined.run(tensors, what)

    monkeypatch.setattr("unrolled.layers.traced.run", told_run)
    layer = made(name)
    with torch.utils.flop_counter.FlopCounterMode(display=False), torch.no_grad():
        layer(torch.randn(4, 3, 5, dtype=torch.float64), lengths=torch.tensor([2, 4, 0]))
    ((tensors, what),) = told
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in tensors]
    assert set(torch.library.opcheck(RUN, (leaves, what, False)).values()) == {"SUCCESS"}
    with torch.no_grad():
        results = torch.ops.unrolled.run(tensors, what, True)
    gradients = [torch.randn_like(value) for value in results[: 1 + len(layer.cell.states)]]
    wanted = [value.is_floating_point() for value in tensors]
    given = ([value.detach() for value in tensors], what, results, gradients, wanted)
    checked = torch.library.opcheck(torch.ops.unrolled.run_backward.default, given)
    assert set(checked.values()) == {"SUCCESS"}


def test_made_up_tensors_run_no_core() -> None:
    with torch._subclasses.FakeTensorMode():
        output, state = Recurrent("lstm", 5, 8)(torch.randn(4, 3, 5))
    assert output.shape == (4, 3, 8) and state["c"].shape == (1, 3, 8)
    assert isinstance(output, torch._subclasses.FakeTensor)
