"""Every test in this folder runs on every engine."""

from __future__ import annotations

import pytest

from tests.contract import cases


@pytest.fixture(params=cases.ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(cases.current, "engine", request.param)
    return request.param
