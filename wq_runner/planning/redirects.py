"""Where the input is read: as the samples say, as `--redirector` says, and where the workers' site looks."""

from __future__ import annotations

from wq_runner.config.settings import InputSettings
from wq_runner.model import Fileset
from wq_runner.samples.redirect import redirected, with_places


def placed(fileset: Fileset, settings: InputSettings) -> Fileset:
    """Return the files with the names under which this run reads them.

    Raises
    ------
    UsageError
        If a redirector cannot be used.
    """
    return with_places(redirected(fileset, settings.redirector), settings.redirectors)
