"""The facts of a file from wherever it can be read: its path, or the next of its fallbacks."""

from __future__ import annotations

import dataclasses

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples.probe import BadFileError, probe


def probe_anywhere(file: InputFile) -> FileFacts:
    """Return the facts of a file, from the first place where it can be read.

    Raises
    ------
    BadFileError
        That of its path, if it can be read nowhere.
    """
    try:
        return probe(file)
    except BadFileError as error:
        for path in file.fallbacks:
            try:
                return probe(dataclasses.replace(file, path=path))
            except BadFileError:
                continue
        raise error from error.__cause__
