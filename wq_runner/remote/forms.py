"""The form of a tree's events, made once for all chunks that are read of one tree.

coffea asks each branch for each chunk anew what its arrays look like: 0.04 s for a NanoAOD of 1,500 branches,
0.11 s with coffea 0.7. The tree of a file stays for its chunks (`trees`), and what was found of it stays too.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

_NAME = "_extract_base_form"
_TYPES = "typenames"


class Forms:
    """What coffea found of the one tree that `tree` returns, None if it is not going to be asked again."""

    def __init__(self, tree: Callable[[], Any]) -> None:
        self._current = tree
        self._tree: Any = None
        self._packed = b""
        self._named: Any = None
        self._names: dict[str, str] = {}
        self._answering: Any = None

    def of(self, tree: Any, make: Callable[[], Any]) -> Any:
        """Return the form of a tree: a copy of its own, as a schema may change what it is given."""
        if tree is not self._current():
            return make()
        if tree is not self._tree:
            made = make()
            self._tree, self._packed = tree, pickle.dumps(made, protocol=pickle.HIGHEST_PROTOCOL)
            return made
        return pickle.loads(self._packed)

    def begin(self, tree: Any) -> None:
        """Have a tree answer what the types of its branches are called, as newer coffeas ask of it."""
        ask = getattr(tree, _TYPES, None)
        if ask is None or tree is self._answering:
            return
        self.end()
        if tree is not self._named:
            self._named, self._names = tree, {}

        def typenames(*args: Any, **options: Any) -> Any:
            if args or options:
                return ask(*args, **options)
            if not self._names:
                self._names = ask()
            return dict(self._names)

        setattr(tree, _TYPES, typenames)
        self._answering = tree

    def end(self) -> None:
        """Leave the tree as it was: results may hold it, and travel."""
        if self._answering is not None:
            delattr(self._answering, _TYPES)
            self._answering = None

    def clear(self) -> None:
        """Forget the tree."""
        self.end()
        self._tree, self._packed = None, b""
        self._named, self._names = None, {}


_forms: ContextVar[Forms | None] = ContextVar("forms", default=None)


@contextlib.contextmanager
def kept_by(forms: Forms) -> Iterator[None]:
    """Have this keep the forms that coffea makes meanwhile, in this thread."""
    _install()
    before = _forms.set(forms)
    try:
        yield
    finally:
        _forms.reset(before)


@functools.cache
def _install() -> None:
    """Ask what is kept before coffea makes a form; where nothing is kept, all is as it was.

    coffea has no place for this: what makes events takes a file and gives it to its own mapping.
    """
    from coffea.nanoevents.mapping import UprootSourceMapping

    original = vars(UprootSourceMapping).get(_NAME)
    if not isinstance(original, classmethod):
        return  # another coffea, which makes forms otherwise

    def form(mapping: type[Any], /, tree: Any, *more: Any, **options: Any) -> Any:
        forms = _forms.get()
        make = functools.partial(original.__func__, mapping, tree, *more, **options)
        chosen = any(more) or any(options.values())  # a part of the branches
        return make() if forms is None or chosen else forms.of(tree, make)

    setattr(UprootSourceMapping, _NAME, classmethod(form))
