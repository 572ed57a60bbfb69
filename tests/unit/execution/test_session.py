"""What a session starts is its own from the first moment on, and ends whatever fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from wq_runner.execution import session as sessions
from wq_runner.execution.session import Session


@dataclass
class Parts:
    """An engine, workers and a catalog that say what is done with them, and fail where they are told to."""

    failing: str = ""
    said: list[str] = field(default_factory=list)

    def session(self) -> Session:
        parts: dict[str, Any] = {name: _Part(name, self) for name in ("engine", "workers", "catalog")}
        return Session(**parts, afterwards=lambda: self.does("afterwards"))

    def does(self, what: str) -> None:
        self.said.append(what)
        if what == self.failing:
            raise OSError(f"{what} failed")


@dataclass
class _Part:
    name: str
    parts: Parts

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *_, **__: self.parts.does(f"{self.name}.{method}")


ENDS = ["engine.close", "workers.stop", "catalog.stop", "afterwards"]


@pytest.mark.parametrize("failing", ["", *ENDS])
def test_all_is_cleaned_up_whatever_fails(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, warned = Parts(failing), []
    monkeypatch.setattr(sessions.log, "warning", lambda text, *words, **_: warned.append(text % words))
    session = parts.session()
    session.start()
    begun = len(parts.said)
    session.close()
    assert parts.said[begun:] == ENDS
    assert len(warned) == bool(failing)
    assert all(f"{failing} failed" in text for text in warned)
    session.close()
    assert parts.said[begun:] == ENDS


@pytest.mark.parametrize("failing", ["catalog.start", "workers.prepare", "engine.start"])
def test_what_a_failed_start_began_is_ended(failing: str) -> None:
    parts = Parts(failing)
    session = parts.session()
    with pytest.raises(OSError, match=failing):
        session.start()
    assert parts.said[-4:] == ENDS
    parts.failing = ""
    session.start()
    assert parts.said[-1] == "engine.start"
    session.close()
