"""The finder of a worker's process: what the manager imported is what is imported, whatever lies there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
import importlib, os, pickle, sys, traceback
from pathlib import Path
from wq_runner.remote import pinned
from wq_runner.remote.pinned import Code, Pin

here = Path.cwd()

def write(name, text):
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path

def pin(name, text):
    path = write(name, text)
    return Pin(str(path), text.encode(), (str(path.parent),) if path.name == "__init__.py" else None)

def get(name):
    return importlib.import_module(name)

def enter(code):
    with pinned.inside(Code.unpack(code.pack())):
        pass
"""


@pytest.fixture(name="alone")
def _alone(tmp_path: Path):  # type: ignore[no-untyped-def] # a function of a text
    def run(text: str) -> None:
        """Run code in a process that is no manager's."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(text)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


def test_an_edit_changes_nothing_and_tracebacks_show_what_ran(alone) -> None:  # type: ignore[no-untyped-def]
    alone("""
        code = Code(paths=[str(here)], pins={
            "mine": pin("mine.py", "import mine_b\\ndef fail():\\n    return mine_b.X / 0  # first\\n"),
            "mine_b": pin("mine_b.py", "X = 1\\n"),
        })
        write("mine.py", "raise SystemExit('the new one')\\n")
        (here / "mine_b.py").unlink()
        enter(code)
        assert get("mine_b").X == 1
        assert get("mine").__file__ == str(here / "mine.py")
        try:
            get("mine").fail()
        except ZeroDivisionError:
            assert "return mine_b.X / 0  # first" in traceback.format_exc()
    """)


def test_what_was_compiled_of_another_text_is_not_taken_for_it(alone) -> None:  # type: ignore[no-untyped-def]
    """Python looks at time and size of the file alone."""
    alone("""
        sys.dont_write_bytecode = False
        path = write("mine.py", "X = 1\\n")
        os.utime(path, (1e9, 1e9))
        sys.path.insert(0, str(here))
        assert get("mine").X == 1
        for text in ("X = 2\\n", "X = 3\\n"):
            path.write_text(text)
            os.utime(path, (1e9, 1e9))
            del sys.modules["mine"]
            pinned.install()
            assert get("mine").X == int(text[4]), text
        assert get("mine").__spec__.loader.text == b"X = 3\\n"
        compiled = (here / "__pycache__").stat().st_mtime_ns
        del sys.modules["mine"]
        assert get("mine").X == 3
        assert (here / "__pycache__").stat().st_mtime_ns == compiled
    """)


def test_a_copy_of_the_code_has_the_files_beside_it(alone) -> None:  # type: ignore[no-untyped-def]
    """As in an overlay, where the originals may be within reach as well."""
    alone("""
        code = Code(pins={
            "mine": pin("original/mine.py", "X = 1\\n"),
            "pack": pin("original/pack/__init__.py", ""),
            "pack.a": pin("original/pack/a.py", "X = 1\\n"),
            "space": Pin("", None, (str(here / "original/space"),)),
            "space.b": pin("original/space/b.py", "X = 1\\n"),
        })
        for name in ("mine.py", "pack/__init__.py", "pack/a.py"):
            write(f"copy/{name}", "X = 22\\n")
        write("copy/pack/sf.json", "{}")
        sys.path.insert(0, str(here / "copy"))
        enter(code)
        assert get("mine").__file__ == str(here / "copy/mine.py")
        assert Path(get("pack.a").__file__).with_name("sf.json").exists()
        import importlib.resources
        assert importlib.resources.files("pack").joinpath("sf.json").read_text() == "{}"
        assert get("space.b").__file__ == str(here / "original/space/b.py")
        assert {get(name).X for name in ("mine", "pack.a", "space.b")} == {1}
    """)


def test_a_name_means_the_analysis_s_module(alone) -> None:  # type: ignore[no-untyped-def]
    """Whatever else a process of a pool has, or finds, under this name."""
    alone("""
        write("other/mine.py", "X = 22\\n")
        sys.path.insert(0, str(here / "other"))
        assert get("mine").X == 22
        enter(Code(paths=[str(here)], pins={"mine": pin("mine.py", "X = 1\\n")}))
        assert get("mine").X == 1
    """)


def test_a_process_has_the_modules_of_one_code_at_a_time(alone) -> None:  # type: ignore[no-untyped-def]
    """And finds those of another again as it left them."""
    alone("""
        codes = {}
        for place in ("one", "two"):
            pins = {"mine": pin(f"{place}/mine.py", f"X = {place!r}\\n")}
            write(f"{place}/late.py", f"X = {place!r}\\n")
            codes[place] = Code(paths=[str(here / place)], pins=pins)
        seen = {}
        for place in ("one", "two", "one", "two"):
            enter(codes[place])
            assert [get(name).X for name in ("mine", "late")] == [place, place]
            assert seen.setdefault(place, (get("mine"), get("late"))) == (get("mine"), get("late"))
        enter(Code(paths=[str(here / "one")], pins={"mine": pin("one/mine.py", "X = 'edited'\\n")}))
        assert [get(name).X for name in ("mine", "late")] == ["edited", "one"]
        more = {**codes["one"].pins, "more": pin("one/more.py", "X = 1\\n")}
        enter(Code(paths=[str(here / "one")], pins=more))
        assert (get("mine"), get("late")) == seen["one"]
        assert get("more").X == 1
    """)


def test_the_copy_of_a_manager_has_its_modules(alone) -> None:  # type: ignore[no-untyped-def]
    alone("""
        pinned.at_home(frozenset({"apart"}))
        write("apart.py", "X = 1\\n")
        sys.path.insert(0, str(here))
        pins = {"mine": pin("mine.py", "X = []\\n")}
        kept, apart = get("mine"), get("apart")
        code = Code(paths=[str(here)], pins=pins, apart=frozenset({"apart"}))
        enter(code)
        assert get("mine") is kept
        if (child := os.fork()) == 0:
            enter(code)
            same = get("mine") is kept
            edited = Code(paths=[str(here)], pins={"mine": pin("mine.py", "X = 22\\n")}, apart=code.apart)
            enter(edited)
            os._exit(int(not (same and get("mine").X == 22 and get("apart") is apart)))
        assert os.waitpid(child, 0)[1] == 0
    """)


def test_the_manager_is_not_served_what_it_edits(alone) -> None:  # type: ignore[no-untyped-def]
    """But for what a task imports that it does itself."""
    alone("""
        pinned.at_home(frozenset())
        sys.path.insert(0, str(here))
        pins = {name: pin(f"{name}.py", "X = 1\\n") for name in ("mine", "late")}
        code = Code(paths=[str(here)], pins=pins)
        assert get("mine").X == 1
        with pinned.inside(code):
            write("late.py", "X = 22\\n")
            assert get("late").X == 1
        write("mine.py", "X = 22\\n")
        assert importlib.reload(get("mine")).X == 22
    """)
