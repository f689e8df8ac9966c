"""Engines: what runs a schedule over a packed batch."""

from unrolled.engines.choose import ENGINES, choose
from unrolled.engines.engine import Engine, Job, Outcome, Steps

__all__ = ["ENGINES", "Engine", "Job", "Outcome", "Steps", "choose"]
