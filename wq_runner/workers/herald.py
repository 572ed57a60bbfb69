"""Telling a catalog at once how many workers a run has; the engine by itself does so once a minute.

A factory counts workers that it has started, and the catalog has not heard of, as on their way, and starts
none meanwhile: so each of its steps would take up to a minute more, `max-workers` edited by hand too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from wq_runner.errors import EngineError
from wq_runner.workers import catalog
from wq_runner.workers.catalog import Address

INTERVAL = 5.0  # seconds between two tellings
PAUSE = 60.0  # after a catalog did not answer
_TIMEOUT = 2.0
_ITS_OWN = ("name", "address", "lastheardfrom")  # what a catalog adds to a record


def audience(option: str | None) -> Address | None:
    """Return the catalog to tell: one that was chosen, not the public one, which serves everybody."""
    if option is None and not os.environ.get("CATALOG_HOST"):
        return None
    return catalog.chosen(option)


class Herald:
    """Looks at the numbers again and again, and sends the engine's own record with the new ones."""

    def __init__(
        self, address: Address, name: str, port: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._query = f'type=="wq_master" && project=="{name}" && port=={port}'
        self._clock = clock
        self._told: Mapping[str, int] = {}
        self._next = 0.0

    def look(self, numbers: Mapping[str, int]) -> None:
        """Tell the numbers, by the engine's names for them, if they changed and it is time."""
        if numbers == self._told or self._clock() < self._next:
            return
        try:
            found = catalog.records(self._address, self._query, timeout=_TIMEOUT)
        except EngineError:
            self._next = self._clock() + PAUSE
            return
        self._next = self._clock() + INTERVAL
        if found:  # else the engine has not introduced itself yet
            kept = {key: value for key, value in found[0].items() if key not in _ITS_OWN}
            catalog.tell(self._address, {**kept, **numbers})
            self._told = dict(numbers)
