"""What tasks have read of the user's files: watched, so that a result is never of two versions of one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wq_runner.errors import ProcessorError
from wq_runner.remote.contents import CODE, FILE, SHIPPED, VARIABLE, hash_of
from wq_runner.run_events import ReadLate

log = logging.getLogger(__name__)


@dataclass
class LateReads:
    """What is known of what a run reads: names with paths, as tasks report them, and hashes.

    `name_of` returns the name that goes on record; `recorded` is what is on record by such names. `shipped`
    has the file here of each that was shipped, by its path there. What only workers see is `unwatched`.
    `ours` is the directory of the run, from which tasks that add results up read what they are given.
    """

    known: dict[str, str] = field(default_factory=dict)
    name_of: Callable[[str], str] = lambda name: name
    recorded: dict[str, str] = field(default_factory=dict)
    unwatched: set[str] = field(default_factory=set)
    shipped: Mapping[str, str] = field(default_factory=dict)
    ours: str = ""

    def take(self, read: Mapping[str, str], host: str) -> list[ReadLate]:
        """Take what a task has read, and return what has to be on record before its result counts.

        Raises
        ------
        ProcessorError
            If something is not what it was in another task, or when the processor was made.
        """
        new = {}
        for told, value in read.items():
            name = self._here(told)
            if self.ours and name.startswith((f"{FILE}{self.ours}/", f"{CODE}{self.ours}/")):
                continue
            before = self.known.get(name)
            if before == value or name in self.unwatched or " " in (before or ""):
                continue  # what has two hashes is of this run only
            if before is None and not _is_here(name, value):
                self.unwatched.add(name)
                continue
            if before is not None or " " in value:
                raise _two(name, host)
            self.known[name] = new[self.name_of(name)] = value
        self.recorded.update(new)
        return [ReadLate(values=new)] if new else []

    def with_end(self, read: Mapping[str, str]) -> dict[str, str]:
        """Return what is on record, and what the end of the processor has read; of two contents both."""
        found = dict(self.recorded)
        for name, value in read.items():
            before = found.get(self.name_of(name), value)
            found[self.name_of(name)] = value if before == value else f"{before} {value}"
        return found

    def _here(self, name: str) -> str:
        """Return the name of something here, if it was shipped from here."""
        kind, shipped, inside = name.partition(SHIPPED)
        if not shipped or kind not in (FILE, CODE):
            return name
        return kind + self.shipped.get(inside, shipped + inside)


def _is_here(name: str, value: str) -> bool:
    """Whether this process can see it change: a file that it sees, a variable that workers have from here."""
    if name.startswith(VARIABLE):
        return hash_of(name) == value
    return os.path.exists(name.removeprefix(FILE).removeprefix(CODE))  # noqa: PTH110


def _two(name: str, host: str) -> ProcessorError:
    if name.startswith(VARIABLE):
        what, differs = f"the variable {name.removeprefix(VARIABLE)}", "is not the same everywhere"
    else:
        what, differs = name.removeprefix(FILE).removeprefix(CODE), "was changed while the run went"
    return ProcessorError(
        f"{what} {differs}: a task on {host} read another content than those before",
        hint="start again: a result is of one version only, and what was done with another is done anew",
    )
