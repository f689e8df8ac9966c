"""Where one equation ends and the next begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unrolled.equations.latex_lexer import Token
from unrolled.equations.latex_source import Source
from unrolled.equations.notation import SPELLINGS

CLOSING = {"(": ")", "[": "]", "{": "}"}
HARD = ("row", "break", "text")
SOFT = ("newline", "gap")
OPERATORS = ("cdot", "odot", "circ", "times", "ast")


@dataclass
class Piece:
    """Tokens between two separators, and the separator before them."""

    before: str
    tokens: list[Token]

    @property
    def relates(self) -> bool:
        """Whether it holds a relation of its own."""
        return relation(self.tokens) is not None


def pieces(source: Source, tokens: list[Token]) -> list[list[Token]]:
    """The tokens of every equation."""
    tokens = _without_layout(source, _in_words(source, tokens))
    parts = [part for part in _cut(source, tokens) if part.tokens]
    return _joined(source, parts)


def relation(tokens: list[Token]) -> int | None:
    """Where the relation of an equation stands, outside all brackets."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += _step(token)
        if depth == 0 and (
            token.is_sign("=") or token.is_command("in", "gets", "equiv", "leftarrow", "triangleq")
        ):
            return i
    return None


def _step(token: Token) -> int:
    opens = token.kind == "begin" or token.is_sign(*CLOSING)
    closes = token.kind == "end" or token.is_sign(*CLOSING.values())
    return int(opens) - int(closes)


# --- runs of letters -----------------------------------------------------------------------------


def _in_words(source: Source, tokens: list[Token]) -> list[Token]:
    """Runs of letters as words where they are a function or a name, otherwise as one letter after the other.

    TeX reads `Wx` as W times x. A run is one name if it stands alone left of a `=`, and in text without TeX's
    commands also where no index follows it.
    """
    typed = "\\" not in source.maths
    defined = {token.text for i, token in enumerate(tokens) if _is_defined(tokens, i)}
    found: list[Token] = []
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        if token.kind != "letters" or len(token.text) == 1:
            found.append(token)
        elif (
            token.text in SPELLINGS
            or token.text in defined
            or _is_call(token, after)
            or (typed and (_is_index(tokens, i) or after is None or not after.is_sign("_", "^")))
        ):
            found.append(replace(token, kind="word"))
        else:
            spans = enumerate(token.text, token.start)
            found.extend(replace(token, text=letter, start=at, end=at + 1) for at, letter in spans)
    return found


def _is_call(token: Token, after: Token | None) -> bool:
    return len(token.text) >= 3 and token.text.islower() and after is not None and after.is_sign("(")


def _is_index(tokens: list[Token], i: int) -> bool:
    return i > 0 and tokens[i - 1].is_sign("_", "^")


def _is_defined(tokens: list[Token], i: int) -> bool:
    """Whether the run of letters at `i` is all that stands between a separator and a `=`, an index aside."""
    begins = i == 0 or tokens[i - 1].kind in (*HARD, *SOFT, "begin") or tokens[i - 1].is_sign("&", ",", ";")
    if tokens[i].kind != "letters" or not begins:
        return False
    depth, i = 0, i + 1
    while i < len(tokens) and (depth or not tokens[i].is_sign("=")):
        depth += _step(tokens[i])
        flat = depth == 0 and not tokens[i].is_sign("_", "^", "}", ")", "&", ">", "<")
        if flat and not tokens[i - 1].is_sign("_", "^", "<"):
            return False
        i += 1
    return i < len(tokens)


# --- environments --------------------------------------------------------------------------------


def _without_layout(source: Source, tokens: list[Token]) -> list[Token]:
    """Environments that hold equations are only layout; those that hold values stay."""
    found: list[Token] = []
    open_environments: list[tuple[Token, bool]] = []
    for i, token in enumerate(tokens):
        if token.kind == "begin":
            layout = _holds_equations(tokens, i)
            open_environments.append((token, layout))
            if layout and found and source.text.startswith("\\{", found[-1].start):
                found.pop()  # the brace of a system of equations
        elif token.kind == "end":
            layout = _ended(source, token, open_environments)
        else:
            layout = False
        found.append(replace(token, kind="row") if layout else token)
    if open_environments:
        begin = open_environments[-1][0]
        source.refuse(
            begin.start, begin.end, "this environment is never ended", f"Add \\end{{{begin.text}}}."
        )
    return found


def _ended(source: Source, token: Token, open_environments: list[tuple[Token, bool]]) -> bool:
    if not open_environments or open_environments[-1][0].text != token.text:
        source.refuse(
            token.start, token.end, "this ends an environment that is not open", "Match \\begin and \\end."
        )
    return open_environments.pop()[1]


def _holds_equations(tokens: list[Token], i: int) -> bool:
    depth, inside = 0, 0
    for token in tokens[i + 1 :]:
        inside += (token.kind == "begin") - (token.kind == "end")
        depth += token.is_sign(*CLOSING) - token.is_sign(*CLOSING.values())
        if inside < 0:
            return False
        if inside == 0 and depth == 0 and (token.is_sign("=") or token.is_command("in")):
            return True
    return False


# --- separators ----------------------------------------------------------------------------------


def _cut(source: Source, tokens: list[Token]) -> list[Piece]:
    found = [Piece("break", [])]
    opened: list[Token] = []
    for token in tokens:
        _balance(source, token, opened)
        separator = None if opened else _separator(token, found[-1])
        if separator is not None:
            found.append(Piece(separator, [token] if token.text == "output" else []))
        elif not _is_layout(token, opened):
            found[-1].tokens.append(token)
    if opened:
        last = opened[-1]
        cure = f"Add {CLOSING.get(last.text, 'its end')}."
        source.refuse(last.start, last.end, f"this {last.text} is never closed", cure)
    return found


def _is_layout(token: Token, opened: list[Token]) -> bool:
    """Whether a token only places its neighbours: signs of alignment, and a new line within round brackets."""
    if any(bracket.kind == "begin" for bracket in opened):
        return token.kind in SOFT
    in_round = bool(opened) and not opened[-1].is_sign("[")
    return token.kind in SOFT or token.is_sign("&", ".") or (token.kind == "row" and in_round)


def _balance(source: Source, token: Token, opened: list[Token]) -> None:
    if token.kind == "begin" or token.is_sign(*CLOSING):
        opened.append(token)
    elif token.kind == "end" or token.is_sign(*CLOSING.values()):
        wanted = "end" if not opened or opened[-1].kind == "begin" else CLOSING[opened[-1].text]
        if not opened or (token.text != wanted and not (token.kind == "end" == wanted)):
            got = f"\\end{{{token.text}}}" if token.kind == "end" else token.text
            source.refuse(
                token.start, token.end, f"{got} closes nothing that is open", "Remove it or open it before."
            )
        opened.pop()


def _separator(token: Token, piece: Piece) -> str | None:
    """The kind of separator a token outside all brackets is."""
    if token.kind in HARD:
        return None if token.text == "given" else "break" if token.kind != "row" else "row"
    if token.is_sign(";"):
        return "row"
    if token.kind in SOFT:
        # A second line end in a row is an empty line.
        return "break" if not piece.tokens and piece.before == "newline" else token.kind
    return token.text if token.is_sign(",", ".", ":") and piece.tokens else None


def _joined(source: Source, parts: list[Piece]) -> list[list[Token]]:
    """Pieces without a relation continue the equation before them, or are the first names of the one after."""
    found: list[list[Token]] = []
    waiting: list[Token] = []
    for i, part in enumerate(parts):
        first = part.tokens[0]
        after = parts[i + 1] if i + 1 < len(parts) else None
        if first.text == "output" and first.kind == "text":
            found.append(part.tokens)
        elif first.kind == "text" and found:  # what "given" says belongs to the line before
            found[-1].extend(part.tokens)
        elif part.relates and not first.is_sign("="):
            found.append([*waiting, *part.tokens])
            waiting = []
        elif found and _continues(found[-1], part):
            found[-1].extend(part.tokens)
        elif after is not None and (after.before == "," or after.tokens[0].is_sign("=")):
            waiting = [*waiting, *part.tokens, *_comma(after)]
        elif not _is_prose(part.tokens):
            source.refuse(first.start, part.tokens[-1].end, "this is no equation", "Write name = value.")
    return found


def _comma(after: Piece) -> list[Token]:
    first = after.tokens[0]
    return [Token("sign", ",", first.start, first.start)] if after.before == "," else []


def _continues(before: list[Token], part: Piece) -> bool:
    if part.before == "break" or relation(before) is None:
        return False
    ends, begins = before[-1], part.tokens[0]
    operator = begins.is_sign("+", "-", "*", "/", "=") or begins.is_command(*OPERATORS)
    return operator or ends.is_sign("=", "+", "-", "*", "/") or ends.is_command(*OPERATORS)


def _is_prose(tokens: list[Token]) -> bool:
    """Words of a sentence, as text without TeX's commands has them between equations."""
    return all(
        token.kind in ("letters", "word", "text") or token.is_sign("'", "(", ")", "!", "?")
        for token in tokens
    )
