"""The tree of a file, read once for all chunks of a task.

coffea opens the file of each chunk anew, and uproot reads all about the tree's branches again: half a second
for a NanoAOD of 1,500 branches. uproot gives out a tree from its cache of objects for as long as the file
that it came from is open, so this cache keeps one open.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any
from uuid import UUID

from . import abilities, opening
from .failure import ChangedFileError
from .inputs import UNKNOWN, Inputs, state_of

_ARRAYS = "100 MB"  # what uproot keeps of the arrays of a file


class Checked(MutableMapping[str, Any]):
    """uproot's cache of objects, whose keys begin with the uuid of their file: no other file is read.

    `path` is that of the file that is open, as several may have one uuid: ROOT writes zeros where files are
    to be reproducible. `expected` is the uuid of the file that was planned, empty if it is not known.
    """

    def __init__(self, inputs: Inputs | None = None) -> None:
        self.inputs = inputs or Inputs()
        self.path: Any = None
        self.expected = ""
        self._objects: dict[str, Any] = {}

    def __reduce__(self) -> Any:
        return type(self), ()  # what is read lazily may hold it, and travel in a result

    def __getitem__(self, key: str) -> Any:
        self.check(key)
        return self._objects[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if _is_tree(value):
            self.inputs.look(value)
        self._objects[key] = value

    def __delitem__(self, key: str) -> None:
        del self._objects[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def expect(self, item: Any) -> None:
        """Get ready for an item, which may be of another file; not every item says of which."""
        self.path = getattr(item, "filename", None)
        known = getattr(item, "fileuuid", b"")
        is_known = isinstance(known, bytes) and len(known) == 16 and any(known)
        self.expected = str(UUID(bytes=known)) if is_known else ""
        self._objects.clear()

    def check(self, key: str) -> None:
        found = key.partition(":")[0]
        if self.expected and found != self.expected:
            raise ChangedFileError(
                f"it was written anew since it was planned: its uuid is {found} now, not {self.expected}"
            )


class Trees(Checked):
    """The cache of a task: the last tree, with a file of its own that stays open."""

    def __init__(self) -> None:
        super().__init__()
        self.more = False  # whether the next chunk is of the same file
        self._key: tuple[Any, ...] = ()  # path of the file, its state if it is local, and uproot's key
        self._tree: Any = None
        self._seen = UNKNOWN

    def used_by(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return coffea's work function, however wrapped, with this as the cache of the files that it opens.

        Other functions are returned as they are.
        """
        if not isinstance(function, functools.partial):
            return function
        inner = functools.partial(function.func, *map(self.used_by, function.args), **function.keywords)
        given = _arguments(function)
        options = function.keywords.get(abilities.OPTIONS)
        if options is None and isinstance(given.get(abilities.OPTIONS), dict):  # by its place
            options = given.pop(abilities.OPTIONS)
            inner = functools.partial(_by_names, function.func, given)
        if abilities.opens_by_itself(function.func):
            inner = functools.partial(abilities.open_with, inner.func, *inner.args, **inner.keywords)
            options = {}
        if not isinstance(options, dict):
            return inner
        # a file of which coffea is to count what is read must be read for itself
        cache = Checked(self.inputs) if given.get("savemetrics") else self
        reading = _parquet if given.get("format") == "parquet" else _root
        return functools.partial(reading, inner, {"object_cache": cache, **options}, self.inputs)

    def close(self) -> None:
        """Forget the tree, and close its file."""
        tree, self._tree, self._key = self._tree, None, ()
        if tree is not None:
            with contextlib.suppress(Exception):
                tree.file.close()

    def __getitem__(self, key: str) -> Any:
        self.check(key)
        if self._tree is None or self._key != (self.path, state_of(self.path), key):
            raise KeyError(key)
        if self.inputs.is_of_item(self._tree):
            self.inputs.compare(self._seen)
        self._tree.file.array_cache = _ARRAYS  # no chunk needs what others read
        return self._tree

    def __setitem__(self, key: str, value: Any) -> None:
        """Read a tree again, from a file that nobody else closes, if another chunk is going to ask for it."""
        if not _is_tree(value):
            return
        seen = self.inputs.look(value)
        if not self.more:
            return
        import uproot

        self.close()
        with contextlib.suppress(Exception):  # then the next chunk reads it for itself
            file, state = value.file, state_of(self.path)
            directory = uproot.open(
                {file.file_path: None}, object_cache=None, array_cache=_ARRAYS, **file.options
            )
            self._tree, self._seen = directory[value.object_path], seen
            # else there is another file now
            self._key = (self.path, state, key) if self.inputs.look(self._tree) == seen else ()

    def __delitem__(self, key: str) -> None:
        del key
        self.close()

    def __iter__(self) -> Iterator[str]:
        return iter(() if self._tree is None else self._key[2:])

    def __len__(self) -> int:
        return int(self._tree is not None)


def _is_tree(value: Any) -> bool:
    return hasattr(value, "object_path") and hasattr(value, "num_entries")


def _root(function: Callable[..., Any], options: dict[str, Any], inputs: Inputs, item: Any) -> Any:
    """Call coffea's work function with options that also suit the file; those that were given go before."""
    inputs.begin(item)
    if isinstance(cache := options["object_cache"], Checked):
        cache.expect(item)
    suited = {} if "handler" in options else opening.options_for(getattr(item, "filename", None))
    return function(item, uproot_options={**suited, **options})


def _by_names(
    function: Callable[..., Any], given: Mapping[str, Any], item: Any, *, uproot_options: dict[str, Any]
) -> Any:
    """Call a function with arguments by their names; the item is what is left."""
    options = {abilities.OPTIONS: uproot_options}
    left = next(name for name in inspect.signature(function).parameters if name not in {*given, *options})
    return function(**given, **options, **{left: item})


def _parquet(function: Callable[..., Any], options: dict[str, Any], inputs: Inputs, item: Any) -> Any:
    """Call coffea's work function for a parquet file, which uproot does not open."""
    inputs.begin(item)
    inputs.look_at_parquet(item.filename)
    return function(item, uproot_options=options)


def _arguments(function: functools.partial[Any]) -> dict[str, Any]:
    """Return what a function is given so far, by name; nothing where that cannot be told."""
    try:
        given = inspect.signature(function.func).bind_partial(*function.args, **function.keywords)
    except (TypeError, ValueError):
        return {}
    return dict(given.arguments)
