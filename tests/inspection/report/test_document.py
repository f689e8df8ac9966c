"""The file itself: one page without a network, whose data is what the functions found, whatever the text is."""

import base64
import json
import re

import numpy as np
import plotly.offline
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.inspection.memorization import memorization
from unrolled.inspection.neurons import activities, activity, neurons
from unrolled.inspection.report.build import report
from unrolled.inspection.report.pages import TITLES
from unrolled.inspection.surprise import surprise
from unrolled.models.language import LanguageModel

TEXT = 'He said: "no (not now)".\n  And 12 more\tcame, said “she”.\n' * 3
NASTY = "</script><script>alert(1)</script><!-- & <b>\\u003c ]]> हिन्दी العربية e\u0301 \u200b\x07 {'\"}\n" * 2


def model(text=TEXT, cell="gru", layers=1, hidden=8):
    torch.manual_seed(0)
    return LanguageModel(Vocabulary.from_text([text]), cell, hidden, layers)


@pytest.fixture(scope="module")
def network():
    return model()


@pytest.fixture(scope="module")
def page(network):
    return report({"small": network}, TEXT, window=20, best=3).html()


def own(html):
    """The file without the library for figures."""
    library = plotly.offline.get_plotlyjs()
    assert html.count(library) == 1
    return html.replace(library, "")


def data_of(html):
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def decoded(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_nothing_in_it_is_fetched(page):
    rest = own(page)
    assert not re.findall(r"https?:|src=|@import|url\(|<link", rest)
    assert rest.count("</html>") == 1 and rest.startswith("<!doctype html>")


def test_every_page_has_a_section_a_link_and_a_verdict(page, network):
    for name, title in TITLES.items():
        assert f'<section id="page-{name}">\n<h2>{title}</h2>' in page
        assert f'<a href="#{name}">{title}</a>' in page
    assert page.count('<p class="verdict">') == len(TITLES)
    assert len(re.findall(r"<section", own(page))) == len(TITLES) + 1


def test_every_figure_is_where_the_script_looks_for_it(page):
    figures = data_of(page)["figures"]
    assert re.findall(r'data-figure="(\d+)"', page) == [str(i) for i in range(len(figures))]
    assert all(figure["data"] and "title" not in figure["layout"] for figure in figures)


def test_memorization_in_the_file_is_what_was_found(page, network):
    (view,) = data_of(page)["models"]
    found = memorization(network, TEXT, window=20, best=3)
    assert data_of(page)["text"] == list(TEXT)
    np.testing.assert_array_equal(
        decoded(view["influence"], "u1").reshape(len(TEXT), view["window"]), found.connectivity
    )
    guesses = decoded(view["guesses"], "<u4").reshape(len(TEXT), view["best"])
    assert tuple(tuple(view["names"][i] for i in row) for row in guesses) == found.guesses
    np.testing.assert_array_equal(
        decoded(view["shares"], "<f4"), found.guess_probabilities.astype(np.float32).ravel()
    )
    np.testing.assert_array_equal(
        decoded(view["probabilities"], "<f4"), found.probabilities.astype(np.float32)
    )


def test_surprise_in_the_file_is_what_was_found(page, network):
    (view,) = data_of(page)["models"]
    found = surprise(network, TEXT)
    np.testing.assert_array_equal(decoded(view["bits"], "<f4"), found.bits.astype(np.float32))
    assert [m["position"] for m in view["mistakes"]] == [m.position for m in found.mistakes]


def test_units_in_the_file_are_the_states(page, network):
    (view,) = data_of(page)["models"]
    values = decoded(view["values"], "i1").reshape(len(view["units"]), len(TEXT))
    assert sorted(view["units"]) == sorted(f"l0 h[{i}]" for i in range(8))
    for name, row, most in zip(view["units"], values, view["most"], strict=True):
        state = activity(network, TEXT, int(name[5:-1])).values
        np.testing.assert_allclose(row / 127 * most, state, atol=most / 200)
    found = neurons(network, TEXT)
    named = {p["name"]: [view["units"][one["unit"]] for one in p["units"]] for p in view["patterns"]}
    assert named == {name: [str(m.unit) for m in matches] for name, matches in found.matches.items()}
    first = [view["units"][one["unit"]] for p in view["patterns"] for one in p["units"]][view["first"]]
    kept = [m for matches in found.matches.values() for m in matches[:1] if m.held_out * m.correlation > 0]
    assert first == str(max(kept, key=lambda m: abs(m.held_out)).unit)


def test_with_too_many_values_only_units_that_follow_a_pattern_are_kept(network, monkeypatch):
    monkeypatch.setattr("unrolled.inspection.report.language.UNIT_VALUES", 8 * len(TEXT) - 1)
    (view,) = data_of(report({"small": network}, TEXT, window=4).html())["models"]
    followed = {
        str(match.unit) for matches in neurons(network, TEXT, best=3).matches.values() for match in matches
    }
    assert set(view["units"]) == followed
    assert view["all_units"] == len(activities(network, TEXT)[0]) == 8


def test_no_text_and_no_name_breaks_out_of_the_page():
    html = own(report({"<i>name": model(NASTY)}, NASTY, source="<source>", window=9).html())
    assert data_of(html)["text"] == list(NASTY)
    assert html.count("<script") == html.count("</script") == 3
    assert (
        "alert(1)</script" not in html
        and "<i>" not in html
        and "<source>" not in html
        and "<b>\\" not in html
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", html)


def test_models_stand_side_by_side_with_their_own_vocabularies():
    found = report({"a": model(), "b": model("other letters", "lstm", 2)}, TEXT[:60], window=8)
    html = found.html()
    assert [view["name"] for view in data_of(html)["models"]] == ["a", "b"]
    assert html.count('data-view="memorization"') == 2
    (note,) = found.notes
    assert note.startswith("b has never seen these characters and reads them as <unk>: 'H'")
    assert found.models[0].page("memorization").verdict != ""


@pytest.mark.parametrize("text", ["H", "He", "He s"])
@pytest.mark.parametrize("cell", ["gru", "elman"])
def test_the_shortest_texts(text, cell):
    found = report({"small": model(cell=cell)}, text, window=5)
    assert [page.name for page in found.models[0].pages] == list(TITLES)
    json.dumps(found.to_dict(), allow_nan=False)
    data_of(found.html())


@pytest.mark.parametrize("cell", ["jordan", "minimal_gated", "clockwork", "skip_in_time"])
def test_other_cells(cell):
    found = report({"small": model(cell=cell)}, TEXT[:70], window=5)
    assert len(found.models[0].pages) == len(TITLES)
    json.dumps(found.to_dict(), allow_nan=False)


def test_refusals(network):
    with pytest.raises(DataError, match="at least one symbol"):
        report({"small": network}, "")
    with pytest.raises(SettingError, match="window and best must be 1 or more"):
        report({"small": network}, TEXT, window=0)
    with pytest.raises(SettingError, match="at least one model"):
        report({}, TEXT)


def test_only_reports_are_replaced(network, tmp_path):
    found = report({"small": network}, TEXT[:30], window=4)
    path = tmp_path / "report.html"
    found.write(path)
    other = report({"other": network}, TEXT[:30], window=4)
    other.write(path)
    assert path.read_text("utf-8") == other.html() != found.html()
    path.write_text("<!doctype html>\n<html><p>mine")
    with pytest.raises(FolderError, match=r"report\.html: exists and is no report; remove it first"):
        found.write(path)
    with pytest.raises(FolderError, match="exists and is no report"):
        found.write(tmp_path)
    assert path.read_text() == "<!doctype html>\n<html><p>mine"


@pytest.mark.slow
def test_two_thousand_characters_with_128_units_take_less_than_eight_megabytes():
    text = "".join(TEXT for _ in range(20))[:2000]
    assert len(report({"large": model(hidden=128)}, text).html().encode()) < 8e6
