from __future__ import annotations

import logging
import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from wq_runner.model import FileFacts, InputFile
from wq_runner.samples.cache import FactsCache, states_of

FACTS = FileFacts(entries=7, uuid=b"0123456789abcdef", identity=b"content.")
REMOTE = InputFile(path="root://h//store/a.root")


@pytest.fixture
def cache(tmp_path: Path) -> FactsCache:
    return FactsCache(tmp_path / "sub/facts.sqlite")


@pytest.fixture
def local(tmp_path: Path) -> InputFile:
    (tmp_path / "a.root").write_bytes(b"root")
    return InputFile(path=str(tmp_path / "a.root"))


def test_what_was_put_is_there_for_the_next_process(cache: FactsCache, local: InputFile) -> None:
    assert cache.get_many([local]) == {}
    cache.put_many({local: FACTS, REMOTE: FACTS})
    runs = InputFile(path=REMOTE.path, treename="Runs")
    assert FactsCache(cache.path).get_many([local, REMOTE, runs]) == {local: FACTS, REMOTE: FACTS}


@pytest.mark.parametrize("change", ["size", "time", "time that was set back", "gone"])
def test_a_local_file_that_changed_is_not_known(cache: FactsCache, local: InputFile, change: str) -> None:
    cache.put_many({local: FACTS})
    path = Path(local.path)
    stat = path.stat()
    if change == "size":
        path.write_bytes(b"root.")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif change == "time that was set back":
        path.write_bytes(b"toor")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        path.unlink()
    assert cache.get_many([local]) == {}


def test_what_is_forgotten_is_opened_anew(cache: FactsCache) -> None:
    cache.forget([REMOTE.path])  # there is nothing yet
    runs, other = InputFile(path=REMOTE.path, treename="Runs"), InputFile(path="root://h//store/b.root")
    cache.put_many({REMOTE: FACTS, runs: FACTS, other: FACTS})
    cache.forget([REMOTE.path, "root://h//never.root"])
    assert cache.get_many([REMOTE, runs, other]) == {other: FACTS}


def test_clusters_stay_while_the_file_is_the_same(cache: FactsCache) -> None:
    with_clusters = replace(FACTS, clusters=(0, 3, 7))
    cache.put_many({REMOTE: with_clusters})
    cache.put_many({REMOTE: FACTS})
    assert cache.get_many([REMOTE]) == {REMOTE: with_clusters}
    other = replace(FACTS, identity=b"another.")
    cache.put_many({REMOTE: other})
    assert cache.get_many([REMOTE]) == {REMOTE: other}


def test_many_files_take_more_than_one_query(cache: FactsCache) -> None:
    facts = {InputFile(path=f"root://h//{i}.root"): FileFacts(entries=i, uuid=b"u" * 16) for i in range(2345)}
    cache.put_many(facts)
    assert cache.get_many(facts) == facts


def test_a_damaged_cache_is_replaced(cache: FactsCache, caplog: pytest.LogCaptureFixture) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is not SQLite" * 500)
    assert cache.get_many([REMOTE]) == {}
    assert "damaged" in caplog.text
    cache.put_many({REMOTE: FACTS})
    assert cache.get_many([REMOTE]) == {REMOTE: FACTS}


def test_a_damaged_bit_never_changes_a_fact(cache: FactsCache, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever it is: facts are as they were or forgotten, and no damage survives two starts."""
    facts = {
        InputFile(path=f"root://h//{i}.root"): FileFacts(
            entries=1000 + i, uuid=i.to_bytes(16, "big"), identity=b"%08d" % i, clusters=(0, 1000 + i)
        )
        for i in range(20)
    }
    cache.put_many(facts)
    whole = cache.path.read_bytes()
    chance = random.Random(16)
    forgotten = 0
    for _ in range(100):
        damaged = bytearray(whole)
        bit = chance.randrange(8 * len(whole))
        damaged[bit // 8] ^= 1 << bit % 8
        cache.path.write_bytes(damaged)
        for _start in range(2):
            found = cache.get_many(facts)
            assert found.items() <= facts.items()
            forgotten += len(found) < len(facts)
            cache.put_many({file: known for file, known in facts.items() if file not in found})
        caplog.clear()
        assert cache.get_many(facts) == facts
        assert not caplog.records
    assert forgotten > 5


def test_a_file_that_was_written_while_it_was_opened_is_not_known(
    cache: FactsCache, local: InputFile
) -> None:
    before = states_of([local, REMOTE])
    Path(local.path).write_bytes(b"root of another file")
    cache.put_many({local: FACTS, REMOTE: FACTS}, before)
    assert cache.get_many([local, REMOTE]) == {REMOTE: FACTS}
    cache.put_many({local: FACTS}, states_of([local]))
    assert cache.get_many([local]) == {local: FACTS}


def test_a_cache_of_another_version_is_emptied(cache: FactsCache) -> None:
    cache.put_many({REMOTE: FACTS})
    connection = sqlite3.connect(cache.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert cache.get_many([REMOTE]) == {}


def test_a_place_that_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    cache = FactsCache(tmp_path / "file/facts.sqlite")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            cache.put_many({REMOTE: FACTS})
            assert cache.get_many([REMOTE]) == {}
    assert len(caplog.records) == 1


def test_a_locked_cache_is_left_alone(
    cache: FactsCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wq_runner.samples.cache._PATIENCE", 0.05)
    cache.put_many({REMOTE: FACTS})
    connection = sqlite3.connect(cache.path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    cache.put_many({REMOTE: FACTS})
    assert cache.get_many([REMOTE]) == {}
    connection.rollback()
    connection.close()
    assert "locked" in caplog.text
    assert cache.get_many([REMOTE]) == {REMOTE: FACTS}


def test_many_writers(cache: FactsCache) -> None:
    files = [InputFile(path=f"root://h//{i}.root") for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda file: FactsCache(cache.path).put_many({file: FACTS}), files))
    assert len(cache.get_many(files)) == 40


def test_the_usual_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FactsCache().path == tmp_path / "wq-runner/facts.sqlite"
