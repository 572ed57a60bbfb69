"""One pass over the samples that the user named: its problems, and which files are being read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner.errors import Problem
from wq_runner.model import Dataset
from wq_runner.samples import content, mistaken, paths

log = logging.getLogger(__name__)

Prefixes = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A dataset, the file that defines it (`origin`) and the place that named that file (`where`).

    `name_parts` is set where the name was made from a path: longer names are made of more parts. `direct`
    says how the user named data themselves, which no samples file did.
    """

    dataset: Dataset
    origin: str
    where: str
    name_parts: tuple[str, ...] = ()
    direct: str = ""


Reader = Callable[[Path, Prefixes, str, "Reading"], list[Found]]
"""Reads one file. The text is where the file was named; it reports problems and does not raise them."""


class Reading:
    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self.problems: list[Problem] = []
        self._readers = readers
        self._open: list[Path] = []
        self._said: set[str] = set()

    def problem(self, where: str, text: str) -> None:
        self.problems.append(Problem(where=where, text=text))

    def say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)

    def read(self, path: Path, prefixes: Prefixes, where: str) -> list[Found]:
        """Read a file with the reader of its suffix."""
        reader = self._reader(path)
        if reader is None:
            subject = self._subject(path, where)
            meant = None if subject else mistaken.answer(str(path))  # nobody types what stands in a file
            self.problem(where, meant or f"{subject}not a samples file: {self._expected()}")
            return []
        resolved = path.resolve()
        if resolved in self._open:
            circle = [*self._open[self._open.index(resolved) :], resolved]
            self.problem(where, f"reads itself: {' > '.join(item.name for item in circle)}")
            return []
        self._open.append(resolved)
        try:
            return reader(path, prefixes, where, self)
        except PermissionError:
            self.problem(where, f"{self._subject(path, where)}no permission to read it")
        except OSError as error:
            self.problem(where, f"{self._subject(path, where)}{error.strerror or error}")
        finally:
            self._open.pop()
        return []

    def _reader(self, path: Path) -> Reader | None:
        name = path.name.lower()
        suffixes: Sequence[str] = sorted(self._readers, key=len, reverse=True)
        found = next((self._readers[suffix] for suffix in suffixes if name.endswith(suffix)), None)
        # of any name, if it is data
        return found or self._readers.get(f".{content.kind(path)}")

    def _expected(self) -> str:
        return f"expected {', '.join(self._readers)}, a directory or a glob"

    def _subject(self, path: Path, where: str) -> str:
        shown = paths.shown(path)
        return "" if shown == where else f"{shown}: "
