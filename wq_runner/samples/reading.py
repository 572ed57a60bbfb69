"""What a dialect of samples is; and one pass over what the user named: its problems, and the open files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.errors import Problem
from wq_runner.model import Dataset
from wq_runner.samples import content, mistaken, paths
from wq_runner.samples.kinds import IsHere

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

Interpreter = Callable[[Any, Path, Prefixes, str, "Reading"], list[Found]]
"""Reads what JSON or YAML of a file says; in all else it is as a `Reader`."""


@dataclass(frozen=True, kw_only=True)
class FileDialect:
    """Samples in files of their own format: those whose names end in one of `suffixes`, in lower case."""

    suffixes: tuple[str, ...]
    read: Reader


@dataclass(frozen=True, kw_only=True)
class DocumentDialect:
    """Samples in JSON or YAML, which are recognised by what is in the document, never by its name.

    Dialects are asked by `rank`, the lowest first, and the first that says yes reads it. So the surest are
    low: 10 to 30 have a key of their own at the top, 40 and 50 have one further down, and from 60 on there
    is only a shape. Each rank is there once.
    """

    rank: int
    recognises: Callable[[Any, IsHere], bool]
    read: Interpreter


Dialect = FileDialect | DocumentDialect


class Dialects:
    """All that are known, by name."""

    def __init__(self, known: Mapping[str, Dialect]) -> None:
        self.known = known
        self.readers: Mapping[str, Reader] = {
            suffix: one.read
            for one in known.values()
            if isinstance(one, FileDialect)
            for suffix in one.suffixes
        }
        documents = [one for one in known.values() if isinstance(one, DocumentDialect)]
        self._documents = sorted(documents, key=lambda one: one.rank)

    @property
    def described(self) -> tuple[str, ...]:
        """Ends of names of files that describe samples, and have no events themselves."""
        return tuple(sorted(suffix for suffix in self.readers if not content.kind_by_name(suffix)))

    def recognise(self, value: Any, is_here: IsHere = lambda _: False) -> DocumentDialect | None:
        """Return the dialect of a document; None if it is no samples."""
        return next((one for one in self._documents if one.recognises(value, is_here)), None)


class Reading:
    def __init__(self, dialects: Dialects) -> None:
        self.problems: list[Problem] = []
        self.dialects = dialects
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
        readers = self.dialects.readers
        suffixes: Sequence[str] = sorted(readers, key=len, reverse=True)
        found = next((readers[suffix] for suffix in suffixes if name.endswith(suffix)), None)
        # of any name, if it is data
        return found or readers.get(f".{content.kind(path)}")

    def _expected(self) -> str:
        return f"expected {', '.join(sorted(self.dialects.readers))}, a directory or a glob"

    def _subject(self, path: Path, where: str) -> str:
        shown = paths.shown(path)
        return "" if shown == where else f"{shown}: "
