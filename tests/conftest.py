"""What every test starts from: one thread, one seed, the same drawn examples each time."""

import os
import sys

import pytest
from hypothesis import settings

# Read once, when torch is imported; a test about threads calls torch.set_num_threads itself.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Looked up, not imported: the tests of the language must not pay for torch.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.manual_seed(0)
