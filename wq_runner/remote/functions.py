"""The function that tasks apply to items: what stands before it, and how it is loaded and called.

Its file is two pickles, one after the other: a preamble (dict) with what has to be in place first, the
analysis's modules among it, then the function (dill).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.metadata
import linecache
import os
import pickle
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import abilities, failure, pinned, ready, several
from .columns import Wish
from .inputs import Inputs
from .opening import Reading
from .pinned import Code
from .reads import recorder
from .seeds import Seeder
from .settings import Settings


def preamble(
    code: Code | None = None,
    sources: Mapping[str, str] = MappingProxyType({}),
    *,
    wanted: Mapping[str, str] | None = None,
    seed: int | None = None,
    kept: Mapping[str, Any] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
    reading: Reading | None = None,
) -> bytes:
    """Return what stands before the function.

    `code` are the analysis's modules, `sources` the texts of what travels by value, by the names of its
    files, `wanted` the versions that it takes (None: those of this process). Random numbers follow from
    `seed` and the chunk; `settings` are those of the manager's process. Files are read as `reading` says;
    `kept` says which of their columns workers keep: see `columns.Wish`.
    """
    reading = reading or Reading()
    before = {
        "code": (code or Code()).pack(),
        "sources": dict(sources),
        "versions": dict(wanted or versions()),
        "seed": seed,
        "columns": dict(kept),
        "settings": dict(settings),
        "reading": {**vars(reading), "options": dict(reading.options)},
    }
    return pickle.dumps(before)


@dataclass(frozen=True)
class Function:
    """What is called with each item, the code that it is of, and what an item is to find in the process.

    Files are read as `reading` says.
    """

    call: Callable[[Any], Any]
    code: Code
    settings: Settings = field(default_factory=Settings)
    seeder: Seeder = field(default_factory=Seeder)
    reading: Reading = field(default_factory=Reading)
    kept: Wish = field(default_factory=Wish)

    def apply(self, wrapped: Callable[[Any], Any], item: Any, inputs: Inputs) -> Any:
        """Call it, as it is wrapped now, with an item; `inputs` are told what the processor is given."""

        def prepared(item: Any) -> Any:
            own, processor = lone(wrapped, inputs.counted, several.meant_for(item)[0])
            given = several.as_given(item)
            self.seeder.prepare(given, processor)
            return several.as_asked(own(given), item)

        return self.settings.call(prepared, item)


def load_function(path: Path) -> Function:
    """Import what it needs and unpickle the function, once for all tasks of this process."""
    return _load_function(str(path.resolve()), path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _load_function(path: str, _mtime_ns: int) -> Function:
    import dill

    with Path(path).open("rb") as stream:
        before = pickle.load(stream)
        code = Code.unpack(before["code"])
        settings = Settings()
        with pinned.inside(code), recorder.loading(own_places(Path(path))):
            check_versions(before["versions"])
            for name in code.named:
                settings.load(functools.partial(import_named, name))
            for name, text in before["sources"].items():
                # for tracebacks, as if it had been looked up: here is no such file, or it was edited since
                linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            call = settings.load(lambda: dill.load(stream))
            with contextlib.suppress(Exception):  # which the first chunk will say
                settings.load(lambda: _import_processor(call))
    settings.add(before["settings"])
    seeder = Seeder(before["seed"], frozenset(code.pins))
    return Function(call, code, settings, seeder, Reading(**before["reading"]), Wish(**before["columns"]))


def import_named(name: str) -> None:
    """Import what the user named, for what it does."""
    try:
        importlib.import_module(name)
    except SystemExit as error:  # which would end this process without a word
        raise RuntimeError(f"{name} ends Python when it is imported: SystemExit: {error}") from error


def warm_up(path: Path) -> Function | None:
    """Load the function and import what it will need; None if that fails, which a task will then say."""
    try:
        loaded = load_function(path)
        ready.import_all()
        with recorder.loading(own_places(path)):
            loaded.settings.load(lambda: _import_for(loaded.call))
    except Exception:
        return None
    gc.collect()
    gc.freeze()  # what is here now stays as it is, so that children share its pages
    return loaded


def _import_for(function: Any) -> None:
    """Do what coffea's work function will, for what the schema imports."""
    if not isinstance(function, functools.partial):
        return
    for one in function.args:
        if isinstance(one, type):
            abilities.import_behavior(one)
        _import_for(one)


def _import_processor(function: Any) -> None:
    """Import what the processor needs, which travels packed in coffea's work function."""
    if isinstance(function, functools.partial):
        if isinstance(packed := function.keywords.get("processor_instance"), bytes):
            several.unpack(unpacked(packed))
        for one in function.args:
            _import_processor(one)


def unpacked(packed: bytes) -> Any:
    """Return the processor that coffea's Runner has packed."""
    import cloudpickle
    import lz4.frame

    return cloudpickle.loads(lz4.frame.decompress(packed))


def lone(
    function: Any, counted: Callable[[Any], Any] = lambda processor: processor, name: str = ""
) -> tuple[Any, Any]:
    """Return coffea's work function, however wrapped, with a processor of its own, and that processor.

    Of several processors it is the one of this `name`. coffea unpickles it for each chunk, with all that it
    keeps as it was: what is not to be so is changed before it is used. It is None where there is none.
    """
    if not isinstance(function, functools.partial):
        return function, None
    parts = [lone(one, counted, name) for one in function.args]
    found = next((one for _, one in parts if one is not None), None)
    keywords = dict(function.keywords)
    if (packed := keywords.get("processor_instance")) is not None and packed != "heavy":
        found = abilities.given_by_user(unpacked(packed) if isinstance(packed, bytes) else packed)
        if name:
            found = found.named(name)
        if keywords.get("checkpointer") is None:
            keywords["processor_instance"] = counted(found)
        # what comes from a checkpoint is given to no processor
        elif not abilities.unpacks_processors():
            keywords["processor_instance"] = found
    positional = [one for one, _ in parts]
    kinds = abilities.skipped_by(function)
    if kinds is True:
        positional[1] = kinds = (failure.UnreadableError,)
        if not abilities.skips_by_type():
            kinds = (*kinds, abilities.of_missing_tree())
    if kinds and not abilities.skips_by_type():
        positional[1] = False
        own = functools.partial(function.func, *positional, **keywords)
        return functools.partial(abilities.skip, kinds, own), found
    return functools.partial(function.func, *positional, **keywords), found


def versions() -> dict[str, str]:
    """Return the versions that must be the same on both sides for pickles to mean the same."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("coffea", "dill", "cloudpickle"):
        found[name] = importlib.metadata.version(name)
    return found


def check_versions(wanted: dict[str, str]) -> None:
    here = versions()
    other = [f"{name} {here[name]} (manager: {wanted[name]})" for name in here if here[name] != wanted[name]]
    if other:
        raise RuntimeError(f"this worker has {', '.join(other)}; both sides need the same")


def own_places(*files: Path) -> list[str]:
    """Return where files of tasks lie."""
    sandbox = os.environ.get("WORK_QUEUE_SANDBOX")
    return [*(str(path.resolve().parent) for path in files), *([sandbox] if sandbox else [])]
