"""What keeps tests from touching the user's things, and inputs that many of them share.

The guards hold for the whole session, for fixtures of any scope as well; `unit/test_guards.py` proves that
each of them bites.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import journals
import nanoaod
import numpy as np
import pytest
import running
import uproot
from repositories import Repository
from scheduling import pytest_xdist_make_scheduler

from wq_runner.environment.gitstate import GitTree, open_git
from wq_runner.environment.store import Store
from wq_runner.monitor.view import RunView
from wq_runner.samples.cache import default_path

# machines are busy at times
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

__all__ = ["pytest_xdist_make_scheduler"]  # which pytest finds here

_MODULES = {path.stem for path in Path(__file__).parent.glob("*.py")}
_LOOPBACK = ("127.", "::1", "localhost")
_GRACE = 15.0  # seconds for what ends by itself once its parent is gone


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep what the tests are compiled to, also where Python is told to keep nothing: it takes seconds.

    What the tests themselves write and import is not kept there, as before.
    """
    told, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = told


class OutsideError(AssertionError):
    """A test tried to talk to another machine."""


@pytest.fixture(autouse=True)
def nothing_learned() -> None:
    """Begin each test without what runs of others have learned of a processor."""
    (default_path().with_name("learned.json")).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def modules_of_the_tests() -> Iterator[None]:
    """Leave those of the tests their names: what a test runs in this process may be called the same."""
    before = {name: sys.modules[name] for name in _MODULES & sys.modules.keys()}
    yield
    for name in _MODULES & sys.modules.keys():
        if name not in before and not _is_here(sys.modules[name]):
            del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture(scope="session", autouse=True)
def guards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache and settings out, the tests off the network, and leave nothing running."""
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        # the engine would announce itself to a public catalog
        patch.setenv("CATALOG_HOST", "127.0.0.1")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CONFIG_HOME", str(running.others_settings(tmp_path_factory.mktemp("config"))))
        for name in [name for name in os.environ if name.startswith("WQ_RUNNER_")]:
            patch.delenv(name)
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        patch.setenv(running.MARK, mark)
        # both are ignored where tests were started in the background, and by all that they start
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        yield
        running.end_copies()
        end = time.monotonic() + _GRACE
        while (left := _left(mark)) and time.monotonic() < end:
            time.sleep(0.2)
    assert not left, f"tests left processes behind: {left}"


def _left(mark: str) -> dict[int, str]:
    # multiprocessing's trackers, and what keeps our prints, end with this process
    ending = ("resource_tracker", "remote/spool.py")
    return {pid: text for pid, text in running.marked(mark).items() if not any(one in text for one in ending)}


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        # connecting a datagram socket sends nothing: it is the way to learn one's own address
        stream = self.type == socket.SOCK_STREAM
        if stream and isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise OutsideError(f"a test may not connect to {address}")
        return connect(self, address)

    return guarded


@pytest.fixture(scope="module", autouse=True)
def no_modules_of_other_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let this process have imported what an analysis may have, as all of that is searched for generators.

    With a hundred other tests, and all of pytest by way of what loads them, each search takes a second.
    """
    ours = vars(request.module)
    loader = ours.pop("__loader__", None)
    used = {request.module.__name__, *(getattr(one, "__module__", "") for one in ours.values())}
    others = {
        name: module
        for name, module in sys.modules.items()
        if name.startswith(("test_", "conftest")) and name not in used and _is_here(module)
    }
    for name in others:
        del sys.modules[name]
    yield
    sys.modules.update(others)
    ours["__loader__"] = loader


def _is_here(module: object) -> bool:
    return Path(getattr(module, "__file__", None) or "/").is_relative_to(Path(__file__).parent)


@pytest.fixture(scope="session")
def dimuon_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the samples.cfg of three small datasets, of two files of 1000 events each."""
    return nanoaod.write_samples(tmp_path_factory.mktemp("dimuon"), files=2)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty directory the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[str], Repository]:
    def make(name: str = "analysis") -> Repository:
        root = tmp_path / name
        root.mkdir(parents=True)
        found = Repository(root)
        found.git("init", "-q", "-b", "main")
        return found

    return make


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., GitTree]:
    """Open a repository anew, as a later run does."""
    numbers = iter(range(1000))

    def open_(directory: Path) -> GitTree:
        scratch = tmp_path / f"scratch{next(numbers)}"
        scratch.mkdir()
        found = open_git(directory, scratch)
        assert found is not None
        return found

    return open_


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    """Return the directory of a run that left its journal and nothing else."""
    return journals.write(tmp_path / "wq-run-samples", journals.simple())


@pytest.fixture
def simple() -> RunView:
    """Return the state of the simple run at its end."""
    return journals.view_of(journals.simple())


@pytest.fixture
def make_root(tmp_path: Path) -> Callable[..., Path]:
    """Write a ROOT file with one tree of so many entries."""

    def make(name: str, *, entries: int = 10, tree: str = "Events") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with uproot.recreate(path) as file:
            file.mktree(tree, {"x": "f8"}).extend({"x": np.arange(entries, dtype="f8")})
        return path

    return make
