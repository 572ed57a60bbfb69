"""The store: built once, never half, never deleted under its users."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import running

from wq_runner.environment.store import Layer, Store, Stored
from wq_runner.errors import WorkerEnvironmentError


def simple(place: Path) -> Mapping[str, Any]:
    (place / "base.tar.gz").write_bytes(b"x" * 1000)
    return {"kind": "test"}


def build(store: Store, key: str = "key") -> Stored:
    return store.build(Layer.BASE, key, simple)[0]


def final(store: Store) -> list[str]:
    return [path.name for layer in Layer for path in (store.root / layer.value).glob("*")]


def test_built_once(store: Store) -> None:
    first, built = store.build(Layer.BASE, "key", simple)
    again, built_again = store.build(Layer.BASE, "key", simple)
    assert (built, built_again, first) == (True, False, again)
    assert first.manifest["kind"] == "test"
    assert store.size(first) == 1000
    assert (store.root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), WorkerEnvironmentError("x")])
def test_nothing_is_left_of_a_build_that_failed(store: Store, error: BaseException) -> None:
    def fail(place: Path) -> Mapping[str, Any]:
        simple(place)
        raise error

    with pytest.raises(type(error)):
        store.build(Layer.BASE, "key", fail)
    assert final(store) == []
    assert list((store.root / "building").iterdir()) == []
    assert build(store).key == "key"


def test_a_full_disk_is_an_error_of_the_environment(store: Store) -> None:
    def fail(place: Path) -> Mapping[str, Any]:
        raise OSError(28, "No space left on device", str(place))

    with pytest.raises(WorkerEnvironmentError, match="No space left") as caught:
        store.build(Layer.BASE, "key", fail)
    assert "wq-env clean" in caught.value.hint
    assert final(store) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkerEnvironmentError, match="Not a directory"):
        build(Store(root=tmp_path / "file" / "store"))


KILLED = """
import sys, time
from pathlib import Path
from wq_runner.environment.store import Layer, Store
def make(place):
    (place / "base.tar.gz").write_text("half")
    print("building", flush=True)
    time.sleep(600)
Store(root=Path(sys.argv[1])).build(Layer.BASE, "key", make)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_is_killed(store: Store, how: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, store.root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"building\n"
    process.send_signal(how)
    process.wait()
    process.stdout.close()
    assert final(store) == []
    assert store.find(Layer.BASE, "key") is None
    build(store)
    assert list((store.root / "building").iterdir()) == []


def _build_slowly(root: Path, results: Any) -> None:
    def make(place: Path) -> Mapping[str, Any]:
        time.sleep(0.5)
        return simple(place)

    results.put(Store(root=root).build(Layer.BASE, "key", make)[1])


def test_several_processes_build_once(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_build_slowly, args=(store.root, results)) for _ in range(4)]
    for process in processes:
        process.start()
    built = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(built) == [False, False, False, True]


HOLDER = """
import sys, time
from pathlib import Path
from wq_runner.environment.store import Layer, Store
store = Store(root=Path(sys.argv[1]))
lease = store.lease(store.find(Layer.BASE, "key"))
print("held", flush=True)
time.sleep(600)
"""


def test_what_is_used_stays(store: Store) -> None:
    entry = build(store)
    lease = store.lease(entry)
    assert store.users(entry) == 1
    assert not store.remove(entry)
    assert store.shrink(0) == []
    lease.release()
    assert store.users(entry) == 0
    assert store.remove(entry)
    assert store.find(Layer.BASE, "key") is None


def test_a_user_that_was_killed_is_no_user(store: Store) -> None:
    entry = build(store)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, store.root], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    process.stdout.close()
    assert (store.users(entry), store.remove(entry)) == (1, False)
    process.kill()
    process.wait()
    running.until(lambda: store.users(entry) == 0)
    assert store.remove(entry)


def test_what_was_deleted_meanwhile_cannot_be_held(store: Store) -> None:
    entry = build(store)
    store.remove(entry)
    with pytest.raises(WorkerEnvironmentError, match="deleted"):
        store.lease(entry)


def test_the_longest_unused_go_first(store: Store) -> None:
    for number, key in enumerate(("old", "middle", "new")):
        entry = build(store, key)
        store.lease(entry).release()
        os.utime(entry.path / "used", (number, number))
    (store.unpacked / "old").mkdir(parents=True)
    assert [entry.key for entry in store.entries()] == ["new", "middle", "old"]
    assert [entry.key for entry in store.shrink(2500)] == ["old"]
    assert not (store.unpacked / "old").exists()
    assert [entry.key for entry in store.shrink(1000)] == ["middle"]
    assert [entry.key for entry in store.shrink(1000)] == []


@pytest.mark.parametrize("name", ["base.tar.gz", "manifest.json"])
def test_what_is_damaged_is_made_again(store: Store, name: str) -> None:
    """Once, with a word of what it was; a bit that flipped changes neither size nor time."""
    said: list[str] = []
    store = dataclasses.replace(store, on_wait=said.append)
    entry = build(store)
    assert entry.damage() == ""
    lease = store.lease(entry)
    for bit in range(3):
        path = entry.path / name
        facts, content = path.stat(), bytearray(path.read_bytes())
        content[len(content) * (bit + 1) // 4] ^= 1 << bit
        path.write_bytes(content)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        again, built = store.build(Layer.BASE, "key", simple)
        assert (built, again.damage()) == (True, "")
        assert store.build(Layer.BASE, "key", simple) == (again, False)
    lease.release()
    what = "base.tar.gz" if name == "base.tar.gz" else "its record"
    assert said == [f"key: {what} is damaged, so it is made again"] * 3
    assert not list(store.root.glob("trash.*"))
