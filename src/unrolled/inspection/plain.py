"""Findings as plain data, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


class Finding:
    """What an inspection found: numbers, and a figure of them."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as lists, strings and numbers: complex ones as [real, imaginary], those not finite as None."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """A value made of dataclasses, arrays and containers, as JSON knows it."""
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, Finding):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _of_array(values: np.ndarray[Any, Any]) -> Any:
    if np.iscomplexobj(values):
        return _of_array(np.stack([values.real, values.imag], -1))
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values.tolist()
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]
