"""Settings that an import makes in its process, and that a chunk must find: none is made for a chunk alone.

A process keeps most of them by itself. Three kinds do not stay: variables of the environment, which a task
has from its worker; those of a thread or context, such as numpy's, which another thread does not have; and
the filters of warnings and numpy's ways with errors that a notebook sets, which is never imported on workers.
"""

from __future__ import annotations

import contextlib
import contextvars
import decimal
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

# as sys.modules, it is of the process: what imports set in their context, which later ones do not set again
_made: dict[contextvars.ContextVar[Any], Any] = {}

_Filter = tuple[str, Any, type[Warning], Any, int]


def of_process() -> dict[str, Any]:
    """Return what a notebook or a script may have set in this process, as data that travels."""
    numpy = sys.modules.get("numpy")
    return {"errors": numpy.geterr() if numpy is not None else {}, "filters": _portable(warnings.filters)}


def _portable(filters: Sequence[Any]) -> list[tuple[str, str | None, str, str | None, int]]:
    return [
        (action, _text(message), f"{kind.__module__}:{kind.__qualname__}", _text(module), line)
        for action, message, kind, module, line in filters
    ]


def _text(pattern: Any) -> str | None:
    found: str | None = getattr(pattern, "pattern", pattern)
    return found


class Settings:
    """What a function's chunks find: made where and when its modules are imported."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        for variable, value in _made.items():
            if variable not in self._context:  # another function's load imported it, maybe in another thread
                self._context.run(variable.set, value)
        self._errors: dict[str, str] = {}
        self._filters: list[_Filter] = []

    def load(self, load: Callable[[], Any]) -> Any:
        """Import something so that what it sets is kept, whatever thread this is."""
        before = dict(self._context.items())
        found = self._context.run(load)
        # what has changed, and what can be changed without being another one
        kept = (one for one in self._context.items() if _is_new(*one, before))
        _made.update(kept)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            self._errors = self._context.run(numpy.geterr)
        return found

    def add(self, given: Mapping[str, Any]) -> None:
        """Add what the manager's process has: of what it says nothing, what is here stays."""
        self._errors = {**self._errors, **given.get("errors", {})}
        self._filters = [found for one in given.get("filters", ()) if (found := _filter(one)) is not None]

    def call(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Call a function in a context of its own, so that no chunk finds what another one set."""
        return self._context.copy().run(self._call, function, item)

    def _call(self, function: Callable[[Any], Any], item: Any) -> Any:
        decimal.setcontext(decimal.getcontext().copy())  # contexts share it, and it can be changed
        numpy = sys.modules.get("numpy")
        with numpy.errstate(**self._errors) if numpy is not None else contextlib.nullcontext():
            return function(item)

    @contextlib.contextmanager
    def warnings(self, show: Callable[..., None], always: str) -> Iterator[None]:
        """Have warnings shown by a function as long as this lasts, as the filters say.

        Those whose text begins with `always` are shown whatever they say.
        """
        with warnings.catch_warnings():
            held = list(warnings.filters)
            ours = [("always", re.compile(always), UserWarning, None, 0)]
            known = {_plain(one) for one in self._filters}
            warnings.filters[:] = [  # type: ignore[index] # a list, whatever its type says
                *ours,
                *self._filters,
                *(one for one in held if _plain(one) not in known),
            ]
            usual = warnings.showwarning
            own = None if getattr(usual, "__module__", "") == "warnings" else usual

            def shown(message: Any, *rest: Any, **more: Any) -> None:
                show(message, *rest, **more)
                if own is not None:  # somebody's, such as logging.captureWarnings
                    own(message, *rest, **more)

            warnings.showwarning = shown
            yield


def _is_new(variable: contextvars.ContextVar[Any], value: Any, before: Mapping[Any, Any]) -> bool:
    return before.get(variable) is not value or isinstance(value, decimal.Context)


def _plain(one: Any) -> tuple[Any, ...]:
    action, message, kind, module, line = one
    return action, _text(message), kind, _text(module), line


def _filter(given: Sequence[Any]) -> _Filter | None:
    """Return a filter that came as data; None if its category is none here."""
    action, message, kind, module, line = given
    where, _, name = kind.partition(":")
    try:
        found: Any = sys.modules[where]
        for part in name.split("."):
            found = getattr(found, part)
    except (KeyError, AttributeError):
        return None
    return action, message and re.compile(message, re.IGNORECASE), found, module and re.compile(module), line
