"""Columns that a host keeps: what was read before is never taken for anything else."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import running
import uproot
from rich.console import Console

from wq_runner import units
from wq_runner.errors import UsageError
from wq_runner.monitor import words
from wq_runner.monitor.incidents import ColumnTally
from wq_runner.monitor.view import RunView
from wq_runner.remote import baskets, identity, opening, packs, shelf
from wq_runner.remote.columns import Columns, Counts, Wish
from wq_runner.remote.packs import DamagedPackError, Key, Piece
from wq_runner.remote.shelf import FullError, Shelf, ShelfError
from wq_runner.run_events import ColumnsUsed
from wq_runner.scheduler import kept_columns
from wq_runner.steps import announcements
from wq_runner.workers import columns as columns_here

ENTRIES, BASKET = 1200, 200
LARGE = 1 << 30


def write(path: Path, compression: Any = None, shift: int = 0) -> Path:
    rng = np.random.default_rng(1)
    with uproot.recreate(path, compression=compression) as file:
        file.mktree("Events", {"x": "f4", "n": "i8", "flag": "bool", "jet_pt": "var * float64"})
        for first in range(0, ENTRIES, BASKET):
            numbers = np.arange(first, first + BASKET)
            counts = rng.integers(0, 4, BASKET)
            file["Events"].extend(
                {
                    "x": (numbers + shift).astype("f4"),
                    "n": numbers * 10 + shift,
                    "flag": numbers % 2 == 0,
                    "jet_pt": ak.unflatten(np.arange(counts.sum()) + first + shift, counts),
                }
            )
    return path


@dataclass
class Reading:
    """A task that reads a file by way of the columns below a directory."""

    directory: Path
    wish: Wish = field(default_factory=Wish)

    def read(
        self, path: Path, chunk: int = 300, names: tuple[str, ...] = ("x", "n", "flag", "jet_pt")
    ) -> Any:
        wish = (
            self.wish
            if self.wish.mode != "off"
            else Wish(mode="on", directory=str(self.directory), limit=LARGE)
        )
        columns = Columns(wish)
        found: dict[str, list[Any]] = {name: [] for name in names}
        with uproot.open({str(path): None}, object_cache=None, **opening.options_for(str(path))) as file:
            tree = file["Events"]
            for start in range(0, tree.num_entries, chunk):
                baskets.attach(columns, tree, identity.of_root(tree).hex())
                for name in names:
                    found[name].append(tree[name].array(entry_start=start, entry_stop=start + chunk))
                columns.flush()
                columns.close()
        columns.settle()
        return {name: ak.to_list(ak.concatenate(parts)) for name, parts in found.items()}, columns


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path / "kept")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "f.root", uproot.LZMA(1))


def plain(path: Path) -> dict[str, Any]:
    with uproot.open(f"{path}:Events") as tree:
        return {name: ak.to_list(tree[name].array()) for name in ("x", "n", "flag", "jet_pt")}


def kept_packs(reading: Reading) -> list[Path]:
    return sorted(reading.directory.rglob(f"*{shelf.PACK}"))


# -- what is read


def test_what_was_read_before_is_the_same_however_chunks_are_cut(reading: Reading, file: Path) -> None:
    expected = plain(file)
    found, first = reading.read(file, chunk=300)
    assert found == expected
    assert first.notes == []
    # the second chunk begins in the middle of a basket that the first one has read
    assert first.counts.misses == 4 * ENTRIES // BASKET
    assert first.counts.bytes_kept == first.counts.bytes_missed > 0
    for chunk in (300, 170, 1000, ENTRIES, 1):
        if chunk == 1:
            found, again = reading.read(file, chunk=399, names=("jet_pt",))
            assert found == {"jet_pt": expected["jet_pt"]}
        else:
            found, again = reading.read(file, chunk=chunk)
            assert found == expected
        assert again.counts.misses == 0, chunk
        assert again.counts.hits > 0
        assert again.counts.bytes_kept == 0


def test_arrays_are_of_the_form_that_uproot_makes(reading: Reading, file: Path) -> None:
    reading.read(file)
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    with uproot.open(file) as own, uproot.open(file, object_cache=None) as other:
        tree = other["Events"]
        baskets.attach(columns, tree, identity.of_root(tree).hex())
        for name in ("x", "n", "flag", "jet_pt"):
            for start, stop in ((0, 1200), (130, 333), (200, 400), (5, 6)):
                found = tree[name].array(entry_start=start, entry_stop=stop)
                expected = own["Events"][name].array(entry_start=start, entry_stop=stop)
                assert found.layout.form == expected.layout.form
                assert found.type == expected.type
                assert ak.to_list(found) == ak.to_list(expected)
        together = tree.arrays(["x", "jet_pt"], entry_start=100, entry_stop=700, how=dict)
        assert ak.to_list(together["x"]) == ak.to_list(
            own["Events"]["x"].array(entry_start=100, entry_stop=700)
        )
    assert columns.counts.misses == 0
    assert columns.notes == []


def test_what_is_no_list_of_numbers_is_read_as_ever(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "f.root"
    with uproot.recreate(path) as made:
        made.mktree("Events", {"p": ("f8", (3,)), "x": "i8"})
        made["Events"].extend({"p": np.arange(12.0).reshape(4, 3), "x": np.arange(4)})
        made["ntuple"] = {"x": np.arange(4)}
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    with uproot.open(path) as opened:
        for name in ("Events", "ntuple"):
            baskets.attach(columns, opened[name], identity.of_root(opened[name]).hex())
        for _ in range(2):
            assert ak.to_list(opened["Events"]["p"].array()) == np.arange(12.0).reshape(4, 3).tolist()
            assert opened["Events"]["x"].array(library="np").tolist() == [0, 1, 2, 3]
            assert ak.to_list(opened["ntuple"]["x"].array()) == [0, 1, 2, 3]
    assert columns.told() is None


def test_a_processor_that_changes_an_array_in_place_changes_nothing_that_is_kept(
    reading: Reading, file: Path
) -> None:
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    with uproot.open(file, object_cache=None) as opened:
        tree = opened["Events"]
        baskets.attach(columns, tree, identity.of_root(tree).hex())
        np.asarray(tree["x"].array().layout.data)
        found = tree["n"].array(entry_start=0, entry_stop=BASKET).layout.data
        found.flags.writeable = True
        found[:] = -1
        columns.settle()
    found, again = reading.read(file)
    assert found == plain(file)
    assert again.notes == []


# -- which file it is of


def changed_in_place(path: Path, old: float, new: float) -> None:
    """Change a number of the data, and nothing else of a file: not its size, times, or uuid."""
    before = path.stat()
    content = path.read_bytes()
    was, wanted = (np.array([number], ">f4").tobytes() for number in (old, new))
    place = content.index(was)
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(wanted)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_changed_in_place_is_read_anew(reading: Reading, tmp_path: Path) -> None:
    path = write(tmp_path / "f.root")
    facts = path.stat()
    with uproot.open(path) as opened:
        known = identity.of_root(opened["Events"])
    reading.read(path)
    changed_in_place(path, 777.0, 778.5)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (facts.st_size, facts.st_mtime_ns)
    with uproot.open(path) as opened:
        assert identity.of_root(opened["Events"]) == known  # nothing but the data tells them apart
    found, again = reading.read(path)
    assert found == plain(path)
    assert found["x"][777] == 778.5
    assert again.counts.misses == 1
    found, again = reading.read(path)  # and is kept in its turn
    assert found == plain(path)


def test_a_file_that_has_another_in_its_place_is_read_anew(reading: Reading, tmp_path: Path) -> None:
    path = write(tmp_path / "f.root")
    facts = path.stat()
    reading.read(path)
    other = write(tmp_path / "g.root", shift=5)
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(path)
    found, again = reading.read(path, chunk=ENTRIES)
    assert found == plain(path)
    assert again.counts.hits == 0


def test_a_copy_under_another_name_and_time_is_the_same_file(reading: Reading, file: Path) -> None:
    reading.read(file)
    copy = file.with_name("copy.root")
    copy.write_bytes(file.read_bytes())
    _, again = reading.read(copy)
    assert (again.counts.misses, again.counts.hits > 0) == (0, True)


def test_what_was_read_of_a_file_that_changes_then_is_not_taken_for_it(
    reading: Reading, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.root")
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    with uproot.open(path, object_cache=None) as opened:
        tree = opened["Events"]
        baskets.attach(columns, tree, identity.of_root(tree).hex())
        tree["x"].array()
        changed_in_place(path, 777.0, 778.5)
        columns.settle()
    assert columns.counts.bytes_kept > 0
    found, again = reading.read(path, names=("x",))
    assert found["x"] == plain(path)["x"]
    assert again.counts.misses == 1


def test_baskets_that_are_kept_and_such_as_are_not_are_put_together(reading: Reading, file: Path) -> None:
    """Whatever the chunk, and whichever of its baskets were read by a chunk before it."""
    expected = plain(file)["x"]
    for kept in itertools.product((False, True), repeat=4):
        columns = Columns(Wish(mode="on", directory=str(reading.directory / "".join(map(str, kept)))))
        with uproot.open(file, object_cache=None, **opening.options_for(str(file))) as opened:
            tree = opened["Events"]
            for first in (number * BASKET for number, is_kept in enumerate(kept) if is_kept):
                baskets.attach(columns, tree, identity.of_root(tree).hex())
                assert ak.to_list(tree["x"].array(entry_start=first, entry_stop=first + 1)) == [
                    expected[first]
                ]
                columns.close()
            for start in (0, BASKET // 2, BASKET):
                for size in (BASKET // 2, BASKET, 2 * BASKET):
                    baskets.attach(columns, tree, identity.of_root(tree).hex())
                    found = tree["x"].array(entry_start=start, entry_stop=start + size)
                    assert ak.to_list(found) == expected[start : start + size], (kept, start, size)
        assert columns.notes == []


def test_hashes_are_made_without_xxhash_too(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With uproot 4 it may be missing. What others have kept is left to them."""
    reading.read(file)
    monkeypatch.setattr(packs, "xxhash", None)
    monkeypatch.setattr(packs, "HASHES", "blake2b")
    for hits in (False, True):
        found, again = reading.read(file)
        assert found == plain(file)
        assert again.notes == []
        assert (again.counts.misses == 0) is hits


def test_a_large_file_of_a_server_without_uuid_is_not_kept(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    monkeypatch.setattr(baskets, "is_local", lambda _: False)
    monkeypatch.setattr(baskets, "SMALL", 10)
    with uproot.open(file, object_cache=None) as opened:
        monkeypatch.setattr(type(opened.file), "fUUID", b"\0" * 16)
        before = opened.file.array_cache
        baskets.attach(columns, opened["Events"], "abc")
        assert opened.file.array_cache is before
    assert "no uuid" in columns.notes[0]


def test_of_a_file_of_a_server_nothing_is_read_that_is_kept(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baskets, "is_local", lambda _: False)
    expected, first = reading.read(file, chunk=ENTRIES)
    assert (first.counts.hits, first.counts.bytes_kept) == (0, first.counts.bytes_missed)
    columns = Columns(Wish(mode="on", directory=str(reading.directory)))
    with uproot.open(file, object_cache=None) as opened:
        tree = opened["Events"]
        baskets.attach(columns, tree, identity.of_root(tree).hex())
        asked = tree.file.source.num_requested_bytes
        assert ak.to_list(tree["x"].array(entry_start=150, entry_stop=950)) == expected["x"][150:950]
        assert tree.file.source.num_requested_bytes == asked
    monkeypatch.undo()
    _, again = reading.read(
        file, chunk=ENTRIES
    )  # what was not compared is not believed of another kind of file
    assert again.counts.hits == 0


def test_auto_keeps_what_is_slow_to_decompress(reading: Reading, tmp_path: Path) -> None:
    wish = Wish(mode="auto", directory=str(reading.directory))
    _, slow = Reading(reading.directory, wish).read(write(tmp_path / "slow.root", uproot.LZMA(1)))
    assert slow.counts.bytes_kept > 0
    _, fast = Reading(reading.directory, wish).read(write(tmp_path / "fast.root", uproot.LZ4(1)))
    assert fast.counts == Counts()


# -- damage


def test_every_flipped_byte_is_found_and_read_again(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "f.root"
    with uproot.recreate(path) as made:
        made.mktree("Events", {"x": "f8", "j": "var * int64"})
        made["Events"].extend(
            {"x": np.arange(20.0), "j": ak.unflatten(np.arange(20), [3, 0, 7, 10] + [0] * 16)}
        )
    expected, _ = reading.read(path, names=("x", "j"))
    [pack] = kept_packs(reading)
    content = pack.read_bytes()
    for place in range(0, len(content), 7):
        pack.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found, again = reading.read(path, names=("x", "j"))
        assert found == expected, place
        assert again.counts.misses > 0, place
        assert "was damaged" in again.notes[0], place
        assert str(pack) in again.notes[0]
        for one in kept_packs(reading):
            one.unlink()


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_pack_that_was_cut_short_is_read_again(reading: Reading, file: Path, left: int) -> None:
    expected, _ = reading.read(file, chunk=ENTRIES)
    [pack] = kept_packs(reading)
    pack.write_bytes(pack.read_bytes()[:left])
    found, again = reading.read(file)
    assert found == expected
    assert again.notes


def test_other_files_of_the_directory_may_be_anything(reading: Reading, file: Path) -> None:
    expected, _ = reading.read(file)
    place = shelf.place_of(str(reading.directory))
    (place / "size").write_text("many")
    (place / "lock").write_text("anything")
    (place / "CACHEDIR.TAG").write_text("")
    next(place.glob("?" * 32)).joinpath("x.new").write_text("begun")
    found, again = reading.read(file)
    assert (found, again.counts.misses) == (expected, 0)


def test_a_pack_of_another_file_in_its_place_is_not_believed(reading: Reading, tmp_path: Path) -> None:
    one, other = write(tmp_path / "one.root"), write(tmp_path / "other.root", shift=3)
    reading.read(one, chunk=ENTRIES)
    [pack] = kept_packs(reading)
    reading.read(other, chunk=ENTRIES)
    [theirs] = set(kept_packs(reading)) - {pack}
    theirs.write_bytes(pack.read_bytes())
    found, again = reading.read(other)
    assert found == plain(other)
    assert "another file" in again.notes[0]


# -- who may write it


def test_nobody_else_can_write_where_columns_are_kept(reading: Reading, file: Path) -> None:
    before = os.umask(0)
    try:
        reading.read(file)
    finally:
        os.umask(before)
    place = shelf.place_of(str(reading.directory))
    found = [place, *place.rglob("*")]
    assert len(found) > 3
    assert not [one for one in found if one.stat().st_mode & 0o022]
    assert place.stat().st_mode & 0o777 == 0o700
    assert place.name.endswith(f"-{os.getuid()}")


@pytest.mark.parametrize("what", ["open", "link", "file"])
def test_a_directory_that_others_can_write_to_is_not_used(reading: Reading, file: Path, what: str) -> None:
    place = shelf.place_of(str(reading.directory))
    place.parent.mkdir()
    if what == "open":
        place.mkdir()
        place.chmod(0o777)
    elif what == "link":
        place.symlink_to(reading.directory)
    else:
        place.touch()
    found, columns = reading.read(file)
    assert found == plain(file)
    assert columns.notes[0].startswith("not used: ")
    assert columns.counts == Counts()


def test_a_pack_that_others_can_write_to_is_not_used(reading: Reading, file: Path) -> None:
    expected, _ = reading.read(file, chunk=ENTRIES)
    kept_packs(reading)[0].chmod(0o666)
    found, again = reading.read(file, chunk=ENTRIES)
    assert (found, again.counts.hits) == (expected, 0)
    assert "could have written" in again.notes[0]


SOMEBODY = 65534
"""The user id of nobody."""


def _as_somebody(directory: Path, file: Path, ends: Any) -> None:
    os.setgid(SOMEBODY)
    os.setuid(SOMEBODY)
    found, columns = Reading(directory).read(file, chunk=ENTRIES)
    ends.put((found == plain(file), columns.counts.hits, columns.notes))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_two_users_of_a_host_have_each_their_own() -> None:
    with tempfile.TemporaryDirectory() as name:  # others cannot enter those of pytest
        place = Path(name)
        place.chmod(0o755)
        file, shared = write(place / "f.root", uproot.LZMA(1)), Reading(place / "kept")
        shared.directory.mkdir()
        shared.directory.chmod(0o1777)
        expected, _ = shared.read(file, chunk=ENTRIES)
        ends: Any = multiprocessing.get_context("fork").Queue()
        somebody = multiprocessing.get_context("fork").Process(
            target=_as_somebody, args=(shared.directory, file, ends)
        )
        somebody.start()
        assert ends.get(timeout=100) == (True, 0, [])
        somebody.join()
        assert {one.stat().st_uid for one in kept_packs(shared)} == {0, SOMEBODY}
        found, again = shared.read(file, chunk=ENTRIES)
        assert (found, again.counts.misses, again.notes) == (expected, 0, [])


# -- room


def piece(number: int, size: int = 1000) -> Piece:
    values = np.full(size // 8, number, "f8")
    key = Key("x", "AsDtype", number, number + size // 8, 0, 1)
    return Piece(key=key, raw="", seconds=0, arrays=(values,), checksums=(packs.checksum(values),))


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    kept = Shelf(tmp_path / "s", limit=10_000)
    paths = [kept.keep("a" * 32, {"key": "a" * 32}, [piece(number)]) for number in range(6)]
    for age, path in enumerate(paths):
        os.utime(path, (1000 + age, 1000 + age))
    kept.used(str(paths[0]))
    for number in range(6, 9):
        kept.keep("b" * 32, {"key": "b" * 32}, [piece(number)])
        assert sum(one.size for one in kept.all()) <= 10_000
    assert paths[0].exists()
    assert not paths[1].exists()
    first = str(paths[0])
    assert [one.arrays[0][0] for one in packs.read_pieces(first, packs.read_index(first, "a" * 32))] == [0]


def test_what_is_larger_than_all_that_may_be_kept_is_said(tmp_path: Path) -> None:
    kept = Shelf(tmp_path / "s", limit=10_000)
    with pytest.raises(FullError, match="larger size"):
        kept.keep("a" * 32, {}, [piece(1, 20_000)])
    assert kept.all() == []


def test_a_full_disk_is_said_and_leaves_nothing_half(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    found, columns = reading.read(file, chunk=ENTRIES)
    assert found == plain(file)
    assert "No space left on device" in columns.notes[0]
    assert not list(reading.directory.rglob("*.new"))
    monkeypatch.undo()
    monkeypatch.setattr(Shelf, "_missing", lambda *_: 1)
    found, columns = reading.read(file, chunk=ENTRIES)
    assert found == plain(file)
    assert "its disk is full, or nearly" in columns.notes[0]
    assert kept_packs(reading) == []


def test_a_directory_that_can_only_be_read_is_used_for_what_it_has(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = reading.read(file, names=("x", "n"))

    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Shelf, "_locked", refused)
    monkeypatch.setattr(os, "utime", refused)
    found, again = reading.read(file)
    assert found == plain(file)
    assert {name: found[name] for name in expected} == expected
    assert again.counts.hits > 0
    assert "Read-only file system" in again.notes[0]


def test_the_size_that_nobody_says_is_modest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50 << 30))
    assert Shelf(tmp_path / "s").limit == 5 << 30
    assert Shelf(tmp_path / "s", most=10**9).limit == 10**9
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=500 << 30))
    assert Shelf(tmp_path / "s").limit == shelf.MODEST
    assert Shelf(tmp_path / "s", limit=7).limit == 7


# -- many processes, and their ends


def _keep(directory: str, path: str, ends: Any) -> None:
    found, columns = Reading(Path(directory)).read(Path(path))
    ends.put((found == plain(Path(path)), columns.notes))


def test_two_processes_keep_the_same_at_once(reading: Reading, file: Path) -> None:
    context = multiprocessing.get_context("fork")
    ends: Any = context.Queue()
    both = [context.Process(target=_keep, args=(str(reading.directory), str(file), ends)) for _ in range(2)]
    for one in both:
        one.start()
    assert [ends.get(timeout=100) for _ in both] == [(True, []), (True, [])]
    for one in both:
        one.join()
    found, again = reading.read(file)
    assert found == plain(file)
    assert (again.counts.misses, again.notes) == (0, [])


def _write_for_ever(directory: str) -> None:
    kept = Shelf(Path(directory), limit=3_000_000)
    number = 0
    while True:
        kept.keep("a" * 32, {"key": "a" * 32}, [piece(number, 400_000)])
        number += 1


def _wait_for_more(kept: Shelf) -> None:
    before = len(kept.all())
    running.until(lambda: len(kept.all()) > min(before, 2))


def test_what_a_killed_process_was_writing_is_never_read(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    kept = Shelf(tmp_path / "s", limit=3_000_000)
    for _ in range(2):
        writer = context.Process(target=_write_for_ever, args=(str(kept.place),))
        writer.start()
        _wait_for_more(kept)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        for path in kept.packs_of("a" * 32):
            for found in packs.read_pieces(str(path), packs.read_index(str(path), "a" * 32)):
                assert set(found.arrays[0]) == {float(found.key.start)}
    kept.keep("a" * 32, {"key": "a" * 32}, [piece(10**6)])
    begun = kept.place / ("a" * 32) / "left.new"
    begun.touch()
    kept.remove_unfinished()
    assert begun.exists()  # somebody may be writing it
    os.utime(begun, (1, 1))
    kept.remove_unfinished()
    assert not begun.exists()


def test_a_disk_that_hangs_holds_up_no_task(
    reading: Reading, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wq_runner.remote.columns._PATIENCE", 0.01)
    goes_on = multiprocessing.Event()
    keep = Shelf.keep

    def hang(*arguments: Any) -> Path:
        goes_on.wait(100)
        return keep(*arguments)

    monkeypatch.setattr(Shelf, "keep", hang)
    columns = Columns(Wish(mode="on", directory=str(reading.directory), limit=LARGE))
    with uproot.open(file, object_cache=None) as opened:
        tree = opened["Events"]
        baskets.attach(columns, tree, identity.of_root(tree).hex())
        tree["x"].array()
        columns.settle()  # returns, although nothing is written
        assert columns.counts.bytes_kept == 0
        assert "is slow" in columns.notes[0]
        goes_on.set()
        columns.close()
        assert columns.counts.bytes_kept > 0


# -- what is asked for


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", Wish()),
        ("auto", Wish(mode="auto")),
        ("20GB", Wish(mode="on", limit=20 << 30)),
        ("/scratch/columns", Wish(mode="on", directory="/scratch/columns")),
        ("/scratch/columns:5GB", Wish(mode="on", directory="/scratch/columns", limit=5 << 30)),
        ("$SCRATCH/c:5GB", Wish(mode="on", directory="$SCRATCH/c", limit=5 << 30)),
        ("~/columns", Wish(mode="on", directory="~/columns")),
    ],
)
def test_what_is_asked_for(text: str, expected: Wish) -> None:
    assert kept_columns.wish(text) == expected


@pytest.mark.parametrize("text", ["columns", "", "/a:many", "on", "./here", "a:5GB"])
def test_what_is_no_wish_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        units.column_cache(text)
    with pytest.raises(UsageError):
        kept_columns.wish(text)


@pytest.mark.parametrize("text", ["columns", "yes", "/a:many"])
def test_a_refusal_says_what_may_be_asked_for(text: str) -> None:
    with pytest.raises(ValueError, match=r"20GB|2GB") as caught:
        units.column_cache(text)
    assert text.rpartition(":")[2] in str(caught.value)


def test_columns_lie_beside_the_directories_of_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"wq-runner-columns-{os.getuid()}"
    monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path / "worker-0-1"))
    assert shelf.place_of() == tmp_path / name
    monkeypatch.setenv("WORK_QUEUE_SANDBOX", str(tmp_path / "wq-runner-workers-12345678-x" / "worker-0-1"))
    assert shelf.place_of() == tmp_path / name
    monkeypatch.setenv("WQ_WORKER_CACHE", "/scratch")
    assert shelf.place_of() == Path("/scratch") / name
    assert shelf.place_of("/mine") == Path("/mine") / name


def test_a_pack_says_what_it_is_of(reading: Reading, file: Path) -> None:
    reading.read(file)
    about = packs.read_about(str(kept_packs(reading)[0]))
    assert (about["file"], about["tree"]) == (str(file), "/Events;1")
    file.touch()
    with pytest.raises(DamagedPackError):
        packs.read_about(str(file))
    with pytest.raises(ShelfError, match="File exists"):
        Shelf(file)


# -- what is said of it


def used(**values: Any) -> ColumnsUsed:
    return ColumnsUsed(task=1, category="processing", dataset="a", host="node1", **values)


def test_what_came_from_columns_is_added_up_and_said() -> None:
    tally = ColumnTally()
    assert tally.summary() is None
    tally.add(used(hits=3, hit=80 * 2**20, misses=1, missed=20 * 2**20, kept=20 * 2**20, saved=4.0))
    tally.add(used(hits=1, saved=1.5, notes=("nothing more is kept: full",)))
    found = tally.summary()
    assert found is not None
    assert words.columns(found) == [
        "80.0 MB of 100.0 MB (80%) came from what workers keep, which saved 5.5 core seconds; "
        "20.0 MB more are kept now",
        "node1: nothing more is kept: full",
    ]
    first = ColumnTally()
    first.add(used(misses=1, missed=20 * 2**20, kept=20 * 2**20))
    found_first = first.summary()
    assert found_first is not None
    assert words.columns(found_first) == [
        "none of 20.0 MB was kept on workers before; 20.0 MB are kept now, for the next run"
    ]
    assert dict(words.afterwards(RunView(columns=found)))["columns"].startswith("80.0 MB")


def test_that_columns_are_kept_is_said_once_and_each_trouble_at_once() -> None:
    console = Console(file=io.StringIO(), width=200)
    told = announcements.keeping(console)
    for _ in range(2):
        told(0.0, used(misses=1, place="/scratch/c", limit=10 << 30, notes=("nothing more is kept: full",)))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "columns      workers keep what chunks read in /scratch/c, at most 10.0 GB on a host: --column-cache",
        "columns      node1: nothing more is kept: full",
    ]


def test_columns_of_this_host_are_listed_and_cleaned(reading: Reading, tmp_path: Path) -> None:
    assert columns_here.listing(columns_here.found(str(reading.directory))) == ["no columns are kept"]
    one, other = write(tmp_path / "one.root"), write(tmp_path / "other.root", shift=1)
    for number, path in enumerate((one, other)):
        reading.read(path, chunk=ENTRIES)
        os.utime(kept_packs(reading)[0], (1000 + number, 1000 + number))
    kept = columns_here.found(str(reading.directory))
    assert kept is not None
    lines = columns_here.listing(kept)
    assert len(lines) == 3
    assert str(one) in "".join(lines)
    assert str(kept.place) in lines[-1]
    size = sum(pack.size for pack in kept.all())
    assert columns_here.clean(kept, size) == (0, 0)
    number, freed = columns_here.clean(kept, size - 1)
    assert (number, freed) == (1, size - sum(pack.size for pack in kept.all()))
    assert columns_here.clean(kept, None)[0] == 1
    assert kept.all() == []
