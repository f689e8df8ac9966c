"""Which learned names of typeset equations are matrices: decided by how they are used, then by their letter."""

from __future__ import annotations

from collections.abc import Iterator

from unrolled.equations.latex_meaning import Meaning
from unrolled.equations.latex_tree import Tree

# How strongly a use speaks: what stands before a list of vectors is a matrix, and so is a capital beside a vector; a
# term of a sum is a vector; a small letter beside a vector may be either; a sign can stand behind both.
LETTER, SIGN, BESIDE, VECTOR, MATRIX = 0, 1, 2, 3, 4


def matrices(meaning: Meaning) -> set[str]:
    """The learned names that are matrices.

    Side by side with a vector (`W x`, `w_{aa} a`) a learned name is a matrix, but a small letter that is also a term
    of a sum, as b in `(1 - b) h + b c`, is a vector. Beside the signs for entrywise products it is a vector. Before
    `*` or a dot, capitals and w are matrices, other small letters vectors.
    """
    strongest: dict[str, tuple[int, bool]] = {}
    for definition in meaning.definitions.values():
        for key, strength, is_matrix in _evidence(meaning, definition.right):
            if strength > strongest.get(key, (-1, False))[0]:
                strongest[key] = (strength, is_matrix)
    found = {key for key, (_, is_matrix) in strongest.items() if is_matrix}
    found |= {key for key, sizes in meaning.declared.items() if len(sizes) == 2}
    return found - {key for key, sizes in meaning.declared.items() if len(sizes) == 1}


def _is_learned(meaning: Meaning, tree: Tree) -> bool:
    return tree.kind == "name" and meaning.of(tree.key) in meaning.learned


def _evidence(meaning: Meaning, tree: Tree) -> Iterator[tuple[str, int, bool]]:
    """What one piece says about the learned names directly in it."""
    for part in tree.parts:
        yield from _evidence(meaning, part)
    if tree.kind in ("chain", "product"):
        signs = tree.value if isinstance(tree.value, tuple) else ("",) * (len(tree.parts) - 1)
        yield from _in_product(meaning, tree, signs)
        return
    for i, part in enumerate(tree.parts):
        if _is_learned(meaning, part):
            first_of_blocks = tree.kind == "call" and tree.value == "upper_blocks" and i == 0
            is_matrix = tree.kind == "transpose" or first_of_blocks
            if tree.kind != "group":
                yield meaning.of(part.key), MATRIX if is_matrix else VECTOR, is_matrix


def _in_product(meaning: Meaning, tree: Tree, signs: tuple[str, ...]) -> Iterator[tuple[str, int, bool]]:
    for i, part in enumerate(tree.parts):
        if not _is_learned(meaning, part):
            continue
        key = meaning.of(part.key)
        after = tree.parts[i + 1] if i + 1 < len(tree.parts) else None
        sign = signs[i] if after is not None else signs[i - 1]
        if after is not None and (after.kind == "list" or sign == ""):
            yield key, MATRIX if after.kind == "list" or is_capital(key) else BESIDE, True
        elif sign == "/":
            yield key, VECTOR, False
        elif sign == "odot":
            yield key, SIGN, False
        else:  # before or after a dot, or behind a vector: `W * x`, and `x W` where vectors are rows
            yield key, LETTER, is_capital(key)


def is_capital(key: str) -> bool:
    """Whether a letter usually stands for a matrix."""
    return key[:1].isupper() or key.split("_")[0] == "w"
