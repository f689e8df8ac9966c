"""How names and words are printed: Greek letters, accents, subscripts, and the usual signs for functions.

Both directions use this page: typesetting a graph, and reading typeset equations.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
)
_MORE = "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"


def _greek_letter(name: str) -> str:
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    return unicodedata.lookup(
        f"GREEK {case} LETTER {name.replace('ambda', 'amda').upper()}"
    )  # Unicode says lamda


GREEK: dict[str, str] = {name: _greek_letter(name) for name in f"{_GREEK} {_MORE}".split()}
GREEK_NAMES: dict[str, str] = {letter: name for name, letter in GREEK.items()} | {"ϕ": "phi", "ϵ": "epsilon"}

# The accent a part of a name stands for: LaTeX command, combining mark, spacing mark for MathML.
ACCENTS: dict[str, tuple[str, str, str]] = {
    "hat": ("hat", "\N{COMBINING CIRCUMFLEX ACCENT}", "^"),
    "tilde": ("tilde", "\N{COMBINING TILDE}", "~"),
    "bar": ("bar", "\N{COMBINING MACRON}", "\N{MACRON}"),
}

# Word of the equations -> how LaTeX prints it.
LATEX_WORDS: dict[str, str] = {
    "sigmoid": r"\sigma",
    "tanh": r"\tanh",
    "relu": r"\operatorname{ReLU}",
    "exp": r"\exp",
    "log": r"\log",
    "softplus": r"\operatorname{softplus}",
    "maximum": r"\max",
    "minimum": r"\min",
    "layer_norm": r"\operatorname{LN}",
    "softmax": r"\operatorname{softmax}",
    "every": r"\operatorname{every}",
    "upper_blocks": r"\operatorname{upper\_blocks}",
}

# How people spell a function -> word of the equations.
SPELLINGS: dict[str, str] = {
    **dict.fromkeys(("sigmoid", "sigma", "sigm", "logistic"), "sigmoid"),
    **dict.fromkeys(("relu", "ReLU", "RELU", "Relu"), "relu"),
    **dict.fromkeys(("log", "ln"), "log"),
    **dict.fromkeys(("max", "maximum"), "maximum"),
    **dict.fromkeys(("min", "minimum"), "minimum"),
    **dict.fromkeys(("LN", "LayerNorm", "layernorm", "layer_norm"), "layer_norm"),
    **{
        name: name
        for name in ("tanh", "exp", "softplus", "softmax", "sqrt", "abs", "every", "upper_blocks", "concat")
    },
    "Tanh": "tanh",
    "Softmax": "softmax",
}


@dataclass(frozen=True)
class Mark:
    """A name as it is printed: `W`, `h` with a hat, `alpha` with the subscript 1."""

    base: str
    subscripts: tuple[str, ...] = ()
    accent: str = ""

    @property
    def key(self) -> str:
        """The name in the equations: `h_hat`, `alpha_1`."""
        return "_".join((self.base, *((self.accent,) if self.accent else ()), *self.subscripts))


def mark_of(name: str) -> Mark:
    """How a name of the equations is printed; a name that would read back differently stays in one piece."""
    base, *rest = name.split("_")
    accent = rest.pop(0) if rest and rest[0] in ACCENTS else ""
    mark = Mark(GREEK_NAMES.get(base, base), tuple(rest), accent)
    sound = all(part.isalnum() for part in (base, *rest)) and base[:1].isalpha() and not base[-1].isdigit()
    if not sound or any(part in ACCENTS for part in rest):
        return Mark(name)
    return replace(mark, base=f"v_{base}") if mark.base in SPELLINGS else mark


def is_one_letter(text: str) -> bool:
    """Whether a part of a name is printed as a letter, not as a word: `W`, `alpha`."""
    return len(text) == 1 or text in GREEK
