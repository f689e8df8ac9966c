import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.decoding import checked_encoding, decoded
from unrolled.errors import DataError, SettingError


def chunks_of(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@given(
    text=st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"])),
    size=st.integers(1, 5),
)
def test_chunks_of_any_size_give_the_same_text(encoding, text, size):
    assert "".join(decoded(chunks_of(text.encode(encoding), size), "f")) == text


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-u", "utf-16-be", "utf-32", "shift_jis"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_named_encoding(encoding, size):
    text = "Привет\nмир"
    assert "".join(decoded(chunks_of(text.encode(encoding), size), "f", encoding)) == text


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (b"ok\nman\xf1ana", None, r"f: byte 6 \(line 2\) is not UTF-8; .*iconv -f LATIN1 -t UTF-8 f"),
        (b"\xef\xbb\xbfok\n\xff", None, r"byte 6 \(line 2\) is not UTF-8"),
        (b"a\nb\xc3", None, r"byte 3 \(line 2\) is not UTF-8"),
        (b"\xff\xfea\0\n\0\0\xd8b\0", None, r"byte 6 \(line 2\) is not UTF-16"),
        (b"\x7fELF\n\0\xf1", None, r"byte 5 \(line 2\) is NUL"),
        (b"\x89PNG\n\n\n\0", None, r"byte 7 \(line 4\) is NUL"),
        (
            b"a\n\x98",
            "cp1251",
            r"byte 2 \(line 2\) is not CP1251; name the file's own encoding with --encoding",
        ),
        (b"a\n\0", "latin-1", r"byte 2 \(line 2\) is NUL"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_is_not_text_is_refused_where_it_stands_however_it_is_read(data, encoding, message, size):
    with pytest.raises(DataError) as error:
        list(decoded(chunks_of(data, size), "f", encoding))
    assert re.search(message, str(error.value)), str(error.value)


def test_an_encoding_that_python_does_not_know_is_refused():
    assert checked_encoding(None) is None and checked_encoding("Latin-1") == "iso8859-1"
    for name in ("latin-99", "base64"):
        with pytest.raises(SettingError, match=f"--encoding must be an encoding of texts .* got '{name}'"):
            checked_encoding(name)
