"""The dialects of samples: each is a module of this directory with a `DIALECT`, found because it is here."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from wq_runner.samples.reading import Dialects


@functools.cache
def known() -> Dialects:
    """Return all dialects, by the names of their modules."""
    found = sorted(one.name for one in pkgutil.iter_modules(__path__))
    return Dialects({name: importlib.import_module(f"{__name__}.{name}").DIALECT for name in found})
