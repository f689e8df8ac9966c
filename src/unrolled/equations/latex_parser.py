"""One equation's tokens as a tree, by recursive descent: sums of products of factors side by side."""

from __future__ import annotations

import difflib
from typing import NoReturn

from unrolled.equations.latex_index import WRAPPERS, Index, read_index, time_of
from unrolled.equations.latex_lexer import Lexer, Token
from unrolled.equations.latex_source import Source
from unrolled.equations.latex_statements import pieces, relation
from unrolled.equations.latex_tree import Declaration, Equation, Output, Statement, Time, Tree
from unrolled.equations.notation import GREEK, LATEX_WORDS, SPELLINGS

PRODUCTS = {"cdot": "*", "times": "*", "ast": "*", "odot": "odot", "circ": "odot"}
ACCENT_COMMANDS = {
    **{
        "hat": "hat",
        "widehat": "hat",
        "tilde": "tilde",
        "widetilde": "tilde",
        "bar": "bar",
        "overline": "bar",
    },
    **{"check": "check", "dot": "dot", "ddot": "ddot", "breve": "breve", "acute": "acute", "grave": "grave"},
}
VARIANTS = {
    "varphi": "phi",
    "varepsilon": "epsilon",
    "vartheta": "theta",
    "varrho": "rho",
    "varsigma": "sigma",
}
LETTERS = {"ell": "ell", "hbar": "hbar", "imath": "i", "jmath": "j"}
COMPARED = {"ge": ">=", "geq": ">=", "geqslant": ">=", "le": "<=", "leq": "<=", "leqslant": "<="}
COLUMNS = ("bmatrix", "pmatrix", "matrix", "array", "vmatrix", "Bmatrix", "smallmatrix")
WHOLE = {
    **{"sum": "a sum over an index", "prod": "a product over an index"},
    **{"int": "an integral", "partial": "a derivative"},
}
OPEN = {"(": ")", "[": "]", "{": "}"}


def parse(source: Source) -> list[Statement]:
    """Every statement of a source."""
    tokens = Lexer(source).tokens()
    return [Parser(source, piece).statement() for piece in pieces(source, tokens)]


class Parser:
    """Reads the tokens of one statement."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.at = 0

    # --- statements ------------------------------------------------------------------------------

    def statement(self) -> Statement:
        """An equation, the sizes of names, or which value is the output."""
        if self.peek_is("text", "output"):
            self.at += 1
            return Output(self._all())
        place = relation(self.tokens)
        assert place is not None, "pieces() keeps only what has a relation"
        left, sign = Parser(self.source, self.tokens[:place]), self.tokens[place]
        self.at = place + 1
        while self.peek_sign("=") and sign.is_sign(":", "="):
            self.refuse(self.tokens[self.at], "an equation has one =", "Give each its own line.")
        if not left.tokens:
            self.refuse(sign, "nothing stands left of this sign", "Write name = value.")
        if sign.is_command("in"):
            return self._declaration(left)
        if self.at == len(self.tokens):
            self.refuse(sign, "nothing stands right of this sign", "Write name = value.")
        return Equation(left.names(), self._all())

    def names(self) -> Tree:
        """The left side: a name, or names in one bracket or column."""
        return self._all()

    def _all(self) -> Tree:
        tree = self.expression()
        if self.at < len(self.tokens):
            self._unexpected(self.tokens[self.at])
        return tree

    def _unexpected(self, token: Token) -> NoReturn:
        if token.is_sign("="):
            self.refuse(token, "an equation has one =", "Give each equation its own line.")
        self.refuse(token, f"{self._text(token)} cannot stand here", "Look for a missing sign or bracket.")

    def _declaration(self, left: Parser) -> Declaration:
        names = [left.expression()]
        while left.peek_sign(","):
            left.at += 1
            names.append(left.expression())
        given = bool(self.tokens) and self.tokens[-1].text == "given"
        tokens = [
            token for token in self.tokens[self.at : len(self.tokens) - given] if not token.is_sign("{", "}")
        ]
        sign = self.tokens[self.at - 1]
        if not tokens or not (tokens[0].is_command("reals") or tokens[0].text == "R"):
            self.refuse(
                sign, "sizes are written as x_t \\in \\mathbb{R}^{n}", "Write \\mathbb{R} and a size."
            )
        sizes = [""]
        for token in tokens[1:]:
            if token.is_command("times"):
                sizes.append("")
            elif not token.is_sign("^", "_", "(", ")"):
                sizes[-1] += token.text
        return Declaration(tuple(names), tuple(size for size in sizes if size), given)

    # --- expressions -----------------------------------------------------------------------------

    def expression(self) -> Tree:
        """A sum, or two of them compared."""
        left = self.sum()
        token = self.peek()
        if token is None or not (token.is_sign("<", ">") or token.is_command(*COMPARED)):
            return left
        self.at += 1
        right = self.sum()
        sign = COMPARED.get(token.text, token.text)
        return Tree("compare", left.start, right.end, (left, right), sign)

    def sum(self) -> Tree:
        """Products with + and - between them."""
        signs: list[str] = []
        parts: list[Tree] = []
        first = self.peek()
        while not parts or self.peek_sign("+", "-"):
            signs.append(self._signs(bool(parts)))
            parts.append(self.product())
        start = first.start if first is not None else parts[0].start
        return parts[0] if signs == [""] else Tree("sum", start, parts[-1].end, tuple(parts), tuple(signs))

    def _signs(self, needed: bool) -> str:
        """The sign before a term; nothing before the first one."""
        found = "+" if needed else ""
        minus = False
        while (token := self.peek()) is not None and token.is_sign("+", "-"):
            found, minus = "+", minus ^ token.is_sign("-")
            self.at += 1
        return "-" if minus else found

    def product(self) -> Tree:
        """Chains with a sign of multiplication or division between them."""
        parts, signs = [self.chain()], []
        while (sign := self._product_sign()) is not None:
            self.at += 1
            signs.append(sign)
            parts.append(self.chain())
        if not signs:
            return parts[0]
        return Tree("product", parts[0].start, parts[-1].end, tuple(parts), tuple(signs))

    def _product_sign(self) -> str | None:
        token = self.peek()
        if token is None:
            return None
        if token.is_sign("*", "/"):
            return token.text
        return PRODUCTS.get(token.text) if token.kind == "command" else None

    def chain(self) -> Tree:
        """Factors side by side."""
        factors = [self.factor()]
        while (token := self.peek()) is not None and self._begins(token):
            factors.append(self.factor())
        if len(factors) == 1:
            return factors[0]
        return Tree("chain", factors[0].start, factors[-1].end, tuple(factors))

    def _begins(self, token: Token) -> bool:
        """Whether a factor begins here."""
        if token.kind == "command":
            ends = (
                token.text in PRODUCTS
                or token.text in COMPARED
                or token.text in ("in", "rangle", "rvert", "gets")
            )
            return not ends
        if token.is_sign("|"):
            return False
        return token.kind in ("letters", "word", "number", "begin") or token.is_sign(*OPEN)

    def factor(self) -> Tree:
        """A name, number, call or bracket, with what is written behind it."""
        tree = self.atom()
        while self.peek_sign("^", "'") and tree.kind != "name":
            tree = self._raised(tree)
        return tree

    def _raised(self, tree: Tree) -> Tree:
        token = self.tokens[self.at]
        index = read_index(self, tree)
        if index.transposed:
            return tree if tree.kind == "list" else Tree("transpose", tree.start, index.end, (tree,))
        if index.power:
            return Tree("power", tree.start, index.end, (tree,), index.power)
        self.refuse(token, "only a name can have this index", "Write it without the index.")

    def atom(self) -> Tree:
        """The smallest pieces."""
        token = self.peek()
        if token is None:
            last = self.tokens[-1]
            self.refuse(last, "something is missing after this", "Complete the equation.")
        if token.kind == "number":
            self.at += 1
            return Tree("number", token.start, token.end, (), float(token.text))
        if token.kind in ("letters", "word"):
            return self._named(token)
        if token.kind == "begin":
            return self._environment(token)
        if token.is_sign("|") or token.is_command("lvert"):
            return self._bars(token)
        if token.is_sign(*OPEN):
            return self._bracket(token)
        if token.kind == "command":
            return self._command(token)
        self._unexpected(token)

    def _named(self, token: Token) -> Tree:
        self.at += 1
        if token.text in SPELLINGS and not self.peek_sign("_"):
            return self._function(token.text, token)
        return self.name(token.text, token)

    def name(self, base: str, token: Token, accents: tuple[str, ...] = ()) -> Tree:
        """A name with everything that is written around it."""
        while self.peek_is("accent") or self.peek_sign("'"):
            mark = self.tokens[self.at]
            accents = (*accents, mark.text if mark.kind == "accent" else "prime")
            self.at += 1
        tree = Tree("name", token.start, token.end, (), "_".join((base, *accents)))
        if base == "e" and self._is_exponential():
            self.at += 1
            power = self.atom()
            return Tree("call", token.start, power.end, (power,), "exp")
        return read_indices(self, tree)

    def _is_exponential(self) -> bool:
        """Whether e is raised to something that is no time index."""
        ahead = self.tokens[self.at : self.at + 2]
        if len(ahead) < 2 or not ahead[0].is_sign("^") or not ahead[1].is_sign("{"):
            return False
        closing = next((i for i in range(self.at, len(self.tokens)) if self.tokens[i].is_sign("}")), self.at)
        inside = self.tokens[self.at + 2 : closing]
        return bool(inside) and time_of(inside) is None and not inside[0].is_sign(*WRAPPERS)

    # --- brackets --------------------------------------------------------------------------------

    def _bracket(self, token: Token) -> Tree:
        self.at += 1
        parts, listed = self._listed(OPEN[token.text], (",", ";"))
        end = self._close(OPEN[token.text], token)
        kind = "list" if listed else "group"
        tree = Tree(kind, token.start, end, tuple(parts), token.text)
        inner = parts[0] if kind == "group" else tree
        if token.text == "{" and inner.kind == "name":
            return read_indices(self, Tree("name", token.start, end, (), inner.value, inner.time))
        return tree

    def _listed(self, closing: str, separators: tuple[str, ...]) -> tuple[list[Tree], bool]:
        """Entries up to a closing bracket, and whether there is a separator among them."""
        parts, listed = [], False
        while not self.peek_sign(closing):
            parts.append(self._entry())
            if (token := self.peek()) is not None and (token.is_sign(*separators) or token.kind == "row"):
                self.at, listed = self.at + 1, True
        if not parts:
            token = self.tokens[min(self.at, len(self.tokens) - 1)]
            self.refuse(
                self.tokens[self.at - 1], "there is nothing in this bracket", "Fill it or remove it.", token
            )
        return parts, listed or len(parts) > 1

    def _entry(self) -> Tree:
        token = self.peek()
        if token is not None and token.is_command("dots", "ldots", "cdots", "vdots"):
            self.at += 1
            return Tree("dots", token.start, token.end)
        return self.expression()

    def _close(self, closing: str, opening: Token) -> int:
        token = self.peek()
        if token is None or not token.is_sign(closing):
            self.refuse(opening, f"this {opening.text} is never closed", f"Add {closing}.")
        self.at += 1
        return token.end

    def _bars(self, token: Token) -> Tree:
        self.at += 1
        inside = self.expression()
        closing = self.peek()
        if closing is None or not (closing.is_sign("|") or closing.is_command("rvert")):
            self.refuse(token, "this bar is never closed", "Add the second bar.")
        self.at += 1
        return Tree("call", token.start, closing.end, (inside,), "abs")

    def _environment(self, token: Token) -> Tree:
        """A column of values, or cases."""
        self.at += 1
        rows: list[list[Tree]] = [[]]
        while not self.peek_is("end"):
            entry = self.peek()
            if entry is not None and entry.kind == "row":
                rows.append([])
                self.at += 1
            elif entry is not None and (entry.is_sign("&", ",") or entry.kind == "text"):
                self.at += 1
            else:
                rows[-1].append(self._entry())
        end = self.tokens[self.at].end
        self.at += 1
        rows = [row for row in rows if row]
        if token.text in ("cases", "dcases"):
            return self._cases(token, end, rows)
        if token.text not in COLUMNS:
            self.refuse(
                token, f"the environment {token.text} has no meaning here", "Use bmatrix for stacked vectors."
            )
        tree = Tree("list", token.start, end, tuple(entry for row in rows for entry in row), "[")
        return self._raised(tree) if self.peek_sign("^") else tree

    def _cases(self, token: Token, end: int, rows: list[list[Tree]]) -> Tree:
        if len(rows) != 2 or not rows[0] or len(rows[0]) != 2 or rows[0][1].kind != "compare":
            self.refuse(
                token, "cases have two rows, the first with a comparison such as a > b", "Write those."
            )
        return Tree("cases", token.start, end, (rows[0][1], rows[0][0], rows[1][0]))

    # --- commands --------------------------------------------------------------------------------

    def _command(self, token: Token) -> Tree:
        self.at += 1
        name = VARIANTS.get(token.text, token.text)
        if name in WHOLE:
            self.refuse(token, f"{WHOLE[name]} cannot be an equation of one step", "Write the terms out.")
        if name in SPELLINGS and name != "sqrt" and not self.peek_sign("_"):
            return self._function(name, token)
        if name in GREEK or name in LETTERS:
            return self.name(LETTERS.get(name, name), token)
        if name in ACCENT_COMMANDS:
            return self._accent(token)
        rule = getattr(self, f"_{name}", None) if name in ("frac", "tfrac", "dfrac", "sqrt") else None
        if rule is not None:
            return rule(token)  # type: ignore[no-any-return]
        if name in ("underbrace", "overbrace"):
            return self._labelled()
        if name in ("dots", "ldots", "cdots", "vdots", "infty"):
            return Tree("dots", token.start, token.end)
        self.refuse(token, f"\\{token.text} is not known", f"Nearest: {', '.join(_nearest(token.text))}.")

    def _function(self, spelling: str, token: Token) -> Tree:
        """A function with its operands: those in brackets, or else the factors that follow."""
        after = self.peek()
        if after is not None and after.is_command("cdot") and self._closes(self.at + 1):
            self.at += 1
        if after is not None and after.is_sign("(", "[", "{"):
            return self._arguments(spelling, token)
        if after is None or not self._begins(after):
            return Tree("word", token.start, token.end, (), spelling)
        operand = self.chain()
        return Tree("call", token.start, operand.end, (operand,), spelling)

    def _closes(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].is_sign(")")

    def _arguments(self, spelling: str, token: Token) -> Tree:
        opening = self.tokens[self.at]
        if self._placeholder():
            return Tree("word", token.start, self.tokens[self.at - 1].end, (), spelling)
        self.at += 1
        parts, _ = self._listed(OPEN[opening.text], (",", ";"))
        end = self._close(OPEN[opening.text], opening)
        if opening.text == "[" and len(parts) > 1:
            parts = [Tree("list", opening.start, end, tuple(parts), "[")]
        return Tree("call", token.start, end, tuple(parts), spelling)

    def _placeholder(self) -> bool:
        r"""Skip `(\cdot)` or `(0, \cdot)`, as in g = \max(0, \cdot)."""
        at = self.at + 1
        while at < len(self.tokens) and (self.tokens[at].kind == "number" or self.tokens[at].is_sign(",")):
            at += 1
        if at < len(self.tokens) and self.tokens[at].is_command("cdot") and self._closes(at + 1):
            self.at = at + 2
            return True
        return False

    def _accent(self, token: Token) -> Tree:
        r"""`\hat{c}_t`, and `\hat{c_t}`, which is the same."""
        accent = ACCENT_COMMANDS[token.text]
        opening = self.peek()
        if opening is None:
            self.refuse(token, "an accent needs a name below it", "Write \\hat{h}.")
        inner = self.atom() if opening.is_sign("{") else self._one_letter()
        inner = inner.plain()
        if inner.kind != "name":
            self.refuse(token, "an accent needs a name below it", "Write \\hat{h}.")
        base, *rest = inner.key.split("_")
        return read_indices(
            self, Tree("name", token.start, inner.end, (), "_".join((base, accent, *rest)), inner.time)
        )

    def _one_letter(self) -> Tree:
        token = self.tokens[self.at]
        self.at += 1
        return Tree("name", token.start, token.end, (), token.text)

    def _frac(self, token: Token) -> Tree:
        upper, lower = self.atom(), self.atom()
        return Tree("fraction", token.start, lower.end, (upper, lower))

    _dfrac = _tfrac = _frac

    def _sqrt(self, token: Token) -> Tree:
        inside = self.atom()
        return Tree("call", token.start, inside.end, (inside,), "sqrt")

    def _labelled(self) -> Tree:
        r"""What stands over `\underbrace{...}_{label}`."""
        inside = self.atom()
        if self.peek_sign("_", "^"):
            self.at += 1
            skip_group(self)
        return inside

    # --- tokens ----------------------------------------------------------------------------------

    def peek(self) -> Token | None:
        """The next token."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def peek_sign(self, *signs: str) -> bool:
        """Whether the next token is one of some signs."""
        token = self.peek()
        return token is not None and token.is_sign(*signs)

    def peek_is(self, kind: str, text: str | None = None) -> bool:
        """Whether the next token is of a kind, and has a text."""
        token = self.peek()
        return token is not None and token.kind == kind and text in (None, token.text)

    def refuse(self, token: Token, what: str, cure: str, until: Token | None = None) -> NoReturn:
        """Raise an error about a token, or from one token to another."""
        self.source.refuse(token.start, (until or token).end, what, cure)

    def _text(self, token: Token) -> str:
        return self.source.text[token.start : token.end]


def skip_group(parser: Parser) -> None:
    """Skip one token, or everything up to the bracket that closes it."""
    depth = 0
    while (token := parser.peek()) is not None:
        depth += token.is_sign("{") - token.is_sign("}")
        parser.at += 1
        if depth == 0:
            return


def read_indices(parser: Parser, tree: Tree) -> Tree:
    """A name with its subscripts and superscripts."""
    while parser.peek_sign("_", "^", "'") or Index.follows_as_call(parser):
        index = read_index(parser, tree)
        if index.transposed:
            return Tree("transpose", tree.start, index.end, (tree,))
        if index.power:
            return Tree("power", tree.start, index.end, (tree,), index.power)
        key = "_".join((tree.key, *index.parts))
        tree = Tree("name", tree.start, index.end, (), key, _one_time(parser, tree, index))
    return tree


def _one_time(parser: Parser, tree: Tree, index: Index) -> Time | None:
    if tree.time is not None and index.time is not None:
        parser.source.refuse(tree.start, index.end, "this name has two time indices", "Keep one of them.")
    return index.time or tree.time


def _nearest(name: str) -> list[str]:
    known = [*SPELLINGS, *GREEK, *PRODUCTS, *ACCENT_COMMANDS, "frac", "sqrt", "underbrace"]
    known += [printed[1:] for printed in LATEX_WORDS.values() if "{" not in printed]
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.3)
    return [f"\\{found}" for found in near] or [r"\sigma", r"\tanh"]
