"""What separates the columns of a table, whether cells are quoted, and whether the first row names the columns."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.errors import SettingError

TEXT_NAMES = (
    "text texto текст sentence oracion sentenca речення review resena resenha avaliacao відгук comment "
    "comentario коментар tweet твіт message mensaje mensagem повідомлення question pregunta pergunta запитання "
    "питання utterance frase фраза query phrase opinion opiniao думка content contenido conteudo зміст body "
    "document documento документ description descripcion descricao опис sequence secuencia sequencia "
    "послідовність seq dna adn днк headline title titulo заголовок"
).split()
LABEL_NAMES = (
    "label labels etiqueta rotulo мітка class clase classe клас category categoria категорія sentiment "
    "sentimiento sentimento настрій тональність intent intencion intencao намір emotion emocion emocao емоція "
    "polarity polaridad polaridade полярність target objetivo alvo ціль topic tema topico тема genre genero жанр "
    "tag tags тег language idioma lingua мова rating stars score calificacion nota оцінка y"
).split()
_OTHER_NAMES = (
    "id index date fecha data дата time hora час timestamp month mes місяць year ano рік day dia день value valor "
    "значення name nombre nome назва"
).split()

_SEPARATORS = "\t;,|"
"""The rarer inside a text, the earlier."""
_SAID = {"tab": "\t", "\\t": "\t", "space": " "}
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*%?\s*")
_DATE = re.compile(r"\s*\d{1,4}([-/.:T ]\d{1,4})+\S*\s*")
_LONGEST_NAME = 40
_COMPARED = 200
_MOST = 0.5
_CUT_OFF = 50
"""Lines that one quoted cell may have at the end of a sample."""


@dataclass(frozen=True)
class Dialect:
    """How rows are written."""

    delimiter: str
    quoted: bool = True
    """Whether a cell that begins with a quotation mark ends with one."""

    def reader(self, lines: Iterable[str]) -> Any:
        """csv's reader of the rows in lines; blanks after a separator are left out."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            skipinitialspace=self.delimiter != " ",
            strict=True,
        )

    def widths(self, lines: Sequence[str]) -> list[int] | None:
        """Cells of each row, or None where the lines cannot be taken apart this way."""
        try:
            return [len(cells) for cells in self.reader(lines) if cells]
        except csv.Error:
            return None


def dialect_of(lines: Sequence[str], delimiter: str | None = None) -> Dialect:
    """The dialect of the first lines of a file: the separator that gives most rows the same number of cells.

    Raises:
        SettingError: a separator of more than one character.

    Example:
        >>> dialect_of(["date;price\\n", "2024-01-01;1,5\\n"]).delimiter
        ';'
    """
    if delimiter is None:
        delimiter = separator(lines) or ","
    delimiter = _SAID.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise SettingError(f"--delimiter must be one character, `tab` or `space`, got {delimiter!r}")
    # Files with tabs are often written without quoting, and then a cell may begin with a quotation mark.
    quoted = delimiter != "\t" or _share(lines, Dialect("\t")) >= _share(lines, Dialect("\t", False))
    return Dialect(delimiter, quoted)


def separator(lines: Sequence[str], candidates: str = _SEPARATORS) -> str | None:
    """The candidate that cuts most rows into the same number of cells, two at least; None if there is none."""
    shares = {mark: _share(lines, Dialect(mark)) for mark in candidates}
    if "\t" in shares:
        shares["\t"] = max(shares["\t"], _share(lines, Dialect("\t", False)))
    best = max(shares, key=lambda mark: shares[mark])
    return best if shares[best] >= _MOST else None


def _share(lines: Sequence[str], dialect: Dialect) -> float:
    """The share of rows that have the most frequent number of cells; 0 if that is one cell, or the rows are broken."""
    widths = dialect.widths(lines)
    for cut in range(1, min(len(lines), _CUT_OFF)):
        if widths is not None:
            break
        widths = dialect.widths(lines[:-cut])  # the last row may be cut off
    if not widths:
        return 0.0
    width, count = Counter(widths).most_common(1)[0]
    return count / len(widths) if width > 1 else 0.0


def folded(name: str) -> str:
    """A name without capitals and accents, as names of columns are compared."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


KNOWN_TEXT = {folded(name): rank for rank, name in enumerate(TEXT_NAMES)}
KNOWN_LABEL = {folded(name): rank for rank, name in enumerate(LABEL_NAMES)}
_KNOWN = {*KNOWN_TEXT, *KNOWN_LABEL, *map(folded, _OTHER_NAMES)}


def has_header(rows: Sequence[Sequence[str]], named: Iterable[str | None] = ()) -> bool:
    """Whether the first row names the columns: by known names, or because the rows below hold other things.

    A first row with a number, a date, a long or repeated cell is data. Else it is a header if it holds a name that is
    known or asked for, stands above numbers, or above texts that are much longer than it.

    Example:
        >>> has_header([["Month", "Passengers"], ["1949-01", "112"]]), has_header([["EI", "ACGT"], ["N", "ACGG"]])
        (True, False)
    """
    first, below = rows[0], rows[1 : 1 + _COMPARED]
    cells = [cell.strip() for cell in first]
    if not _could_be_names(cells):
        return False
    wanted = {name for name in named if name is not None and not name.isdecimal()}
    if wanted & set(cells) or any(folded(cell) in _KNOWN for cell in cells):
        return True
    columns = [[row[i].strip() for row in below if len(row) == len(first)] for i in range(len(first))]
    if any(cell in column for cell, column in zip(cells, columns, strict=True) if cell):
        return False
    return any(_stands_above(cell, column) for cell, column in zip(cells, columns, strict=True))


def _could_be_names(cells: Sequence[str]) -> bool:
    given = [cell for cell in cells if cell]
    return (
        len(given) >= max(1, len(cells) - 1)
        and len(set(given)) == len(given)
        and all(len(cell) <= _LONGEST_NAME and not is_number(cell) for cell in given)
        and not any(_DATE.fullmatch(cell) for cell in given)
    )


def _stands_above(cell: str, column: Sequence[str]) -> bool:
    given = [value for value in column if value]
    if not given or not cell:
        return False
    if all(is_number(value) or _DATE.fullmatch(value) for value in given):
        return True
    words = sum(len(value.split()) for value in given) / len(given)
    return words >= 3 and len(cell.split()) * 3 <= words


def is_number(cell: str) -> bool:
    """Whether a cell is a number as tables write it, with a point or a comma."""
    return _NUMBER.fullmatch(cell) is not None
