"""Which columns of files workers keep, as it is asked for."""

from __future__ import annotations

from wq_runner import units
from wq_runner.errors import ExecutorArgumentError
from wq_runner.remote.columns import AUTO, NOTHING, OFF, Wish


def wish(text: str) -> Wish:
    """Return what travels to workers for ``off``, ``auto``, ``SIZE`` or ``DIR[:SIZE]``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    try:
        text = units.column_cache(text)
    except ValueError as error:
        raise ExecutorArgumentError(f"column cache: {error}") from error
    if text == OFF:
        return NOTHING
    if text == AUTO:
        return Wish(mode=AUTO)
    directory, limit = units.column_place(text)
    return Wish(mode="on", directory=directory, limit=units.size(limit) if limit else None)
