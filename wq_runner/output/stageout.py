"""Copying what a run made to where it is wanted, and making sure that it arrived."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.errors import OutputError, UsageError
from wq_runner.output.result_files import sha256

log = logging.getLogger(__name__)

TRIES = 4
_PAUSE = 2.0  # seconds before the second try; each further pause is twice as long


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A file that is there: its size and checksum were read back from where it is."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A directory, local or behind a URL, by way of fsspec."""

    url: str
    filesystem: Any
    root: str

    def stage(
        self, files: Iterable[tuple[Path, str]], sleep: Callable[[float], None] = time.sleep
    ) -> list[Staged]:
        """Copy files to their names below the directory; what is there already is not copied again.

        Raises
        ------
        OutputError
            If a file could not be brought there whole, however often it was tried.
        """
        return [self._stage_one(path, name, sleep) for path, name in files]

    def _stage_one(self, path: Path, name: str, sleep: Callable[[float], None]) -> Staged:
        wanted = Staged(path=f"{self.root}/{name}", bytes=path.stat().st_size, sha256=sha256(path))
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                log.warning("staging %s out to %s again: %s", path.name, self.url, problem)
                sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                if not self._is_there(wanted.path, wanted):
                    self._copy(path, wanted)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                return wanted
        raise OutputError(
            f"{path} could not be staged out to {self.url} in {TRIES} tries: {problem}",
            hint="it is safe where it is: the same command stages it out again",
        )

    def _copy(self, path: Path, wanted: Staged) -> None:
        temporary = f"{wanted.path}.part-{uuid.uuid4().hex[:8]}"
        self.filesystem.makedirs(wanted.path.rpartition("/")[0], exist_ok=True)
        try:
            self._put(path, temporary)
            if not self._is_there(temporary, wanted):
                raise OSError("what arrived is not what was sent")  # noqa: TRY301 - tried again by the caller
            if self.filesystem.exists(wanted.path):  # not every file system replaces
                self.filesystem.rm_file(wanted.path)
            self.filesystem.mv(temporary, wanted.path)
        except BaseException:
            with contextlib.suppress(Exception):
                self.filesystem.rm_file(temporary)
            raise

    def _put(self, path: Path, target: str) -> None:
        try:
            self.filesystem.put_file(str(path), target)
        except NotImplementedError:  # fsspec-xrootd writes streams only
            with path.open("rb") as source, self.filesystem.open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)

    def lacking(self, files: Iterable[Staged]) -> list[str]:
        """Return which files are not there as they were written.

        Their content is read where it is at hand; what is behind a network is believed by its size: run.json
        has the checksums for whoever uses it.
        """
        at_hand = "file" in self.filesystem.protocol
        return [one.path for one in files if not self._is_there(one.path, one, by_content=at_hand)]

    def _is_there(self, path: str, wanted: Staged, *, by_content: bool = True) -> bool:
        self.filesystem.invalidate_cache()
        if not self.filesystem.exists(path) or self.filesystem.size(path) != wanted.bytes:
            return False
        if not by_content:
            return True
        found = hashlib.sha256()
        with self.filesystem.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                found.update(block)
        return found.hexdigest() == wanted.sha256


def destination(url: str) -> Destination:
    """Return the directory that a path or URL names.

    Raises
    ------
    UsageError
        If there is nothing installed that writes to such a place.
    """
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        hint = "conda install -c conda-forge fsspec-xrootd" if url.startswith("root:") else ""
        raise UsageError(f"--stage-out {url}: {error}", hint=hint, page="staging-out") from error
    except OSError as error:
        raise UsageError(
            f"--stage-out {url} cannot be reached: {error}", hint="look at its host", page="staging-out"
        ) from error
    return Destination(url=url, filesystem=filesystem, root=str(root).rstrip("/"))
