"""Searching many outputs side by side, against plain loops that read every beginning anew."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import END, UNKNOWN, Vocabulary
from unrolled.generation.decoding import Beam, Decoding, Draws
from unrolled.generation.filters import Filters
from unrolled.layers.ragged import Ragged
from unrolled.models.encoder_decoder import EncoderDecoder

SOURCE, TARGET = Vocabulary.from_text(["abcd"]), Vocabulary.from_text(["xyz"])
SOURCES = [[2, 3, 4, 5], [4], [3, 3], [5, 2, 2, 5, 3, 4]]
CONDITIONS = ["attention", "context", "state"]


def made(condition="attention", cell="gru", seed=0):
    torch.manual_seed(seed)
    model = EncoderDecoder(
        SOURCE, TARGET, cell, hidden_size=6, embedding_size=5, condition=condition, dropout=0.0
    )
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.8)
    return model.double().eval()


def ragged(rows):
    return Ragged.from_rows([torch.tensor(row) for row in rows])


@torch.no_grad()
def logs_behind(model, source, prefixes):
    """log P (V,) behind each beginning, which is read whole."""
    logits = model(ragged([source] * len(prefixes)), ragged([[*prefix, END] for prefix in prefixes]))
    return [row[-1].log_softmax(-1).tolist() for row in logits]


def next_logs(model, source, prefix):
    return logs_behind(model, source, [prefix])[0]


def by_loop(model, source, width, longest, n_best, penalty, unknown):
    """Beam search with lists: (symbols, log P, ended), the best first."""
    alive, found = [((), 0.0)], []
    for _ in range(longest):
        behind = logs_behind(model, source, [prefix for prefix, _ in alive])
        every = [
            ((*prefix, symbol), total + log)
            for (prefix, total), logs in zip(alive, behind, strict=True)
            for symbol, log in enumerate(logs)
            if unknown or symbol != UNKNOWN
        ]
        every.sort(key=lambda one: -one[1])
        found += [(*one, True) for one in every[:width] if one[0][-1] == END]
        alive = [one for one in every if one[0][-1] != END][:width]
        scores = sorted((total / len(symbols) ** penalty for symbols, total, _ in found), reverse=True)
        if not alive or (
            len(found) >= width and scores[n_best - 1] >= alive[0][1] / len(alive[0][0]) ** penalty
        ):
            break
    else:
        found += [(*one, False) for one in alive]
    found.sort(key=lambda one: (not one[2], -one[1] / len(one[0]) ** penalty))
    return found[:n_best]


def decoded(model, sources, chooser, longest, n_best=1, penalty=1.0):
    decoding = Decoding(model, chooser, longest, n_best, penalty)
    with torch.no_grad():
        return decoding.run(model.encode(ragged(sources))), decoding


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_what_trying_everything_finds(condition, penalty):
    model, longest, n_best = made(condition), 3, 6
    alphabet = [symbol for symbol in range(len(TARGET)) if symbol != END]
    for source in SOURCES[:2]:
        every = []
        for n in range(longest):
            for body in itertools.product(alphabet, repeat=n):
                every.append((*body, END))
        with torch.no_grad():
            read = model(ragged([source] * len(every)), ragged(every))
        logs = [
            row.log_softmax(-1)[range(len(symbols)), symbols].sum().item()
            for row, symbols in zip(read, every, strict=True)
        ]
        every = [(one, log, log / len(one) ** penalty) for one, log in zip(every, logs, strict=True)]
        every.sort(key=lambda one: -one[2])
        [found], _ = decoded(model, [source], Beam(200, unknown=True), [longest], n_best, penalty)
        assert [one.symbols for one in found] == [one[0] for one in every[:n_best]]
        np.testing.assert_allclose([one.log_probability for one in found], [o[1] for o in every[:n_best]])
        np.testing.assert_allclose([one.score for one in found], [one[2] for one in every[:n_best]])


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("unknown", [True, False])
def test_sources_side_by_side_are_searched_as_by_a_loop(condition, width, unknown):
    for seed, cell in enumerate(("gru", "lstm", "elman")):
        model, longest = made(condition, cell, seed), [7, 3, 8, 1]
        n_best = min(width, 3)
        found, _ = decoded(model, SOURCES, Beam(width, unknown), longest, n_best)
        for source, long, outputs in zip(SOURCES, longest, found, strict=True):
            wanted = by_loop(model, source, width, long, n_best, 1.0, unknown)
            assert [(one.symbols, one.ended) for one in outputs] == [(one[0], one[2]) for one in wanted]
            np.testing.assert_allclose([one.log_probability for one in outputs], [one[1] for one in wanted])


def test_without_a_length_penalty_it_stops_when_nothing_can_become_better():
    model = made()
    with torch.no_grad():
        model.output.bias[END] = 3.0
    found, decoding = decoded(model, SOURCES, Beam(5, True), [30] * 4, 1, 0.0)
    for source, outputs in zip(SOURCES, found, strict=True):
        assert outputs[0].symbols == by_loop(model, source, 5, 30, 1, 0.0, True)[0][0]
    _, longer = decoded(model, SOURCES, Beam(5, True), [30] * 4, 5, 0.0)
    assert len(decoding.steps) < len(longer.steps)


def test_outputs_that_ended_come_before_those_cut_off():
    model = made()
    with torch.no_grad():
        model.output.bias[END] = -1.0
    found, _ = decoded(model, SOURCES, Beam(4, True), [4] * 4, 4)
    mixed = [outputs for outputs in found if len({one.ended for one in outputs}) == 2]
    assert mixed
    for outputs in found:
        assert [one.ended for one in outputs] == sorted((one.ended for one in outputs), reverse=True)
        assert all((one.symbols[-1] == END) == one.ended for one in outputs)
        assert all(len(one.symbols) == 4 for one in outputs if not one.ended)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_prefix_is_never_read_again_and_done_sources_leave(condition):
    model, rows = made(condition), []
    model.decoder.register_forward_pre_hook(lambda _, given: rows.append(tuple(given[0].shape)))
    _, decoding = decoded(model, SOURCES, Beam(3, True), [2, 1, 4, 3])
    assert rows == [(1, 3 * len(step.places) if n else 4) for n, step in enumerate(decoding.steps)]
    assert rows[-1] < rows[1]


def test_weights_are_those_of_reading_the_output():
    model = made()
    found, _ = decoded(model, SOURCES, Beam(3, True), [6, 2, 5, 4], 3)
    for source, outputs in zip(SOURCES, found, strict=True):
        for one in outputs:
            encoded = model.encode(ragged([source]))
            state = encoded.state
            for t, symbol in enumerate((END, *one.symbols[:-1])):
                _, state, weights = model.step(torch.tensor([[symbol]]), state, encoded)
                torch.testing.assert_close(one.weights[t, : len(source)], weights[0, 0])
                assert not one.weights[t, len(source) :].any()


def test_the_tree_holds_every_beginning_with_its_probability():
    model = made()
    found, decoding = decoded(model, SOURCES, Beam(3, False), [4, 4, 4, 4], 3)
    for number, source in enumerate(SOURCES):
        tree = decoding.tree(number)
        paths = [tuple(tree.path(node)) for node in range(len(tree.parents))]
        assert len(set(paths)) == len(paths)
        assert {one.symbols for one in found[number]} <= set(paths)
        for path, log in zip(paths, tree.log_probabilities, strict=True):
            total = sum(next_logs(model, source, path[:t])[symbol] for t, symbol in enumerate(path))
            assert log == pytest.approx(total)
        widths = [sum(len(path) == n and path[-1] != END for path in paths) for n in range(1, 5)]
        assert max(widths) == 3


def draws(sources, width, steps, unknown=True, **filters):
    uniform = [np.random.default_rng([7, *source]).random((width, steps)) for source in sources]
    return Draws(Filters(**filters), uniform, width, unknown)


def test_what_is_drawn_is_as_frequent_as_it_is_likely():
    model, number, source = made(), 4000, SOURCES[0]
    for unknown in (True, False):
        [found], _ = decoded(model, [source], draws([source], number, 2, unknown), [2], number)
        counts = np.zeros(len(TARGET))
        for one in found:
            counts[one.symbols[0]] += 1
        wanted = np.exp(next_logs(model, source, ()))
        if not unknown:
            wanted[UNKNOWN] = 0
        wanted /= wanted.sum()
        assert np.abs(counts / number - wanted).max() < 4 * math.sqrt(0.25 / number)


def test_the_log_probability_of_what_is_drawn_is_the_models_own():
    model = made()
    found, _ = decoded(model, SOURCES, draws(SOURCES, 3, 5, temperature=2.0, top_k=3), [5] * 4, 3)
    for source, outputs in zip(SOURCES, found, strict=True):
        assert len(outputs) == 3
        for one in outputs:
            logs = [next_logs(model, source, one.symbols[:t])[s] for t, s in enumerate(one.symbols)]
            assert one.log_probability == pytest.approx(sum(logs))


def test_drawing_at_temperature_0_is_greedy():
    model = made()
    drawn, _ = decoded(model, SOURCES, draws(SOURCES, 1, 9, temperature=0.0), [9] * 4)
    greedy, _ = decoded(model, SOURCES, Beam(1, True), [9] * 4)
    assert [one[0].symbols for one in drawn] == [one[0].symbols for one in greedy]
