"""Random numbers of a chunk: they follow from its dataset, file and range, and from the run's seed.

A process that is a copy of another has the state of its generators, and so has what was pickled. Left alone,
tasks would draw the same numbers. So before each chunk all generators that can be found are seeded anew: the
global ones of the libraries that are loaded, and those that modules of the analysis and its processor keep.
Whoever seeds in ``process`` has the last word.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import pickle
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from . import keepers

PARTS = ("dataset", "filename", "treename", "entrystart", "entrystop")
"""What a chunk is told by from others."""

_BESIDE = frozenset({"distributed", "dask", "tornado", "parsl"})

LARGE = 2000  # objects of a module: it is looked through once for all chunks

_MARK = 0x77715F72  # begins the entropy of a generator that was seeded here
_FROM_SYSTEM = 96  # bits: whoever gives a seed by hand gives a shorter one
_KEY = "_wq_runner_key"

# generators of libraries, by package and class: how each is seeded, and with how many bits
_OTHERS = (
    ("torch", "Generator", "manual_seed", 63),
    ("tensorflow", "Generator", "reset_from_seed", 63),
    ("cupy", "RandomState", "seed", 32),
    ("cppyy", "TRandom", "SetSeed", 32),
    ("ROOT", "TRandom", "SetSeed", 32),
)


@dataclass(frozen=True)
class Draw:
    """What a chunk draws its numbers from; the same for the same chunk, whoever processes it, and when."""

    key: bytes

    @classmethod
    def of(cls, item: Any, seed: int | None = None) -> Draw:
        if all(hasattr(item, name) for name in PARTS):
            content = json.dumps([seed, *(getattr(item, name) for name in PARTS)], default=str).encode()
        else:
            content = json.dumps([seed]).encode() + _bytes(item)
        return cls(hashlib.blake2b(content, digest_size=16).digest())

    def number(self, what: str, bits: int) -> int:
        """Return a number for one generator; never 0, by which some mean the clock."""
        found = hashlib.blake2b(self.key + what.encode(), digest_size=32).digest()
        return int(int.from_bytes(found, "little") % (2**bits - 1) + 1)


def _bytes(item: Any) -> bytes:
    try:
        return pickle.dumps(item)
    except Exception:
        return repr(item).encode()


@dataclass
class Seeder:
    """Seeds what it finds, chunk by chunk; `names` are modules of the analysis, however they came here."""

    seed: int | None = None
    names: frozenset[str] = frozenset()
    modules: keepers.Modules = field(default_factory=keepers.Modules)
    _large: dict[str, tuple[Any, list[tuple[str, Any]]]] = field(default_factory=dict)

    def prepare(self, item: Any, processor: Any = None) -> None:
        """Seed all generators for an item, those that its processor keeps among them."""
        keep_others_off()
        draw = Draw.of(item, self.seed)
        for name, seed in _GLOBAL.items():
            module = sys.modules.get(name)
            if module is not None:
                with contextlib.suppress(Exception):  # it is only half imported, or another release
                    seed(module, draw)
        seen_states: dict[bytes, str] = {}
        for place, generator in self._kept(processor):
            with contextlib.suppress(Exception):  # one of somebody's own, which takes no seed
                _seed(generator, draw, place, seen_states)

    def _kept(self, processor: Any) -> Iterator[tuple[str, Any]]:
        search = keepers.Search(is_generator)
        for name, root in self.modules.own(self.names, processor):
            yield from self._of_module(search, name, root)
        if processor is not None:
            yield from search.below("processor", processor)[0]

    def _of_module(
        self, search: keepers.Search, name: str, root: dict[str, Any]
    ) -> Iterable[tuple[str, Any]]:
        if (known := self._large.get(name)) is not None and known[0] is root:
            return [*known[1], *search.directly(name, root)]
        found, looked = search.below(name, root)
        if looked > LARGE:
            self._large[name] = root, found
        return found


@functools.lru_cache(maxsize=1)
def keep_others_off() -> None:
    """Give libraries whose threads live beside chunks a generator of their own, once in a process.

    A worker of Dask draws megabytes for a benchmark, while a chunk expects the numbers that follow its seed.
    """
    own = random.Random()
    apart = ModuleType("random")
    vars(apart).update(vars(random))
    for name in (one for one in random.__all__ if hasattr(own, one)):
        setattr(apart, name, getattr(own, name))
    for name, module in tuple(sys.modules.items()):
        if name.partition(".")[0] in _BESIDE and getattr(module, "random", None) is random:
            vars(module)["random"] = apart


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Give the global generators back as they were: they are the user's, where chunks run in his process."""
    numpy = sys.modules.get("numpy")
    legacy = numpy.random.mtrand._rand if numpy is not None else None
    mine, numpys = random.getstate(), legacy and legacy.get_state(legacy=False)
    try:
        yield
    finally:
        random.setstate(mine)
        if legacy is not None:
            legacy.set_state(numpys)


def is_generator(value: Any) -> bool:
    """Whether it is something that draws random numbers from a state of its own."""
    kind: Any = type(value)
    return _draws(kind) and not _is_global(value)


def _is_global(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and value is numpy.random.mtrand._rand


@functools.lru_cache(maxsize=10_000)
def _draws(kind: Any) -> bool:
    if issubclass(kind, random.Random):
        return not issubclass(kind, random.SystemRandom)
    if (numpy := sys.modules.get("numpy")) is not None:
        kinds = numpy.random
        if issubclass(kind, kinds.Generator | kinds.RandomState | kinds.BitGenerator | kinds.SeedSequence):
            return True
    return _other(kind) is not None


def _other(kind: type) -> tuple[str, int] | None:
    for base in kind.__mro__:
        package = str(base.__module__).partition(".")[0]
        for where, name, method, bits in _OTHERS:
            if package == where and base.__name__ == name:
                return method, bits
    return None


# -- the global ones


def _seed_numpy(numpy: Any, draw: Draw) -> None:
    state = numpy.random.mtrand._rand
    words = [draw.number(f"numpy {number}", 32) for number in range(4)]
    try:
        state.seed(words)
    except TypeError:  # somebody set another kind of bits
        _seed_legacy(state, draw.number("numpy", 128), 0)


def _seed_numba(numba: Any, draw: Draw) -> None:
    # what compiled code draws from has a state of its own in each thread
    helper = numba._helperlib
    helper.rnd_seed(helper.rnd_get_np_state_ptr(), draw.number("numba numpy", 32))
    helper.rnd_seed(helper.rnd_get_py_state_ptr(), draw.number("numba random", 32))


_GLOBAL: dict[str, Callable[[Any, Draw], Any]] = {
    "random": lambda module, draw: module.seed(draw.number("random", 128)),
    "numpy": _seed_numpy,
    "numba": _seed_numba,
    "torch": lambda module, draw: module.manual_seed(draw.number("torch", 63)),
    "tensorflow": lambda module, draw: module.random.set_seed(draw.number("tensorflow", 31)),
    "cupy": lambda module, draw: module.random.seed(draw.number("cupy", 32)),
    "ROOT": lambda module, draw: module.gRandom.SetSeed(draw.number("ROOT", 32)),
}


# -- those that somebody keeps


def _seed(generator: Any, draw: Draw, place: str, seen: dict[bytes, str]) -> None:
    """Seed one; those that began alike, as of the same seed, go on alike."""
    if isinstance(generator, random.Random):
        key = getattr(generator, _KEY, None) or _first(place, repr(generator.getstate()), seen)
        generator.seed(draw.number(key, 128))
        with contextlib.suppress(AttributeError):
            setattr(generator, _KEY, key)
    elif (other := _other(type(generator))) is not None:
        method, bits = other
        getattr(generator, method)(draw.number(place, bits))
    else:
        _seed_of_numpy(generator, draw, place, seen)


def _seed_of_numpy(generator: Any, draw: Draw, place: str, seen: dict[bytes, str]) -> None:
    kinds = sys.modules["numpy"].random
    if isinstance(generator, kinds.SeedSequence):
        key = _key_of(generator, place)
        fresh = _sequence(draw.number(str(key), 128), key, generator.spawn_key)
        generator.__setstate_cython__(fresh.__reduce_cython__()[2])
    elif isinstance(generator, kinds.RandomState):
        marked = _marked(_sequence_of(generator._bit_generator))
        key = marked or _numbered(_first(place, _state_of(generator), seen))
        _seed_legacy(generator, draw.number(str(key), 128), key)
    else:
        bits = generator if isinstance(generator, kinds.BitGenerator) else generator.bit_generator
        key = _key_of(_sequence_of(bits), place)
        _set_bits(bits, _sequence(draw.number(str(key), 128), key))


def _sequence_of(bits: Any) -> Any:
    return getattr(bits, "seed_seq", None) or getattr(bits, "_seed_seq", None)


def _state_of(generator: Any) -> str:
    return hashlib.blake2b(pickle.dumps(generator.get_state(legacy=False)), digest_size=16).hexdigest()


def _first(place: str, state: str, seen: dict[bytes, str]) -> str:
    """Return the place of the first generator of this walk with the same state."""
    return seen.setdefault(hashlib.blake2b(state.encode(), digest_size=16).digest(), place)


def _key_of(sequence: Any, place: str) -> int:
    """Return what tells a generator from others: the seed that it was given, or else its place."""
    if marked := _marked(sequence):
        return marked
    entropy = getattr(sequence, "entropy", None)
    if entropy is None or (isinstance(entropy, int) and entropy.bit_length() >= _FROM_SYSTEM):
        return _numbered(place)
    return _numbered(f"seed {_plain(entropy)} {tuple(sequence.spawn_key)}")


def _plain(entropy: Any) -> Any:
    return [int(one) for one in entropy] if isinstance(entropy, Iterable) else int(entropy)


def _marked(sequence: Any) -> int:
    entropy = getattr(sequence, "entropy", None)
    return entropy[2] if isinstance(entropy, list) and len(entropy) == 3 and entropy[0] == _MARK else 0


def _numbered(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def _sequence(number: int, key: int, spawn_key: Any = ()) -> Any:
    return sys.modules["numpy"].random.SeedSequence([_MARK, number, key], spawn_key=spawn_key)


def _set_bits(bits: Any, sequence: Any) -> None:
    state = type(bits)(sequence).state
    try:
        bits.__setstate__((state, sequence))  # with what its children are made of
    except (TypeError, ValueError, KeyError):  # numpy before 1.24
        bits.state = state


def _seed_legacy(state: Any, number: int, key: int) -> None:
    _set_bits(state._bit_generator, _sequence(number, key))
    state.set_state({**state.get_state(legacy=False), "has_gauss": 0, "gauss": 0.0})
