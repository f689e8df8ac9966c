import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.sentences import sentence_parts, sentences_end


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Llueve. No salgo. ¿Vienes? ¡Sí! Ya", ["Llueve.", "No salgo.", "¿Vienes?", "¡Sí!", "Ya"]),
        ("El Sr. Gil y la Dra. Paz. Fin", ["El Sr. Gil y la Dra. Paz.", "Fin"]),
        ("У 1991 р. Україна, т. зв. Так. Ні", ["У 1991 р. Україна, т. зв. Так.", "Ні"]),
        ("J. S. Bach viveu. Compôs etc. Sempre", ["J. S. Bach viveu.", "Compôs etc. Sempre"]),
        ("Mr. Smith left... He came back… Then", ["Mr. Smith left...", "He came back…", "Then"]),
        ("«¡Ven!» Dijo «no.» (Sí.) Adiós", ["«¡Ven!»", "Dijo «no.»", "(Sí.)", "Adiós"]),
        ('"No!" he said. "Yes."', ['"No!" he said.', '"Yes."']),
        ("3.14 is pi. 22 is not", ["3.14 is pi.", "22 is not"]),
        ("今天。明天！「好。」ok", ["今天。", "明天！", "「好。」", "ok"]),
        ("यह है। वह Foo. वह", ["यह है। वह Foo.", "वह"]),
        ("Title\n\nfirst line\nsecond line.\nThird", ["Title", "first line second line.", "Third"]),
        ("etc.\n\nnext", ["etc.", "next"]),
        ("no end", ["no end"]),
        (" \n\n ", []),
    ],
)
def test_sentences_by_hand(text, sentences):
    assert [sentence.rstrip() for sentence, _ in sentence_parts(text)] == sentences


def test_the_last_sentence_ends_if_a_blank_follows_its_mark():
    assert [ended for _, ended in sentence_parts("One. Two.")] == [True, False]
    assert [ended for _, ended in sentence_parts("One. Two. ")] == [True, True]
    assert [ended for _, ended in sentence_parts("One. Dr. ")] == [True, False]


@given(st.text("aB.!? \n\"'。", max_size=60))
def test_a_text_cut_where_a_sentence_ends_has_the_same_sentences(text):
    """Both halves read alone are the whole."""
    whole = list(sentence_parts(text))
    for place in sentences_end(text):
        assert list(sentence_parts(text[:place])) + list(sentence_parts(text[place:])) == whole


@given(st.text("aB. \n", max_size=60))
def test_backwards_is_the_same_from_the_end(text):
    assert list(sentences_end(text, backwards=True)) == list(sentences_end(text))[::-1]


def test_the_last_end_of_a_long_text_is_found_from_behind():
    text = "One. Two" + " and" * 5000
    assert list(sentences_end(text, backwards=True)) == [5]
