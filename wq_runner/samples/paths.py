"""Names of files: local paths, URLs, and the prefixes that turn one into the other."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from wq_runner.errors import nearest

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)

_SCHEMES = {
    # written in samples: what uproot opens
    "root": "root",
    "xroot": "root",
    "xrootd": "root",
    "http": "http",
    "https": "https",
    "dav": "http",
    "davs": "https",
    "file": "file",
    "s3": "s3",
}

_MAX_COMPARED = 2000
"""Names of a directory that are compared with a missing one: difflib is slow."""


def is_url(text: str) -> bool:
    return _URL.match(text) is not None


def _split(url: str) -> tuple[str, str]:
    match = _URL.match(url)
    return (match.group(1).lower(), match.group(2)) if match else ("", url)


def url_problem(url: str) -> str | None:
    """Say what is wrong with a URL or prefix, None if nothing is."""
    scheme, rest = _split(url)
    if scheme not in _SCHEMES:
        near = nearest(scheme, _SCHEMES)
        return f"{url}: unknown scheme {scheme}; " + (
            f"nearest: {near}" if near else f"known: {', '.join(_SCHEMES)}"
        )
    host = rest.split("/", 1)[0]
    if scheme == "file" and host not in {"", "localhost"}:
        return f"{url}: names a host, {host}; a local path has three slashes: file:///{rest}"
    if scheme != "file" and not host:
        return f"{url}: names no host; nearest: {scheme}://HOST/{rest.lstrip('/')}"
    return None


def canonical_url(url: str) -> str:
    """Return the URL in the spelling that uproot opens; a ``file://`` URL becomes a path."""
    scheme, rest = _split(url)
    scheme = _SCHEMES.get(scheme, scheme)
    return local(rest.removeprefix("localhost")) if scheme == "file" else f"{scheme}://{rest}"


def as_prefix(word: str, folder: Path) -> str:
    """Return what goes before the names of files: a URL, or a directory, which need not be here.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if is_url(word):
        problem = url_problem(word)
        if problem:
            raise ValueError(problem)
        return word
    if word[:1] in {"/", "~"}:
        return f"file://{local(word)}"
    places = [place for place in (folder / word, Path(word)) if place.is_dir()]
    if not places:
        raise ValueError(
            f"{word}: not a prefix: neither scheme://... nor a directory that is here or begins with /"
        )
    return f"file://{places[0].resolve()}/"


def join(prefix: str, name: str) -> str:
    """Put a prefix before the name of a file.

    ``root://host/`` and ``/store/x`` give ``root://host//store/x``: after the host, XRootD wants the
    absolute path. Everywhere else one slash is between the two.
    """
    scheme, rest = _split(prefix)
    scheme = _SCHEMES.get(scheme, scheme)
    name = name.lstrip("/")
    if scheme == "file":
        return local(f"{rest.removeprefix('localhost').rstrip('/')}/{name}")
    host, _, base = rest.partition("/")
    if scheme == "root" and not base.strip("/"):
        return f"root://{host}//{name}"
    base = base.rstrip("/")
    return f"{scheme}://{host}/{base}/{name}" if base else f"{scheme}://{host}/{name}"


def local(name: str, folder: Path | None = None) -> str:
    """Return the absolute path of a local file, relative ones from `folder`, else from here."""
    path = os.path.join(folder or "", os.path.expanduser(name)) if name[:1] != "/" else name  # noqa: PTH111, PTH118 - 150,000 times
    if path[:1] != "/":
        path = f"{Path.cwd()}/{path}"
    if "//" in path or "/./" in path:
        path = re.sub(r"/(\./|/)+", "/", path)
    if "/../" in path:
        # not normpath: x/../y is elsewhere if x is a link
        path = str(Path(path).parent.resolve() / Path(path).name)
    return path


def shown(path: Path) -> str:
    """Return a path as short as it can be said without becoming another one."""
    normal = os.path.normpath(path)
    return normal if Path(normal).exists() else str(path)


def identity(path: str) -> str:
    """Return what two spellings of one file have in common."""
    scheme, rest = _split(path)
    return f"{scheme}://{re.sub('/+', '/', rest)}" if scheme else path


def no_such_file(name: str, folders: Sequence[Path], *, named: bool = True) -> str:
    """Say that a file is not there, where it was looked for, and which one is most like it."""
    parents = [parent for folder in folders if (parent := (folder / name).parent).is_dir()]
    subject = f"{name}: " if named else ""
    text = f"{subject}no such file" if parents else f"{subject}no such file, nor its directory"
    if not Path(name).is_absolute():
        places = ", then in ".join(dict.fromkeys(_place(folder) for folder in folders))
        text = f"{text} (looked in {places})"
    near = next(filter(None, (_nearest_file(Path(name), parent) for parent in parents)), None)
    return f"{text}; nearest: {near}" if near else text


def _place(folder: Path) -> str:
    return "the current directory" if folder.resolve() == Path.cwd() else f"{folder}/"


def _nearest_file(name: Path, parent: Path) -> str | None:
    try:
        names = sorted(other.name for other in parent.iterdir())
    except OSError:
        return None
    alike = [other for other in names if Path(other).suffix == name.suffix] or names
    return nearest(name.name, alike[:_MAX_COMPARED])
