"""Files that a processor writes beside its result, to the directory in ``events.metadata["output_dir"]``.

Each chunk has a directory of its own below the task's. What a chunk that is done has left there
travels at the end of the answer, so that it counts exactly when the result does.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUTPUT_DIR = "output_dir"
PLACEHOLDER = "$WQ_RUNNER_OUTPUT_DIR"
"""What the manager writes there: one's own directory, in a runner of one's own, is left alone."""


MOST_LEFT = 10_000  # files that are counted at most, where one task left so many
_NAMED, _LONGEST = 5, 200
_OURS = ("cctools", "__pycache__", "core.")
"""Beginnings of names that no processor gives, beside hidden ones: the engine's, and Python's."""


class Scratch:
    """A task's own directory, which is removed with all that is in it: what a processor left there is lost.

    Where a task works in a directory that stays, as that of the user, nothing is.
    """

    def __init__(self, result: Path) -> None:
        self._root = result.resolve().parent
        self._result = result.name
        self._own = Path.cwd() == self._root
        self._before = frozenset(self._root.iterdir()) if self._own else frozenset()

    def left(self) -> dict[str, Any] | None:
        """Return how many files are there that were not, their size, and the names of some."""
        if not self._own:
            return None
        names: list[str] = []
        count = size = 0
        for path in self._files():
            count += 1
            size += path.lstat().st_size
            if len(names) < _NAMED:
                names.append(str(path.relative_to(self._root))[-_LONGEST:])
            if count == MOST_LEFT:
                break
        return {"files": count, "bytes": size, "names": names} if count else None

    def _files(self) -> Iterator[Path]:
        for path in sorted(set(self._root.iterdir()) - self._before):
            if path.name.startswith((".", self._result, *_OURS)):
                continue
            if not path.is_dir() or path.is_symlink():
                yield path
                continue
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(one for one in folders if one != "__pycache__")
                yield from (Path(folder, one) for one in sorted(files))


class Folder:
    """The directories of a task's items, removed by `clear`."""

    def __init__(self, result: Path) -> None:
        self._root = result.resolve().with_name(f"{result.name}.files")
        self.found: list[tuple[int, str, Path]] = []

    def enter(self, index: int, item: Any) -> Any:
        """Return the item with a directory for its files, if it takes one."""
        metadata = getattr(item, "usermeta", None)
        if not metadata or metadata.get(OUTPUT_DIR) != PLACEHOLDER:
            return item
        place = self._root / str(index)
        place.mkdir(parents=True, exist_ok=True)
        return dataclasses.replace(item, usermeta={**metadata, OUTPUT_DIR: str(place)})

    def keep(self, index: int, item: Any, out: Any) -> None:
        """Note the files of an item that is done."""
        place = self._root / str(index)
        if not place.is_dir():
            return
        # coffea's account names what it was given; where that was on this worker is no part of it
        if isinstance(out, dict) and out.get("processed"):
            out["processed"] = {item}
        for path in sorted(place.rglob("*")):
            if path.is_file():
                self.found.append((index, path.relative_to(place).as_posix(), path))

    def drop(self, index: int) -> None:
        """Forget the files of an item that failed."""
        self.found = [one for one in self.found if one[0] != index]
        shutil.rmtree(self._root / str(index), ignore_errors=True)

    def clear(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
