"""A pytest plugin (`-p tests.engines.native.sanitized`): the extension comes from the file UNROLLED_EXTENSION names."""

from __future__ import annotations

import importlib.util
import os
import sys

_spec = importlib.util.spec_from_file_location("unrolled._native", os.environ["UNROLLED_EXTENSION"])
assert _spec is not None and _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["unrolled._native"] = _module
_spec.loader.exec_module(_module)
