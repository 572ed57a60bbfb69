"""What this process imported of the analysis, and what of it was edited since."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wq_runner.code import own_modules
from wq_runner.code.processor import load_processor
from wq_runner.fingerprint import identity
from wq_runner.fingerprint.identity import Places


@pytest.fixture(autouse=True)
def analysis(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing but what is below this directory count, and forget it afterwards."""
    before = set(sys.modules)
    monkeypatch.setattr(own_modules, "_seen", {})
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    own = own_modules._own
    monkeypatch.setattr(own_modules, "_own", lambda: (one for one in own() if one[2].is_relative_to(here)))
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(here):
            del sys.modules[name]


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def edited() -> list[str]:
    return [name for name, one in own_modules.sources().items() if one.edited]


def code() -> dict[str, str]:
    return identity.code(own_modules.sources().values(), Places.around(Path()))


def test_a_file_is_edited_until_it_is_reloaded() -> None:
    write("mine_a.py", "X = 1\n")
    module = importlib.import_module("mine_a")
    assert edited() == []
    write("mine_a.py", "X = 22\n")
    assert edited() == ["mine_a"]
    importlib.reload(module)
    assert edited() == []
    assert module.X == 22


def test_what_was_edited_and_not_reloaded_counts_as_neither() -> None:
    write("mine_a.py", "X = 1\n")
    importlib.import_module("mine_a")
    (name,) = before = code()
    write("mine_a.py", "X = 22\n")
    assert code()[name] not in {
        before[name],
        *identity.again(before, Places.around(Path())).values(),
    }
    own_modules.renew()
    importlib.import_module("mine_a")
    assert code() == identity.again(before, Places.around(Path())) != before


def test_all_are_imported_anew_if_one_was_edited() -> None:
    write("mine_b.py", "X = 1\n")
    write("mine_a.py", "from mine_b import X\ndef mine(events): return X\n")
    assert load_processor("mine_a.py:mine", {})(None) == 1
    first = sys.modules["mine_a"]
    assert load_processor("mine_a.py:mine", {})(None) == 1
    assert sys.modules["mine_a"] is first
    write("mine_b.py", "X = 22\n")
    assert load_processor("mine_a.py:mine", {})(None) == 22
    assert load_processor("mine_a:mine", {})(None) == 22


def test_what_is_imported_when_code_runs_counts_as_well() -> None:
    write("mine_p/__init__.py", "")
    write(
        "mine_p/a.py",
        "def mine(events):\n    from .b import x\n    import mine_c.d as e\n    import torch, json\n",
    )
    write("mine_p/b.py", "from . import f\nfrom .. import nothing\nfrom mine_p.g import name\nx = 1\n")
    write("mine_p/f.py", "import mine_p.b\n")
    write("mine_p/g.py", "def broken(:\n")
    write("mine_c/__init__.py", "")
    write("mine_c/d.py", "")
    write("mine_c/h.py", "")
    importlib.import_module("mine_p.a")
    found = own_modules.sources()
    assert set(found) == {"mine_p", *(f"mine_p.{one}" for one in "abfg"), "mine_c", "mine_c.d"}
    before = code()
    write("mine_p/f.py", "import mine_p.b, os\n")
    assert [Path(name).name for name, now in code().items() if now != before[name]] == ["f.py"]
    assert "mine_p.b" not in sys.modules


def test_two_analyses_may_have_files_of_the_same_names() -> None:
    for place in ("one", "two"):
        write(f"{place}/mine_b.py", f"X = {place!r}\n")
        write(f"{place}/mine_a.py", "from mine_b import X\ndef mine(events): return X\n")
    for place in ("one", "two", "one"):
        assert load_processor(f"{place}/mine_a.py:mine", {})(None) == place


def test_packages_of_another_stack_are_installed() -> None:
    write("stack/lib/site-packages/mine_s.py", "")
    sys.path.insert(0, str(Path("stack/lib/site-packages").resolve()))
    importlib.import_module("mine_s")
    assert "mine_s" not in own_modules.sources()


def test_packages_that_we_need_ourselves_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer of one has it editable; who imported it before would not know the new one."""
    monkeypatch.delitem(sys.modules, "dask_jobqueue", raising=False)
    write("dask_jobqueue.py", "X = 1\n")
    write("mine_a.py", "X = 1\n")
    ours = [importlib.import_module(name) for name in ("dask_jobqueue", "mine_a")]
    assert edited() == []
    write("dask_jobqueue.py", "X = 22\n")
    own_modules.renew()
    assert edited() == ["dask_jobqueue"]
    write("mine_a.py", "X = 22\n")
    own_modules.renew()
    assert [sys.modules.get(one.__name__) for one in ours] == [ours[0], None]
