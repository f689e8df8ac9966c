r"""Blocks of equations as lectures and papers print them, each with its formula written out in NumPy.

`as_printed` is what must be read as it stands. `otherwise` are the same networks with other names, in another
order or in another notation: they must give the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Numbers = Mapping[str, Any]


def s(v):
    return 1 / (1 + np.exp(-v))


def softmax(v):
    return np.exp(v) / np.exp(v).sum()


def both(*vectors):
    return np.concatenate(vectors)


@dataclass(frozen=True)
class Block:
    """`formula(x, old states, parameters)` gives the output and the new states by name."""

    as_printed: str
    formula: Callable[[Any, Numbers, Any], tuple[Any, Numbers]]
    otherwise: tuple[str, ...] = ()
    activations: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    input_size: int = 3


class Parameters(dict):
    """Parameters by name, as attributes."""

    __getattr__ = dict.__getitem__


BLOCKS: dict[str, Block] = {}


def block(name, as_printed, *otherwise, **options):
    def keep(formula):
        BLOCKS[name] = Block(as_printed, formula, otherwise, **options)
        return formula

    return keep


@block(
    "simple",
    r"h_t = \tanh(W_{hh} h_{t-1} + W_{xh} x_t)" "\n" r"\hat{y}_t = W_{hy} h_t",
    r"\hat{o}_t = V s_t, \quad s_t = \tanh(R s_{t-1} + E u_t)",
    r"\begin{aligned} a^{(t)} &= \tanh(W_{aa} a^{(t-1)} + W_{ax} x^{(t)}) \\ y^{(t)} &= W_{ya} a^{(t)} \end{aligned}",
    "hₜ = tanh(W_hh·hₜ₋₁ + W_xh·xₜ)\nŷₜ = W_hy·hₜ",
    r"$$\mathbf{h}_t = \tanh\left(\mathbf{W}_{hh}\,\mathbf{h}_{t-1} + \mathbf{W}_{xh}\,\mathbf{x}_t\right),$$ and then "
    r"$$\hat{\mathbf y}_t = \mathbf{W}_{hy}\mathbf{h}_t.$$",
    sizes={"output": 4},
)
def _(x, old, p):
    h = np.tanh(p.W_hh @ old["h"] + p.W_xh @ x)
    return p.W_hy @ h, {"h": h}


@block(
    "simple with functions named g",
    r"a^{<t>} = g_1(w_{aa}a^{<t-1>} + w_{ax}x^{<t>} + b_a)"
    "\n"
    r"\hat{y}^{<t>} = g_2(w_{ya}a^{<t>} + b_y)",
    r"\hat{y}^{\langle t\rangle} = g_2(w_{ya} a^{\langle t\rangle} + b_y) \\"
    r"a^{\langle t\rangle} = g_1(w_{aa} a^{\langle t-1\rangle} + w_{ax} x^{\langle t\rangle} + b_a)",
    r"h_t = \tanh(U h_{t-1} + W x_t + b) \\ y_t = \operatorname{softmax}(V h_t + c)",
    r"""g_1 = \tanh \\ g_2 = \mathrm{softmax} \\ a_t = g_1(w_{aa} * a_{t-1} + w_{ax} * x_t + b_a),
    y_t = g_2(w_{ya} * a_t + b_y)""",
    activations={"g_1": "tanh", "g_2": "softmax"},
    sizes={"output": 4},
)
def _(x, old, p):
    a = np.tanh(p.w_aa @ old["a"] + p.w_ax @ x + p.b_a)
    return softmax(p.w_ya @ a + p.b_y), {"a": a}


@block(
    "bias outside",
    r"a^{<t>} = g(W_a [a^{<t-1>}, x^{<t>}]) + b_a",
    r"a^{<t>} = g(W_a \begin{bmatrix} a^{<t-1>} \\ x^{<t>} \end{bmatrix}) + b_a",
    r"h_t = \tanh(U h_{t-1} + W x_t) + b",
    activations={"g": "tanh"},
)
def _(x, old, p):
    a = np.tanh(p.W_a @ both(old["a"], x)) + p.b_a
    return a, {"a": a}


@block(
    "bias inside",
    r"a^{<t>} = g(W_a [a^{<t-1>}, x^{<t>}] + b_a)",
    r"a^{(t)} = g\left(W_a \cdot \left[a^{(t-1)}; x^{(t)}\right] + b_a\right)",
    r"h_t = \tanh(\underbrace{U h_{t-1}}_{\text{memory}} + \underbrace{W x_t}_{\text{input}} + b)",
    "g = tanh\na[t] = g(W_a @ [a[t-1], x[t]] + b_a)".replace("@", "·"),
    activations={"g": "tanh"},
)
def _(x, old, p):
    a = np.tanh(p.W_a @ both(old["a"], x) + p.b_a)
    return a, {"a": a}


@block(
    "lstm without biases",
    r"""o = \sigma(W_{ox}x_t + W_{oh}h_{t-1})
    i = \sigma(W_{ix}x_t + W_{ih}h_{t-1})
    f = \sigma(W_{fx}x_t + W_{fh}h_{t-1})
    g = \tanh(W_{gx}x_t + W_{gh}h_{t-1})
    c_t = f * c_{t-1} + i * g
    h_t = o * \tanh (c_t)""",
    r"""\begin{align*} h_t &= o_t \odot \tanh c_t \\ c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    i_t &= \sigma(W_i x_t + U_i h_{t-1}) \\ f_t &= \sigma(W_f x_t + U_f h_{t-1}) \\
    o_t &= \sigma(W_o x_t + U_o h_{t-1}) \\ g_t &= \tanh(W_g x_t + U_g h_{t-1}) \end{align*}""",
    r"""\begin{pmatrix} i \\ f \\ o \\ g \end{pmatrix} =
    \begin{pmatrix} \sigma \\ \sigma \\ \sigma \\ \tanh \end{pmatrix} W \begin{pmatrix} x_t \\ h_{t-1} \end{pmatrix} \\
    c_t = f \circ c_{t-1} + i \circ g \\ h_t = o \circ \tanh(c_t)""",
    """o = σ(W_o [x_t, h_{t-1}]); i = σ(W_i [x_t, h_{t-1}]); f = σ(W_f [x_t, h_{t-1}])
    g = tanh(W_g [x_t, h_{t-1}])
    m_t = f ⊙ m_{t-1} + i ⊙ g
    h_t = o ⊙ tanh(m_t)""",
)
def _(x, old, p):
    o = s(p.W_ox @ x + p.W_oh @ old["h"])
    i = s(p.W_ix @ x + p.W_ih @ old["h"])
    f = s(p.W_fx @ x + p.W_fh @ old["h"])
    g = np.tanh(p.W_gx @ x + p.W_gh @ old["h"])
    c = f * old["c"] + i * g
    h = o * np.tanh(c)
    return h, {"h": h, "c": c}


@block(
    "gru with a slip",
    r"""z = \sigma(W_{xz}x_t + W_{hz}h_{t-1})
    r = \sigma(W_{xr}x_t + W_{hr}h_{t-1})
    g = \sigma(W_{xg}x_t + W_{hg}(r * h_{t-1}))
    h_t = (1-z) * \tanh (W_{xg}h_{t-1} + z*g)""",
    r"""h_t = (1 - z_t) \odot \tanh(V h_{t-1} + z_t \odot g_t), \quad g_t = \sigma(V x_t + U_g (r_t \odot h_{t-1})),
    \quad r_t = \sigma(W_r [x_t, h_{t-1}]), \quad z_t = \sigma(W_z [x_t, h_{t-1}])""",
    input_size=5,
)
def _(x, old, p):
    h = old["h"]
    z = s(p.W_xz @ x + p.W_hz @ h)
    r = s(p.W_xr @ x + p.W_hr @ h)
    g = s(p.W_xg @ x + p.W_hg @ (r * h))
    h = (1 - z) * np.tanh(p.W_xg @ h + z * g)
    return h, {"h": h}


@block(
    "gru, reset after",
    r"""z_t = \sigma(W_z x_t + U_z h_{t-1} + b_z)
    r_t = \sigma(W_r x_t + U_r h_{t-1} + b_r)
    \hat{h}_t = \tanh(W x_t + r_t \odot U h_{t-1} + b_h)
    h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \hat{h}_t""",
    r"""\begin{align} s_t &= u_t * s_{t-1} + (1 - u_t) * \tilde{s}_t, \\
    \tilde{s}_t &= \tanh(A e_t + q_t * (B s_{t-1}) + d), \nonumber \\
    q_t &= \text{sigmoid}(A_q e_t + B_q s_{t-1} + d_q), \\
    u_t &= \text{sigmoid}(A_u e_t + B_u s_{t-1} + d_u). \end{align}""",
)
def _(x, old, p):
    h = old["h"]
    z = s(p.W_z @ x + p.U_z @ h + p.b_z)
    r = s(p.W_r @ x + p.U_r @ h + p.b_r)
    candidate = np.tanh(p.W @ x + r * (p.U @ h) + p.b_h)
    h = z * h + (1 - z) * candidate
    return h, {"h": h}


@block(
    "lstm",
    r"""f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)
    i_t = \sigma(W_i x_t + U_i h_{t-1} + b_i)
    o_t = \sigma(W_o x_t + U_o h_{t-1} + b_o)
    \hat{c}_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)
    c_t = f_t \odot c_{t-1} + i_t \odot \hat{c_t}
    h_t = o_t \odot \tanh(c_t)""",
    r"""c^{<t>} = \Gamma_f * c^{<t-1>} + \Gamma_i * \tilde{c}^{<t>} \\ a^{<t>} = \Gamma_o * \tanh c^{<t>} \\
    \tilde{c}^{<t>} = \tanh(W_c [x^{<t>}, a^{<t-1>}] + b_c) \\ \Gamma_f = \sigma(W_f [x^{<t>}, a^{<t-1>}] + b_f) \\
    \Gamma_i = \sigma(W_i [x^{<t>}, a^{<t-1>}] + b_i) \\ \Gamma_o = \sigma(W_o [x^{<t>}, a^{<t-1>}] + b_o)""",
    r"""(i f o g) = \begin{pmatrix} \sigma \\ \sigma \\ \sigma \\ \tanh \end{pmatrix} (W [x_t, h_{t-1}] + b)
    \\ c_t = f \odot c_{t-1} + i \odot g \\ h_t = o \odot \tanh(c_t)""",
)
def _(x, old, p):
    f, i, o = (s(p[f"W_{k}"] @ x + p[f"U_{k}"] @ old["h"] + p[f"b_{k}"]) for k in "fio")
    c = f * old["c"] + i * np.tanh(p.W_c @ x + p.U_c @ old["h"] + p.b_c)
    h = o * np.tanh(c)
    return h, {"h": h, "c": c}


@block(
    "gru, update gate only",
    r"""c^{<t>} = a^{<t>}
    \widetilde{c}^{<t>} = \tanh(w_c [c^{<t-1>}, x^{<t>}] + b_c)
    \Gamma_u = sigmoid(w_u [c^{<t-1>}, x^{<t>}] + b_u)
    c^{<t>} = \Gamma_u * \widetilde{c}^{<t>} + (1 - \Gamma_u) * c^{<t-1>}""",
    r"""c^{(t)} = \Gamma_u \cdot \tilde{c}^{(t)} + (1 - \Gamma_u) \cdot c^{(t-1)}, \quad a^{(t)} = c^{(t)} \\
    \Gamma_u = \sigma(w_u \cdot [a^{(t-1)}, x^{(t)}] + b_u) \\
    \tilde{c}^{(t)} = \tanh(w_c \cdot [c^{(t-1)}, x^{(t)}] + b_c)""",
    r"""h_t = z_t \odot \hat{h}_t + (1 - z_t) \odot h_{t-1} \\ \hat{h}_t = \tanh(U h_{t-1} + W x_t + b) \\
    z_t = \sigma(U_z h_{t-1} + W_z x_t + b_z)""",
)
def _(x, old, p):
    c = old["c"]
    gate = s(p.w_u @ both(c, x) + p.b_u)
    c = gate * np.tanh(p.w_c @ both(c, x) + p.b_c) + (1 - gate) * c
    return c, {"c": c}


@block(
    "gru",
    r"""c^{<t>} = a^{<t>}
    \widetilde{c}^{<t>} = \tanh(w_c[\Gamma_r * c^{<t-1>}, x^{<t>}] + b_c)
    \Gamma_u = sigmoid(w_u [c^{<t-1>}, x^{<t>}] + b_u)
    \Gamma_r = sigmoid(w_r [c^{<t-1>}, x^{<t>}] + b_r)
    c^{<t>} = \Gamma_u * \widetilde{c}^{<t>} + (1 - \Gamma_u) * c^{<t-1>}""",
    r"""r_t = \sigma(U_r h_{t-1} + W_r x_t + b_r) \\ u_t = \sigma(U_u h_{t-1} + W_u x_t + b_u) \\
    h_t = u_t h'_t + (1 - u_t) h_{t-1} \\ h'_t = \tanh(U (r_t \odot h_{t-1}) + W x_t + b)""",
)
def _(x, old, p):
    c = old["c"]
    update, reset = s(p.w_u @ both(c, x) + p.b_u), s(p.w_r @ both(c, x) + p.b_r)
    c = update * np.tanh(p.w_c @ both(reset * c, x) + p.b_c) + (1 - update) * c
    return c, {"c": c}


LSTM_OF_THE_COURSE = r"""a^{<0>} = [0 \dots 0]
    \tilde{c}^{<t>} = \tanh(w_c[a^{<t-1>}, x^{<t>}] + b_c)
    \Gamma_u = \sigma(w_u[a^{<t-1>}, x^{<t>}] + b_u)
    \Gamma_f = \sigma(w_f[a^{<t-1>}, x^{<t>}] + b_f)
    \Gamma_o = \sigma(w_o[a^{<t-1>}, x^{<t>}] + b_o)
    c^{<t>} = \Gamma_u * \tilde{c}^{<t>} + \Gamma_f * c^{<t-1>}
    a^{<t>} = \Gamma_o * c^{<t>}"""


@block(
    "lstm, linear output",
    LSTM_OF_THE_COURSE,
    r"""a^{(t)} = \Gamma_o \cdot c^{(t)}, \qquad
    c^{(t)} = \underbrace{\Gamma_u \cdot \tilde{c}^{(t)}}_{\text{update}}
    + \underbrace{\Gamma_f \cdot c^{(t-1)}}_{\text{forget}} \\
    \tilde{c}^{(t)} = \tanh(w_c \cdot [a^{(t-1)}, x^{(t)}] + b_c) \\
    \Gamma_u = \sigma(w_u \cdot [a^{(t-1)}, x^{(t)}] + b_u) \\
    \Gamma_f = \sigma(w_f \cdot [a^{(t-1)}, x^{(t)}] + b_f) \\
    \Gamma_o = \sigma(w_o \cdot [a^{(t-1)}, x^{(t)}] + b_o)""",
    LSTM_OF_THE_COURSE.replace("a^", "h^").replace("x^", "e^").replace(r"\Gamma", r"\Lambda"),
)
def _(x, old, p):
    read = both(old["a"], x)
    update, forget, out = (s(p[f"w_{k}"] @ read + p[f"b_{k}"]) for k in "ufo")
    c = update * np.tanh(p.w_c @ read + p.b_c) + forget * old["c"]
    return out * c, {"a": out * c, "c": c}


@block(  # MUT1 of Jozefowicz et al. 2015, ICML; vectors of tanh(x_t) and of h_t are added, so I = H
    "mut1",
    r"""\begin{align}
    z &= \operatorname{sigm}(W_{xz} x_t + b_z) \\
    r &= \operatorname{sigm}(W_{xr} x_t + W_{hr} h_t + b_r) \\
    h_{t+1} &= \tanh(W_{hh}(r \odot h_t) + \tanh(x_t) + b_h) \odot z \\
    &+ h_t \odot (1 - z)
    \end{align}""",
    r"""h_t = \tanh(U (r \odot h_{t-1}) + \tanh(x_t) + b) \odot z + h_{t-1} \odot (1 - z), z = \sigma(W_z x_t + b_z),
    r = \sigma(W_r [x_t, h_{t-1}] + b_r)""",
    input_size=5,
)
def _(x, old, p):
    h = old["h"]
    z, r = s(p.W_xz @ x + p.b_z), s(p.W_xr @ x + p.W_hr @ h + p.b_r)
    h = np.tanh(p.W_hh @ (r * h) + np.tanh(x) + p.b_h) * z + h * (1 - z)
    return h, {"h": h}


@block(  # Structurally constrained network of Mikolov et al. 2014, arXiv:1412.7753
    "structurally constrained",
    r"""s_t = (1 - \alpha) B x_t + \alpha s_{t-1}, \\
    h_t = \sigma(P s_t + A x_t + R h_{t-1}), \\
    y_t = f(U h_t + V s_t), \quad \text{where} \quad \alpha = 0.95.""",
    """rate = 0.95
    y_t = softmax(U h_t + V c_t)
    h_t = σ(P c_t + A x_t + R h_{t-1})
    c_t = (1 - rate)·B x_t + rate·c_{t-1}""",
    activations={"f": "softmax"},
    sizes={"output": 4},
)
def _(x, old, p):
    context = 0.05 * (p.B @ x) + 0.95 * old["s"]
    h = s(p.P @ context + p.A @ x + p.R @ old["h"])
    return softmax(p.U @ h + p.V @ context), {"s": context, "h": h}
