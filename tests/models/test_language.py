import pytest
import torch
from torch.nn.functional import one_hot

from unrolled.data.vocabulary import END, Vocabulary
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.models.language import LanguageModel
from unrolled.models.language_dropouts import Dropouts

VOCABULARY = Vocabulary.from_text(["abcd"])


def build(**settings):
    torch.manual_seed(0)
    return LanguageModel(VOCABULARY, hidden_size=5, **settings)


@pytest.mark.parametrize("cell", ["gru", "lstm", "jordan", "clockwork", "mingru"])
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2}, {"embedding_size": 3}])
def test_pieces_with_carried_state_equal_the_whole(cell, settings):
    if cell == "clockwork":
        settings = {**settings, "hidden_size": 8}
    model = LanguageModel(VOCABULARY, cell, **{"hidden_size": 5, **settings}).double()
    tokens = torch.randint(6, (7, 3))
    whole, _ = model(tokens)
    first, state = model(tokens[:3])
    second, _ = model(tokens[3:], state)
    assert whole.shape == (7, 3, 6)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_the_output_is_a_linear_map_of_the_recurrent_output():
    model = build()
    tokens = torch.randint(2, 6, (4, 2))
    hidden, _ = model.recurrent(one_hot(tokens, 6).float())
    torch.testing.assert_close(model(tokens)[0], hidden @ model.output.weight.T + model.output.bias)


def test_an_embedding_feeds_its_rows_to_the_cell():
    model = build(embedding_size=3)
    tokens = torch.randint(2, 6, (4, 2))
    hidden, _ = model.recurrent(model.embedding.weight[tokens])
    torch.testing.assert_close(model(tokens)[0], model.output(hidden))


@pytest.mark.parametrize("cell", ["gru", "clockwork", "skip_in_time"])
def test_what_follows_eos_does_not_depend_on_what_went_before(cell):
    model = LanguageModel(VOCABULARY, cell, hidden_size=8, num_layers=2).double()
    text = torch.tensor([END, 2, 4, 3])[:, None].expand(-1, 2)
    alone, end = model(text)
    state = model(torch.randint(2, 6, (5, 2)))[1]
    joined, _ = model(torch.cat([torch.randint(2, 6, (5, 2)), text]))
    torch.testing.assert_close(joined[5:], alone)
    carried, ended = model(text, state)
    torch.testing.assert_close(carried, alone)
    torch.testing.assert_close(ended["h"], end["h"])
    assert not torch.allclose(model(text[1:], state)[0], model(text[1:])[0])


def test_step_is_the_next_row_of_the_whole():
    model = build()
    whole, _ = model(torch.tensor([[1], [3], [2]]))
    state = None
    for row, symbol in enumerate([1, 3, 2]):
        logits, state = model.step(symbol, state)
        torch.testing.assert_close(logits, whole[row, 0])


def test_the_number_of_parameters_by_hand():
    # gru: 3 (5 x 6 + 5 x 5 + 5); output: 6 x 5 + 6
    assert build(cell="gru").number_of_parameters == 3 * (30 + 25 + 5) + 36


def test_named_sizes_are_the_hidden_size():
    assert build(cell="jordan").recurrent.output_size == 5


@pytest.mark.parametrize("name", ["hidden_size", "num_layers", "embedding_size"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(SettingError, match=f"{name} must be at least 1, got 0"):
        LanguageModel(VOCABULARY, **{name: 0})


def test_an_unknown_cell_names_the_nearest():
    with pytest.raises(SettingError, match="lstm"):
        build(cell="lsmt")


def test_a_cell_with_static_inputs_is_refused():
    cell = Cell.from_text(
        '@cell(static=("context",))\n'
        "def told(x, h, context, *, W, U, C):\n    return tanh(W @ x + U @ h + C @ context)\n"
    )
    with pytest.raises(SettingError, match="told has the static input context"):
        build(cell=cell)


def test_dropout_between_layers_needs_two_of_them():
    assert build(num_layers=2, dropouts=Dropouts(between=0.2)).dropouts.between == 0.2
    with pytest.raises(SettingError, match=r"between layers, and there is one, got 0\.2"):
        build(dropouts=Dropouts(between=0.2))


def test_a_tied_embedding_begins_short_enough_for_an_output_layer():
    vocabulary = Vocabulary.from_text(["".join(map(chr, range(65, 365)))])
    tied = LanguageModel(vocabulary, "gru", 64, embedding_size=64, tied=True)
    plain = LanguageModel(vocabulary, "gru", 64, embedding_size=64)
    lengths = tied.embedding.weight.norm(dim=1).mean(), plain.embedding.weight.norm(dim=1).mean()
    assert lengths[0].item() == pytest.approx(4 / 3**0.5, rel=0.05) and lengths[1].item() > 7
    assert tied.output.weight is tied.embedding.weight
