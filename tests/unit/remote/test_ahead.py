"""Columns of files on servers: read in one request once it is known which, and otherwise as ever."""

from __future__ import annotations

import functools
import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from uproot.source.chunk import Chunk
from uproot.source.futures import TrivialFuture

from wq_runner.remote import lent, servers
from wq_runner.remote.ahead import Ahead, Range, ranges_of
from wq_runner.remote.columns import Columns, Wish
from wq_runner.remote.failure import ChangedFileError
from wq_runner.remote.following import Following
from wq_runner.remote.opening import Reading
from wq_runner.remote.trees import Trees

NAMES = ("a", "b", "c")
ENTRIES = 400
PATIENCE = 60


@dataclass
class Server:
    """What files are asked for, request by request; the `broken` requests of several pieces fail."""

    asked: list[list[Range]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    broken: bool = False


SERVER = Server()


class Source(uproot.source.chunk.Source):
    """Reads ``far:///path`` from this disk, and notes each request."""

    def __init__(self, file_path: str, **_: Any) -> None:
        super().__init__()
        self._file_path = file_path
        self._place = Path(file_path.removeprefix("far://"))
        self._is_closed = False
        self._place.open("rb").close()
        SERVER.opened.append(self._place.name)
        SERVER.threads.add(threading.current_thread().name)

    def chunk(self, start: int, stop: int) -> Any:
        SERVER.asked.append([(start, stop)])
        return Chunk(self, start, stop, TrivialFuture(self._place.read_bytes()[start:stop]))

    def chunks(self, ranges: Any, notifications: queue.Queue[Any]) -> list[Any]:
        asked = list(ranges)
        if SERVER.broken and len(asked) > 1:
            SERVER.broken = False
            raise OSError("no vectors here")
        SERVER.asked.append(asked)
        content = self._place.read_bytes()
        chunks = [Chunk(self, a, b, TrivialFuture(content[a:b])) for a, b in asked]
        for one in chunks:
            notifications.put(one)
        return chunks

    @property
    def closed(self) -> bool:
        return self._is_closed

    def __exit__(self, *_: object) -> None:
        self._is_closed = True


@dataclass(frozen=True)
class Item:
    filename: str
    entrystart: int = 0
    entrystop: int = ENTRIES
    treename: str = "Events"
    dataset: str = "dy"


def written(
    path: Path, names: tuple[str, ...] = NAMES, shift: int = 0, entries: int = ENTRIES, **options: Any
) -> str:
    with uproot.recreate(path, **options) as file:
        tree = file.mktree("Events", dict.fromkeys(names, "i8"))
        for start in range(0, entries, entries // 4):  # baskets
            values = np.arange(start, start + entries // 4) + shift
            tree.extend({name: values + number for number, name in enumerate(names)})
    return f"far://{path}"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    fresh = Server()
    monkeypatch.setattr(f"{__name__}.SERVER", fresh)
    monkeypatch.setattr(lent, "_default", lambda _: Source)
    return fresh


def read(item: Item, names: tuple[str, ...], *, uproot_options: Any, begun: Callable[[], None]) -> list[Any]:
    """Read columns one by one, as coffea does when a processor asks for them."""
    with uproot.open({item.filename: None}, **uproot_options) as file:
        tree = file["Events"]
        begun()
        there = [name for name in names if name in tree]
        return [
            tree[name].array(library="np", entry_start=item.entrystart, entry_stop=item.entrystop).tolist()
            for name in there
        ]


def _begin(trees: Trees) -> None:
    trees.inputs.begun()


def task(
    items: list[Item],
    names: tuple[str, ...] = NAMES,
    reading: Reading | None = None,
    told: dict[str, Any] | None = None,
) -> tuple[list[Any], Trees]:
    trees = Trees(reading)
    trees.told = told or {}
    results = []
    for index, item in enumerate(items):
        trees.plan(item, items[index + 1] if index + 1 < len(items) else None)
        function = trees.used_by(
            functools.partial(read, names=names, uproot_options={}, begun=functools.partial(_begin, trees))
        )
        results.append(function(item))
    trees.end()
    return results, trees


OFF = Reading(ahead=False, learning=False)


@pytest.mark.parametrize("reading", [OFF, Reading(), Reading(learning=False)])
@pytest.mark.parametrize("told", [{}, {"dy": NAMES}, {"dy": ("a", "nowhere")}, {"other": NAMES}])
def test_what_is_read_is_the_same_however_it_is_read(
    tmp_path: Path, reading: Reading, told: dict[str, Any]
) -> None:
    files = [written(tmp_path / f"{number}.root", shift=1000 * number) for number in range(3)]
    items = [Item(path, start, start + 150) for path in files for start in (0, 150)]
    found, _ = task(items, reading=reading, told=told)
    for item, one in zip(items, found, strict=True):
        shift = 1000 * files.index(item.filename)
        assert one == [
            list(range(item.entrystart + shift + number, item.entrystop + shift + number))
            for number in range(3)
        ]


def test_the_first_chunk_tells_what_the_second_one_reads(tmp_path: Path, server: Server) -> None:
    path = written(tmp_path / "0.root")
    _, trees = task([Item(path, 0, 200), Item(path, 200, 400)])
    assert trees.learned == {"dy": set(NAMES)}
    tree_ranges = [len(one) for one in server.asked if len(one) > 1]
    assert tree_ranges == [2, 2, 2, 6]  # column by column, then all


def test_columns_that_were_told_come_in_one_request(tmp_path: Path, server: Server) -> None:
    _, trees = task([Item(written(tmp_path / "0.root"))], told={"dy": ["a", "b", "c"]})
    assert [len(one) for one in server.asked if len(one) > 1] == [12]
    assert trees.learned == {}  # nothing that was not known


def test_nothing_is_read_that_nobody_asks_for(tmp_path: Path, server: Server) -> None:
    """As where a cache has the columns."""
    _, trees = task([Item(written(tmp_path / "0.root"))], names=(), told={"dy": ["a", "b", "c"]})
    assert [len(one) for one in server.asked if len(one) > 1] == []
    assert trees.learned == {}


def test_what_was_not_foreseen_is_read_as_ever_and_learned(tmp_path: Path, server: Server) -> None:
    _, trees = task([Item(written(tmp_path / "0.root"))], told={"dy": ["a", "b"]})
    assert [len(one) for one in server.asked if len(one) > 1] == [8, 4]
    assert trees.learned == {"dy": {"c"}}


def test_columns_that_a_later_file_lacks_are_no_failure(tmp_path: Path) -> None:
    files = [written(tmp_path / "0.root"), written(tmp_path / "1.root", ("a", "c"))]
    found, _ = task([Item(path) for path in files])
    assert [len(one) for one in found] == [3, 2]


def test_off_learns_nothing_and_opens_nothing_before_its_time(tmp_path: Path, server: Server) -> None:
    files = [written(tmp_path / f"{number}.root") for number in range(2)]
    _, trees = task([Item(path) for path in files], reading=OFF)
    assert trees.learned == {}
    assert {len(one) for one in server.asked} == {1, 4}
    assert server.threads == {"MainThread"}


def test_a_server_that_refuses_many_pieces_is_asked_as_ever(tmp_path: Path, server: Server) -> None:
    path = written(tmp_path / "0.root")
    server.broken = True
    found, _ = task([Item(path, 0, 100)], told={"dy": NAMES})
    assert found[0][2] == list(range(2, 102))
    assert not server.broken


class _Late:
    """A piece whose bytes do not come."""

    def wait(self) -> None:
        raise OSError("the connection is gone")


class _Refusing:
    def __init__(self) -> None:
        self.asked: list[list[Range]] = []

    def chunks(self, ranges: list[Range], notifications: queue.Queue[Any]) -> list[Any]:
        self.asked.append(ranges)
        if len(ranges) > 1:
            return [_Late() for _ in ranges]
        notifications.put("read")
        return ["read"]


def test_an_answer_that_breaks_off_is_asked_for_again_piece_by_piece(tmp_path: Path) -> None:
    with uproot.open(written(tmp_path / "0.root").removeprefix("far://")) as file:
        tree = file["Events"]
        first, second = list(ranges_of(tree, ["a"], 0, 200))
        ahead, source, told = Ahead(tree, ["a"], 0, 200), _Refusing(), queue.Queue[Any]()
        assert ahead.chunks(source, [first], told) == ["read"]
        assert ahead.chunks(source, [second], told) == ["read"]
        assert source.asked == [[first, second], [first], [second]]
        assert told.qsize() == 2


# -- files


def test_a_file_is_opened_once_for_its_chunks_and_closed(tmp_path: Path, server: Server) -> None:
    path = written(tmp_path / "0.root")
    _, trees = task([Item(path, start, start + 100) for start in range(0, 400, 100)])
    assert server.opened == ["0.root"]
    assert trees._kept is None


def test_the_next_file_is_opened_while_the_present_one_is_computed(tmp_path: Path, server: Server) -> None:
    files = [written(tmp_path / f"{number}.root") for number in range(3)]
    task([Item(files[0]), Item(files[1]), Item(files[1]), Item(files[2])])
    assert server.opened == ["0.root", "1.root", "2.root"]
    assert server.threads == {"MainThread", "next file"}


def test_a_file_that_does_not_open_ahead_fails_where_it_is_read(tmp_path: Path) -> None:
    good = written(tmp_path / "0.root")
    with pytest.raises(FileNotFoundError, match=r"gone\.root"):
        task([Item(good), Item(f"far://{tmp_path}/gone.root")])


def test_nothing_is_opened_ahead_at_a_server_that_failed(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "failures", lambda _: 1)
    task([Item(written(tmp_path / f"{number}.root")) for number in range(2)])
    assert server.threads == {"MainThread"}


@pytest.mark.parametrize("compression", [None, uproot.ZLIB(1)])
def test_a_file_that_was_written_anew_is_not_read_with_the_old_tree(tmp_path: Path, compression: Any) -> None:
    """It is known when the chunk is done: its numbers may look right, or it could not be read."""
    path = written(tmp_path / "0.root", compression=compression)
    trees = Trees()
    first, second = Item(path, 0, 200), Item(path, 200, 400)
    reading = trees.used_by(functools.partial(read, names=("a",), uproot_options={}, begun=lambda: None))
    trees.plan(first, second)
    assert reading(first) == [list(range(200))]
    written(tmp_path / "0.root", shift=7, compression=compression)
    trees.plan(second, None)
    with pytest.raises(ChangedFileError):
        reading(second)
    assert reading(second) == [list(range(207, 407))]
    trees.end()


def _read_while(change: Callable[[], object], at: int) -> Callable[..., Any]:
    """Return what reads three columns, where something happens before the one of this number."""

    def reading(item: Item, *, uproot_options: Any, begun: Callable[[], None]) -> Any:
        with uproot.open({item.filename: None}, **uproot_options) as file:
            tree = file["Events"]
            begun()
            found = []
            for number, name in enumerate(NAMES):
                if number == at:
                    change()
                found.append(
                    tree[name].array(library="np", entry_start=item.entrystart, entry_stop=item.entrystop)
                )
            return [one.tolist() for one in found]

    return reading


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("following", [False, True])
def test_a_file_that_is_written_anew_while_it_is_read_gives_no_numbers(
    tmp_path: Path, at: int, before: int, *, following: bool
) -> None:
    """Also its first chunk, its last one, and where it was opened while the file before it was read."""
    kept = Columns(Wish(mode="on", directory=str(tmp_path / "kept"), limit=1 << 30))
    path = written(tmp_path / "0.root", compression=None)
    trees = Trees()
    trees.columns = kept
    plan = [Item(written(tmp_path / "other.root"))] * following
    plan += [Item(path, start, start + 200) for start in (0, 200)[: before + 1]]
    changed: list[str] = []

    def change() -> None:
        if trees._item is plan[-1] and not changed:
            changed.append(written(tmp_path / "0.root", shift=1000, compression=None))

    begun = functools.partial(_begin, trees)
    function = trees.used_by(functools.partial(_read_while(change, at), uproot_options={}, begun=begun))
    for item, after in itertools.pairwise(plan):
        trees.plan(item, after)
        function(item)
        kept.settle()
    basis = kept.counts.bytes_kept
    trees.plan(plan[-1], None)
    with pytest.raises(ChangedFileError):
        function(plan[-1])
    assert changed
    trees.end()
    kept.close()
    assert kept.counts.bytes_kept == basis  # nothing of the new file is taken for the old one


def test_what_opens_a_file_of_a_server_comes_in_one_request(tmp_path: Path) -> None:
    path = written(tmp_path / "0.root")
    trees = Trees(Reading(ahead=False, learning=False))
    reading = trees.used_by(functools.partial(read, names=(), uproot_options={}, begun=lambda: None))
    items = [Item(path, 0, 200), Item(path, 200, 400)]
    for item, after in zip(items, [*items[1:], None], strict=True):
        trees.plan(item, after)
        reading(item)
    trees.end()
    # and the header once more for the second chunk
    assert [len(asked) for asked in SERVER.asked] == [1, 1]
    assert [asked[0][0] for asked in SERVER.asked] == [0, 0]
    assert SERVER.asked[0][0][1] > SERVER.asked[1][0][1]


def test_a_tree_at_the_end_of_its_file_comes_with_the_directory(tmp_path: Path) -> None:
    """As ROOT writes them: another tree, which fills the file, is before it."""
    place = tmp_path / "0.root"
    with uproot.recreate(place) as file:
        file["first"] = {"x": np.random.default_rng(1).random(200_000)}
        file["Events"] = {"a": np.arange(400)}
    trees = Trees(Reading(ahead=False, learning=False))
    reading = trees.used_by(functools.partial(read, names=("a",), uproot_options={}, begun=lambda: None))
    trees.plan(Item(f"far://{place}"), None)
    assert reading(Item(f"far://{place}")) == [list(range(400))]
    trees.end()
    assert len(SERVER.asked) <= 4  # header, directory and tree, the column


def _opening(gate: threading.Event, found: str = "file") -> Callable[[], str]:
    def opening() -> str:
        assert gate.wait(PATIENCE)
        return found

    return opening


def test_what_is_dropped_before_it_is_open_is_closed_when_it_is() -> None:
    gate, closed = threading.Event(), queue.Queue[str]()
    following = Following("a", _opening(gate), closed.put)
    following.drop()
    assert closed.empty()
    gate.set()
    assert closed.get(timeout=PATIENCE) == "file"


def test_what_was_taken_is_not_closed_and_what_fails_is_nothing() -> None:
    gate, closed = threading.Event(), queue.Queue[str]()
    gate.set()
    following = Following("a", _opening(gate), closed.put)
    assert following.take() == "file"
    following.drop()
    assert closed.empty()

    def failing() -> str:
        raise OSError("no")

    assert Following("b", failing, closed.put).take() is None


@pytest.mark.parametrize(
    ("given", "path", "kind"),
    [
        ("XRootDSource", "root://a//b.root", "XRootDSource"),
        ("XRootDSource", "/b.root", "LocalSource"),
        ("MemmapSource", "/b.root", "MemmapSource"),
        ("MemmapSource", "root://a//b.root", None),
        ("FSSpecSource", "https://a/b.root", "FSSpecSource"),
    ],
)
def test_a_class_reads_the_files_that_it_can(given: str, path: str, kind: str | None) -> None:
    found = Reading(options={"handler": given}).options_for(path).get("handler")
    assert (found and found.__name__) == kind
