"""What was built, by its key, in the user's cache directory.

The recipe is always the same: key, look, lock, look again, temporary place, build, check, replace, mark.
An entry never has its final name before it is complete, and is never deleted while it is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any

import platformdirs

from wq_runner import system
from wq_runner.environment import seals
from wq_runner.errors import WorkerEnvironmentError

_TAG = "CACHEDIR.TAG"
_TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# of wq-runner: environments that were packed\n"


class Layer(str, Enum):
    """The directories of the store."""

    BASE = "bases"
    OVERLAY = "overlays"
    WHEEL = "wheels"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An entry: a directory under its key, with `manifest.json` in it."""

    layer: Layer
    key: str
    path: Path

    @property
    def manifest(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def damage(self) -> str:
        """Say what is not as it was built; empty if all is. Reads all files of the entry."""
        manifest = seals.read(self.path / "manifest.json")
        if manifest is None:
            return "its record is damaged"
        for name, expected in manifest.get("checksums", {}).items():
            if seals.checksum(self.path / name) != expected:
                return f"{name} is damaged"
        return ""

    @property
    def last_used(self) -> float:
        try:
            return (self.path / "used").stat().st_mtime
        except OSError:
            return float(self.manifest.get("created", 0.0))


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Says that a process uses entries; they stay until it is released, at the latest at its end."""

    files: tuple[IO[str], ...] = field(repr=False)

    def release(self) -> None:
        for file in self.files:
            Path(file.name).unlink(missing_ok=True)
            file.close()


@dataclass(frozen=True, kw_only=True)
class Store:
    root: Path
    on_wait: Callable[[str], None] = lambda _: None
    """Told what is being waited for, if another process is building it, and what is damaged."""

    @classmethod
    def default(cls, **kwargs: Any) -> Store:
        return cls(root=Path(platformdirs.user_cache_dir("wq-runner")) / "environments", **kwargs)

    @property
    def unpacked(self) -> Path:
        """Where this machine unpacks bases: to test them, and for the workers it starts itself."""
        return self.root / "unpacked"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def packages(self) -> Path:
        """The file that remembers what is installed in environments is beside the entries."""
        return self.root / "installed"

    def find(self, layer: Layer, key: str) -> Stored | None:
        path = self.root / layer.value / key
        return Stored(layer=layer, key=key, path=path) if (path / "manifest.json").is_file() else None

    def entries(self, layer: Layer | None = None) -> list[Stored]:
        """Return all entries, the last used ones first."""
        found = [
            Stored(layer=one, key=path.name, path=path)
            for one in ([layer] if layer else Layer)
            for path in sorted((self.root / one.value).glob("*"))
            if (path / "manifest.json").is_file()
        ]
        return sorted(found, key=lambda one: one.last_used, reverse=True)

    def build(self, layer: Layer, key: str, make: Callable[[Path], Mapping[str, Any]]) -> tuple[Stored, bool]:
        """Return the entry, and whether it was made now. `make` fills a directory and returns the manifest.

        What is damaged is made again.

        Raises
        ------
        WorkerEnvironmentError
            If the store cannot be written. What `make` raises goes through; nothing is left then.
        """
        found = self.find(layer, key)
        if found is not None and not found.damage():
            return found, False
        with self._writing(), self._locked(f"{layer.value}-{key}", f"{key} is being built"):
            found = self.find(layer, key)  # another process may have built it, or made it again
            if found is not None:
                damage = found.damage()
                if not damage:
                    return found, False
                self.on_wait(f"{key}: {damage}, so it is made again")
            return self._make(layer, key, make), True

    def _make(self, layer: Layer, key: str, make: Callable[[Path], Mapping[str, Any]]) -> Stored:
        temporary = self.root / "building"
        temporary.mkdir(exist_ok=True)
        for left in temporary.glob(f"{layer.value}-{key}.*"):
            delete(left)  # of a build that was killed: the lock is ours, so nobody is at it
        place = Path(tempfile.mkdtemp(prefix=f"{layer.value}-{key}.", dir=temporary))
        try:
            place.chmod(0o755)
            manifest = {"key": key, "created": time.time(), **make(place)}
            record = {**manifest, "size": size_of(place), "checksums": seals.checksums(place)}
            text = json.dumps(seals.sealed(record), indent=1)
            (place / "manifest.json").write_text(text, encoding="utf-8", errors="surrogateescape")
            final = self.root / layer.value / key
            final.parent.mkdir(exist_ok=True)
            if final.exists():  # damaged, or without a manifest: what somebody deleted half
                trash = Path(tempfile.mkdtemp(prefix="trash.", dir=self.root))
                final.replace(trash / key)
                place.replace(final)
                delete(trash)
            else:
                place.replace(final)
        except BaseException:
            delete(place)
            raise
        return Stored(layer=layer, key=key, path=final)

    def lease(self, *entries: Stored) -> Lease:
        """Keep entries from being deleted, as long as the lease is held.

        Raises
        ------
        WorkerEnvironmentError
            If one was deleted in the meantime.
        """
        files = []
        for entry in entries:
            with self._writing(), self._locked(f"{entry.layer.value}-{entry.key}"):
                if self.find(entry.layer, entry.key) is None:
                    raise WorkerEnvironmentError(
                        f"{entry.key} was deleted from {self.root} just now",
                        hint="start again",
                        page="stored-environments",
                    )
                directory = self._uses(entry)
                directory.mkdir(parents=True, exist_ok=True)
                name = f"{socket.gethostname()}-{os.getpid()}-"
                handle, path = tempfile.mkstemp(prefix=name, dir=directory)
                os.close(handle)
                file = Path(path).open("w")  # noqa: SIM115 - it is open as long as the lease
                fcntl.flock(file, fcntl.LOCK_EX)
                files.append(file)
                (entry.path / "used").touch()
        return Lease(files=tuple(files))

    def users(self, entry: Stored) -> int:
        """Count the processes that use an entry now; records of those that ended are removed."""
        count = 0
        for path in self._uses(entry).glob("*"):
            with contextlib.suppress(FileNotFoundError), path.open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                except BlockingIOError:
                    count += 1
        return count

    def remove(self, entry: Stored) -> bool:
        """Delete an entry and what was unpacked of it; False if it is used."""
        with self._writing(), self._locked(f"{entry.layer.value}-{entry.key}"):
            if self.users(entry):
                return False
            trash = Path(tempfile.mkdtemp(prefix="trash.", dir=self.root))
            entry.path.replace(trash / entry.key)
        for path in (trash, *self.unpacked.glob(f"{entry.key}*"), self._uses(entry)):
            delete(path)
        return True

    def shrink(self, limit: int) -> list[Stored]:
        """Delete what was used longest ago until at most `limit` bytes are left, apart from what is used."""
        entries = self.entries()
        total = sum(self.size(entry) for entry in entries)
        removed = []
        for entry in reversed(entries):
            if total <= limit:
                break
            size = self.size(entry)
            if self.remove(entry):
                total -= size
                removed.append(entry)
        return removed

    def sweep(self) -> None:
        """Delete what belongs to no entry any more: marks, scripts, and what was unpacked."""
        keys = {entry.key for entry in self.entries()}
        for path in self.unpacked.glob("*"):
            if not any(path.name.startswith(key) for key in keys):
                delete(path)
        if not keys:
            for name in ("scripts", "tested", "requests", "installed", "logs"):
                delete(self.root / name)

    def size(self, entry: Stored) -> int:
        """Return the bytes of an entry with what was unpacked of it here."""
        unpacked = int(entry.manifest.get("unpacked", 0)) if (self.unpacked / entry.key).exists() else 0
        return int(entry.manifest.get("size", 0)) + unpacked

    def prepare(self) -> None:
        """Make the directory, marked as a cache that may be deleted."""
        system.make_private(self.root)
        tag = self.root / _TAG
        if not tag.exists():
            tag.write_text(_TAG_TEXT)

    def _uses(self, entry: Stored) -> Path:
        return self.root / "uses" / f"{entry.layer.value}-{entry.key}"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.prepare()
            yield
        except OSError as error:
            raise WorkerEnvironmentError(
                f"{error.filename or self.root}: {error.strerror or error}",
                hint=f"{self.root} holds environments; wq-env clean makes room, XDG_CACHE_HOME moves it",
                page="stored-environments",
            ) from error

    @contextlib.contextmanager
    def _locked(self, name: str, waiting_for: str = "") -> Iterator[None]:
        locks = self.root / "locks"
        locks.mkdir(exist_ok=True)
        with (locks / f"{name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting_for:
                    self.on_wait(f"{waiting_for} by another process; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def size_of(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())


def delete(path: Path) -> None:
    """Delete a file or directory, whatever its permissions, or leave it if that is impossible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
