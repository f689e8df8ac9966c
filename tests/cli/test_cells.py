import json

import pytest

from unrolled.cells import catalogue, find


def test_the_list_has_a_line_for_every_cell_with_its_paper(unrolled):
    code, out, _ = unrolled("cells")
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert code == 0
    assert set(catalogue()) <= set(lines)
    assert lines["gru"].rstrip().endswith("Chung et al. 2014, arXiv:1412.3555")
    assert lines["lstm"].rstrip().endswith("Gers et al. 2000, Neural Computation 12(10)")


def test_every_cell_of_the_catalogue_names_its_paper(unrolled):
    listed = json.loads(unrolled("cells", "--json")[1])
    assert [cell["name"] for cell in listed] == list(catalogue())
    assert [cell["name"] for cell in listed if not cell["paper"]] == []


def test_one_cell_with_shapes_and_number_of_parameters_by_hand(unrolled):
    code, out, _ = unrolled("cells", "lstm", "--input", 3, "--hidden", 5)
    assert code == 0
    assert "input size I = 3 and hidden size H = 5: 180 in one layer" in out  # 4 (5 x 3 + 5 x 5 + 5)
    assert find("lstm").equations().splitlines()[0] in out
    assert str(find("lstm").schedule()).splitlines()[0] in out


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_cell_can_be_shown(unrolled, name):
    shown = json.loads(unrolled("cells", name, "--hidden", 8, "--json")[1])
    sizes = dict.fromkeys(find(name).named_sizes, 8)
    assert shown["number_of_parameters"] == find(name).parameter_count(64, 8, **sizes)
    assert unrolled("cells", name, "--hidden", 8)[0] == 0


def test_constants_and_advice_are_shown(unrolled):
    out = unrolled("cells", "clockwork", "--hidden", 8)[1]
    assert "\n  periods = (1, 2, 4, 8), a constant: clockwork.set(periods=...) changes it\n" in out
    assert out.splitlines()[-1].startswith("Use it when fast and slow events mix, as in audio;")
    assert json.loads(unrolled("cells", "leaky", "--json")[1])["constants"] == {"leak": 0.3}


def test_latex_and_mathml(unrolled):
    assert unrolled("cells", "gru", "--latex")[1].rstrip("\n") == find("gru").latex().rstrip("\n")
    assert unrolled("cells", "gru", "--mathml")[1].rstrip("\n") == find("gru").mathml().rstrip("\n")


def test_a_cell_from_a_file(unrolled, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("def own(x, h, *, W, U):\n    return tanh(W @ x + U @ h)\n")
    code, out, _ = unrolled("cells", path, "--input", 2, "--hidden", 3)
    assert code == 0
    assert out.startswith("own")
    assert ": 15 in one layer" in out


def test_wrong_input_is_one_line(refused, tmp_path):
    assert "Nearest: lstm" in refused("cells", "lsmt")
    assert refused("cells", "--latex").startswith("--latex and --mathml print one cell; name it")
    assert refused("cells", "gru", "--hidden", "0").startswith(
        "--input must be 0 or more and --hidden 1 or more"
    )
    path = tmp_path / "bad.txt"
    path.write_text("def bad(x, h, *, W):\n    return open('x')\n")
    assert f"{path}:2" in refused("cells", path)


def test_latex_in_another_style(unrolled, refused):
    for style in ("stacked", "gates"):
        assert unrolled("cells", "gru", "--latex", "--style", style)[1].rstrip("\n") == find("gru").latex(
            style
        )
    assert refused("cells", "gru", "--latex", "--style", "wide").startswith("style must be one of separate,")
    assert "no two gates to stack" in refused("cells", "elman", "--mathml", "--style", "gates")


SLIDE = r"""# Recurrent network

$$h_t = \tanh(W_{hh} h_{t-1} + W_{xh} x_t), \qquad \hat{y}_t = W_{hy} h_t$$
"""


def test_a_slide_is_shown_as_it_was_understood(unrolled, tmp_path):
    (tmp_path / "slide.md").write_text(SLIDE, encoding="utf-8")
    code, out, _ = unrolled("cells", tmp_path / "slide.md", "--input", 3, "--hidden", 5)
    assert code == 0
    assert out.startswith("slide\n\n  h_t = tanh(W_hh · h_{t-1} + W_xh · x_t)\n  y_hat_t = W_hy · h_t\n")
    assert "Input x (I); state h (H); output y_hat (output)" in out
    assert "input size I = 3 and hidden size H = 5: 65 in one layer" in out  # 5 x 5 + 5 x 3 + 5 x 5
    loop, after = (line for line in out.splitlines() if line.startswith(("  step", "  after")))
    assert "W_hh" in loop and "W_hy" not in loop
    assert "W_hy" in after


def test_a_slide_with_a_slip_is_refused_where_sizes_differ(unrolled, refused, tmp_path):
    slide = tmp_path / "slip.tex"
    slide.write_text(r"h_t = \tanh(W x_t + W h_{t-1})", encoding="utf-8")
    assert "Input x (H); state h (H)" in unrolled("cells", slide, "--input", 5, "--hidden", 5)[1]
    assert refused("cells", slide, "--input", 3, "--hidden", 5) == (
        "slip runs only where I = H, got I = 3 and H = 5: W multiplies both x and h. Choose equal sizes."
    )


def test_a_slide_that_cannot_be_read_is_refused_with_the_place(refused, tmp_path):
    slide = tmp_path / "slide.tex"
    slide.write_text("h_t = \\tanh(W x_t + U c_{t-1})", encoding="utf-8")
    assert ":1:23: c_{t-1} is used, but c is never defined at t." in refused("cells", slide)


def test_the_backward_pass(unrolled, refused):
    assert unrolled("cells", "elman", "--backward")[1].rstrip("\n") == find("elman").backward()
    assert json.loads(unrolled("cells", "gru", "--json")[1])["backward"] == find("gru").backward()
    assert refused("cells", "--backward").startswith("--backward prints one cell; name it")
