"""What git sees in a working tree right now: committed, staged, unstaged, untracked and not ignored.

Everything goes through an index and an object directory of our own, so neither the user's index nor
the repository is ever written to; a repository that we may only read works as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from wq_runner import system
from wq_runner.environment.trees import (
    LINK,
    Content,
    Source,
    Tree,
    files_below,
    foreign_directories,
    in_package,
    is_foreign,
    left_out,
)
from wq_runner.names import file_name
from wq_runner.system import CommandError

_GITLINK = 0o160000
# of the directory of objects, of the file system monitor, of line ends: none may stop or fool us. That
# the tree belongs to somebody else is no obstacle: its code is about to be imported anyway.
_CONFIG = (
    "safe.directory=*",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.untrackedCache=false",
    "core.safecrlf=false",
    "core.quotePath=false",
    "advice.addEmbeddedRepo=false",
    "gc.auto=0",
)


def open_git(directory: Path, scratch: Path) -> GitTree | None:
    """Return the working tree that holds `directory`, or None if git knows none there.

    `scratch` is a directory of our own that has to live as long as the tree is used.
    """
    if shutil.which("git") is None:
        return None
    asked = ("--show-toplevel", "--git-path", "index", "--git-path", "objects")
    try:
        found = _run(directory, ["rev-parse", "--path-format=absolute", *asked]).splitlines()
        top, index, objects = (Path(line) for line in found)
        return GitTree(top, index, objects, _scratch_for(scratch, top))
    except (CommandError, OSError, ValueError):
        return None


class GitTree(Tree):
    """The content of one repository's working tree."""

    def __init__(self, root: Path, index: Path, objects: Path, scratch: Path) -> None:
        super().__init__(root)
        self._scratch = scratch
        self._index = scratch / "index"
        self._nested: dict[str, Tree] = {}
        self._env = {
            "GIT_INDEX_FILE": str(self._index),
            "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(objects),
        }
        (scratch / "objects").mkdir(parents=True, exist_ok=True)
        if index.exists():
            # with its times: git takes a file for changed that is not older than the index
            shutil.copy2(index, self._index)
            self._notice_all()
            self._git(["add", "--update", "--ignore-errors", "--", "."])

    def contents(self, within: Iterable[Path], *, package: bool = False) -> list[Content]:
        """Return the files below the given paths, and note untracked ones among them."""
        paths = [_below(path, self.root) for path in within]
        if not paths:
            return []
        self._add_untracked(paths, package=package)
        inside = dict.fromkeys(self._nested)  # also repositories that the index does not know
        found: list[Content] = []
        for line in self._git(["ls-files", "--stage", "-z", "--", *_specs(paths)]).split("\0"):
            if not line:
                continue
            facts, _, name = line.partition("\t")
            mode, digest, stage = facts.split()
            if int(mode, 8) == _GITLINK:
                inside[name] = None
            elif stage == "0":
                found.append(Content(path=self.root / name, mode=int(mode, 8), digest=digest))
        return found + [content for name in inside for content in self._inside(name, paths, package=package)]

    def ignored(self, start: Path, *, package: bool = False) -> list[Path]:
        below = _below(start, self.root)
        asked = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", "--"]
        found: list[Path] = []
        try:
            names = self._git([*asked, *_specs([below])]).split("\0")
        except CommandError:  # "internal error": git does not look inside of what it ignores as a whole
            names = [f"{below}/"]
        for name in names:
            path = self.root / name
            if not name or is_foreign(name, ()) or any(part.startswith(".") for part in path.parts[-1:]):
                continue
            if not name.endswith("/"):
                belongs = package or in_package(path, self.root)
                found += [path] if belongs or path.suffix == ".py" else []
            elif start.resolve().is_relative_to(path):  # it is ignored as a whole, and imported all the same
                found += files_below(start, self.skipped, package)
            elif package or (path / "__init__.py").exists() or in_package(path, self.root):
                found += files_below(path, self.skipped, package=True)
        return found

    def export(self, contents: Sequence[Content], destination: Path) -> None:
        """Write files as they were when they were seen, under their paths relative to the root."""
        own: list[str] = []
        nested: dict[str, list[Content]] = {}
        for content in contents:
            name = content.path.relative_to(self.root).as_posix()
            holder = next((one for one in self._nested if name.startswith(f"{one}/")), None)
            if holder is None:
                own.append(name)
            else:
                nested.setdefault(holder, []).append(content)
        destination.mkdir(parents=True, exist_ok=True)
        if own:
            self._git(
                ["checkout-index", "--force", "-z", "--stdin", f"--prefix={destination.resolve()}/"],
                stdin="".join(f"{name}\0" for name in own),
            )
        for holder, inside in nested.items():
            self._nested[holder].export(inside, destination / holder)

    def read_again(self, content: Content) -> bytes | None:
        name = content.path.relative_to(self.root).as_posix()
        for holder, nested in self._nested.items():
            if name.startswith(f"{holder}/"):
                return nested.read(replace(content, path=nested.root / name.removeprefix(f"{holder}/")))
        if content.mode == LINK:
            return os.fsencode(self._git(["cat-file", "blob", content.digest]))
        with tempfile.TemporaryDirectory(dir=self._scratch) as directory:
            self.export([content], Path(directory))
            return (Path(directory) / name).read_bytes()

    def source(self) -> Source:
        """Say what this is: the commit, and whether there are changes on top of it."""
        tree = self._git(["write-tree", "--missing-ok"]).strip()
        commit, head = "", ""
        with contextlib.suppress(CommandError):  # no commit yet
            commit, head = self._git(["rev-parse", "HEAD^{commit}", "HEAD^{tree}"]).split()
        below = tuple(nested.source() for nested in self._nested.values())
        changed = tree != head or any(source.changed for source in below)
        return Source(
            name=self.root.name, path=str(self.root), commit=commit, tree=tree, changed=changed, nested=below
        )

    def patch(self) -> str:
        """Return what is different from the commit, as `git apply` takes it."""
        try:
            base = self._git(["rev-parse", "--verify", "HEAD^{tree}"]).strip()
        except CommandError:
            base = self._git(["hash-object", "-t", "tree", "-w", "--stdin"]).strip()
        tree = self._git(["write-tree", "--missing-ok"]).strip()
        own = self._git(["diff", "--binary", "--no-ext-diff", "--no-textconv", base, tree])
        nested = [
            f"# in {name}\n{text}"
            for name, tree_below in self._nested.items()
            if (text := tree_below.patch())
        ]
        return own + "".join(nested)

    def _notice_all(self) -> None:
        """Look also at files that git was told to assume unchanged."""
        tagged = self._git(["ls-files", "-v", "-z"]).split("\0")
        assumed = [line[2:] for line in tagged if line[:1].islower()]
        if assumed:
            names = "".join(f"{name}\0" for name in assumed)
            self._git(["update-index", "--no-assume-unchanged", "-z", "--stdin"], stdin=names)

    def _add_untracked(self, paths: Sequence[PurePosixPath], *, package: bool) -> None:
        others = ["ls-files", "--others", "--exclude-standard", "-z", "--", *_specs(paths)]
        names = [name for name in self._git(others).split("\0") if name]
        foreign = foreign_directories(names)
        plain = [
            name
            for name in names
            if not name.endswith("/") and not is_foreign(name, foreign) and not self._leave_out(name, package)
        ]
        if plain:
            stdin = "".join(f"{name}\0" for name in plain)
            self._git(["update-index", "--add", "-z", "--stdin"], stdin=stdin)
        for name in names:
            if name.endswith("/"):  # a repository inside this one
                self._open_nested(name.rstrip("/"))

    def _leave_out(self, name: str, package: bool) -> bool:
        path = self.root / name
        reason = left_out(path)
        if reason and (package or in_package(path, self.root)):
            reason = left_out(path, package=True)
        if reason:
            self.skipped[path] = reason
        return bool(reason)

    def _open_nested(self, name: str) -> Tree | None:
        if name not in self._nested:
            nested = open_git(self.root / name, self._scratch)
            if nested is None or nested.root != (self.root / name).resolve():
                return None  # a submodule that was never checked out has no files to ship
            self._nested[name] = nested
        return self._nested[name]

    def _inside(self, name: str, paths: Sequence[PurePosixPath], *, package: bool) -> list[Content]:
        nested = self._open_nested(name)
        if nested is None:
            return []
        here = PurePosixPath(name)
        inside = [path for path in paths if path.is_relative_to(here)]
        wanted = [nested.root / path.relative_to(here) for path in inside]
        if any(here.is_relative_to(path) for path in paths):
            wanted = [nested.root]
        return [
            Content(
                path=self.root / name / one.path.relative_to(nested.root), mode=one.mode, digest=one.digest
            )
            for one in nested.contents(wanted, package=package)
        ]

    def _git(self, arguments: Sequence[str], stdin: str = "") -> str:
        return _run(self.root, arguments, self._env, stdin)


def _run(
    directory: Path, arguments: Sequence[str], env: dict[str, str] | None = None, stdin: str = ""
) -> str:
    config = [word for setting in _CONFIG for word in ("-c", setting)]
    # whatever GIT_* a hook or the user has set is about another repository
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean |= {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **(env or {})}
    return system.run(["git", *config, *arguments], cwd=directory, env=clean, stdin=stdin)


def _scratch_for(scratch: Path, top: Path) -> Path:
    number = sum(1 for _ in scratch.iterdir())
    directory = scratch / f"{number}-{file_name(top.name)}"
    directory.mkdir(parents=True)
    return directory


def _quoted(path: Path) -> str:
    """Write a path for a list that colons separate: git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES."""
    text = str(path)
    if ":" not in text and not text.startswith('"'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _below(path: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(path.resolve().relative_to(root.resolve()).as_posix())


def _specs(paths: Sequence[PurePosixPath]) -> list[str]:
    return [f":(top,literal){path}" if str(path) != "." else "." for path in paths]
