import pytest
import torch

from unrolled.cells import find
from unrolled.data.inputs import UNKNOWN
from unrolled.data.word_input import WordInput
from unrolled.models.words import Words

SENTENCES = [("The", "cat", "sat", "on", "the", "mat"), ("the", "end")]


@pytest.fixture
def read():
    return WordInput.fitted(SENTENCES, characters=8)


def front(read, **options):
    return Words(read, 5, find("gru"), letter_size=3, spelling_size=4, **options)


def encoded(read, *words):
    return torch.from_numpy(read.encode(words))


def test_a_word_is_its_embedding_its_shape_and_its_spelling(read):
    words = front(read)
    found = words(encoded(read, "The", "mats", "the"))
    assert found.shape == (3, words.size) == (3, 5 + 8 + 2 * 4)
    torch.testing.assert_close(found[0, :5], words.words.embedding.weight[read.symbols.index("the")])
    torch.testing.assert_close(found[1, :5], words.words.embedding.weight[UNKNOWN])
    assert torch.equal(found[0, :5], found[2, :5])
    assert not torch.equal(found[0, 5:13], found[2, 5:13])  # capitalised and small


def test_the_spelling_is_the_last_output_of_each_direction(read):
    """Against the layer run over the characters of one word alone, without any batch."""
    words = front(read)
    spelled = ("mat", "cat", "Them", "cat", "x-ray")  # no x, r, y or - was seen: number 1
    for row, word in zip(words(encoded(read, *spelled))[:, 13:], spelled, strict=True):
        numbers = torch.tensor([read.letters.index(c) + 2 if c in read.letters else 1 for c in word])
        outputs, _ = words.spelling(words.letters.embedding(numbers)[:, None])
        expected = torch.cat([outputs[-1, 0, :4], outputs[0, 0, 4:]])
        torch.testing.assert_close(row, expected)


def test_rare_words_are_read_as_unknown_more_often_while_training(read):
    words = front(read, unknown=1.0)
    frequent, rare = read.symbols.index("the"), read.symbols.index("cat")
    drawn = torch.tensor([frequent, rare]).repeat(4000)
    share = (words._seen(drawn) == UNKNOWN).view(4000, 2).double().mean(0)
    torch.testing.assert_close(share, torch.tensor([1 / 4, 1 / 2]).double(), atol=0.03, rtol=0)
    words.eval()
    assert torch.equal(words._seen(drawn), drawn)


def test_without_characters(read):
    read = WordInput.fitted(SENTENCES, characters=0)
    assert front(read)(encoded(read, "the", "end")).shape == (2, 13)


def test_all_parts_learn(read):
    words = front(read)
    words(encoded(read, "the", "end")).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in words.parameters())
