"""The catalogue: what is in it, what it says of itself, and how a cell is found."""

import math
import re
import subprocess
import sys

import pytest

import unrolled.cells
from unrolled.cells import catalogue, find
from unrolled.equations import Cell
from unrolled.errors import DataError, EquationError, SettingError

NAMES = [
    *("elman", "elman_relu", "elman_sigmoid", "jordan"),
    *("lstm", "lstm_linear_output", "lstm_no_bias", "lstm_projected"),
    *("lstm_1997", "lstm_peephole", "lstm_layer_norm"),
    *("gru", "gru_reset_after"),
    *("gru_update_only", "minimal_gated", "mingru", "minlstm"),
    *("indrnn",),
    *("leaky", "skip_in_time", "removed_connections", "clockwork"),
]

# Numbers to learn, by I, H and O (the size called "output").
PARAMETER_COUNTS = {
    "elman": lambda I, H, O: H * (I + H + 1),
    "elman_relu": lambda I, H, O: H * (I + H + 1),
    "elman_sigmoid": lambda I, H, O: H * (I + H + 1),
    "jordan": lambda I, H, O: H * (I + O + 1) + O * (H + 1),
    "lstm": lambda I, H, O: 4 * H * (I + H + 1),
    "lstm_linear_output": lambda I, H, O: 4 * H * (I + H + 1),
    "lstm_no_bias": lambda I, H, O: 4 * H * (I + H),
    "lstm_projected": lambda I, H, O: 4 * H * (I + O + 1) + O * H,
    "lstm_1997": lambda I, H, O: 3 * H * (I + H + 1),
    "lstm_peephole": lambda I, H, O: 4 * H * (I + H + 1) + 3 * H,
    "lstm_layer_norm": lambda I, H, O: 4 * H * (I + H) + 5 * 4 * H + 2 * H,
    "gru": lambda I, H, O: 3 * H * (I + H + 1),
    "gru_reset_after": lambda I, H, O: 3 * H * (I + H + 1) + H,
    "gru_update_only": lambda I, H, O: 2 * H * (I + H + 1),
    "minimal_gated": lambda I, H, O: 2 * H * (I + H + 1),
    "mingru": lambda I, H, O: 2 * H * (I + 1),
    "minlstm": lambda I, H, O: 3 * H * (I + 1),
    "leaky": lambda I, H, O: H * (I + H + 1),
    "skip_in_time": lambda I, H, O: H * (I + 2 * H + 1),
    "removed_connections": lambda I, H, O: H * (I + H + 1),
    "clockwork": lambda I, H, O: H * (I + H + 1),
    "indrnn": lambda I, H, O: H * (I + 2),
}

every_cell = pytest.mark.parametrize("name", NAMES)


def test_the_catalogue_holds_these_cells_in_this_order():
    assert list(catalogue()) == NAMES


def test_the_catalogue_is_handed_out_as_a_copy():
    catalogue().clear()
    assert list(catalogue()) == NAMES


@every_cell
def test_every_cell_is_an_attribute_and_knows_its_name(name):
    cell = getattr(unrolled.cells, name)
    assert isinstance(cell, Cell)
    assert cell is find(name) is catalogue()[name]
    assert cell.name == name
    assert name in dir(unrolled.cells)


@every_cell
def test_the_first_line_names_author_year_and_paper(name):
    summary = find(name).summary
    assert re.search(
        r"\([A-Z][\w& .]+? (19|20)\d\d, (arXiv:\d{4}\.\d{4,5}(v\d)?|[A-Z][^)]*\d[^)]*|.*IJCNN)", summary
    )
    assert summary.endswith(").")


@every_cell
def test_the_docstring_prints_formula_shapes_and_use(name):
    cell = find(name)
    assert re.search(rf"^\s*\(?(\w+_t, )*{cell.states[0]}_t.* = ", cell.doc, re.MULTILINE)
    assert "Shapes: " in cell.doc
    assert "Use it " in cell.doc
    for parameter in cell.parameter_shapes(4, 4, **dict.fromkeys(cell.named_sizes, 4)):
        formula, shapes = cell.doc.split("Shapes: ")
        assert re.search(rf"\b{parameter}\b", formula)
        assert re.search(rf"\b{parameter}\b|\b{parameter.split('_')[0]}_\*", shapes)


@every_cell
@pytest.mark.parametrize(("I", "H", "O"), [(1, 8, 1), (3, 4, 2), (64, 128, 10)])
def test_parameter_counts_follow_the_closed_formula(name, I, H, O):
    cell = find(name)
    shapes = cell.parameter_shapes(I, H, **dict.fromkeys(cell.named_sizes, O))
    assert sum(math.prod(shape) for shape in shapes.values()) == PARAMETER_COUNTS[name](I, H, O)


def test_state_and_output_sizes():
    for name, cell in catalogue().items():
        sizes = dict.fromkeys(cell.named_sizes, 2)
        expected = {"y": 2} if name == "jordan" else dict.fromkeys(cell.states, 8)
        if name == "lstm_projected":
            expected["h"] = 2
        assert cell.state_sizes(3, 8, **sizes) == expected
        assert cell.output_size(3, 8, **sizes) == next(iter(expected.values()))
        assert cell.states == (("h", "c") if "lstm" in name and name != "minlstm" else tuple(expected))


@every_cell
def test_the_text_of_a_cell_reads_back_as_the_same_graph(name):
    cell = find(name)
    again = Cell.from_text(cell.text)
    assert again.graph == cell.graph
    assert (again.name, again.doc, again.text) == (cell.name, cell.doc, cell.text)


def test_named_constants():
    defaults = {"leaky": {"leak": 0.3}, "skip_in_time": {"k": 4}, "removed_connections": {"k": 4}}
    defaults["clockwork"] = {"periods": (1, 2, 4, 8)}
    for name, cell in catalogue().items():
        assert dict(cell.graph.constants) == defaults.get(name, {})


# --- finding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"), [("gruu", "gru"), ("LSTM", "lstm"), ("lstm-peephole", "lstm_peephole")]
)
def test_an_unknown_name_is_refused_with_the_nearest(typed, meant):
    with pytest.raises(
        SettingError, match=rf"got '{typed}'\. Nearest: {meant}\b.*`unrolled cells` lists all"
    ):
        find(typed)


@pytest.mark.parametrize("typed", ["zzzzqqqq", "", "find", "gated"])
def test_a_name_near_to_nothing_is_refused_all_the_same(typed):
    with pytest.raises(SettingError, match="must be a name of the catalogue or a file of equations"):
        find(typed)


def test_an_attribute_that_is_no_cell():
    with pytest.raises(AttributeError, match="no cell 'gruu'"):
        unrolled.cells.gruu  # noqa: B018


EQUATIONS = "@cell\ndef mine(x, h, *, W, U):\n    return tanh(W @ x + U @ h)\n"


@pytest.mark.parametrize("file", ["mine.py", "mine.txt", "mine", "deep/mine"])
def test_a_file_of_equations_is_a_cell(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / file).write_text(EQUATIONS)
    assert find(file).name == "mine"
    assert find(tmp_path / file).graph == Cell.from_text(EQUATIONS).graph


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(tmp_path):
    (tmp_path / "mine.txt").write_bytes(b"\xef\xbb\xbf" + EQUATIONS.replace("\n", "\r\n").encode())
    assert find(tmp_path / "mine.txt").graph == Cell.from_text(EQUATIONS).graph


def test_a_name_of_the_catalogue_comes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gru").write_text(EQUATIONS)
    assert find("gru").name == "gru"
    assert find("./gru").name == "mine"


def test_wrong_equations_name_their_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("@cell\ndef mine(x, h, *, W):\n    return tanh(W @ x + x)\n")
    with pytest.raises(EquationError, match=r"mine\.txt"):
        find(path)


@pytest.mark.parametrize("missing", ["no_such_file.txt", "no/such/file"])
def test_a_missing_file_is_refused(tmp_path, missing):
    with pytest.raises(DataError, match=rf"expected a file of equations at .*{missing}.*No such file"):
        find(tmp_path / missing)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a file of equations at .*directory"):
        find(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"def \xff\xfe")
    with pytest.raises(DataError, match=r"must be UTF-8 text, got byte 0xff at offset 4 of .*weights\.bin"):
        find(tmp_path / "weights.bin")


# --- adding, importing ---------------------------------------------------------------------------


def test_a_new_function_in_a_file_is_all_it_takes(monkeypatch):
    from unrolled.cells import simple

    monkeypatch.setattr(simple, "mine", Cell.from_text(EQUATIONS), raising=False)
    unrolled.cells._discovered.cache_clear()
    try:
        assert list(catalogue()).index("mine") == NAMES.index("jordan") + 1
        assert find("mine") is unrolled.cells.mine
    finally:
        unrolled.cells._discovered.cache_clear()


def test_the_catalogue_does_not_import_torch():
    code = "import sys, unrolled.cells; unrolled.cells.catalogue(); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
