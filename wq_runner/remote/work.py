"""Applying a function to a batch of items: merge, measure, and answer in one file.

A failure of the function is an answer like any other, never a crash: the manager reads it as data,
and so can never take it for a failure of the engine.

What the function is, and what has to be in place for it, is in `functions`.
"""

from __future__ import annotations

import base64
import contextlib
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

from . import columns, failure, functions, pinned, returned, several, wire
from .files import Folder, Scratch
from .functions import Function, own_places
from .inputs import UNKNOWN, Known
from .meter import Meter, Outside
from .reads import recorder
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
            function = loaded or functions.load_function(function_file)
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
            with recorder.task([*own_places(function_file, result_file), *places]):
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


def unpack(text: str) -> Packed:
    """Read what `pack` wrote."""
    return Packed(*pickle.loads(base64.b64decode(text, validate=True)))


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
