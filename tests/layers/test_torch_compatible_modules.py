"""Modules with torch's names are modules: copies, files, compilers, functional transforms, processes."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.utils.rnn import pack_sequence

import unrolled
from tests.layers.torch_pairs import CELL_PAIRS, PAIRS, H, I, as_tuple, hidden, pair, same_results

T, B = 5, 3
CLOSE = {"rtol": 0, "atol": 1e-11}
BY_NAME = pytest.mark.parametrize("name", PAIRS)
DEEP = {"num_layers": 2, "bidirectional": True}


def batch():
    return torch.randn(T, B, I, dtype=torch.float64)


def results(module, *given):
    output, final = module(*given)
    return output, *as_tuple(final)


def saved_and_loaded(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), saved_and_loaded])
@pytest.mark.parametrize("name", PAIRS | CELL_PAIRS)
def test_copies_and_files_compute_the_same_and_share_nothing(name, copied):
    kind = getattr(unrolled, name)
    ours = kind(I, H, dtype=torch.float64, engine="reference", **(DEEP if name in PAIRS else {}))
    x = batch() if name in PAIRS else batch()[0]
    expected = as_tuple(ours(x))
    other = copied(ours)
    assert type(other) is kind and repr(other) == repr(ours) and other.engine == "reference"
    with torch.no_grad():
        assert torch.equal(as_tuple(other(x))[0], expected[0])
        next(other.parameters()).add_(1)
        assert torch.equal(as_tuple(ours(x))[0], expected[0])
        assert not torch.equal(as_tuple(other(x))[0], expected[0])


@BY_NAME
def test_func_grad_is_the_gradient_of_autograd(name):
    _, ours = pair(name, **DEEP)
    parameters = {key: value.detach() for key, value in ours.named_parameters()}
    x = batch()

    def loss(values, x):
        return sum(one.square().sum() for one in results(lambda *a: functional_call(ours, values, a), x))

    found = grad(loss, argnums=(0, 1))(parameters, x)
    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad(loss(dict(ours.named_parameters()), leaf), [*ours.parameters(), leaf])
    for mine, other in zip([*found[0].values(), found[1]], expected, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


@BY_NAME
def test_functional_call_reads_the_values_it_is_given(name):
    _, ours = pair(name)
    x = batch()
    zeros = {key: torch.zeros_like(value) for key, value in ours.named_parameters()}
    assert (functional_call(ours, zeros, (x,))[0] == 0).all()
    assert (ours(x)[0] != 0).any()


@BY_NAME
def test_an_ensemble_under_vmap_equals_its_members(name):
    members = [PAIRS[name][1](I, H, dtype=torch.float64, **DEEP) for _ in range(3)]
    values, buffers = stack_module_state(members)
    x = batch()
    together = vmap(lambda v, b: functional_call(members[0], (v, b), (x,))[0])(values, buffers)
    torch.testing.assert_close(together, torch.stack([one(x)[0] for one in members]), **CLOSE)


@BY_NAME
def test_gradients_of_every_row_by_vmap(name):
    _, ours = pair(name)
    parameters = {key: value.detach() for key, value in ours.named_parameters()}
    x = batch()

    def loss(values, row):
        return functional_call(ours, values, (row,))[0].square().sum()

    together = vmap(grad(loss), (None, 1))(parameters, x)
    for b in range(B):
        for key, value in grad(loss)(parameters, x[:, b]).items():
            torch.testing.assert_close(together[key][b], value, **CLOSE)


@BY_NAME
def test_second_derivatives(name):
    theirs, ours = pair(name)
    x = batch()

    def curvature(module):
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(module(leaf)[0].square().sum(), leaf, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), leaf)[0]

    torch.testing.assert_close(curvature(ours), curvature(theirs), rtol=0, atol=1e-10)


@BY_NAME
@pytest.mark.parametrize("changed", ["output", "state"])
@pytest.mark.parametrize("options", [{}, DEEP], ids=str)
def test_results_may_be_changed_in_place_where_torchs_may(name, changed, options):
    x, slopes = batch(), []
    for module in pair(name, **options):
        output, final = module(x)
        value = output if changed == "output" else as_tuple(final)[0]
        value.mul_(2)
        try:
            (output.square().sum() + as_tuple(final)[0].sin().sum()).backward()
        except RuntimeError as error:
            slopes.append(type(error))
        else:
            slopes.append([one.grad for one in module.parameters()])
    theirs, ours = slopes
    if isinstance(theirs, list):
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, **CLOSE)


@BY_NAME
def test_weight_norm_is_seen(name):
    """What parametrizes a weight puts a property in place of the parameter."""
    theirs, ours = pair(name)
    for module in (theirs, ours):
        nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
        with torch.no_grad():
            module.parametrizations.weight_hh_l0.original0.mul_(0.5)
    x = batch()
    same_results(results(ours, x), results(theirs, x))
    assert ours.engine == "native"


@BY_NAME
def test_moving_to_another_dtype(name):
    theirs, ours = pair(name, **DEEP)
    x = batch()
    ours.float()
    assert ours(x.float())[0].dtype == torch.float32
    ours.double().load_state_dict(theirs.state_dict())
    same_results(results(ours, x), results(theirs, x))


# --- compilers -------------------------------------------------------------------------------------


@BY_NAME
def test_a_compiled_model_computes_the_same(name):
    """Dynamo leaves modules of torch's three classes out of its graphs, so this one runs as it is."""
    _, ours = pair(name, **DEEP)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = ours

        def forward(self, x):
            return self.layer(2 * x)[0].sum(-1)

    x, model = batch().requires_grad_(), Model()
    found = torch.compile(model, backend="eager")(x)
    torch.testing.assert_close(found, model(x), **CLOSE)
    (slope,) = torch.autograd.grad(found.sum(), x)
    torch.testing.assert_close(slope, torch.autograd.grad(model(x).sum(), x)[0], **CLOSE)


@BY_NAME
@pytest.mark.parametrize("options", [{}, {**DEEP, "batch_first": True}], ids=str)
@torch._dynamo.config.patch(allow_rnn=True)
def test_with_allow_rnn_it_is_one_graph(name, options):
    torch._dynamo.reset()
    _, ours = pair(name, **options)
    x = batch().requires_grad_()
    states = hidden(ours, T if options else B)
    found = torch.compile(ours, fullgraph=True, backend="aot_eager")(x, states)
    expected = ours(x, states)
    for mine, other in zip(
        (found[0], *as_tuple(found[1])), (expected[0], *as_tuple(expected[1])), strict=True
    ):
        torch.testing.assert_close(mine, other, **CLOSE)
    (slope,) = torch.autograd.grad(found[0].square().sum(), x)
    torch.testing.assert_close(slope, torch.autograd.grad(expected[0].square().sum(), x)[0], **CLOSE)


@pytest.mark.parametrize("name", CELL_PAIRS)
def test_a_compiled_cell_is_one_graph(name):
    torch._dynamo.reset()
    _, ours = pair(name)
    x = batch()[0].requires_grad_()
    found = as_tuple(torch.compile(ours, fullgraph=True, backend="aot_eager")(x))
    for mine, other in zip(found, as_tuple(ours(x)), strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


@BY_NAME
def test_an_exported_program_computes_the_same(name):
    _, ours = pair(name, **DEEP)
    x, states = batch(), hidden(ours, B)
    steps = torch.export.Dim("steps", min=2, max=64)
    shapes = ({0: steps}, None if name != "LSTM" else (None, None))
    program = torch.export.export(ours.eval(), (x, states), dynamic_shapes=shapes)
    longer = torch.randn(11, B, I, dtype=torch.float64)
    for given in (x, longer):
        same_results(results(program.module(), given, states), results(ours, given, states))
    assert any("unrolled.run" in str(node.target) for node in program.graph.nodes)


# --- processes -------------------------------------------------------------------------------------


@BY_NAME
def test_distributed_data_parallel(name, tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        _, ours = pair(name, **DEEP)
        alone = copy.deepcopy(ours)
        x = batch()
        nn.parallel.DistributedDataParallel(ours)(x)[0].square().sum().backward()
        alone(x)[0].square().sum().backward()
        for mine, other in zip(ours.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, other.grad, **CLOSE)
    finally:
        torch.distributed.destroy_process_group()


@BY_NAME
def test_an_optimiser_lowers_the_loss_on_packed_rows(name):
    torch.manual_seed(0)
    layer = getattr(unrolled, name)(3, 8, 2, dropout=0.1)
    adam = torch.optim.Adam(layer.parameters(), 0.02)
    rows = pack_sequence([torch.randn(n, 3) for n in (4, 6, 2)], enforce_sorted=False)
    target, losses = torch.randn(12, 8).tanh(), []
    for _ in range(60):
        loss = (layer(rows)[0].data - target).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
