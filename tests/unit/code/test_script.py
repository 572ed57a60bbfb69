"""A script is no module: imported on a worker it would run again."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from wq_runner.code import own_modules, pins


def test_what_a_script_has_by_a_name_does_not_make_it_a_module(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """multiprocessing knows the script by a second name."""
    script = ModuleType("__main__")
    script.__file__ = str(here / "script.py")
    (here / "script.py").write_text("raise SystemExit\n")
    thing = object()
    vars(script)["processor"] = thing
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, script)
    assert not {"__main__", "__mp_main__"} & set(pins.home_of(thing))
    assert not {"__main__", "__mp_main__"} & set(own_modules.renewable())
