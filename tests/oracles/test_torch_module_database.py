"""PyTorch's own module tests, with our classes in place of its own: results, gradients and errors."""

import re
import subprocess
import sys

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence

from tests.layers.torch_pairs import CELL_PAIRS, PAIRS, as_tuple, same_gradients, same_results, weighed
from tests.oracles import torch_module_database
from tests.oracles.torch_module_database import NAMES, SETTINGS

pytestmark = pytest.mark.slow  # the import of torch's tests alone takes seconds
KINDS = PAIRS | CELL_PAIRS
CLOSE = {torch.float64: 1e-12, torch.float32: 4e-6}
TRIED = dict(zip(NAMES, (48, 24, 32, 3, 2, 2), strict=True))  # at least; torch 2.13 has as many
EVERY = pytest.mark.parametrize("key", SETTINGS, ids=lambda key: " ".join(str(one) for one in key))


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """What torch tries, by name, dtype, training and requires_grad."""
    path = tmp_path_factory.mktemp("torch") / "modules.pt"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", torch_module_database.__file__, path], capture_output=True, text=True
    )
    if missing := re.search(r"^(ModuleNotFoundError|ImportError): .*", run.stderr, re.MULTILINE):
        pytest.skip(f"torch.testing._internal cannot be imported here: {missing[0]}")
    assert run.returncode == 0, run.stderr
    return torch.load(path, weights_only=False)


def made(name, dtype, training, args, named):
    """Torch's module and ours with one set of weights."""
    theirs, ours = (kind(*args, **named).to(dtype).train(training) for kind in KINDS[name])
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def leaf(value):
    """The same values and the same wish for a gradient, apart."""
    if isinstance(value, PackedSequence):
        return PackedSequence(leaf(value.data), *value[1:])
    if isinstance(value, tuple):
        return tuple(map(leaf, value))
    return value.detach().clone().requires_grad_(value.requires_grad)


def tensors(value):
    """Everything that may have a gradient; of a PackedSequence its data."""
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, torch.Tensor) else [one for part in value for one in tensors(part)]


def call(module, args, named):
    """Results and leaves, after the backward run."""
    args = leaf(args)
    results = tensors(as_tuple(module(*args, **named)))
    weighed(results).backward()
    return results, [one for one in tensors(args) if one.requires_grad]


@EVERY
def test_results_and_gradients_are_torchs(database, key):
    name, dtype, training, requires_grad = key
    assert len(database[key]["right"]) >= TRIED[name]
    for args, named, call_args, call_named in database[key]["right"]:
        theirs, ours = made(name, dtype, training, args, named)
        assert ours.engine == "native"
        expected, their_leaves = call(theirs, call_args, call_named)
        results, our_leaves = call(ours, call_args, call_named)
        assert len(our_leaves) == len(tensors(call_args)) * requires_grad
        same_results(results, expected, rtol=0, atol=CLOSE[dtype])
        # The inputs are drawn from -9 to 9, and gradients of weights are sums of these.
        largest = max(float(one.grad.abs().max()) for one in theirs.parameters())
        scale = 1 if dtype == torch.float64 else max(1, largest)
        same_gradients(ours, theirs, our_leaves, their_leaves, atol=CLOSE[dtype] * scale)


def refusal(name, kind, dtype, args, named, call_args, call_named, when):
    """What is raised, and that it is raised where torch's tests expect it."""
    if when == "CONSTRUCTION_ERROR":
        with pytest.raises(Exception) as caught:
            kind(*args, **named)
        return caught.value
    module = kind(*args, **named).to(dtype)
    with pytest.raises(Exception) as caught:
        module(*call_args, **call_named)
    return caught.value


@EVERY
def test_errors_are_torchs(database, key):
    name, dtype, *_ = key
    assert len(database[key]["wrong"]) >= 4
    for *given, expected, pattern in database[key]["wrong"]:
        theirs, ours = (refusal(name, kind, dtype, *given) for kind in KINDS[name])
        assert type(ours) is type(theirs) is expected
        assert re.search(pattern, str(ours))
        assert str(ours).startswith(str(theirs).rstrip().removesuffix("."))
