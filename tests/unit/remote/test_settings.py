"""What a chunk finds of what an import, or a notebook, has set; and nothing of what another chunk set."""

from __future__ import annotations

import contextvars
import decimal
import os
import re
import threading
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from wq_runner.remote import environ, settings
from wq_runner.remote.settings import Settings
from wq_runner.remote.warned import KINDS, TEXT, Warned

MINE: contextvars.ContextVar[str] = contextvars.ContextVar("MINE", default="nothing")


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what a function returns in another thread, as Dask's workers call."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def sets_things() -> None:
    np.seterr(divide="raise")
    decimal.getcontext().prec = 11
    MINE.set("set")


def finds(_: Any) -> tuple[str, int, str]:
    found = np.geterr()["divide"], decimal.getcontext().prec, MINE.get()
    np.seterr(divide="ignore")
    decimal.getcontext().prec = 3
    MINE.set("another")
    return found


@pytest.fixture(autouse=True)
def _nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_made", {})


def test_a_chunk_finds_what_the_import_set_in_whatever_thread_and_order() -> None:
    made = Settings()
    made.load(sets_things)
    assert np.geterr()["divide"] != "raise"
    for call in (made.call, made.call, lambda *given: in_thread(lambda: made.call(*given))):
        assert call(finds, 0) == ("raise", 11, "set")
    another = in_thread(Settings)  # of a function that imports nothing more
    assert another.call(finds, 0) == ("raise", 11, "set")


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    with np.errstate(), decimal.localcontext():
        yield
    MINE.set("nothing")


def test_what_a_notebook_set_travels() -> None:
    with np.errstate(divide="raise"), warnings.catch_warnings():
        warnings.filterwarnings("error", message="division", category=RuntimeWarning, module="numbers_.*")
        given = settings.of_process()
    made = Settings()
    made.add(given)
    assert made.call(finds, 0)[0] == "raise"
    with made.warnings(lambda *_: None, always="-"):
        found = [one for one in warnings.filters if one[0] == "error" and one[2] is RuntimeWarning]
    (_, message, _, module, line) = found[0]
    assert message
    assert module
    assert (message.pattern, module.pattern, line) == ("division", "numbers_.*", 0)
    made.add({"filters": [("error", None, "nobody.has:This", None, 0)]})
    with made.warnings(lambda *_: None, always="-"):
        pass


def test_filters_are_those_of_the_process_and_signals_are_seen_all_the_same() -> None:
    seen: list[str] = []
    made = Settings()
    actions: tuple[Literal["error", "ignore"], ...] = ("error", "ignore")
    for action in actions:
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            before = list(warnings.filters)
            with made.warnings(lambda message, *_: seen.append(str(message)), always="Skipping"):
                warnings.warn("Skipping bad file", stacklevel=1)
                if action == "error":
                    with pytest.raises(UserWarning, match="mine"):
                        warnings.warn("mine", stacklevel=1)
                else:
                    warnings.warn("mine", stacklevel=1)
                warnings.simplefilter("always")
            assert warnings.filters == before
    assert seen == ["Skipping bad file"] * 2


def test_who_shows_warnings_himself_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda message, *_, **__: seen.append(f"own {message}"))
        with Settings().warnings(lambda message, *_, **__: seen.append(f"ours {message}"), always="-"):
            warnings.warn("x", stacklevel=1)
        warnings.warn("y", stacklevel=1)
    assert seen == ["ours x", "own x", "own y"]


def test_the_environment_is_the_tasks_with_the_changes_of_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"KEPT": "1", "GONE": "1", "CHANGED": "1", "CORES": "1"})
    before = dict(os.environ)
    os.environ.update(CHANGED="2", NEW="3")
    del os.environ["GONE"]
    changes = environ.changed(before)
    assert changes == {"CHANGED": "2", "NEW": "3", "GONE": None}
    environ.set_environment({"KEPT": "1", "GONE": "1", "CHANGED": "1", "CORES": "4", "TASK": "7"}, changes)
    assert os.environ == {"KEPT": "1", "CHANGED": "2", "CORES": "4", "TASK": "7", "NEW": "3"}


def test_warnings_are_kept_once_by_text_and_bounded() -> None:
    warned = Warned()
    for number in range(5):
        warned.show(RuntimeWarning(f"divided {number} times"), RuntimeWarning, "/a/b/mine.py", 7)
    warned.show(UserWarning("x" * 10**6), UserWarning, "mine.py", 8)
    for number in range(2 * KINDS):
        warned.show(UserWarning("w" * number), UserWarning, "mine.py", 9)
    first, long, *rest = warned.as_json()
    assert first == {
        "kind": "RuntimeWarning",
        "text": "divided 0 times",
        "place": "mine.py:7",
        "count": 5,
    }
    assert len(long["text"]) == TEXT
    assert rest[-1]["count"] == KINDS + 2
    assert re.search("more", rest[-1]["text"])
    assert not warned.signals
