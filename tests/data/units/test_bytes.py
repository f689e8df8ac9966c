import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.units.bytes import Bytes
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Vocabulary
from unrolled.errors import DataError

BYTES = Bytes()


@given(st.text())
def test_indices_are_the_bytes_of_utf8_and_come_back(text):
    assert BYTES.encode(text).tolist() == [byte + 2 for byte in text.encode()]
    assert BYTES.decode(BYTES.encode(text)) == text
    assert "".join(BYTES.split(text)) == text
    assert len(BYTES.split(text)) == len(BYTES.encode(text))
    assert BYTES.unseen(text) == []


def test_the_writer_waits_for_the_last_byte_of_a_character():
    writer = BYTES.writer()
    assert [writer.write(byte + 2) for byte in "ñ€x".encode()] == ["", "ñ", "", "", "€", "x"]
    assert writer.end() == ""
    assert writer.write(0xE2 + 2) == ""
    assert writer.end() == "\ufffd"


def test_a_character_that_breaks_off_is_shown_before_what_follows():
    assert BYTES.decode([0xC3 + 2, END, 67, UNKNOWN]) == "\ufffd<eos>A<unk>"
    assert BYTES.decode([0xC3 + 2, 67]) == "\ufffdA"


def test_a_byte_of_the_command_line_that_is_not_utf8_stays_that_byte():
    assert BYTES.encode("a\udcff").tolist() == [ord("a") + 2, 0xFF + 2]
    assert BYTES.encode("\ud800").tolist() == [byte + 2 for byte in b"\xed\xa0\x80"]


def test_symbols_and_texts():
    assert len(BYTES) == 258
    assert BYTES.symbols[2 + ord("A")] == "A" and BYTES.symbols[2 + 0xC3] == "\\xc3"
    assert len(set(BYTES.symbols)) == 258
    assert [text.encode("latin-1") for text in BYTES.texts[2:]] == [bytes([byte]) for byte in range(256)]
    assert BYTES.texts[:2] == ("", "")


def test_lines():
    lines = Bytes(ends="line")
    assert lines.encode("ñ\n\nb").tolist() == [0xC3 + 2, 0xB1 + 2, END, ord("b") + 2]
    assert lines.split("ñ\n\nb") == ["ñ", "", "\n", "b"]
    assert lines.decode(lines.encode("ñ\nb")) == "ñ\nb"


def test_json_round_trip():
    for vocabulary in (BYTES, Bytes(ends="line")):
        assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    with pytest.raises(DataError, match="the 256 bytes in their order"):
        Vocabulary.from_json({"unit": "byte", "symbols": [*SPECIAL, "a"]})
