"""Which files are the user's: neither of the system, nor of Python or an installed package, nor ours."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import sysconfig
from typing import Any

# of the system, where nobody keeps what results depend on
_SYSTEM = (
    *("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/lib/", "/lib64/"),
    *("/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/bin/", "/bin/", "/sbin/", "/usr/sbin/"),
)
_OURS_SHIPPED = "site/wq_runner"  # and its metadata
_PACKAGES = ("/site-packages/", "/dist-packages/")
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - or a zip file


def is_of_user(path: str) -> bool:
    """Whether a file is neither of the system, nor of Python, nor of an installed package, nor of ours."""
    if inside := shipped(path):
        return not inside.startswith(_OURS_SHIPPED)
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
    if _is_unpacked(prefix := os.environ.get("CONDA_PREFIX", "")):
        found.add(prefix)
    return tuple({f"{one}/" for path in found if path for one in (path, os.path.realpath(path))})


def shipped(path: str) -> str:
    """Return the path of a file within the code that was shipped to this worker; empty if it is elsewhere."""
    return next((path[len(root) :] for root in _unpacked() if path.startswith(root)), "")


@functools.cache
def _unpacked() -> tuple[str, ...]:
    """Return where shipped code lies, by the path that Python looks for modules in."""
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    roots = {os.path.dirname(place) for place in places}  # noqa: PTH120
    found = filter(_is_unpacked, roots)
    return tuple({f"{one}/" for root in found for one in (root, os.path.realpath(root))})


def _is_unpacked(root: str) -> bool:
    return bool(root) and os.path.exists(f"{root}/.ready")  # noqa: PTH110


def source(path: str) -> str:
    """Return the source that a compiled file was made of; nothing for other files beside it."""
    if "/__pycache__/" not in path and sys.pycache_prefix is None:
        return path
    if path.endswith(".pyc"):
        with contextlib.suppress(ValueError, NotImplementedError):
            source = importlib.util.source_from_cache(path)
            return source if os.path.exists(source) else path  # noqa: PTH110
    return "" if "/__pycache__/" in path else path


def library(name: Any) -> str | None:
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


def is_hidden(path: str) -> bool:
    """Whether it is a setting or a cache of some program, as they are in the home directory."""
    return path.startswith(os.path.expanduser("~/."))  # noqa: PTH111
