"""What `RNN`, `GRU` and `LSTM` take beside torch's arguments: against torch in pieces, equations, and `Recurrent`."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import unrolled
from tests.layers.torch_pairs import PAIRS, H, I, as_tuple, hidden, pair, same_gradients, weighed
from unrolled import Recurrent, Regularise
from unrolled.engines.choose import ENGINES
from unrolled.errors import EngineError, SettingError, ShapeError, UnrolledError
from unrolled.layers.gate_stacks import TORCH
from unrolled.layers.torch_compatible_call import cell_name

T, B = 9, 4
LENGTHS = [3, 9, 1, 6]
CLOSE = {"rtol": 0, "atol": 1e-12}
BY_NAME = pytest.mark.parametrize("name", PAIRS)
DEEP = {"num_layers": 2, "bidirectional": True}
WAYS = pytest.mark.parametrize("options", [{}, DEEP], ids=["one", "deep, both ways"])
FULL = Regularise(input=0.3, recurrent=0.3, output=0.3, zoneout=0.3, connections=0.3)


def batch():
    return torch.randn(T, B, I, dtype=torch.float64)


def packed(values):
    return pack_padded_sequence(values, torch.tensor(LENGTHS), enforce_sorted=False)


def own(name, **options):
    torch.manual_seed(3)
    return getattr(unrolled, name)(I, H, dtype=torch.float64, **options)


# --- masks -----------------------------------------------------------------------------------------


def as_recurrent(ours):
    """The same network on the reference engine, one parameter for each name in the equations."""
    name = cell_name(ours)
    layer = Recurrent(
        name,
        I,
        H,
        ours.num_layers,
        ours.bidirectional,
        sizes={"projection": ours.proj_size} if ours.proj_size else {},
        regularise=ours.regularise,
        engine="reference",
        dtype=torch.float64,
    )
    with torch.no_grad():
        for end in layer.weights:
            given = [
                getattr(ours, f"{kind}_{end}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            named = TORCH[name].part(*given[:2], *TORCH[name].summed(*given[2:]))
            named[TORCH[name].projection] = getattr(ours, f"weight_hr_{end}", None)
            for key, value in layer.cell_weights(end).items():
                value.copy_(named[key])
    return layer


def seeded(module, *given, **named):
    torch.manual_seed(5)
    return module(*given, **named)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["dense", "packed"])
@WAYS
@pytest.mark.parametrize("name", [*PAIRS, "projected"])
def test_masks_are_those_of_the_cell(name, options, kind, training):
    named = {"proj_size": 3} if name == "projected" else {}
    ours = own("LSTM" if named else name, regularise=FULL, **options, **named).train(training)
    layer, x = as_recurrent(ours).train(training), batch()
    x = packed(x) if kind == "packed" else x
    expected, state = seeded(layer, x)
    output, final = seeded(ours, x)
    if kind == "packed":
        assert torch.equal(output.batch_sizes, expected.batch_sizes)
        output, expected = output.data, expected.data
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(as_tuple(final), state, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)
    again = ours(x)[0]
    assert torch.equal(output, again.data if kind == "packed" else again) != training


@BY_NAME
def test_gradients_through_masks(name):
    ours = own(name, regularise=FULL)
    layer = as_recurrent(ours)
    x, found = batch(), []
    for module in (ours, layer):
        leaf = x.clone().requires_grad_()
        seeded(module, leaf)[0].square().sum().backward()
        found.append(leaf.grad)
    torch.testing.assert_close(*found, **CLOSE)
    for one in ("W", "U") if name == "RNN" else ():
        theirs = layer.cell_weights()[one].grad
        mine = ours.weight_ih_l0.grad if one == "W" else ours.weight_hh_l0.grad
        torch.testing.assert_close(mine, theirs, **CLOSE)


@BY_NAME
def test_outside_training_nothing_is_dropped(name):
    theirs = pair(name)[0]
    ours = own(name, regularise=Regularise(input=0.3, recurrent=0.3, output=0.3, connections=0.3)).eval()
    ours.load_state_dict(theirs.state_dict())
    x = batch()
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], **CLOSE)


# --- resets ----------------------------------------------------------------------------------------


def pieces(module, x, hx, marks):
    """One row (T, I) by torch: the network runs anew on each piece; a direction's own state begins its first piece."""
    cuts = [0, *(t for t in range(1, len(x)) if marks[t]), len(x)]
    directions = 1 + module.bidirectional
    first = torch.arange(len(as_tuple(hx)[0])) % directions == 0
    outputs, ends = [], []
    for begin, end in itertools.pairwise(cuts):
        forward = torch.tensor(begin == 0 and not bool(marks[0]))
        kept = torch.where(first, forward, torch.tensor(end == len(x)))
        begun = tuple(value * kept[:, None] for value in as_tuple(hx))
        output, final = module(x[begin:end], begun if isinstance(hx, tuple) else begun[0])
        outputs.append(output)
        ends.append(as_tuple(final))
    final = [
        torch.where(first[:, None], last, earliest) for earliest, last in zip(ends[0], ends[-1], strict=True)
    ]
    return torch.cat(outputs), final


def by_rows(module, x, hx, marks, lengths):
    """The same for a batch; zeros in the padding."""
    outputs, ends = [], []
    for b, n in enumerate(lengths):
        state = tuple(value[:, b] for value in as_tuple(hx))
        output, final = pieces(module, x[:n, b], state if isinstance(hx, tuple) else state[0], marks[:n, b])
        outputs.append(nn.functional.pad(output, (0, 0, 0, T - n)))
        ends.append(final)
    return torch.stack(outputs, 1), [torch.stack(one, 1) for one in zip(*ends, strict=True)]


@pytest.mark.parametrize("kind", ["dense", "batch first", "packed", "packed resets"])
@WAYS
@BY_NAME
def test_rows_restart_where_torch_would_be_called_anew(name, options, kind):
    theirs = pair(name, **options)[0]
    ours = own(name, **options, batch_first=kind == "batch first")
    ours.load_state_dict(theirs.state_dict())
    x, hx, marks = batch(), hidden(theirs, B), torch.rand(T, B) < 0.3
    marks[0, 1] = marks[4, 1] = True  # the state that is given, and the middle of the longest row
    if kind == "dense":
        output, final = ours(x, hx, resets=marks)
    elif kind == "batch first":
        output, final = ours(x.transpose(0, 1), hx, resets=marks.T)
        output = output.transpose(0, 1)
    else:
        output, final = ours(packed(x), hx, resets=packed(marks) if kind == "packed resets" else marks)
        output = pad_packed_sequence(output)[0]
    lengths = LENGTHS if kind.startswith("packed") else [T] * B
    expected, ends = by_rows(theirs, x, hx, marks, lengths)
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(as_tuple(final), ends, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)
    weighed((output, *as_tuple(final))).backward()
    weighed((expected, *ends)).backward()
    same_gradients(ours, theirs, [], [], atol=1e-11)


@BY_NAME
def test_one_sequence_without_a_batch_restarts(name):
    theirs, ours = pair(name)
    x, hx = batch()[:, 0], hidden(theirs)
    marks = torch.arange(T) == 4
    expected, ends = pieces(theirs, x, hx, marks)
    output, final = ours(x, hx, resets=marks)
    torch.testing.assert_close(output, expected, **CLOSE)
    for mine, other in zip(as_tuple(final), ends, strict=True):
        torch.testing.assert_close(mine, other, **CLOSE)


# --- records ---------------------------------------------------------------------------------------


def update_gate(theirs, end, x, before):
    """z of torch's documentation."""
    W, U = (getattr(theirs, f"weight_{kind}_{end}").chunk(3)[1] for kind in ("ih", "hh"))
    b, c = (getattr(theirs, f"bias_{kind}_{end}").chunk(3)[1] for kind in ("ih", "hh"))
    return torch.sigmoid(x @ W.T + b + before @ U.T + c)


@pytest.mark.parametrize("kind", ["dense", "single", "packed"])
def test_records_are_the_values_of_the_equations(kind):
    theirs, ours = pair("GRU", num_layers=2)
    below = nn.GRU(I, H, dtype=torch.float64)
    below.load_state_dict({key: value for key, value in theirs.state_dict().items() if key.endswith("l0")})
    x = batch()
    hidden_states = [below(x)[0], theirs(x)[0]]
    expected = []
    for end, read, h in zip(("l0", "l1"), (x, hidden_states[0]), hidden_states, strict=True):
        before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
        expected.append(update_gate(theirs, end, read, before))
    given = {"dense": x, "single": x[:, 1], "packed": packed(x)}[kind]
    output, final, records = ours(given, record=("z", "h"))
    plain = ours(given)
    assert torch.equal(final, plain[1]) and list(records) == ["z", "h"]
    for key, values in (("z", expected), ("h", hidden_states)):
        for mine, other in zip(records[key], values, strict=True):
            if kind == "packed":
                assert isinstance(mine, PackedSequence) and mine[1:] == output[1:]
                mine, other = mine.data, packed(other).data
            torch.testing.assert_close(mine, other[:, 1] if kind == "single" else other, **CLOSE)


# --- segments --------------------------------------------------------------------------------------


@WAYS
@BY_NAME
def test_segments_have_torchs_gradients_and_run_twice(name, options, monkeypatch):
    runs = []
    run = ENGINES["native"].run
    monkeypatch.setattr(
        type(ENGINES["native"]), "run", lambda self, job: runs.append(len(job.steps.counts)) or run(job)
    )
    theirs = pair(name, **options)[0]
    ours = own(name, **options, checkpoint="sqrt")
    ours.load_state_dict(theirs.state_dict())
    x = batch()
    leaves = [x.clone().requires_grad_() for _ in range(2)]
    results = [module(leaf)[0] for module, leaf in zip((ours, theirs), leaves, strict=True)]
    weighed(results[:1]).backward()
    weighed(results[1:]).backward()
    torch.testing.assert_close(results[0], results[1], **CLOSE)
    same_gradients(ours, theirs, leaves[:1], leaves[1:])
    ways = 4 if options else 1
    assert runs == [3] * 3 * ways * 2  # three segments of three steps, there and again for the gradients


def test_too_few_bytes_are_refused():
    with pytest.raises(SettingError, match="checkpoint=8 bytes is too little for 9 steps"):
        own("LSTM", checkpoint=8)(batch().requires_grad_())


# --- the module ------------------------------------------------------------------------------------


@BY_NAME
def test_options_are_printed_copied_and_pickled(name):
    ours = own(name, regularise=FULL, checkpoint="sqrt", engine="reference")
    x = batch()
    expected = seeded(ours, x)[0]
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert repr(other) == repr(ours)
        assert f"engine='reference', regularise={FULL!r}, checkpoint='sqrt'" in repr(other)
        assert torch.equal(seeded(other, x)[0], expected)


@BY_NAME
def test_a_converted_module_restarts_and_records(name):
    theirs = pair(name)[0]
    ours, marks, x = copy.deepcopy(theirs), torch.rand(T, B) < 0.3, batch()
    unrolled.convert(ours)
    expected, _ = by_rows(theirs, x, hidden(theirs, B), marks | (torch.arange(T) == 0)[:, None], [T] * B)
    output, _, records = ours(x, resets=marks, record=("h",))
    torch.testing.assert_close(output, expected, **CLOSE)
    assert torch.equal(records["h"][0], output)


@BY_NAME
def test_a_compiled_model_runs_them_apart(name):
    ours = own(name, regularise=FULL, checkpoint="sqrt")
    x, marks = batch(), torch.rand(T, B) < 0.3
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(lambda x: ours(2 * x, resets=marks, record=("h",))[0] + 1, backend="eager")
        torch.testing.assert_close(seeded(compiled, x), seeded(ours, 2 * x, resets=marks)[0] + 1, **CLOSE)


@BY_NAME
def test_autocast_runs_in_the_dtype_of_the_parameters(name):
    ours = own(name, regularise=FULL).float()
    x = batch().bfloat16()
    expected = seeded(ours, x.float())[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(seeded(ours, x)[0], expected)


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"regularise": 0.3}, SettingError, r"regularise must be a Regularise, got 0.3"),
        ({"regularise": Regularise(zoneout={"c": 0.1})}, SettingError, r"zoneout= names the state c"),
        (
            {"checkpoint": "log"},
            SettingError,
            r"checkpoint must be 'sqrt' or a number of bytes > 0, got 'log'",
        ),
        ({"checkpoint": True}, SettingError, r"got True"),
        ({"checkpoint": 0}, SettingError, r"got 0"),
        ({"regularise": FULL, "engine": "torch_kernels"}, EngineError, r"torch_kernels"),
        ({"regularise": Regularise(recurrent=0.1), "engine": "torch_kernels"}, EngineError, r"torch_kernels"),
        ({"residual": True}, TypeError, r"unexpected keyword argument 'residual'"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_at_once(options, kind, said):
    with pytest.raises(kind, match=said):
        unrolled.GRU(I, H, **options)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, x: m(x, resets=torch.zeros(T, B)), r"resets must be bool \(T, B\) = \(9, 4\), got torch.float32"),
        (lambda m, x: m(x, resets=torch.zeros(B, T, dtype=torch.bool)), r"got torch.bool \(4, 9\)"),
        (lambda m, x: m(x, resets=[True]), r"got list"),
        (lambda m, x: m(x[:, 0], resets=torch.zeros(T, 1, dtype=torch.bool)), r"resets must be bool \(9,\), got"),
        (lambda m, x: m(packed(x), resets=packed(x)), r"or a PackedSequence as the input, got PackedSequence"),
        (lambda m, x: m(packed(x), resets=torch.zeros(T - 1, B, dtype=torch.bool)), r"got torch.bool \(8, 4\)"),
    ],
)  # fmt: skip
def test_resets_that_do_not_fit_are_refused(call, said):
    with pytest.raises(ShapeError, match=said):
        call(own("GRU"), batch())


def test_resets_of_other_lengths_are_refused():
    marks = pack_padded_sequence(torch.zeros(T, B, dtype=torch.bool), torch.tensor([9, 8, 7, 6]))
    with pytest.raises(ShapeError, match="resets must be bool"):
        own("GRU")(packed(batch()), resets=marks)


def test_unknown_records_are_refused():
    with pytest.raises(UnrolledError, match="gate"):
        own("GRU")(batch(), record=("gate",))


@BY_NAME
def test_wrong_input_is_refused_in_torchs_words_with_options_too(name):
    said = []
    for module, named in zip(pair(name), ({}, {"record": ("h",)}), strict=True):
        with pytest.raises(RuntimeError) as caught:
            module(torch.zeros(T, B, I + 1, dtype=torch.float64), **named)
        said.append(str(caught.value))
    assert said[1].startswith(said[0].rstrip().removesuffix("."))
