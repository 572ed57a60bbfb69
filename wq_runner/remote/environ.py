"""The environment of a task: what its worker gives it, and what the analysis changed when it was imported."""

from __future__ import annotations

import os
from collections.abc import Mapping

Changes = Mapping[str, str | None]
"""Variables with the values that they were given; None for those that were removed."""


def changed(before: Mapping[str, str]) -> dict[str, str | None]:
    """Return what has become of the environment since."""
    now = dict(os.environ)
    gone: dict[str, str | None] = {name: None for name in before if name not in now}
    return {**gone, **{name: value for name, value in now.items() if before.get(name) != value}}


def set_environment(given: Mapping[str, str], changes: Changes) -> None:
    """Make the environment that of a task, with what was changed on import.

    What is as it should be is left alone: to set it anew would take it out of the hands of C.
    """
    wanted = {**given, **changes}
    for name, value in wanted.items():
        if value is not None and os.environ.get(name) != value:
            os.environ[name] = value
    for name in tuple(os.environ):
        if wanted.get(name) is None:
            del os.environ[name]
