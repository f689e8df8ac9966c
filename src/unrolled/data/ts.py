"""The .ts format of the UCR and UEA archives of time series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.lines import text_lines
from unrolled.data.records import Place
from unrolled.errors import DataError


@dataclass
class Header:
    """What stands above `@data`; None is what it does not say."""

    time_stamps: bool = False
    missing: bool | None = None
    univariate: bool | None = None
    dimensions: int | None = None
    equal_length: bool | None = None
    series_length: int | None = None
    labels: tuple[str, ...] | None = None
    """The classes; () where the label of a series is a number."""


def ts_series(path: Path, encoding: str | None) -> Iterator[tuple[NDArray[np.float64], str | None, Place]]:
    """Each series of a file, (T, I), with its label and its line; what is missing (`?`) is NaN.

    A line is a series: its dimensions between `:`, the values of one between `,`, the label last. The header is
    believed and checked: dimensions, lengths, classes and whether values are missing.

    Raises:
        DataError: at the first line that does not hold what the header says; time stamps, which are not read.
    """
    header = Header()
    lines = enumerate(text_lines(path, encoding), 1)
    _read_header(lines, header, str(path))
    length = header.series_length
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        place = Place(str(path), number)
        values, label = _series(line.strip(), header, place)
        length = length or len(values)
        if header.equal_length and len(values) != length:
            raise DataError(
                f"{place}: must have {length} steps, since the header says @equalLength true, got "
                f"{len(values)}; correct one of them"
            )
        yield values, label, place


def _read_header(lines: Iterator[tuple[int, str]], header: Header, file: str) -> None:
    number = 0
    described = False
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        place = Place(file, number)
        tag, *words = line.split()
        if not tag.startswith("@"):
            raise DataError(
                f"{place}: expected a line that begins with @ or #, since @data has not come; add it"
            )
        if tag.lower() == "@data":
            if not described:
                raise DataError(
                    f"{place}: @data must come after @classLabel or @targetLabel; add @classLabel false"
                )
            return
        if tag.lower() not in _TAGS:
            raise DataError(f"{place}: must be one of {', '.join(_TAGS)}, got {tag}; correct or remove it")
        _TAGS[tag.lower()](header, words, place)
        described |= tag.lower() in ("@classlabel", "@targetlabel")
    raise DataError(f"{file}: no line @data in {number} lines, so this is not a .ts file; name another file")


def _truth(words: list[str], place: Place) -> bool:
    if len(words) != 1 or words[0].lower() not in ("true", "false"):
        raise DataError(f"{place}: must say true or false, got {' '.join(words)!r}; correct it")
    return words[0].lower() == "true"


def _count(words: list[str], place: Place) -> int:
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) < 1:
        raise DataError(f"{place}: must say a whole number above 0, got {' '.join(words)!r}; correct it")
    return int(words[0])


def _time_stamps(header: Header, words: list[str], place: Place) -> None:
    if _truth(words, place):
        raise DataError(
            f"{place}: values with time stamps are not read; write the values alone, at equal distances in time, and "
            "@timeStamps false"
        )


def _class_label(header: Header, words: list[str], place: Place) -> None:
    if _truth(words[:1], place):
        header.labels = tuple(words[1:])
        if not header.labels:
            raise DataError(f"{place}: must list the classes after true; add them")
    elif len(words) > 1:
        raise DataError(f"{place}: lists classes, but says false; correct it")


def _target_label(header: Header, words: list[str], place: Place) -> None:
    header.labels = () if _truth(words, place) else None


def _set(name: str, read: Callable[[list[str], Place], object]) -> Callable[[Header, list[str], Place], None]:
    return lambda header, words, place: setattr(header, name, read(words, place))


_TAGS: dict[str, Callable[[Header, list[str], Place], None]] = {
    "@problemname": lambda header, words, place: None,
    "@timestamps": _time_stamps,
    "@missing": _set("missing", _truth),
    "@univariate": _set("univariate", _truth),
    "@dimensions": _set("dimensions", _count),
    "@dimension": _set("dimensions", _count),
    "@equallength": _set("equal_length", _truth),
    "@serieslength": _set("series_length", _count),
    "@classlabel": _class_label,
    "@targetlabel": _target_label,
}


def _series(line: str, header: Header, place: Place) -> tuple[NDArray[np.float64], str | None]:
    parts = line.split(":")
    label = None if header.labels is None else parts.pop().strip()
    if label is not None:
        _check_label(label, header, place)
    wanted = 1 if header.univariate else header.dimensions
    if wanted is not None and len(parts) != wanted:
        raise DataError(
            f"{place}: must have {_dimensions(wanted)} as the header says, got {len(parts)}; correct one"
        )
    channels = [_channel(part, number, place) for number, part in enumerate(parts, 1)]
    for number, channel in enumerate(channels, 1):
        if len(channel) != len(channels[0]):
            raise DataError(
                f"{place}: all dimensions must have as many values as the first, {len(channels[0])}, got "
                f"{len(channel)} in dimension {number}; fill up with ?"
            )
    values = np.array(channels, np.float64).T
    if header.missing is False and np.isnan(values).any():
        raise DataError(
            f"{place}: a value is missing, but the header says @missing false; correct one of them"
        )
    return values, label


def _check_label(label: str, header: Header, place: Place) -> None:
    if header.labels and label not in header.labels:
        raise DataError(
            f"{place}: the label must be one of {', '.join(header.labels)}, got {label!r}; correct it"
        )
    if not label:
        raise DataError(f"{place}: no label after the last colon; add it")


def _channel(part: str, number: int, place: Place) -> list[float]:
    if part.lstrip().startswith("("):
        raise DataError(f"{place}: values with time stamps are not read; write the values alone")
    cells = part.split(",")
    try:
        return [float("nan") if cell.strip() == "?" else float(cell) for cell in cells]
    except ValueError:
        wrong = next(cell for cell in cells if not _is_value(cell))
        raise DataError(
            f"{place}: dimension {number} must hold numbers or ?, got {wrong.strip()!r}; correct it"
        ) from None


def _is_value(cell: str) -> bool:
    try:
        return cell.strip() == "?" or float(cell) is not None
    except ValueError:
        return False


def _dimensions(number: int) -> str:
    return "1 dimension" if number == 1 else f"{number} dimensions"
