"""Who reads which variables of the environment."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from .belongings import is_of_user

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
# of the standard library, which read for whoever asks them
_ASKED = (
    *("<frozen os>", "<frozen _collections_abc>", "/os.py", "/_collections_abc.py"),
    *("/string.py", "/collections/__init__.py"),  # templates, chains of mappings
)


class Variables:
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


def is_of_system(name: str) -> bool:
    return name in _OF_SYSTEM or name.startswith(_OF_SYSTEM_BEGIN) or name.endswith(_OF_SYSTEM_END)


def asked_by_user(frame: FrameType | None) -> bool:
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
