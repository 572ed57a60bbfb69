"""Trees of files whose content is known: what git sees of them, or what lies there where there is no git."""

from __future__ import annotations

import hashlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.errors import WorkerEnvironmentError
from wq_runner.units import MB

LINK = 0o120000  # the mode of a symbolic link, as git writes it
LARGEST = 50_000_000  # bytes; an untracked file beyond is data, not code
_DATA = (".root", ".parquet", ".coffea")
_JUNK = {"__pycache__", ".git", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
# what tools leave in a package and nothing in it reads; if it counted, each run would be of other code
_LEFTOVERS = (
    ".pyc",
    ".log",
    ".out",
    ".err",
    ".tmp",
    ".bak",
    ".orig",
    ".rej",
    ".swp",
    ".prof",
    ".o",
    ".d",
    "~",
)
# what marks a directory as something else than code: the output of a run, an environment
_MARKS = ("journal.jsonl", "pyvenv.cfg", "conda-meta/history")


@dataclass(frozen=True, kw_only=True)
class Content:
    """A file (mode 0o100644, 0o100755) or a symbolic link (0o120000), and the digest of what is in it."""

    path: Path
    mode: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where code came from. Outside git `commit` is empty; `changed` is about changes on top of it."""

    name: str
    path: str
    commit: str = ""
    tree: str = ""
    changed: bool = False
    nested: tuple[Source, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what is on record of it."""
        return {
            "name": self.name,
            "path": self.path,
            "commit": self.commit,
            "tree": self.tree,
            "changed": self.changed,
            "label": str(self),
            "nested": [one.as_json() for one in self.nested],
        }

    def __str__(self) -> str:
        if not self.commit:
            return (
                f"{self.name} (not in git)" if not self.tree else f"{self.name}@{self.tree[:7]} (no commit)"
            )
        changes = f"+changes-{self.tree[:4]}" if self.changed else ""
        return f"{self.name}@{self.commit[:7]}{changes}"


class Tree(ABC):
    """Files below `root`. `skipped` are files that were seen and left out, with the reason."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.skipped: dict[Path, str] = {}

    @abstractmethod
    def contents(self, within: Iterable[Path], *, package: bool = False) -> list[Content]:
        """Return the files below the given paths; if they are a `package`, its data are part of it."""

    def ignored(self, start: Path, *, package: bool = False) -> list[Path]:  # noqa: ARG002 - of git alone
        """Return what `contents` leaves out as git ignores it: modules, and the data of packages."""
        return []

    @abstractmethod
    def read_again(self, content: Content) -> bytes | None:
        """Return a file as it was when it was seen, if that is still known."""

    def read(self, content: Content) -> bytes:
        """Return what is in a file, or where a link points, as it was when it was seen.

        Raises
        ------
        WorkerEnvironmentError
            If it changed meanwhile, and nobody knows what it was.
        """
        found = _bytes_of(content.path, content.mode)
        if found is None or digest_of(found, content.digest) != content.digest:
            # a filter of git stands between the file and its digest, or it was edited just now
            found = self.read_again(content)
        if found is None:
            raise WorkerEnvironmentError(f"{content.path} changed while it was packed", hint="start again")
        return found

    @abstractmethod
    def export(self, contents: Sequence[Content], destination: Path) -> None:
        """Write files under their paths relative to the root."""

    @abstractmethod
    def source(self) -> Source: ...

    @abstractmethod
    def patch(self) -> str: ...


class PlainTree(Tree):
    """A directory that git does not know: Python files, and whole packages."""

    def contents(self, within: Iterable[Path], *, package: bool = False) -> list[Content]:
        files = sorted({path for start in within for path in files_below(start, self.skipped, package)})
        return [content_of(path) for path in files]

    def read_again(self, content: Content) -> bytes | None:  # noqa: ARG002 - there is only one
        return None

    def export(self, contents: Sequence[Content], destination: Path) -> None:
        for content in contents:
            target = destination / content.path.relative_to(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(content.path, target, follow_symlinks=False)

    def source(self) -> Source:
        return Source(name=self.root.name, path=str(self.root))

    def patch(self) -> str:
        return ""


def files_below(start: Path, skipped: dict[Path, str], package: bool = False) -> Iterator[Path]:
    """Yield the files of a package, or the modules and packages of a directory; links are not followed.

    What is left out is noted in `skipped`.
    """
    start = start.resolve()
    if not start.is_dir():
        if start.exists():
            yield start
        return
    package = package or (start / "__init__.py").exists()
    for entry in os.scandir(start):
        path = Path(entry.path)
        if entry.name in _JUNK or entry.name.startswith("."):
            continue
        if entry.is_dir():
            # next to a script may lie anything, inside a package all belongs to it
            if is_foreign_directory(path) or not (package or (path / "__init__.py").exists()):
                continue
            if entry.is_symlink():
                yield path
            else:
                yield from files_below(path, skipped, package=True)
        elif package or path.suffix == ".py":
            reason = left_out(path, package=package)
            if reason:
                skipped[path] = reason
            elif not is_leftover(path):
                yield path


def is_foreign_directory(directory: Path) -> bool:
    """Whether it is the output of a run, an environment, or a tool's."""
    return directory.name in _JUNK or any((directory / mark).exists() for mark in _MARKS)


def is_leftover(path: Path) -> bool:
    """Whether tools left it, and nothing reads it."""
    return path.name.endswith(_LEFTOVERS)


def in_package(path: Path, root: Path) -> bool:
    """Whether a file below `root` is in a package, at whatever depth."""
    return any((one / "__init__.py").exists() for one in path.parents if one.is_relative_to(root))


def foreign_directories(names: Iterable[str]) -> set[str]:
    """Return the directories, with a slash at the end, that hold something else than code."""
    return {
        name.removesuffix(mark) for name in names for mark in _MARKS if f"/{name}".endswith(f"/{mark}")
    } - {""}


def is_foreign(name: str, foreign: Iterable[str]) -> bool:
    """Whether a file is in such a directory, or is left by a tool."""
    return (
        name.endswith(".pyc")
        or not _JUNK.isdisjoint(name.split("/"))
        or any(name.startswith(directory) for directory in foreign)
    )


def left_out(path: Path, *, package: bool = False) -> str:
    """Say why an untracked file is not code, nor data of a package; empty if it may be."""
    if path.suffix in _DATA and not package:
        return f"{path.suffix} files are data"
    try:
        size = path.lstat().st_size
    except OSError:
        return "it cannot be read"
    if size > LARGEST:
        return f"{size / MB:.0f} MB"
    return "" if path.is_symlink() or os.access(path, os.R_OK) else "it cannot be read"


def content_of(path: Path) -> Content:
    """Return a file as it is."""
    return Content(path=path, mode=_mode(path), digest=digest(path))


def digest(path: Path) -> str:
    """Return the digest of a file's content, or of where a symbolic link points, as git calculates it."""
    if path.is_symlink():
        return digest_of(os.fsencode(path.readlink()))
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        found = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def digest_of(data: bytes, like: str = "") -> str:
    """Return the digest that git has for a content; some repositories use longer ones."""
    algorithm = "sha256" if len(like) == 64 else "sha1"
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _bytes_of(path: Path, mode: int) -> bytes | None:
    try:
        return os.fsencode(path.readlink()) if mode == LINK else path.read_bytes()
    except OSError:
        return None


def _mode(path: Path) -> int:
    if path.is_symlink():
        return LINK
    return 0o100755 if os.access(path, os.X_OK) else 0o100644
