"""All long-range tasks by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from unrolled.data.synthetic.adding import Adding, Adding1997, Multiplication
from unrolled.data.synthetic.copying import Copying
from unrolled.data.synthetic.long_range import LongRangeTask
from unrolled.data.synthetic.parity import Parity, RunningParity
from unrolled.data.synthetic.temporal_order import TemporalOrder, TemporalOrder3
from unrolled.errors import SettingError

TASKS: Mapping[str, type[LongRangeTask]] = {
    kind.name: kind
    for kind in (
        Adding,
        Adding1997,
        Multiplication,
        TemporalOrder,
        TemporalOrder3,
        Copying,
        Parity,
        RunningParity,
    )
}


def find_task(name: str, length: int) -> LongRangeTask:
    """The task called `name` at a length T.

    Raises SettingError for a name that no task has, or a length that is too short.

    >>> find_task("copying", 200).floor
    0.0945...
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise SettingError(f"a task must be one of {', '.join(TASKS)}, got {name!r}.{meant}")
    return TASKS[name](length)  # type: ignore[call-arg]
