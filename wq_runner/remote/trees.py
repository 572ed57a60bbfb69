"""The tree of a file, read once for all chunks of a task.

coffea opens the file of each chunk anew, and uproot reads all about the tree's branches again: half a second
for a NanoAOD of 1,500 branches. uproot gives out a tree from its cache of objects for as long as the file
that it came from is open, so this cache keeps that one open: see `lent`. The next file of a server is opened
while a chunk is computed, and what a chunk reads of it comes in one request: see `following` and `ahead`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import abilities, columns, identity, servers, several
from .ahead import Ahead
from .checked import Checked, is_tree
from .failure import ChangedFileError
from .following import Following
from .forms import Forms, kept_by
from .inputs import UNKNOWN, Inputs, Known, state_of
from .opening import HANDLERS, Reading, is_of_server

if TYPE_CHECKING:
    from .lent import Kept


@dataclass(frozen=True)
class _Opened:
    """A tree of a file of a server, the key by which uproot's cache knows it, and what it is."""

    kept: Kept
    tree: Any
    key: str
    seen: Known


class Trees(Checked):
    """The cache of a task: the last tree, with a file that stays open, and the file of the next item.

    `told` are the columns of each dataset that its chunks read, as far as is known; `learned` are others.
    """

    def __init__(self, reading: Reading | None = None) -> None:
        super().__init__()
        self.reading = reading or Reading()
        self.told: Mapping[str, Collection[str]] = {}
        self.learned: dict[str, set[str]] = {}
        self._item: Any = None
        self._more = False  # whether the next chunk is of the same file
        self._next: Any = None  # the next item, if it is of another file
        self._key = ""  # uproot's, of the tree
        self._tree: Any = None
        self._seen = UNKNOWN
        self._kept: Kept | None = None  # the file of the item
        self._file: tuple[Any, Any] = ("", None)  # its path as items have it, and its state if it is local
        self._reader: Any = None  # uproot's class that it is read by, if one was chosen
        self._options: dict[str, Any] = {}  # that it was opened with
        self._following: Following[_Opened] | None = None
        self._shared: several.Shared | None = None  # arrays of a chunk that is meant for more than one
        self._forms = Forms(lambda: self._tree)

    def plan(self, item: Any, after: Any) -> None:
        """Get ready for an item, and for the one after it, None if there is none."""
        self._more = after is not None and path_of(after) == path_of(item)
        self._next = None if self._more else after
        chunk = several.chunk_of(item)
        is_last = after is None or several.chunk_of(after) != chunk
        if self._shared is not None and self._shared.chunk != chunk:
            self._shared = None
        if self._shared is None and chunk is not None and not is_last:
            self._shared = several.Shared(chunk)
        if self._shared is not None:
            self._shared.is_last = is_last

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
        if given.get("format") == "parquet":
            return functools.partial(_parquet, inner, options, self.inputs)
        # a file of which coffea is to count what is read must be read for itself
        cache = Checked(self.inputs, self.columns) if given.get("savemetrics") else self
        return functools.partial(_root, inner, {"object_cache": cache, **options}, self)

    def close(self) -> None:
        """Forget the tree, and close its file."""
        tree, self._tree = self._tree, None
        self._forms.clear()
        kept, self._kept = self._kept, None
        if self._shared is not None:
            self._shared.clear()  # what comes may be another file
        if tree is not None:
            with contextlib.suppress(Exception):
                tree.file.close()
        if kept is not None:
            kept.close()

    def end(self) -> None:
        """Close what is open and what is being opened."""
        self.close()
        if self._following is not None:
            self._following.drop()

    def expect(self, item: Any) -> None:
        super().expect(item)
        self._item = item
        self.inputs.begun = self._open_next
        if self._file[0] != self.path:
            self.close()

    def __getitem__(self, key: str) -> Any:
        self.check(key)
        if self._tree is None or self._key != key:
            raise KeyError(key)
        if self.inputs.is_of_item(self._tree):
            self.inputs.compare(self._seen)
        self._tree.file.array_cache = columns.ARRAYS  # no chunk needs what others read
        self._keep_columns(self._tree, self._seen)
        self._share_columns(self._tree)
        self._foresee(self._tree)
        self._forms.begin(self._tree)
        return self._tree

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a tree if another chunk is going to ask for it, with a file that nobody else closes."""
        if not is_tree(value):
            return
        seen = self.inputs.look(value)
        self._keep_columns(value, seen)
        self._share_columns(value)
        self._foresee(value)
        if self._more and self._kept is not None:
            self._tree, self._seen, self._key = value, seen, key
            self._forms.begin(value)

    def _share_columns(self, tree: Any) -> None:
        """Read the arrays of a chunk once for all processors that it is meant for."""
        if self._shared is not None and self.inputs.is_of_item(tree):
            tree.file.array_cache = self._shared.before(tree.file.array_cache)

    def __delitem__(self, key: str) -> None:
        del key
        self.close()

    def __iter__(self) -> Iterator[str]:
        return iter(() if self._tree is None else (self._key,))

    def __len__(self) -> int:
        return int(self._tree is not None)

    # -- files that stay open

    def call(self, function: Callable[..., Any], item: Any, options: dict[str, Any]) -> Any:
        """Call a function that opens the file of an item with options: one that stays open."""
        from . import lent

        name = lent.option(self.path)
        self._reader = options.get(name)
        try:
            with lent.by(self), kept_by(self._forms):
                out = function(item, uproot_options={**options, name: lent.Lent})
            if self._kept is not None:
                self._kept.confirm()
        except BaseException as error:
            kept, self._kept = self._kept, None
            self.close()  # who tries once more opens it anew
            try:
                if kept is not None:
                    with contextlib.closing(kept):
                        _blame_change(kept, error)
                raise
            except ChangedFileError:
                self.columns.forget()  # some may be those of the other file
                raise
        self._forms.end()
        self._done(item)
        return out

    def lend(self, path: str, options: dict[str, Any]) -> Kept:
        """Return the file of the item, which may be open: see `lent.Lender`."""
        from . import lent

        self._options = {**options, lent.option(path): self._reader}
        kept, file = self._kept, (self.path, state_of(self.path))
        if kept is not None and kept.path == path and self._file == file and not kept.source.closed:
            return kept
        self.close()
        following, self._following = self._following, None
        opened = following.take() if following is not None and following.path == path else None
        if following is not None:
            following.drop()
        self._file = file
        if opened is None:
            self._kept = lent.Kept(path, lent.real(path, self._options))
        else:
            self._kept, self._tree, self._seen = opened.kept, opened.tree, opened.seen
            self._key = opened.key
        return self._kept

    def _open_next(self) -> None:
        """Open the file of the next item, now that the processor has begun with this one."""
        item, self._next = self._next, None
        path, treename = path_of(item), getattr(item, "treename", "")
        if not (self.reading.ahead and self._is_far and is_of_server(path) and treename):
            return
        if self._following is not None or servers.failures(path):
            return
        opening = functools.partial(_open, path, treename, self._options)
        self._following = Following(path, opening, lambda opened: opened.kept.close())

    @property
    def _is_far(self) -> bool:
        """Whether the item's file stays open, and is one of a server."""
        return self._kept is not None and is_of_server(self.path)

    def _foresee(self, tree: Any) -> None:
        """Have the columns of the item come together, and look at what else is asked for."""
        if self._kept is None or not (self._is_far and self.inputs.is_of_item(tree)):
            return
        dataset = getattr(self._item, "dataset", "")
        names = {*self.told.get(dataset, ()), *self.learned.get(dataset, ())}
        stop = getattr(self._item, "entrystop", None)
        if stop is not None and (names or self.reading.learning):
            self._kept.ahead = Ahead(tree, names, self._item.entrystart, stop)

    def _done(self, item: Any) -> None:
        """Learn from what was read for an item."""
        ahead = self._kept.ahead if self._kept is not None else None
        if ahead is None or self._kept is None:
            return
        self._kept.ahead = None
        found = ahead.unforeseen()
        if found and self.reading.learning:
            self.learned.setdefault(getattr(item, "dataset", ""), set()).update(found)


def _blame_change(kept: Kept, error: BaseException) -> None:
    """Say that a file was written anew, if that is why something failed that was read of it."""
    try:
        kept.confirm()
    except ChangedFileError as change:
        raise change from error
    except Exception:
        return  # it was something else


class _Only:
    """Lends one file."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def lend(self, path: str, options: dict[str, Any]) -> Kept:
        del path, options
        return self._kept


def _open(path: str, treename: str, options: dict[str, Any]) -> _Opened:
    """Open a file as one before it was, and read about its tree."""
    import uproot

    from . import lent

    kept = lent.Kept(path, lent.real(path, options))
    try:
        objects: dict[str, Any] = {}
        with lent.by(_Only(kept)):
            lending = {**options, lent.option(path): lent.Lent}
            directory = uproot.open({path: None}, object_cache=objects, array_cache=columns.ARRAYS, **lending)
        tree = directory[treename]
        key = next(key for key, one in objects.items() if one is tree)
        tree.file.object_cache = None
        seen = identity.of_root(tree).hex(), int(tree.num_entries)
    except BaseException:
        kept.close()
        raise
    kept.is_fresh = True
    return _Opened(kept, tree, key, seen)


def path_of(item: Any) -> Any:
    return getattr(item, "filename", item)  # what is no chunk has no neighbours


def _root(function: Callable[..., Any], options: dict[str, Any], trees: Trees, item: Any) -> Any:
    """Call coffea's work function with options that also suit the file; those that were given go before."""
    trees.inputs.begin(item)
    cache, path = options["object_cache"], path_of(item)
    if isinstance(cache, Checked):
        cache.expect(item)
    if not any(name in options for name in HANDLERS):
        options = {**trees.reading.options_for(path), **options}
    if cache is trees and isinstance(path, str):
        return trees.call(function, item, options)
    return function(item, uproot_options=options)


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
