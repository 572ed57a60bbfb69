"""Why a queue does not start, and what one does then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from wq_runner.engine import refusals


def test_without_the_engine_there_are_others() -> None:
    settings: Any = SimpleNamespace(tls=False, ports=(9123, 9130))
    found = refusals.failed(settings, ModuleNotFoundError("No module named 'ndcctools'"))
    assert found.reason == "the engine is not installed: No module named 'ndcctools'"
    assert "conda install" in found.hint
    assert "-e futures" in found.hint
