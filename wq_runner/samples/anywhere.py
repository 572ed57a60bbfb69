"""The facts of a file from wherever it can be read: its path, or the next of its fallbacks."""

from __future__ import annotations

import dataclasses

from wq_runner.model import FileFacts, InputFile
from wq_runner.remote import servers
from wq_runner.samples.probe import BadFileError, probe


def probe_anywhere(file: InputFile, *, patience: float | None = None) -> FileFacts:
    """Return the facts of a file, from the first place where it can be read.

    A server that failed lately is asked last. Where there is another place, each is given `patience` seconds
    for an answer: one may accept connections and never say a word.

    Raises
    ------
    BadFileError
        That of its path, if it can be read nowhere.
    """
    if not file.fallbacks:
        return probe(file)
    errors: dict[str, BadFileError] = {}
    for path in sorted((file.path, *file.fallbacks), key=servers.failures):
        try:
            return probe(dataclasses.replace(file, path=path), timeout=patience)
        except BadFileError as error:
            servers.note_failure(path)
            errors[path] = error
    raise errors[file.path] from errors[file.path].__cause__
