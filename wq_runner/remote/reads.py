"""What of the user's a process has read: files that it opened, and variables of its environment.

Python tells an audit hook of each file that it opens, by whatever library: what a processor is made of, and
what its chunks are processed with, can so be compared with what is there at the next start. Code in C that
opens files by itself is not seen, nor is what comes from servers.

What is noted has a name, and the hash of what was there when it was read: see `contents`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from .belongings import is_hidden, is_of_user, library, shipped, source
from .contents import CODE, FILE, GONE, MORE, SHIPPED, VARIABLE, code_hash, hash_at, hash_of
from .variables import Variables, asked_by_user, is_of_system

MOST = 1000  # names that the tasks of one process note, which all travel
_YOUNG = 2.0  # seconds in which a file may be rewritten without another time
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# of the standard library, which open sources for whoever wants to see them
_LOOKING = ("linecache.py", "tokenize.py", "inspect.py", "traceback.py")
_APART = re.compile(r"[=<;|&,:()]")  # what stands beside the name of a file in a word
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})
_EVENTS = frozenset({"open", "import", "ctypes.dlopen", "sqlite3.connect", *_PROGRAMS})

Signature = tuple[int, int, int]
"""Size, time of the last change of anything, which cannot be set, and inode of a file."""


@dataclass
class _Noted:
    """Names and hashes; `seen` has the signature of each file when it was hashed.

    That there are more names than the `most` that are noted is a name as well, of what nobody can compare.
    """

    most: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Signature] = field(default_factory=dict)

    def put(self, name: str, value: str, *, both: bool = False) -> None:
        before = self.values.get(name)
        if before is None and self.most is not None and len(self.values) >= self.most:
            self.values[FILE + MORE] = GONE
            return
        if both and before is not None and before != value and value not in before.split(" "):
            value = f"{before} {value}"  # what nothing ever is again
        self.values[name] = value


class Recorder:
    """Notes what this process reads, where it is told to; there is one, as a hook stays for ever.

    What is read while a processor is `built` is noted apart from what is read while a function is `loaded`,
    as in a worker, from what is read `late`, while a task runs, and at the `end`, by a postprocess.
    """

    def __init__(self) -> None:
        self.built = _Noted()
        self.loaded = _Noted(most=MOST)
        self.late = _Noted(most=MOST)
        self.end = _Noted()
        self.active = False
        self._hooked = False
        self._now = self.built
        self._ignored: tuple[str, ...] = ()
        self._own: set[str] = set()  # what this process wrote itself
        self._task: set[str] = set()  # what this task has read
        self._local = threading.local()

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Note what a processor is made of."""
        with self._noting(self.built):
            yield

    @contextlib.contextmanager
    def loading(self, ignored: Iterable[str]) -> Iterator[None]:
        """Note what a function needs before its tasks, but for files of tasks and of ours."""
        with self._ignoring(ignored), self._noting(self.loaded):
            yield

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Note what the end of a processor needs."""
        with self._noting(self.end):
            yield

    def read_at_end(self) -> dict[str, str]:
        """Return what the end has read, and forget it."""
        found, self.end = self.end.values, _Noted()
        return found

    @contextlib.contextmanager
    def _noting(self, noted: _Noted) -> Iterator[None]:
        before, self._now = (self.active, self._now), noted
        self._start()
        try:
            yield
        finally:
            active, self._now = before
            if not active:
                self._stop()

    def _start(self) -> None:
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._hook)
        Variables.patch(self._read_variable)
        self.active = True

    def _stop(self) -> None:
        self.active = False
        Variables.restore()

    def ignore(self, *places: str) -> None:
        """Note nothing of what is in these directories, nor these files."""
        new = {one for place in places for one in (os.path.abspath(place), os.path.realpath(place))}  # noqa: PTH100
        self._ignored = tuple({*self._ignored, *new})

    @contextlib.contextmanager
    def _ignoring(self, places: Iterable[str]) -> Iterator[None]:
        before = self._ignored
        self.ignore(*places)
        try:
            yield
        finally:
            self._ignored = before

    @contextlib.contextmanager
    def task(self, ignored: Iterable[str]) -> Iterator[None]:
        """Note what a task reads, but for its own files and its input."""
        # what an earlier task read is what it is now; what this one reads twice must not change
        late = dict(self.late.values)  # a copy: where chunks run in the manager, other threads read as well
        self.late.values = {name: value.rpartition(" ")[2] for name, value in late.items()}
        self.late.seen.clear()
        self._task = set()
        with self._ignoring(ignored), self._noting(self.late):
            yield

    def is_same(self, name: str) -> bool:
        """Whether a file that was noted before is as it was then."""
        try:
            facts = os.stat(name.partition(" ")[2])  # noqa: PTH116
        except OSError:
            return False
        return self.built.seen.get(name) == (facts.st_size, facts.st_ctime_ns, facts.st_ino)

    def all(self) -> dict[str, str]:
        """Return what tasks depend on; what was read twice and was another then has both hashes."""
        found = dict(self.loaded.values)
        for name, value in dict(self.late.values).items():
            before = found.get(name, value)
            found[name] = value if before == value else f"{before} {value}"
        return found

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Note nothing of what this thread reads here."""
        busy, self._local.busy = getattr(self._local, "busy", False), True
        try:
            yield
        finally:
            self._local.busy = busy

    def imported(self, path: str, text: bytes, *, pinned: bool) -> None:
        """Note a module by the text that it is made of, and not by what is in its file by now.

        What is imported when a processor is built is known by its modules, what is `pinned` by the manager.
        """
        if self.active and self._now is not self.built and not (pinned and self._now is self.loaded):
            name = CODE + _named(path)
            self._now.put(name, code_hash(text), both=name in self._task)

    # -- files

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or not self.active:
            return
        if getattr(self._local, "busy", False):
            return
        self._local.busy = True
        try:
            self._look(event, arguments)
        except Exception:
            pass
        finally:
            self._local.busy = False

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            self._opened(path, flags if isinstance(flags, int) else 0)
        elif event == "import":
            if isinstance(arguments[1], str):  # the library of an extension
                self._opened(arguments[1], 0)
        elif event == "sqlite3.connect":
            self._opened(arguments[0], 0)
        elif event in _PROGRAMS:
            for path in _given(event, arguments):
                self._opened(path, 0)
        elif (found := library(arguments[0])) is not None:
            self._opened(found, 0)

    def _opened(self, path: Any, flags: int) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if not is_of_user(name):
            return
        if flags & _WRITES:
            if len(self._own) < 100 * MOST:
                self._own.add(name)
            return
        done = self._now is self.late or self._now is self.end
        own = name in self._own and (done or name.startswith(_temporary()))
        if own or (is_hidden(name) and not shipped(name)):
            return
        if self._is_ignored(name):
            name = os.path.realpath(name)  # a link in the task's directory to a file elsewhere
            if self._is_ignored(name):
                return
        name = source(name)
        if name and not _is_looked_at(sys._getframe(3)):
            self._note(name)

    def _note(self, path: str) -> None:
        is_code = path.endswith(".py")
        key = (CODE if is_code else FILE) + _named(path)
        facts = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(facts.st_mode):
            return
        noted = self._now
        signature = (facts.st_size, facts.st_ctime_ns, facts.st_ino)
        if noted.seen.get(key) == signature and time.time() - facts.st_ctime > _YOUNG:
            return
        noted.put(key, hash_at(path, is_code=is_code), both=key in self._task)
        if self._now is self.late:
            self._task.add(key)
        if key in noted.values:
            noted.seen[key] = signature

    def _is_ignored(self, path: str) -> bool:
        if shipped(path):
            return False
        return any(path == place or path.startswith(place + "/") for place in self._ignored)

    # -- variables

    def _read_variable(self, name: str) -> None:
        if not self.active or getattr(self._local, "busy", False):
            return
        self._local.busy = True
        try:
            if not is_of_system(name) and asked_by_user(sys._getframe(2)):
                noted = self._now
                noted.put(VARIABLE + name, hash_of(VARIABLE + name))
        finally:
            self._local.busy = False


recorder = Recorder()


def _named(path: str) -> str:
    """Return what a path is called: what was shipped lies elsewhere on each worker."""
    return SHIPPED + inside if (inside := shipped(path)) else path


def _given(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """Yield the files that a program is given by name, which it may read; Python is not told of it.

    From the directory that it works in: in words of their own, after ``--option=`` or ``<``, or in a list.
    """
    place = arguments[2] if event == "subprocess.Popen" and arguments[2] is not None else ""
    for word in _words(arguments):
        for name in {word, *_APART.split(word)} - {""}:
            path = os.path.join(os.fsdecode(place), name)  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield path


def _words(arguments: tuple[Any, ...]) -> Iterator[str]:
    """Yield a program and what it is given."""
    for one in arguments[:2]:  # what follows are its directory and environment
        for word in one if isinstance(one, list | tuple) else [one]:
            if isinstance(word, str | bytes | os.PathLike):
                yield os.fsdecode(word)
                with contextlib.suppress(ValueError):
                    yield from shlex.split(os.fsdecode(word))  # it may be a line for a shell


@functools.cache
def _temporary() -> str:
    return tempfile.gettempdir() + "/"


def _is_looked_at(frame: FrameType | None) -> bool:
    """Whether a source is read to be shown, as in a traceback."""
    for _ in range(2):
        if frame is None:
            return False
        if frame.f_code.co_filename.endswith(_LOOKING):
            return True
        frame = frame.f_back
    return False
