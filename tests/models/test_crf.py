"""Every answer is compared with the sum, or the best, over all rows of tags, written out one by one."""

from itertools import pairwise, product

import pytest
import torch

from unrolled.errors import DataError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.models.crf import LinearChainCRF, follows

BIO = ["O", "B-a", "I-a", "B-b", "I-b"]
LENGTHS = [3, 0, 1, 4, 2]


def crf(tags=4, **options):
    layer = LinearChainCRF(tags, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def emissions(tags=4, lengths=LENGTHS):
    return Ragged(torch.randn(sum(lengths), tags, dtype=torch.double), lengths)


def score(layer, row, path):
    """s(e, y) as the formula says, with nothing where BIO forbids it."""
    total = layer.start[path[0]] + layer.end[path[-1]]
    total = total + sum(row[t, tag] for t, tag in enumerate(path))
    return total + sum(layer.transitions[a, b] for a, b in pairwise(path))


def legal(layer, path):
    names = ["O", *(BIO[tag] for tag in path)]
    return not layer.constrained or all(
        not b.startswith("I-") or a in (f"B{b[1:]}", b) for a, b in pairwise(names)
    )


def paths(layer, row):
    tags = range(len(layer.start))
    found = [path for path in product(tags, repeat=len(row)) if legal(layer, path)]
    return found, torch.stack([score(layer, row, path) for path in found])


CASES = [{}, {"tags": BIO, "constrained": True}, {"tags": 1}]


@pytest.fixture(params=CASES, ids=["free", "constrained", "one tag"])
def layer(request):
    return crf(**request.param)


def size(layer):
    return len(layer.start)


def test_the_partition_is_the_sum_over_all_paths(layer):
    batch = emissions(size(layer))
    found = layer.log_partition(batch)
    for row, value in zip(batch, found, strict=True):
        expected = paths(layer, row)[1].logsumexp(0) if len(row) else torch.tensor(0.0).double()
        torch.testing.assert_close(value, expected)


def test_the_likelihood_of_a_path_is_its_share(layer):
    batch = emissions(size(layer))
    drawn = [paths(layer, row)[0][-1] if len(row) else () for row in batch]
    tags = torch.tensor([tag for path in drawn for tag in path])
    found = layer.log_likelihood(batch, tags)
    for row, path, value in zip(batch, drawn, found, strict=True):
        expected = score(layer, row, path) - paths(layer, row)[1].logsumexp(0) if len(row) else 0 * value
        torch.testing.assert_close(value, expected)


def test_the_decoded_path_is_the_best_of_all(layer):
    batch = emissions(size(layer), [1, 5, 0, 4, 2, 5])
    for row, found in zip(batch, layer.decode(batch), strict=True):
        if len(row):
            all_paths, scores = paths(layer, row)
            assert tuple(found.tolist()) == all_paths[int(scores.argmax())]


def test_marginals_are_sums_of_shares(layer):
    batch = emissions(size(layer))
    for row, found in zip(batch, layer.marginals(batch), strict=True):
        if not len(row):
            continue
        all_paths, scores = paths(layer, row)
        expected = torch.zeros_like(row)
        for path, share in zip(all_paths, scores.softmax(0), strict=True):
            for t, tag in enumerate(path):
                expected[t, tag] += share
        torch.testing.assert_close(found, expected.detach())


def test_gradients_agree_with_finite_differences(layer):
    batch = emissions(size(layer))
    tags = layer.decode(batch).values
    values = batch.values.requires_grad_()

    def weighted(values, *parameters):
        return layer.log_likelihood(batch.with_values(values), tags) * torch.arange(1, 6)

    assert torch.autograd.gradcheck(weighted, (values, *layer.parameters()))


def test_the_constraint_never_answers_what_bio_forbids():
    layer = crf(BIO, constrained=True)
    batch = emissions(5, [7] * 40)
    batch.values[:, [2, 4]] += 4  # I-a and I-b look best everywhere
    for row in layer.decode(batch):
        names = ["O", *(BIO[tag] for tag in row.tolist())]
        assert all(follows(a, b) for a, b in pairwise(names))
    assert layer.marginals(batch)[0][0, [2, 4]].tolist() == [0, 0]


@pytest.mark.parametrize("tags", [["I-a", "O"], ["B-a", "I-b"], ["O", "I-b"]])
def test_forbidden_tags_are_refused_in_training(tags):
    layer = crf(BIO, constrained=True)
    with pytest.raises(DataError, match="tags must follow each other as in the BIO scheme"):
        layer.log_likelihood(emissions(5, [2]), torch.tensor([BIO.index(tag) for tag in tags]))


def test_large_scores_stay_right():
    """Against the recursion with logsumexp, which no score is too large for."""
    layer = crf(BIO, constrained=True).float()
    batch = Ragged((torch.randn(30, 5) * 100), [20, 10])
    values = batch.values.requires_grad_()
    found = layer.log_partition(batch)
    transitions, start, end = (scores.detach().double() for scores in layer._scores())
    for row, value in zip(batch, found, strict=True):
        forward = row[0].detach().double() + start
        for here in row[1:].detach().double():
            forward = here + (forward[:, None] + transitions).logsumexp(0)
        torch.testing.assert_close(value.detach().double(), (forward + end).logsumexp(0), rtol=1e-6, atol=0)
    layer.log_likelihood(batch, layer.decode(batch).values).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in (values, *layer.parameters()))


def test_a_batch_without_steps():
    layer, batch = crf(), emissions(4, [0, 0])
    assert layer.log_likelihood(batch, torch.zeros(0, dtype=torch.long)).tolist() == [0, 0]
    assert layer.decode(batch).values.shape == (0,)
    assert layer.marginals(batch).values.shape == (0, 4)


def test_emissions_of_another_width_are_refused():
    with pytest.raises(ShapeError, match=r"\(N, K\) with K = 4 tags, got \(3, 5\)"):
        crf().decode(Ragged(torch.zeros(3, 5), [3]))
