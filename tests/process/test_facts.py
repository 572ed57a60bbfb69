"""Which files are opened, by whom, and that nothing is opened twice."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nanoaod
import pytest

from wq_runner.config.settings import ChunkSettings
from wq_runner.ledger.items import Item
from wq_runner.model import Category, Dataset, FileFacts, InputFile
from wq_runner.planning import file_info
from wq_runner.samples.cache import FactsCache
from wq_runner.samples.probe import BadFileError
from wq_runner.scheduler.phase import LoopResult, LoopSettings, Skipped, StopRequest


class Workers:
    """Stands for a session: opens files in this process, and leaves out those that do not open."""

    def __init__(self, most: float = math.inf) -> None:
        self.opened: list[str] = []
        self.stop = StopRequest()
        self.settings = LoopSettings()
        self._most = most  # so many files are opened before somebody stops it

    def run(self, values: Sequence[Any], function: Callable[[Any], Any], category: Category) -> LoopResult:
        assert category is Category.PREPROCESSING
        result: dict[int, FileFacts] = {}
        skipped = []
        for value in values:
            if len(self.opened) >= self._most:
                self.stop.make()
                break
            self.opened.append(value.path)
            try:
                result |= function(value)
            except BadFileError as error:
                item = Item(value=value, dataset=value.dataset, path=value.path)
                skipped.append(Skipped(item=item, reason=error.text))
        return LoopResult(results={("d", ""): result} if result else {}, done=(), skipped=tuple(skipped))


@pytest.fixture
def cache(tmp_path: Path) -> FactsCache:
    return FactsCache(tmp_path / "cache" / "facts.sqlite")


def fileset(*paths: Path) -> tuple[Dataset, ...]:
    return (Dataset(name="d", files=tuple(InputFile(path=str(path)) for path in paths)),)


def learn(
    files: tuple[Dataset, ...], cache: FactsCache, limit_chunks: int | None = None
) -> tuple[file_info.Knowledge, list[str]]:
    known = file_info.known_facts(files, cache)
    workers = Workers()
    settings = ChunkSettings(chunksize=10, limit_chunks=limit_chunks)
    file_info.learn(files, known, session=workers, cache=cache, settings=settings)  # type: ignore[arg-type]
    return known, workers.opened


def entries(known: file_info.Knowledge) -> list[int]:
    return [one.entries for one in known.facts.values()]


def write(directory: Path, count: int, size: int = 10) -> list[Path]:
    return [nanoaod.write_simple(directory / f"{number}.root", size) for number in range(count)]


def test_the_second_time_no_file_is_opened(
    tmp_path: Path, cache: FactsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fileset(*write(tmp_path, 3))
    known, _ = learn(files, cache)
    assert (known.cached, known.opened, entries(known)) == (0, 3, [10, 10, 10])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(file_info, "probe_anywhere", refuse)
    known, by_workers = learn(files, cache)
    assert (known.cached, known.opened, entries(known), by_workers) == (3, 0, [10, 10, 10], [])


def test_a_file_that_changed_is_opened_again(tmp_path: Path, cache: FactsCache) -> None:
    paths = write(tmp_path, 2)
    learn(fileset(*paths), cache)
    nanoaod.write_simple(paths[1], 11)
    known, _ = learn(fileset(*paths), cache)
    assert (known.cached, known.opened, sorted(entries(known))) == (1, 1, [10, 11])


def test_many_files_are_opened_by_workers(
    tmp_path: Path, cache: FactsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_info, "FEW", 2)
    paths = write(tmp_path, 3)
    known, by_workers = learn(fileset(*paths), cache)
    assert by_workers == [str(path) for path in paths]
    assert (known.opened, entries(known)) == (3, [10, 10, 10])


def test_what_does_not_open_here_is_tried_by_workers_and_then_left_out(
    tmp_path: Path, cache: FactsCache
) -> None:
    good, bad = write(tmp_path, 2)
    nanoaod.cut_in_half(bad)
    known, by_workers = learn(fileset(bad, good), cache)
    assert by_workers == [str(bad)]
    assert [(one.dataset, one.path) for one in known.bad] == [("d", str(bad))]
    assert entries(known) == [10]


def test_a_limit_opens_only_what_it_needs(tmp_path: Path, cache: FactsCache) -> None:
    first, *others = write(tmp_path, 4, size=25)
    known, _ = learn(fileset(first, *others), cache, limit_chunks=1)
    assert [file.path for file in known.facts] == [str(first)]
    known, _ = learn(fileset(first, *others), cache, limit_chunks=5)
    assert [file.path for file in known.facts] == [str(first), str(others[0]), str(others[1])]


def test_a_limit_is_met_with_other_files_when_one_is_bad(tmp_path: Path, cache: FactsCache) -> None:
    bad, good, unneeded = write(tmp_path, 3)
    nanoaod.write_garbage(bad)
    known, _ = learn(fileset(bad, good, unneeded), cache, limit_chunks=1)
    assert [file.path for file in known.facts] == [str(good)]


def test_samples_may_know_their_files(tmp_path: Path, cache: FactsCache) -> None:
    told = FileFacts(entries=7, uuid=b"7" * 16)
    files = (Dataset(name="d", files=(InputFile(path=str(tmp_path / "not-even-there.root"), facts=told),)),)
    known, by_workers = learn(files, cache)
    assert (known.cached, known.opened, entries(known), by_workers) == (1, 0, [7], [])


@pytest.fixture
def never(tmp_path: Path) -> Iterator[Path]:
    """A file that never opens, until the test is over: whatever waits for it then goes on and ends."""
    os.mkfifo(path := tmp_path / "never.root")
    yield path
    while any(thread.name == "opening" for thread in threading.enumerate()):
        with contextlib.suppress(OSError):  # a thread that has not come to it yet
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        time.sleep(0.01)


def test_a_file_that_never_opens_is_left_to_workers(tmp_path: Path, never: Path) -> None:
    good = nanoaod.write_simple(tmp_path / "good.root", 10)
    files = [InputFile(path=str(path)) for path in (never, good)]
    found = file_info._open_here(files, StopRequest(), patience=1.0)
    assert [file.path for file in found] == [str(good)]


def test_a_stop_ends_it_and_what_was_learned_is_kept(
    tmp_path: Path, cache: FactsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_info, "FEW", 0)
    files = fileset(*write(tmp_path, 3))
    known = file_info.known_facts(files, cache)
    workers = Workers(most=1)
    settings = ChunkSettings(chunksize=10)
    file_info.learn(files, known, session=workers, cache=cache, settings=settings)  # type: ignore[arg-type]
    assert (known.opened, len(workers.opened)) == (1, 1)
    assert file_info.known_facts(files, cache).cached == 1


def test_a_stop_does_not_wait_for_a_file_that_never_opens(never: Path) -> None:
    stop = StopRequest()
    stop.make()
    assert file_info._open_here([InputFile(path=str(never))], stop) == {}
