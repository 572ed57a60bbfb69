"""The facts of a file from where it can be read: its path, or the next of its fallbacks. Runs on workers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass

from wq_runner.model import FileFacts, InputFile
from wq_runner.remote import servers
from wq_runner.remote.opening import Reading
from wq_runner.samples.probe import BadFileError, probe

log = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds without any file that opens
_PLAIN = Reading()


def _note(place: str, reason: str) -> None:
    log.info("read at %s instead: %s", place, reason or "the server of its first place failed lately")


def probe_anywhere(
    file: InputFile,
    *,
    patience: float | None = None,
    elsewhere: Callable[[str, str], None] = _note,
    reading: Reading = _PLAIN,
) -> FileFacts:
    """Return the facts of a file, from the first place where it can be read.

    A server that failed lately is asked last. Where there is another place, each is given `patience` seconds
    for an answer: one may accept connections and never say a word. `elsewhere` is told the place if it is not
    the path, and why.

    Raises
    ------
    BadFileError
        That of its path, if it can be read nowhere.
    """
    if not file.fallbacks:
        return probe(file, reading=reading)
    errors: dict[str, BadFileError] = {}
    for path in sorted((file.path, *file.fallbacks), key=servers.failures):
        try:
            facts = probe(dataclasses.replace(file, path=path), timeout=patience, reading=reading)
        except BadFileError as error:
            servers.note_failure(path)
            errors[path] = error
            continue
        if path != file.path:
            elsewhere(path, errors[file.path].text if file.path in errors else "")
        return facts
    raise errors[file.path] from errors[file.path].__cause__


@dataclass(frozen=True, kw_only=True)
class FileToOpen:
    """The argument of a preprocessing task."""

    number: int
    dataset: str
    file: InputFile
    reading: Reading = _PLAIN

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def treename(self) -> str:
        return self.file.treename


def open_file(item: FileToOpen) -> dict[int, FileFacts]:
    """Do what a preprocessing task does."""
    facts = probe_anywhere(
        item.file, patience=PATIENCE, elsewhere=servers.tell_elsewhere, reading=item.reading
    )
    return {item.number: facts}
