"""Applying a function to a batch of items: merge, measure, and answer in one file.

A failure of the function is an answer like any other, never a crash: the manager reads it as data,
and so can never take it for a failure of the engine.

The function's file is two pickles, one after the other: a preamble (dict) with what has to be in
place first, the analysis's modules among it, then the function (dill).
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import importlib
import importlib.metadata
import linecache
import os
import pickle
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import abilities, columns, failure, pinned, ready, returned, several, wire
from .columns import Wish
from .files import Folder, Scratch
from .inputs import UNKNOWN, Inputs, Known
from .meter import Meter, Outside
from .opening import Reading
from .pinned import Code
from .reads import recorder
from .seeds import Seeder
from .settings import Settings
from .sweeper import Sweeper
from .trees import Trees, path_of
from .warned import Warned

ENOUGH = (
    64 * 2**20
)  # bytes of sums in an answer, which the manager reads at once: others go into the next one
_SKIPPING = "Skipping bad file"  # as coffea says it

Notify = Callable[[int], None]
"""Called with the index of each item before it is begun."""
Failed = Callable[[BaseException], None]
"""Called with each exception of an item, before anything of it is put away."""


def unseen(_: BaseException) -> None:
    """Look at no exception: it is described in the answer."""


def execute(
    function_file: Path,
    items: str | Path,
    result_file: Path,
    notify: Notify = lambda _: None,
    loaded: Function | None = None,
    *,
    failed: Failed = unseen,
    outside: Outside | None = None,
) -> None:
    """Read function and items, apply, and write the answer.

    `items` is a text or the file that holds it; `loaded` is what is in the function's file if it is known,
    `outside` what somebody sees who watches this process.
    """
    began = time.monotonic()
    header: dict[str, Any] = {"host": platform.node(), "pid": os.getpid()}
    batch = _Batch(folder=Folder(result_file), failed=failed, outside=outside)
    scratch = Scratch(result_file)
    with contextlib.ExitStack() as stack:
        try:
            function = loaded or load_function(function_file)
            stack.enter_context(pinned.inside(function.code))
            packed = unpack(items if isinstance(items, str) else items.read_text())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            batch.fail(None, error, kind=failure.ENVIRONMENT)
        else:
            header["startup"] = time.monotonic() - began
            batch.trees.columns = columns.Columns(function.kept)
            places = map(str, map(path_of, packed.items))
            with recorder.task([*_own_places(function_file, result_file), *places]):
                batch.apply(function, packed, notify)
        batch.trees.columns.settle()
        header["read"] = recorder.all()
        header["wall"] = time.monotonic() - began
        if left := scratch.left():
            header["left"] = left
        header["kept"] = batch.trees.columns.told()
        batch.write(result_file, header)
    batch.folder.clear()
    batch.trees.columns.close()
    batch.trees.end()


@dataclass(frozen=True)
class Packed:
    """The items of a task, and what is known of each: see `pack`."""

    items: Sequence[Any]
    known: Sequence[Known] = ()
    labels: Sequence[int] = ()
    columns: Mapping[str, Collection[str]] = field(default_factory=dict)


def pack(
    items: Iterable[Any],
    known: Iterable[Known] = (),
    labels: Iterable[int] = (),
    columns: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> str:
    """Write items as a text: the engine's Python takes no bytes in some of its releases.

    `known` is what was planned to be the file of each, if they are of files; `labels` say which are added
    up together: neighbours that have the same one. `columns` are what chunks of a dataset read, as far as
    that is known.
    """
    parts = (list(items), list(known), list(labels), {name: sorted(read) for name, read in columns.items()})
    values = pickle.dumps(parts, protocol=pickle.HIGHEST_PROTOCOL)
    return base64.b64encode(values).decode("ascii")


def _own_places(*files: Path) -> list[str]:
    """Return where files of tasks lie."""
    sandbox = os.environ.get("WORK_QUEUE_SANDBOX")
    return [*(str(path.resolve().parent) for path in files), *([sandbox] if sandbox else [])]


def unpack(text: str) -> Packed:
    """Read what `pack` wrote."""
    return Packed(*pickle.loads(base64.b64decode(text, validate=True)))


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
        with pinned.inside(code), recorder.loading(_own_places(Path(path))):
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
        with recorder.loading(_own_places(path)):
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


@dataclass
class _Batch:
    """The merged results so far, and what became of each item.

    `merged` are the sums that grow, by their labels, of the items in `unpacked`. They are packed as soon as
    they are whole, and go to `sums`, which have `packed` bytes: a task holds one result at a time, however
    many sums it has, or one of each processor where there are several. Items for which there is no room in
    the answer are not reached, nor are those of `spoiled` sums, which could not be made.
    """

    folder: Folder
    failed: Failed = unseen
    outside: Outside | None = None
    meter: Meter = field(init=False)
    trees: Trees = field(default_factory=Trees)
    sweeper: Sweeper = field(init=False)
    merged: dict[int, Any] = field(default_factory=dict)
    unpacked: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    spoiled: set[int] = field(default_factory=set)
    sums: list[tuple[list[int], bytes]] = field(default_factory=list)
    packed: int = 0
    done: list[int] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    exceptions: list[list[BaseException]] = field(default_factory=list)
    measured: list[dict[str, float]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)
    warned: Warned = field(default_factory=Warned)
    inputs: list[dict[str, Any]] = field(default_factory=list)

    def apply(
        self,
        function: Function,
        packed: Packed,
        notify: Notify,
    ) -> None:
        """Apply the function to each item; what fails is left out of the merged results and reported."""
        items = packed.items
        labels = packed.labels or [0] * len(items)
        self.trees.reading, self.trees.told = function.reading, packed.columns
        wrapped = self.trees.used_by(function.call)
        self.sweeper = Sweeper()
        order = several.order(items)
        left = Counter(labels)
        for index, after in zip(order, [*order[1:], None], strict=True):
            label = labels[index]
            left[label] -= 1
            if label not in self.spoiled:
                self._apply(function, wrapped, packed, (index, after), label, notify)
            if after is not None and not left[label]:
                self._end_sum(label)
                if self.packed > ENOUGH:
                    break

    def _apply(
        self,
        function: Function,
        wrapped: Callable[[Any], Any],
        packed: Packed,
        place: tuple[int, int | None],
        label: int,
        notify: Notify,
    ) -> None:
        """Apply the function to one item and add what it gives to the sum of this label.

        `place` is that of the item, and of the one after it.
        """
        index, after = place
        item = packed.items[index]
        notify(index)
        self.trees.plan(item, None if after is None else packed.items[after])
        self.trees.inputs.plan(packed.known[index] if packed.known else UNKNOWN)
        self.meter = Meter(self.outside)
        try:
            self.warned.begin()
            showing = function.settings.warnings(self.warned.show, always=_SKIPPING)
            with showing, _in_this_process():
                out = function.apply(wrapped, self.folder.enter(index, item), self.trees.inputs)
            if self.merged.get(label) is None:
                returned.check(out)
            self.folder.keep(index, item, out)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.failed(error)
            self.trees.close()  # what its file has to do with it is not known
            self.folder.drop(index)
            self.fail(index, error)
            return
        if not self._add(label, index, out):
            return
        if out is None:  # coffea's way to skip a bad file
            self.skipped.append({"index": index, "reason": _skip_reason(self.warned.signals)})
        else:
            self.done.append(index)
            self.unpacked[label].append(index)
            self.elsewhere += _read_elsewhere(index, self.warned.signals)
            self._note_input(index)
        del out
        self.sweeper.look()
        self.measured.append({"index": index, **self.meter.read()})
        self.trees.columns.flush()

    def _note_input(self, index: int) -> None:
        inputs = self.trees.inputs
        identity, entries = inputs.seen
        if identity or inputs.events is not None:
            self.inputs.append(
                {"index": index, "identity": identity, "entries": entries, "events": inputs.events}
            )

    def _add(self, label: int, index: int, out: Any) -> bool:
        """Add what an item gave to a sum; False if that cannot be: then nothing of the sum counts."""
        from coffea.processor import accumulate

        merged = self.merged.get(label)
        try:
            self.merged[label] = out if merged is None else accumulate([out], merged)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # the sum may hold a part of it now; which item it is, is for the manager to find out
            self._drop_sum(label)
            self.spoiled.add(label)
            self.folder.drop(index)
            self._fail_unnamed(error)
            return False
        return True

    def _end_sum(self, label: int) -> None:
        """Pack a sum, if anything of it was done."""
        import cloudpickle
        import lz4.frame

        merged, done = self.merged.pop(label, None), self.unpacked.pop(label, [])
        if not done:
            return
        try:
            result = cloudpickle.dumps(merged, protocol=pickle.HIGHEST_PROTOCOL)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            error = returned.unsent(merged, raised)
            self._drop(done)
            if len(done) == 1:
                self.fail(done[0], error, kind="result")
            else:
                self._fail_unnamed(error)
            return
        self.sums.append((done, lz4.frame.compress(result)))
        self.packed += len(self.sums[-1][1])
        if self.measured:  # what is packed is in memory twice, beside what it is of
            self.measured[-1]["memory"] = max(self.measured[-1]["memory"], self.meter.peak())

    def _drop_sum(self, label: int) -> None:
        self.merged.pop(label, None)
        self._drop(self.unpacked.pop(label, []))

    def _drop(self, done: Sequence[int]) -> None:
        for index in done:
            self.done.remove(index)
            self.folder.drop(index)

    def _fail_unnamed(self, error: BaseException) -> None:
        """Say, once, that those have failed of which nothing else is said."""
        if all(one["index"] is not None for one in self.failures):
            self.fail(None, error, kind="result")

    def fail(self, index: int | None, error: BaseException, kind: str | None = None) -> None:
        self.failures.append(failure.describe(index, error, kind))
        self.exceptions.append(failure.chain(error))

    def write(self, path: Path, header: dict[str, Any]) -> None:
        import cloudpickle
        import lz4.frame

        for label in list(self.merged):
            self._end_sum(label)
        packed = [blob for _, blob in self.sums] or [lz4.frame.compress(cloudpickle.dumps(None))]
        errors = [[failure.portable(link) for link in links] for links in self.exceptions]
        answer = {
            **header,
            "done": self.done,
            "sums": [done for done, _ in self.sums],
            "skipped": self.skipped,
            "failures": self.failures,
            "measured": self.measured,
            "elsewhere": self.elsewhere,
            "warned": self.warned.as_json(),
            "inputs": self.inputs,
            "columns": {name: sorted(read) for name, read in self.trees.learned.items()},
        }
        files = [one for one in self.folder.found if one[0] in self.done]
        wire.write(path, answer, [packed[0], cloudpickle.dumps(errors), *packed[1:]], files)


@contextlib.contextmanager
def _in_this_process() -> Iterator[None]:
    """End a copy of this process that code of the user's made and let go on: it would do our work twice."""
    mine = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != mine:
            os._exit(1)


def _read_elsewhere(index: int, signals: Sequence[Any]) -> list[dict[str, Any]]:
    told = [one for one in signals if hasattr(one, "place")]
    return [{"index": index, "place": one.place, "reason": one.reason} for one in told]


def _skip_reason(signals: Sequence[Any]) -> str:
    texts = [failure.shortened(str(one)) for one in signals]
    return next((text for text in texts if _SKIPPING in text), "the function returned nothing")
