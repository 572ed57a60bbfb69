"""What of the user's a process has read: files that it opened, and variables of its environment.

Python tells an audit hook of each file that it opens, by whatever library: what a processor is made of, and
what its chunks are processed with, can so be compared with what is there at the next start. Code in C that
opens files by itself is not seen, nor is what comes from servers.

What is noted has a name, ``file PATH``, ``code PATH`` (of a Python source, of which comments do not count) or
``variable NAME``, and the hash of what was there when it was read.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import os
import stat
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

FILE, CODE, VARIABLE = "file ", "code ", "variable "
GONE = "gone"
UNSET = "unset"
MOST = 1000  # names that one process notes
LARGE = 256 << 20  # bytes; of larger files only parts are read
_SAMPLES = 64  # of these
_BLOCK = 1 << 20
_YOUNG = 2.0  # seconds in which a file may be rewritten without another time

# variables that say where and how a process runs, and differ between hosts, sessions and tasks
_OF_SYSTEM = frozenset(
    {
        "HOME",
        "HOST",
        "HOSTNAME",
        "USER",
        "LOGNAME",
        "PWD",
        "OLDPWD",
        "SHELL",
        "SHLVL",
        "TERM",
        "COLUMNS",
        "LINES",
    }
    | {"DISPLAY", "TMP", "TEMP", "TMPDIR", "CORES", "MEMORY", "DISK", "GPUS", "KRB5CCNAME", "X509_USER_PROXY"}
    | {"BEARER_TOKEN", "BEARER_TOKEN_FILE", "CUDA_VISIBLE_DEVICES", "_"}
)
_OF_SYSTEM_BEGIN = (
    "WQ_RUNNER_",
    "WORK_QUEUE_",
    "VINE_",
    "SLURM_",
    "_CONDOR_",
    "PBS_",
    "LSB_",
    "DASK_",
    "PARSL_",
    "SSH_",
    "XDG_",
    "DBUS_",
)
_OF_SYSTEM_END = ("_NUM_THREADS", "_MAX_THREADS")

# of the system, where nobody keeps what results depend on
_SYSTEM = (
    *("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/lib/", "/lib64/"),
    *("/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/bin/"),
)
_PACKAGES = ("/site-packages/", "/dist-packages/")
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - or a zip file
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# of the standard library, which open and read for whoever asks them
_LOOKING = ("linecache.py", "tokenize.py", "inspect.py", "traceback.py")
_ASKED = ("<frozen os>", "<frozen _collections_abc>", "/os.py", "/_collections_abc.py")
_EVENTS = frozenset({"open", "import", "ctypes.dlopen", "sqlite3.connect"})

Signature = tuple[int, int, int]
"""Size, time of the last change of anything, which cannot be set, and inode of a file."""


# -- what is in a file


def code_hash(content: bytes) -> str:
    """Return a hash of a Python source that does not know its comments, blank lines and layout."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = ast.dump(ast.parse(content)).encode("utf-8", "surrogatepass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # it is what it is
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def file_hash(path: str) -> str:
    """Return a hash of what is in a file; of one that is very large, of parts of it, its size and time."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - as fast as it is
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return GONE
            found = hashlib.blake2b(digest_size=8)
            if facts.st_size <= LARGE:
                while block := stream.read(_BLOCK):
                    found.update(block)
            else:
                found.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
                for number in range(_SAMPLES):
                    stream.seek(number * (facts.st_size - _BLOCK) // (_SAMPLES - 1))
                    found.update(stream.read(_BLOCK))
            return found.hexdigest()
    except OSError:
        return GONE


def hash_of(name: str) -> str:
    """Return the hash of what has a name, as it is now and here."""
    kind, _, rest = name.partition(" ")
    if kind == VARIABLE.strip():
        value = os.environ.get(rest)
        return UNSET if value is None else _short(value)
    if kind == FILE.strip():
        return file_hash(rest)
    try:
        with open(rest, "rb") as stream:  # noqa: PTH123
            return code_hash(stream.read())
    except OSError:
        return GONE


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


# -- what is the user's


def is_of_user(path: str) -> bool:
    """Whether a file is neither of the system, nor of Python, nor of an installed package, nor of ours."""
    if path.startswith(_SYSTEM) or path == _OURS:
        return False
    return not _is_installed(os.path.dirname(path))  # noqa: PTH120


@functools.lru_cache(maxsize=10_000)
def _is_installed(directory: str) -> bool:
    inside = directory + "/"
    if any(part in inside for part in _PACKAGES):
        return True
    return inside.startswith(_places()) or (os.path.realpath(directory) + "/").startswith(_places())


@functools.cache
def _places() -> tuple[str, ...]:
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {
        f"{prefix}/{one}"
        for prefix in {sys.prefix, sys.base_prefix}
        for one in ("lib", "share", "bin", "etc")
    }
    found.add(_OURS)
    found |= set(_unpacked())
    return tuple({f"{one}/" for path in found if path for one in (path, os.path.realpath(path))})


def _unpacked() -> Iterator[str]:
    """Yield where what was shipped lies: what is in it was looked at before it was."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        root = os.path.dirname(entry)  # noqa: PTH120
        if root and os.path.exists(f"{root}/.ready"):  # noqa: PTH110
            yield root
    prefix = os.environ.get("CONDA_PREFIX", "")
    if prefix and os.path.exists(f"{prefix}/.ready"):  # noqa: PTH110
        yield prefix


# -- what was read


@dataclass
class _Noted:
    """Names and hashes; `seen` has the signature of each file when it was hashed."""

    values: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Signature] = field(default_factory=dict)
    more: int = 0

    def put(self, name: str, value: str, *, both: bool = False) -> None:
        before = self.values.get(name)
        if before is None and len(self.values) >= MOST:
            self.more += 1
            return
        if both and before is not None and before != value and value not in before.split(" "):
            value = f"{before} {value}"  # what nothing ever is again
        self.values[name] = value


class Recorder:
    """Notes what this process reads, where it is told to; there is one, as a hook stays for ever.

    What is read while a processor is `built` is noted apart from what is read while a function is `loaded`,
    as in a worker, and from what is read `late`, while a task runs.
    """

    def __init__(self) -> None:
        self.built = _Noted()
        self.loaded = _Noted()
        self.late = _Noted()
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
        _Variables.patch(self._read_variable)
        self.active = True

    def _stop(self) -> None:
        self.active = False
        _Variables.restore()

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
        self.late.values = {name: value.rpartition(" ")[2] for name, value in self.late.values.items()}
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
        for name, value in self.late.values.items():
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
            self._now.put(CODE + path, code_hash(text), both=CODE + path in self._task)

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
        elif (found := _library(arguments[0])) is not None:
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
        own = name in self._own and (self._now is self.late or name.startswith(_temporary()))
        if own or _is_hidden(name):
            return
        if self._is_ignored(name):
            name = os.path.realpath(name)  # a link in the task's directory to a file elsewhere
            if self._is_ignored(name):
                return
        name = _source(name)
        if name and not _is_looked_at(sys._getframe(3)):
            self._note((CODE if name.endswith(".py") else FILE) + name, name)

    def _note(self, key: str, path: str) -> None:
        facts = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(facts.st_mode):
            return
        noted = self._now
        signature = (facts.st_size, facts.st_ctime_ns, facts.st_ino)
        if noted.seen.get(key) == signature and time.time() - facts.st_ctime > _YOUNG:
            return
        noted.put(key, hash_of(key), both=key in self._task)
        if self._now is self.late:
            self._task.add(key)
        if key in noted.values:
            noted.seen[key] = signature

    def _is_ignored(self, path: str) -> bool:
        return any(path == place or path.startswith(place + "/") for place in self._ignored)

    # -- variables

    def _read_variable(self, name: str) -> None:
        if not self.active or getattr(self._local, "busy", False):
            return
        self._local.busy = True
        try:
            if not _is_of_system(name) and _asked_by_user(sys._getframe(2)):
                noted = self._now
                noted.put(VARIABLE + name, hash_of(VARIABLE + name))
        finally:
            self._local.busy = False


recorder = Recorder()


class _Variables:
    """Tells who reads single variables; who goes through all of them, as for a process, asks for none."""

    _asked: Callable[[str], None] | None = None
    _getitem: Any = None
    _iter: Any = None
    _local = threading.local()

    @classmethod
    def patch(cls, asked: Callable[[str], None]) -> None:
        if cls._asked is not None:
            return
        kind: Any = type(os.environ)
        cls._asked, cls._getitem, cls._iter = asked, kind.__getitem__, kind.__iter__

        def getitem(self: Any, key: Any) -> Any:
            going = key == getattr(cls._local, "current", None) or _spot(2) == getattr(cls._local, "spot", 0)
            if not going and isinstance(key, str | bytes):
                asked(os.fsdecode(key))
            return cls._getitem(self, key)

        def iterate(self: Any) -> Iterator[Any]:
            cls._local.spot = _spot(2)  # from which `dict` and the like ask for each of them afterwards
            for key in cls._iter(self):
                cls._local.current = key
                yield key
            cls._local.current = None

        kind.__getitem__, kind.__iter__ = getitem, iterate

    @classmethod
    def restore(cls) -> None:
        if cls._asked is not None:
            kind: Any = type(os.environ)
            kind.__getitem__, kind.__iter__ = cls._getitem, cls._iter
            cls._asked = None


def _spot(depth: int) -> tuple[int, int] | None:
    """Return where somebody is, to the instruction: outside of the library's classes of mappings."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename.endswith(_ASKED):
        frame = frame.f_back
    return (id(frame), frame.f_lasti) if frame else None


def _source(path: str) -> str:
    """Return the source that a compiled file was made of; nothing for other files beside it."""
    if "/__pycache__/" not in path and sys.pycache_prefix is None:
        return path
    if path.endswith(".pyc"):
        with contextlib.suppress(ValueError, NotImplementedError):
            source = importlib.util.source_from_cache(path)
            return source if os.path.exists(source) else path  # noqa: PTH110
    return "" if "/__pycache__/" in path else path


def _library(name: Any) -> str | None:
    """Return the file of a library that is loaded; one without a directory is found among what is mapped."""
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    text = os.fsdecode(name)
    if "/" in text:
        return text
    for place in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if place and os.path.exists(f"{place}/{text}"):  # noqa: PTH110
            return f"{place}/{text}"
    return None


@functools.cache
def _temporary() -> str:
    return tempfile.gettempdir() + "/"


def _is_hidden(path: str) -> bool:
    """Whether it is a setting or a cache of some program, as they are in the home directory."""
    return path.startswith(os.path.expanduser("~/."))  # noqa: PTH111


def _is_looked_at(frame: FrameType | None) -> bool:
    """Whether a source is read to be shown, as in a traceback."""
    for _ in range(2):
        if frame is None:
            return False
        if frame.f_code.co_filename.endswith(_LOOKING):
            return True
        frame = frame.f_back
    return False


def _is_of_system(name: str) -> bool:
    return name in _OF_SYSTEM or name.startswith(_OF_SYSTEM_BEGIN) or name.endswith(_OF_SYSTEM_END)


def _asked_by_user(frame: FrameType | None) -> bool:
    """Whether it is the user's code that asks, if by `os.getenv` and the like."""
    while frame is not None and (
        frame.f_code.co_filename.endswith(_ASKED) or frame.f_code.co_name == "expandvars"
    ):
        frame = frame.f_back
    if frame is None:
        return False
    name = frame.f_code.co_filename
    if name.startswith(("<", "wq_remote/")):
        return name.startswith("<") and not name.startswith("<frozen")  # a notebook's
    return is_of_user(os.path.abspath(name))  # noqa: PTH100
