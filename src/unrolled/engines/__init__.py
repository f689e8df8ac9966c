"""Engines: what runs a schedule over a packed batch."""

from unrolled.engines.choose import ENGINES, Verdict, choose, explain
from unrolled.engines.engine import Engine, Job, Outcome, Steps

__all__ = ["ENGINES", "Engine", "Job", "Outcome", "Steps", "Verdict", "choose", "explain"]
