"""The analysis's own modules as the manager imported them, and the finder that serves exactly these.

Their texts travel with the function. So whatever is edited while a run goes, all tasks run one code; and what
a module does when it is imported happens where tasks run. Each has the `__file__` that it had, where
that is here, else the place of its copy, so that the files beside it are found.

In the manager the finder serves nothing: it notes the text of what is imported, so that the text that travels
is the one that ran.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import linecache
import marshal
import os
import pickle
import sys
import sysconfig
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from .reads import recorder

_PACKAGES = frozenset({"site-packages", "dist-packages"})
# of a compiled file that is checked by the hash of its source: https://peps.python.org/pep-0552
_HASHED = importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little")


class Pin(NamedTuple):
    """A module: its file on the manager, its text, and, of a package, where it looks for what is in it.

    A namespace has neither file nor text.
    """

    file: str
    text: bytes | None
    locations: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a function needs of the analysis: its modules, and which are imported before it is unpickled.

    `paths` come first where modules are looked for, and are those of a file system that workers share with
    the manager; `apart` are packages that are never the analysis's, wherever they lie.
    """

    pins: Mapping[str, Pin] = field(default_factory=lambda: MappingProxyType({}))
    named: Sequence[str] = ()
    paths: Sequence[str] = ()
    apart: frozenset[str] = frozenset()

    @property
    def places(self) -> tuple[str, ...]:
        """The paths that have these modules, first to last; others come and go."""
        tops = [pin for name, pin in self.pins.items() if "." not in name]
        inside = [one for pin in tops for one in pin.locations or (pin.file,)]  # of their directories
        homes = {str(Path(one).parent) for one in inside}
        return tuple(dict.fromkeys(path for path in self.paths if path in homes))

    def pack(self) -> bytes:
        """Write it without a class of this package, which has another name on workers."""
        pins = {name: tuple(pin) for name, pin in self.pins.items()}
        found = (pins, tuple(self.named), tuple(self.paths), sorted(self.apart))
        return zlib.compress(pickle.dumps(found), 1)

    @classmethod
    def unpack(cls, data: bytes) -> Code:
        """Read what `pack` wrote."""
        pins, named, paths, apart = pickle.loads(zlib.decompress(data))
        return cls(
            pins={name: Pin(*pin) for name, pin in pins.items()},
            named=named,
            paths=paths,
            apart=frozenset(apart),
        )


# -- whose a module is


def own_path(file: str) -> Path | None:
    """Return the path of a source file, None of one of an installed package."""
    if not file.endswith(".py"):
        return None
    directory, name = os.path.split(file)
    place = _own_place(directory)
    return None if place is None else place / name


@functools.cache  # a process has thousands of modules, in some hundred directories
def _own_place(directory: str) -> Path | None:
    """Return a directory without links, None of one of installed packages."""
    path = Path(directory).resolve()
    if _PACKAGES.intersection(path.parts):
        return None  # of another stack too, which PYTHONPATH may bring
    return None if any(path.is_relative_to(place) for place in _installed()) else path


@functools.cache
def _installed() -> tuple[Path, ...]:
    places = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(dict.fromkeys(place.resolve() for place in (*places, Path(__file__).parents[1])))


def text_of(module: ModuleType) -> bytes | None:
    """Return the text that a module was made of; None if it did not come from here."""
    text = getattr(getattr(module.__spec__, "loader", None), "text", None)
    return text if isinstance(text, bytes) else None


# -- finding and loading


class Loader(SourceFileLoader):
    """Loads a module from its text: the pinned one, else what is in its file when it is loaded."""

    def __init__(self, name: str, path: str, text: bytes | None = None, file: str | None = None) -> None:
        super().__init__(name, path)
        self.text = text
        self._file = file or path  # on the manager
        self._pinned = text is not None

    def get_data(self, path: str) -> bytes:
        if path == self.path and self.text is not None:
            return self.text
        return super().get_data(path)

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002 - the protocol's
        """Return the code of the text.

        Python takes what it compiled for that of a file if size and time, in seconds, agree: it does not see
        a second edit in a second. So it is kept with the hash of the text.
        """
        with recorder.quiet():
            if not self._pinned:
                self.text = super().get_data(self.path)
            text = self.text or b""
            recorder.imported(self._file, text, pinned=self._pinned)
            return self._code(text)

    def _code(self, text: bytes) -> Any:
        with contextlib.suppress(SyntaxError, UnicodeDecodeError):
            lines = importlib.util.decode_source(text).splitlines(keepends=True)
            # for tracebacks, as if it had been looked up: there may be no such file, or another by then
            linecache.cache[self.path] = (len(text), None, lines, self.path)
        head = _HASHED + importlib.util.source_hash(text)
        place = ""  # without tags of implementations there is none
        try:
            place = importlib.util.cache_from_source(self.path)
            data = Path(place).read_bytes()
        except (OSError, NotImplementedError):
            data = b""
        if data.startswith(head):
            with contextlib.suppress(ValueError, EOFError, TypeError):
                code = marshal.loads(data[len(head) :])
                if code.co_filename == self.path:
                    return code
        code = self.source_to_code(text, self.path)
        if place and not sys.dont_write_bytecode and os.path.exists(self.path):  # noqa: PTH110 - the name as it is
            self.set_data(place, head + marshal.dumps(code))
        return code


class Finder:
    """Stands before all other finders, serves what is pinned, and sees which own modules are imported."""

    def __init__(self) -> None:
        self.code = Code()
        self.own: set[str] = set()
        self._asking = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, as any finder of `sys.meta_path`."""
        asking: set[str] = self._asking.__dict__.setdefault("names", set())
        if name in asking:
            return None  # by another finder that asks all others
        asking.add(name)
        try:
            pin = self.code.pins.get(name)
            if pin is not None:
                return self._pinned(name, pin, path)
            return self._noted(name, _others(self, name, path, target))
        finally:
            asking.discard(name)

    def invalidate_caches(self) -> None:
        """Do nothing: nothing is cached."""

    def _pinned(self, name: str, pin: Pin, path: Sequence[str] | None) -> ModuleSpec | None:
        self.own.add(name)
        # a copy of the code has the files beside it, where there is one; else they are where they were
        there = self.code.paths and pin.text is not None and os.path.exists(pin.file)  # noqa: PTH110
        found = None if there else _others(self, name, path, None)
        is_package = pin.locations is not None
        if found is not None and (found.submodule_search_locations is not None) != is_package:
            found = None
        if pin.text is None:
            return found or _namespace(name, pin)
        file, locations = pin.file, list(pin.locations) if pin.locations is not None else None
        if found is not None and found.origin is not None and found.origin.endswith(".py"):
            file, locations = found.origin, found.submodule_search_locations
        loader = Loader(name, file, pin.text, pin.file)
        return importlib.util.spec_from_file_location(
            name, file, loader=loader, submodule_search_locations=locations
        )

    def _noted(self, name: str, spec: ModuleSpec | None) -> ModuleSpec | None:
        if spec is None or name.partition(".")[0] in self.code.apart:
            return spec
        if type(spec.loader) is SourceFileLoader and spec.origin and own_path(spec.origin) is not None:
            spec.loader = Loader(name, spec.origin)
            self.own.add(name)
        elif spec.origin is None and _is_own(spec.submodule_search_locations or ()):
            self.own.add(name)
        return spec


def _is_own(places: Iterable[str]) -> bool:
    """Whether a namespace, by its directories, is the analysis's."""
    found = [own_path(f"{place}/__init__.py") for place in places]
    return bool(found) and None not in found


def _others(
    this: Finder, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in tuple(sys.meta_path):
        if finder is not this and (find := getattr(finder, "find_spec", None)) is not None:
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
    return None


def _namespace(name: str, pin: Pin) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = list(pin.locations or ())
    return spec


finder = Finder()
"""That of this process, as `sys.modules` is."""


def install() -> Finder:
    """Put the finder before all others, and return it."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
    return finder


# -- whose modules this process has


@dataclass
class _World:
    """The modules of one code while a process has those of another, and where it looks for modules."""

    places: Sequence[str] | None
    pins: dict[str, Pin]
    path: list[str]
    modules: dict[str, ModuleType] = field(default_factory=dict)

    def fits(self, code: Code) -> bool:
        """Whether these modules are those of the code, as far as both have them."""
        if self.places is not None and self.places != code.places:
            return False
        return all(self.pins.get(name, pin) == pin for name, pin in code.pins.items())

    def leave(self) -> None:
        for name in {*self.pins, *finder.own} & sys.modules.keys():
            self.modules[name] = sys.modules.pop(name)
        self.path = list(sys.path)
        finder.own.clear()

    def come(self) -> None:
        sys.path[:] = self.path
        sys.modules.update(self.modules)
        finder.own.update(self.modules)
        self.modules.clear()
        importlib.invalidate_caches()


_MOST = 4  # as many functions are kept
_NOTHING = Pin("", b"")


class _Process:
    """What this process has imported, and for whom; the last of the worlds is the one that it is in."""

    def __init__(self) -> None:
        self.home = 0  # the process of the manager, if it is this one
        self.depth = 0
        self.path: list[str] = []
        self.worlds: list[_World] = []

    def enter(self, code: Code) -> None:
        """Let this process have the modules of a code, and none of another."""
        install()
        if not self.worlds:
            self.path = list(sys.path)
            self.worlds.append(_as_it_is(code))
        if not self.worlds[-1].fits(code):
            self.worlds[-1].leave()
            for name in code.pins:
                sys.modules.pop(name, None)  # of somebody who never came by here
            found = next((one for one in self.worlds if one.fits(code)), None)
            if found is None:
                found = _World(places=code.places, pins={}, path=list(self.path))
            self.worlds = [*[one for one in self.worlds if one is not found][-_MOST + 1 :], found]
            found.come()
        world = self.worlds[-1]
        world.places = code.places
        world.pins.update(code.pins)
        sys.path[:0] = [entry for entry in code.paths if entry not in sys.path]
        finder.code = code


def _as_it_is(code: Code) -> _World:
    """Return what this process has: as the copy of a manager, or with modules that others imported."""
    pins = {}
    for name, pin in code.pins.items():
        module = sys.modules.get(name)
        if module is not None and pin.text is not None:
            pins[name] = pin if _is(module, pin) else _NOTHING
    return _World(places=None, pins=pins, path=list(sys.path))


def _is(module: ModuleType, pin: Pin) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or (file != pin.file and os.path.exists(pin.file)):  # noqa: PTH110
        return False
    text = text_of(module)
    if text is None:
        try:
            text = Path(file).read_bytes()
        except OSError:
            return False
    return text == pin.text


_process = _Process()


def at_home(apart: frozenset[str]) -> None:
    """Note that this process is the manager: it has the modules, and notes what is imported."""
    if _process.home != os.getpid():
        _process.home = os.getpid()
        install().code = Code(apart=apart)


@contextlib.contextmanager
def inside(code: Code) -> Iterator[None]:
    """Have the modules of a code; in the manager, those that are imported now are among them."""
    if os.getpid() != _process.home:
        _process.enter(code)
        yield
        return
    finder.code, _process.depth = code, _process.depth + 1
    try:
        yield
    finally:
        _process.depth -= 1
        if not _process.depth:
            finder.code = Code(apart=code.apart)
