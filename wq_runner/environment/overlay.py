"""The overlay: the code that may change at any time, as it is now.

`site/` has the editable packages as if they were installed and `bin/` their console scripts, `analysis/`
the files of the analysis, `files/` what the task finds in its working directory. The key is the content,
wherever it came from: the same content is the same overlay.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wq_runner
from wq_runner import names
from wq_runner.environment import beside, companions, scripts, seals, wheels
from wq_runner.environment.editables import Editable
from wq_runner.environment.gitstate import open_git
from wq_runner.environment.importable import Module
from wq_runner.environment.launch import OVERLAY
from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.environment.trees import (
    LINK,
    Content,
    PlainTree,
    Source,
    Tree,
    content_of,
    digest,
    digest_of,
    is_leftover,
    left_out,
)
from wq_runner.errors import UsageError

VERSION = 3  # raised when the same content makes another overlay

_MOST_DATA = 200_000_000  # bytes of what git ignores in a package; more is no part of the code
_NOT_METADATA = {"RECORD", "direct_url.json", "INSTALLER", "REQUESTED", "SOURCES.txt"}


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What an overlay is made of. `analysis` is the directory that the processor is imported from."""

    editables: tuple[Editable, ...] = ()
    analysis: Path | None = None
    extra_files: tuple[tuple[str, Path], ...] = ()
    """Pairs of the name in the task's directory and the file or directory here."""
    imported: tuple[tuple[str, Path], ...] = ()
    """Names and files of the modules of the user that are imported, wherever they were found."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file of the overlay: its place there, its content, and the tree it is taken from."""

    target: str
    content: Content
    tree: Tree = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An overlay that is known but perhaps not built. `compiled` go through their build backend first."""

    key: str
    pieces: tuple[Piece, ...]
    compiled: tuple[tuple[Editable, str], ...]
    sources: tuple[Source, ...]
    trees: tuple[Tree, ...]
    ingredients: Ingredients
    skipped: Mapping[Path, str]

    @property
    def label(self) -> str:
        """Say what is in it, the analysis last."""
        return ", ".join(str(source) for source in self.sources)

    def write_patches(self, directory: Path) -> list[Path]:
        """Write what is changed on top of the commits, a file for each repository."""
        for old in directory.glob("*.patch"):
            old.unlink()
        written = []
        for tree, source in zip(self.trees, self.sources, strict=True):
            text = tree.patch() if source.changed else ""
            if text:
                directory.mkdir(parents=True, exist_ok=True)
                path = directory / f"{names.file_name(source.name)}-{source.tree[:8]}.patch"
                path.write_text(text, encoding="utf-8", errors="surrogateescape")
                written.append(path)
        return written


def draft(ingredients: Ingredients, scratch: Path, *, base: str = "") -> Draft:
    """Look at all code as it is now; `scratch` has to live as long as the draft is used.

    `base` is the key of the base layer, which compiled packages are built for.
    """
    trees = _Trees(scratch)
    pieces: list[Piece] = []
    compiled: list[tuple[Editable, str]] = []
    for editable in ingredients.editables:
        if editable.compiled:
            contents = trees.of(editable.project).contents([editable.project])
            compiled.append((editable, wheels.key(contents, editable, base)))
        else:
            pieces += _package(trees, editable.modules)
            pieces += _metadata(editable)
    if not any(editable.name == "wq-runner" for editable in ingredients.editables):
        own = own_package()
        pieces += _package(trees, [Module(target="wq_runner", source=own)])
        pieces += _own_metadata()
    if ingredients.analysis is not None:
        pieces += trees.pieces(ingredients.analysis, "analysis")
    built = [editable.project for editable, _ in compiled]
    pieces = _with_imported(trees, pieces, companions.missing(ingredients.imported, _sources(pieces), built))
    pieces += _beside(trees, pieces, ingredients.imported)
    pieces += _extra(ingredients.extra_files)
    found = hashlib.sha256(f"{VERSION}\n".encode())
    for line in sorted(
        [f"{piece.target}\0{piece.content.mode:o}\0{piece.content.digest}" for piece in pieces]
        + [f"wheel\0{key}" for _, key in compiled]
    ):
        found.update(line.encode(errors="surrogateescape") + b"\n")
    named = [tree for tree in trees.opened if trees.is_of_user(tree)]
    return Draft(
        key=found.hexdigest()[:16],
        pieces=tuple(pieces),
        compiled=tuple(compiled),
        sources=tuple(tree.source() for tree in named),
        trees=tuple(named),
        ingredients=ingredients,
        skipped={path: why for tree in trees.opened for path, why in tree.skipped.items()},
    )


def build(found: Draft, store: Store) -> tuple[Stored, bool]:
    """Return the stored overlay, and whether it was built now."""
    built = [wheels.build(editable, key, store) for editable, key in found.compiled]

    def make(place: Path) -> Mapping[str, Any]:
        digests = {piece.target: piece.content.digest for piece in found.pieces}
        with tarfile.open(place / OVERLAY, "w:gz", compresslevel=1) as tar:
            for name in ("site", "bin", "analysis", "files"):
                _add(tar, name, b"", tarfile.DIRTYPE, 0o755)
            programs: dict[str, bytes] = {}
            for piece in {piece.target: piece for piece in found.pieces}.values():
                kind = tarfile.SYMTYPE if piece.content.mode == LINK else tarfile.REGTYPE
                content = piece.tree.read(piece.content)
                _add(tar, piece.target, content, kind, piece.content.mode & 0o777)
                programs.update(_scripts(piece.target, content))
            for wheel in built:
                for target, content in wheels.contents(wheel):
                    programs.update(_scripts(target, content))
                    if target.startswith("site/"):
                        _add(tar, target, content, tarfile.REGTYPE, 0o644)
                        digests[target] = digest_of(content)
            for name, content in programs.items():
                _add(tar, f"bin/{name}", content, tarfile.REGTYPE, 0o755)
                digests[f"bin/{name}"] = digest_of(content)
        return {
            "sources": [source.as_json() for source in found.sources],
            "digests": digests,
            "cksum": seals.worker_sum(place / OVERLAY),
        }

    return store.build(Layer.OVERLAY, found.key, make)


def _scripts(target: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the scripts that a file of the overlay is or declares."""
    place, _, name = target.partition("/")
    if place == "bin":
        yield name, scripts.of_wheel(content)
    elif place == "site" and scripts.is_metadata(name):
        yield from scripts.of_entry_points(content.decode(errors="replace"))


def own_package() -> Path:
    """Return our own code, which always travels: the functions of tasks are part of it."""
    return Path(wq_runner.__file__).parent


class _Trees:
    """Opens each repository once, and knows which tree a file belongs to."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.opened: list[Tree] = []

    def of(self, path: Path) -> Tree:
        resolved = path.resolve()
        for tree in self.opened:
            if resolved.is_relative_to(tree.root):
                return tree
        directory = resolved if resolved.is_dir() else resolved.parent
        # what pip installed is not the working tree of the repository that the environment lies in
        installed = any(part in ("site-packages", "dist-packages") for part in directory.parts)
        tree = (None if installed else open_git(directory, self._scratch)) or PlainTree(directory)
        self.opened.append(tree)
        return tree

    def pieces(
        self, start: Path, target: str, *, package: bool = False, within: tuple[Path, ...] = ()
    ) -> Iterator[Piece]:
        """Yield what is below a path, under another name; in place of links that lead out, what is there."""
        start = start.resolve()
        tree = self.of(start)
        contents = tree.contents([start], package=package)
        contents += self._ignored(tree, start, package=package)
        known = {content.path for content in contents} if any(one.mode == LINK for one in contents) else set()
        for content in contents:
            place = f"{target}{str(content.path)[len(str(start)) :]}"
            if content.mode != LINK or _stays(content.path, start, known):
                yield Piece(target=place, content=content, tree=tree)
            else:
                yield from self._followed(content.path, place, (*within, start))

    def _ignored(self, tree: Tree, start: Path, *, package: bool) -> list[Content]:
        """Return what git ignores and importlib does not; much data is named and stays."""
        found, left = [], _MOST_DATA
        for path in sorted(tree.ignored(start, package=package), key=lambda one: one.lstat().st_size):
            reason = left_out(path, package=True)
            left -= path.lstat().st_size
            if reason or left < 0:
                tree.skipped[path] = f"git ignores it, {reason or 'and there is much of it'}"
            elif not is_leftover(path):
                found.append(content_of(path))
        return found

    def _followed(self, link: Path, target: str, within: tuple[Path, ...]) -> Iterator[Piece]:
        try:
            real = link.resolve(strict=True)
        except (OSError, RuntimeError):  # a link to nowhere, or to itself
            self.of(link.parent).skipped[link] = "it is a link to nothing"
            return
        if any(one.is_relative_to(real) for one in (link, *within)):
            self.of(link.parent).skipped[link] = f"it is a link to {real}, in which it lies"
        elif real.is_dir():
            yield from self.pieces(real, target, package=True, within=within)
        elif reason := left_out(real, package=True):
            self.of(link.parent).skipped[link] = reason
        else:
            yield _loose(real, target)

    def is_of_user(self, tree: Tree) -> bool:
        return "site-packages" not in tree.root.parts


def _package(trees: _Trees, modules: Iterable[Module], *, package: bool = True) -> Iterator[Piece]:
    for module in modules:
        yield from trees.pieces(module.source, f"site/{module.target}", package=package)


def _with_imported(trees: _Trees, pieces: Sequence[Piece], modules: Iterable[Module]) -> list[Piece]:
    """Add modules that were found elsewhere; where another one has the name, they were the first."""
    found = list(pieces)
    for module in modules:
        place = f"site/{module.target}"
        if module.source.is_file() or (module.source / "__init__.py").exists():
            found = [one for one in found if one.target != place and not one.target.startswith(f"{place}/")]
            found += _package(trees, [module])
        else:
            found += _package(trees, [module], package=False)
    return found


def _beside(trees: _Trees, pieces: Sequence[Piece], imported: Iterable[tuple[str, Path]]) -> Iterator[Piece]:
    """Yield the data that scripts name, in the same places beside them."""
    targets = {piece.content.path: piece.target for piece in pieces}
    taken = set(targets.values())
    for path in {path.resolve() for _, path in imported}:
        place = targets.get(path)
        if place is None or (path.parent / "__init__.py").exists():
            continue
        for data in beside.named(path):
            target = f"{place.rpartition('/')[0]}/{data.relative_to(path.parent)}"
            reason = left_out(data, package=True)
            if reason:
                trees.of(path).skipped[data] = f"{path.name} names it; {reason}"
            elif target not in taken:
                taken.add(target)
                yield _loose(data, target)


def _sources(pieces: Iterable[Piece]) -> set[Path]:
    return {piece.content.path for piece in pieces}


def _stays(link: Path, start: Path, known: set[Path]) -> bool:
    """Whether a link means the same on a worker: it leads to what is shipped with it, by a relative path."""
    text = link.readlink() if link.is_symlink() else Path()
    there = Path(os.path.normpath(link.parent / text))
    if text.is_absolute() or not there.is_relative_to(start):
        return False
    return there in known or any(one.is_relative_to(there) for one in known if one != link)


def _metadata(editable: Editable) -> Iterator[Piece]:
    if editable.metadata is None:
        return
    directory = editable.metadata
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in _NOT_METADATA:
            yield _loose(path, f"site/{directory.name}/{path.relative_to(directory)}")


def _own_metadata() -> Iterator[Piece]:
    own = importlib.metadata.distribution("wq-runner")
    for name in ("METADATA", "entry_points.txt"):
        path = Path(str(own.locate_file(f"wq_runner-{own.version}.dist-info/{name}")))
        if path.is_file():
            yield _loose(path, f"site/wq_runner-{own.version}.dist-info/{name}")


def _extra(files: Sequence[tuple[str, Path]]) -> Iterator[Piece]:
    for name, path in files:
        for file in [path] if path.is_file() else sorted(_all_files(path)):
            inside = file.relative_to(path)
            yield _loose(file, f"files/{name}" if str(inside) == "." else f"files/{name}/{inside}")


def _all_files(directory: Path, within: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield all files of a directory, and of those that links in it lead to, once around each loop."""
    real = directory.resolve()
    if real in within:
        return
    for path in directory.iterdir():
        if path.is_dir():
            yield from _all_files(path, (*within, real))
        elif path.is_file():
            yield path


def _loose(path: Path, target: str) -> Piece:
    """Take a file as it is, whatever git says of it; what a link leads to."""
    path = path.resolve()
    tree = PlainTree(path.parent)
    mode = 0o100755 if os.access(path, os.X_OK) else 0o100644
    return Piece(
        target=target, content=Content(path=tree.root / path.name, mode=mode, digest=digest(path)), tree=tree
    )


def _add(tar: tarfile.TarFile, name: str, content: bytes, kind: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode = mode
    member.mtime = int(time.time())
    if kind == tarfile.SYMTYPE:
        member.linkname = os.fsdecode(content)
        tar.addfile(member)
    else:
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def extra_files(names: Iterable[Path]) -> tuple[tuple[str, Path], ...]:
    """Name files in the task's directory: as here, if below the current one, and by the last part.

    Raises
    ------
    UsageError
        If one does not exist, or two would have the same name.
    """
    found: dict[str, Path] = {}
    for path in names:
        if not path.exists():
            raise UsageError(
                f"--extra-file {path}: no such file", hint=f"looked in {Path.cwd()}", page="environment"
            )
        resolved = Path(os.path.abspath(path))  # noqa: PTH100 - a link keeps its own name
        if found.get(resolved.name, resolved) != resolved:
            raise UsageError(
                f"two --extra-file are called {resolved.name}: {found[resolved.name]} and {path}",
                page="environment",
            )
        found[resolved.name] = resolved
        if resolved.is_relative_to(Path.cwd()) and resolved != Path.cwd():
            found[str(resolved.relative_to(Path.cwd()))] = resolved
    return tuple(sorted(found.items()))
