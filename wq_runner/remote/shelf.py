"""The directory where a host keeps columns: private to its owner, bounded, safe for many processes.

Below it is a directory for each input file and tree, by the hash of what it is, and in that the packs. A pack
gets its name when it is whole. Which was used last is told by its time. Nothing here is needed: what is
damaged, or cannot be read or written, is said and left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import packs, private
from .packs import Piece

TAG = "CACHEDIR.TAG"
_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55\n# Columns of wq-runner: wq-workers columns\n"
PACK = ".columns"
_NEW = ".new"
_LOCK, _SUM = "lock", "size"
MODEST = 10 << 30  # bytes that are kept where nobody says how many
SHARE = 0.1  # of what is free, if that is less
SPARE, SPARE_SHARE = 1 << 30, 0.05  # bytes, and part of a disk, that are left free, whichever is less
_LEFT = 600.0  # seconds after which what is not whole is nobody's any more
_USED = 60.0  # seconds between two notes that a pack is used
_ROOM = 0.9  # of the limit is left when room is made

VARIABLE = "WQ_WORKER_CACHE"  # where a site wants its workers to keep things


class ShelfError(Exception):
    """The directory cannot be used; the text says why."""


class FullError(ShelfError):
    """There is no room for what is to be kept."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A file of columns: its size in bytes, and when it was used last."""

    path: Path
    size: int
    used: float


def place_of(wanted: str = "") -> Path:
    """Return the directory for columns: below the one that is wanted, else below this host's own place.

    The engine's workers have directories that end with them, or with the run: columns lie beside these.
    """
    sandbox = os.environ.get("WORK_QUEUE_SANDBOX")
    parent = Path(sandbox).parent if sandbox else Path(tempfile.gettempdir())
    if parent.name.startswith("wq-runner-workers-"):  # those of a run on its own machine
        parent = parent.parent
    base = os.path.expandvars(os.path.expanduser(wanted)) if wanted else ""  # noqa: PTH111 - a text
    base = base or os.environ.get(VARIABLE) or str(parent)
    return Path(base) / f"wq-runner-columns-{os.getuid()}"


def key_of(identity: str, tree: str, *facts: Any) -> str:
    """Return the name for the columns of a file's tree, as a reader of these facts understands them."""
    text = "\n".join(map(str, (packs.VERSION, sys.byteorder, identity, tree, *facts)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def is_private(path: Path) -> bool:
    """Whether this is a directory of this user's in which nobody else writes, and no link to one."""
    facts = path.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


class Shelf:
    """Packs in a directory, at most `limit` bytes of them; without a limit, a modest part of its disk.

    Raises
    ------
    ShelfError
        If the directory cannot be made or read, or is not only ours.
    """

    def __init__(self, place: Path, limit: int | None = None, most: int | None = None) -> None:
        self.place = place
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_ours = is_private(place)
        except OSError as error:
            raise ShelfError(f"{place}: {error.strerror or error}") from error
        if not is_ours:
            raise ShelfError(
                f"{place} is not a directory in which only this user writes: whoever else does could feed "
                "it; remove it, or give another one to --column-cache"
            )
        self.limit = limit if limit is not None else self._modest(most)

    def _modest(self, most: int | None) -> int:
        """Return a part of what is free or kept, and not more than a task may have of its worker's disk."""
        room = shutil.disk_usage(self.place).free + self._sum()
        return int(min(MODEST, SHARE * room, most or MODEST))

    # -- reading

    def packs_of(self, key: str) -> list[Path]:
        """Return the packs of a file's tree."""
        directory = self.place / key
        try:
            if not is_private(directory):
                return []
            return sorted(one for one in directory.iterdir() if one.suffix == PACK)
        except OSError:
            return []

    def used(self, path: str) -> None:
        """Note that a pack is used."""
        now = time.time()
        with contextlib.suppress(OSError):  # a directory that can only be read
            if now - os.stat(path).st_mtime > _USED:  # noqa: PTH116
                os.utime(path, (now, now))

    def drop(self, path: str) -> None:
        """Remove a pack that is not what was written."""
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108

    # -- writing

    def keep(self, key: str, of: Mapping[str, Any], pieces: Sequence[Piece]) -> Path:
        """Write a pack, and make room for it before.

        Raises
        ------
        FullError
            If it is larger than all that may be kept, or the disk is full.
        ShelfError
            If it cannot be written.
        """
        buffers = packs.parts(of, pieces)
        size = sum(len(one) for one in buffers)
        directory = self.place / key
        try:
            with self._locked():
                self._tag()
                self._make_room(size)
            final = directory / f"{packs.digest(buffers[1])}{PACK}"
            self._write(directory, final, buffers)
        except OSError as error:
            full = error.errno in {28, 122}  # ENOSPC, EDQUOT
            kind = FullError if full else ShelfError
            raise kind(f"{self.place}: {error.strerror or error}") from error
        return final

    def _write(self, directory: Path, final: Path, buffers: Sequence[Any]) -> None:
        path = directory / f"{secrets.token_hex(8)}{_NEW}"
        try:
            with _created(path) as stream:
                for one in buffers:
                    rest = memoryview(one)
                    while rest:
                        rest = rest[stream.write(rest) :]
            os.replace(path, final)  # noqa: PTH105
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _tag(self) -> None:
        tag = self.place / TAG
        if not tag.exists():
            private.write(tag, _SIGNATURE)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with os.fdopen(os.open(self.place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600), "wb") as lock:
            with contextlib.suppress(OSError):  # a file system without locks: sizes are looked up more often
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_room(self, size: int) -> None:
        """See to it that so much more may be kept, and count it."""
        if size > self.limit:
            raise FullError(
                f"{self.place} may hold {self.limit:,} bytes, and what one chunk has read is {size:,}: "
                "give --column-cache a larger size"
            )
        total = self._sum()
        if total + size > self.limit:  # or so it seems
            total = self._evict(int(self.limit * _ROOM) - size)
        missing = self._missing(size)
        if missing > 0 and total:
            total = self._evict(total - missing)
        if self._missing(size) > 0:
            free = shutil.disk_usage(self.place).free
            raise FullError(f"{self.place}: its disk is full, or nearly: {free:,} bytes are left")
        self._note(total + size)

    def _missing(self, size: int) -> int:
        """Return how many bytes more would have to be free, as others need the disk as well."""
        disk = shutil.disk_usage(self.place)
        return int(size + min(SPARE, SPARE_SHARE * disk.total) - disk.free)

    def _note(self, total: int) -> None:
        private.write(self.place / _SUM, f"{total}\n".encode())

    def _sum(self) -> int:
        """Return how many bytes there are, as it was noted; looked up where nothing was."""
        try:
            return int((self.place / _SUM).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return sum(one.size for one in self.all())

    def _evict(self, wanted: int) -> int:
        """Remove what was not used for longest until there is no more than wanted; return what there is."""
        self.remove_unfinished()
        found = sorted(self.all(), key=lambda one: one.used)
        total = sum(one.size for one in found)
        for one in found:
            if total <= max(0, wanted):
                break
            one.path.unlink(missing_ok=True)
            total -= one.size
            with contextlib.suppress(OSError):  # there are others in it
                one.path.parent.rmdir()
        return total

    def remove_unfinished(self) -> None:
        """Remove what processes began to write that were ended."""
        for directory in self._directories():
            for path in directory.glob(f"*{_NEW}"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _LEFT:
                        path.unlink()

    # -- what there is

    def _directories(self) -> list[Path]:
        return [one for one in self.place.iterdir() if len(one.name) == 32 and one.is_dir()]

    def all(self) -> list[Pack]:
        """Return all packs, in no order."""
        found = []
        for directory in self._directories():
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.endswith(PACK):
                        facts = entry.stat(follow_symlinks=False)
                        found.append(Pack(path=Path(entry.path), size=facts.st_size, used=facts.st_mtime))
        return found

    def shrink(self, most: int) -> tuple[int, int]:
        """Remove what was not used for longest, until no more than so many bytes are left; as `clean`."""
        with self._locked():
            before = self.all()
            total = self._evict(most)
            self._note(total)
            return len(before) - len(self.all()), sum(one.size for one in before) - total

    def clean(self) -> tuple[int, int]:
        """Remove all packs; return how many there were, and their bytes."""
        with self._locked():
            found = self.all()
            for directory in self._directories():
                shutil.rmtree(directory, ignore_errors=True)
            (self.place / _SUM).unlink(missing_ok=True)
        return len(found), sum(one.size for one in found)


def _created(path: Path) -> Any:
    """Open a new file of this user's. Who makes room removes directories in which nothing is left."""
    for _ in range(3):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0)
    raise FileNotFoundError(2, "was removed again and again", str(path.parent))
