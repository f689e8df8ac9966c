"""The generator of random cells: what it draws is valid, tame, varied and always the same."""

import re

import numpy as np
import pytest

from tests.random_cells import random_cell, random_cell_text
from tests.renamed_cells import renamed
from unrolled.cells import catalogue
from unrolled.equations import Cell, cell
from unrolled.equations.operations import WORDS

SEEDS = range(60)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def drawn(seed, input_size=3, hidden_size=None, scale=0.5):
    made = random_cell(seed)
    drawn_cell = Cell.from_text(made.text)
    hidden_size = hidden_size or 4 * made.hidden_multiple
    sizes = {name: 5 + i for i, name in enumerate(drawn_cell.named_sizes)}
    generator = np.random.default_rng(seed)
    shapes = drawn_cell.parameter_shapes(input_size, hidden_size, **sizes)
    parameters = {name: generator.normal(0, scale, shape) for name, shape in shapes.items()}
    static = {name: generator.normal(0, 1, sizes[name]) for name in drawn_cell.signature.statics}
    return drawn_cell, generator.normal(0, 1, (12, input_size)), parameters, static, sizes


@every_seed
def test_a_random_cell_reads_back_and_runs_tame(seed):
    random, sequence, parameters, static, _ = drawn(seed)
    assert Cell.from_text(random.text).graph == random.graph
    with np.errstate(all="raise", under="ignore"):
        run = random.run(sequence, parameters, static=static)
    for name in random.states:
        assert np.abs(run.states[name]).max() <= 6
    assert np.isfinite(run.outputs).all()


@every_seed
def test_a_hidden_size_of_four_always_fits_and_so_do_inputs_of_one(seed):
    random, sequence, parameters, static, sizes = drawn(seed, input_size=1, hidden_size=4)
    run = random.run(sequence, parameters, static=static)
    assert run.outputs.shape == (12, random.output_size(1, 4, **sizes))


def test_the_smallest_hidden_size_is_the_multiple():
    for seed in SEEDS:
        random, sequence, parameters, static, _ = drawn(seed, hidden_size=random_cell(seed).hidden_multiple)
        assert np.isfinite(random.run(sequence, parameters, static=static).outputs).all()


@every_seed
def test_the_text_means_the_same_as_a_python_function(seed):
    names = {**WORDS, "cell": cell}
    exec(compile(random_cell_text(seed), f"random_{seed}.py", "exec"), names)
    assert names[f"random_{seed}"] == Cell.from_text(random_cell_text(seed))


def test_the_same_seed_draws_the_same_cell():
    assert [random_cell(seed) for seed in SEEDS] == [random_cell(seed) for seed in SEEDS]
    assert len({random_cell_text(seed).split("(", 2)[2] for seed in SEEDS}) == len(SEEDS)


FEATURES = {
    **{word: rf"\b{word}\(" for word in WORDS},
    "two states": r"def \w+\(x, h, c[,)]",
    "three states": r"def \w+\(x, h, c, m[,)]",
    "a state with a size of its own": '"c": "memory"',
    "a local with a size of its own": '"v_\\d+": "rank"',
    "a static input": 'static=\\("context",\\)',
    "an extra output": r"return y, ",
    "a transposed matrix": r"W_\d+\.T @",
    "a chain of matrices": r"W_\d+ @ W_\d+ @",
    "a matrix of a stacked vector": r"W_\d+ @ concat\(",
    "a delay by a named constant": r"delayed\(\w+, k\)",
    "delays of 1, 2 and 3": r"(?s)(?=.*delayed\(\w+, 2\))(?=.*delayed\(\w+, 3\))",
    "a clock with a tuple": r"every\(\(|every\(periods\)",
    "a clock with a number": r"every\(\d|every\(period\)",
    "blocks by a tuple": r"upper_blocks\(\S+, \(|upper_blocks\(\S+, periods\)",
    "blocks by a number": r"upper_blocks\(\S+, \d\)",
    "a joint norm of stacked gates": r"split\(\w+\(layer_norm",
    "a name bound again": r"\n    h = (?!h\n)",
    "comparisons": r"where\(\w+ [<>]=? \w+",
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_cells_have_every_word_and_feature(feature):
    matching = [seed for seed in SEEDS if re.search(FEATURES[feature], random_cell_text(seed))]
    assert len(matching) >= 2


def test_some_matrix_is_used_twice():
    texts = [random_cell_text(seed).split(":\n", 1)[1] for seed in SEEDS]
    assert sum(any(text.count(name) > 1 for name in set(re.findall(r"W_\d+\b", text))) for text in texts) > 5


# --- other names ---------------------------------------------------------------------------------


@every_seed
def test_other_names_change_nothing_but_the_names(seed):
    random, sequence, parameters, static, _ = drawn(seed)
    other = Cell.from_text(renamed(random.text, seed))
    assert not set(other.signature.parameters) & set(random.signature.parameters)
    again = dict(zip(other.signature.parameters, parameters.values(), strict=True))
    expected = random.run(sequence, parameters, static=static)
    got = other.run(sequence, again, static=static)
    np.testing.assert_allclose(got.outputs, expected.outputs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_can_be_renamed(name):
    original = catalogue()[name]
    other = Cell.from_text(renamed(original.text, 3))
    assert other.graph.nodes != original.graph.nodes
    assert other.states == original.states
    assert other.graph.shapes == original.graph.shapes
    assert renamed(original.text, 3) == renamed(original.text, 3)
    assert renamed(original.text, 3) != renamed(original.text, 4)
