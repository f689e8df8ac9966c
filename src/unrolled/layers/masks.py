"""Random masks of dropout and its kin: functions of a key and of where an entry stands.

An entry is kept or dropped by a hash of (key, use, row, step, unit), so a sequence in pieces has the masks of the
whole, a row alone those it has in a batch, and every engine and device the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import SettingError

BITS = 24
WORD = 1 << 64


def drawn_key() -> int:
    """A new key, from torch's generator: the same after the same `torch.manual_seed`."""
    return int(torch.randint(0, 1 << 62, ()).item())


def checked_rate(name: str, rate: float) -> float:
    """A share of entries to drop."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise SettingError(f"{name} must be a number from 0 to below 1, got {rate!r}. Correct it.")
    return float(rate)


def mask(
    key: int, use: str, rows: Tensor, steps: Tensor, width: int, rate: float, dtype: torch.dtype
) -> Tensor:
    """(N, width): 1 / (1 - rate) where an entry is kept, 0 where it is dropped.

    Entry (i, j) depends on `key`, `use`, `rows[i]`, `steps[i]` (both (N,) int64) and j alone.
    """
    kept = round((1 - rate) * (1 << BITS))
    folded = _key_of(key, use)
    value = (1 << BITS) / max(kept, 1)
    if rows.device.type == "cpu" and dtype in (torch.float32, torch.float64) and _has_core():
        return _by_the_core(folded, rows, steps, width, kept, value, dtype)
    place = _mixed(_mixed(folded ^ _mixed(rows)) ^ steps)
    units = torch.arange(width, device=rows.device)
    bits = _shifted(_mixed(place[:, None] ^ units), 64 - BITS)
    return (bits < kept).to(dtype) * value


def _has_core() -> bool:
    from importlib.util import find_spec

    return find_spec("unrolled._native") is not None


def _by_the_core(
    key: int, rows: Tensor, steps: Tensor, width: int, kept: int, value: float, dtype: torch.dtype
) -> Tensor:
    from unrolled import _native

    to = torch.empty(len(rows), width, dtype=dtype)
    rows, steps = rows.contiguous(), steps.contiguous()
    fill = _native.mask_float if dtype == torch.float32 else _native.mask_double
    fill(to.data_ptr(), key % WORD, rows.data_ptr(), steps.data_ptr(), len(rows), width, kept, value)
    return to


def _key_of(key: int, use: str) -> int:
    """The key for one use, as a signed 64-bit number."""
    for letter in use.encode():
        key = _mixed_number((key ^ letter) % WORD)
    return _signed(key)


# --- splitmix64, on numbers and on tensors: int64 wraps around as the unsigned words do ---------------------

STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _signed(word: int) -> int:
    return word - WORD if word >= WORD >> 1 else word


def _mixed_number(word: int) -> int:
    word = (word + STEP) % WORD
    word = (word ^ word >> 30) * FIRST % WORD
    word = (word ^ word >> 27) * SECOND % WORD
    return word ^ word >> 31


def _shifted(words: Tensor, by: int) -> Tensor:
    """Words shifted to the right, zeros coming in."""
    return (words >> by) & ((1 << (64 - by)) - 1)


def _mixed(words: Tensor) -> Tensor:
    words = words + _signed(STEP)
    words = (words ^ _shifted(words, 30)) * _signed(FIRST)
    words = (words ^ _shifted(words, 27)) * _signed(SECOND)
    return words ^ _shifted(words, 31)
