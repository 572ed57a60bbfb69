"""The tree of a file is read once for all chunks of a task, and never for another file."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import uproot
from coffea.processor import Runner
from coffea.processor.executor import FileMeta

from wq_runner.remote import functions, wire, work
from wq_runner.remote.checked import Checked
from wq_runner.remote.lent import Lent
from wq_runner.remote.local import LocalSource
from wq_runner.remote.opening import Reading
from wq_runner.remote.pinned import Code
from wq_runner.remote.trees import Trees


@dataclass(frozen=True)
class Piece:
    filename: str
    start: int = 0


@dataclass(frozen=True)
class Chunk(Piece):
    """A piece of a file that says which."""

    fileuuid: bytes = b""


def written(directory: Path, **options: Any) -> list[str]:
    paths = [str(directory / f"{number}.root") for number in range(2)]
    for number, path in enumerate(paths):
        with uproot.recreate(path, **options) as file:
            file.mktree("Events", {"x": "i8"})
            file["Events"].extend({"x": np.arange(10) + 100 * number})
    return paths


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return written(tmp_path)


class Reader:
    """Reads as coffea does, from a file that it opens and closes. Keeps the trees that it was given."""

    def __init__(self, failing: int = -1) -> None:
        self.trees: list[Any] = []
        self.failing = failing

    def __call__(self, item: Piece, *, uproot_options: dict[str, Any], savemetrics: bool = False) -> set[int]:
        assert savemetrics in {True, False}
        with uproot.open({item.filename: None}, **uproot_options) as file:
            tree = file["Events"]
            self.trees.append(tree)
            if len(self.trees) - 1 == self.failing:
                raise OSError("no")
            return {int(tree["x"].array(entry_start=item.start, entry_stop=item.start + 1)[0])}

    @property
    def read(self) -> int:
        return len({id(tree) for tree in self.trees})


def apply(
    function: Callable[[Any], Any], items: Sequence[Piece], tmp_path: Path
) -> tuple[dict[str, Any], Any]:
    import lz4.frame

    work.execute(
        tmp_path / "function",
        work.pack(items),
        tmp_path / "result",
        loaded=functions.Function(function, Code()),
    )
    header, (result, _) = wire.read(tmp_path / "result")
    return header, pickle.loads(lz4.frame.decompress(result))


def pieces(files: list[str], *numbers: int) -> list[Piece]:
    return [Piece(files[number], start) for start, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("order", "trees"),
    [
        ((0,), 1),
        ((0, 0), 1),
        ((0, 0, 0, 0, 0), 1),
        ((0, 0, 0, 1, 1, 1), 2),
        ((0, 1, 0, 1), 4),  # nobody comes back to a file
    ],
)
def test_chunks_of_a_file_share_its_tree(
    files: list[str], order: tuple[int, ...], trees: int, tmp_path: Path
) -> None:
    reader = Reader()
    # as coffea wraps it, and as we do
    function = functools.partial(_retried, 0, functools.partial(reader, uproot_options={}))
    header, result = apply(function, pieces(files, *order), tmp_path)
    assert header["done"] == list(range(len(order)))
    assert result == {start + 100 * number for start, number in enumerate(order)}
    assert reader.read == trees
    assert all(tree.file.closed for tree in reader.trees)


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("order", [(0, 0, 1, 1), (0, 1, 0, 1), (0, 0, 0, 1)])
def test_files_of_one_uuid_are_not_read_one_for_another(
    order: tuple[int, ...], counting: bool, tmp_path: Path
) -> None:
    """As ROOT writes them with ``?reproducible``: also their trees are at one place."""
    same = written(tmp_path, uuid_function=lambda: UUID(int=0))
    function = functools.partial(Reader(), uproot_options={}, savemetrics=counting)
    _, result = apply(function, pieces(same, *order), tmp_path)
    assert result == {start + 100 * number for start, number in enumerate(order)}


def _retried(retries: int, function: Callable[[Any], Any], item: Any) -> Any:
    assert retries == 0
    return function(item)


def test_a_failure_is_not_handed_on(files: list[str], tmp_path: Path) -> None:
    reader = Reader(failing=2)
    header, result = apply(
        functools.partial(reader, uproot_options={}), pieces(files, 0, 0, 0, 0, 0), tmp_path
    )
    assert header["done"] == [0, 1, 3, 4]
    assert result == {0, 1, 3, 4}
    assert reader.trees[3] is not reader.trees[2]


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("known", ["", "first", "second"])
def test_a_file_that_was_written_anew_is_not_read(
    known: str, counting: bool, files: list[str], tmp_path: Path
) -> None:
    """Or the first events of the new file would pass for all of the old one."""
    uuids = [uproot.open(path).file.uuid.bytes for path in files]
    uuid = {"": b"", "first": uuids[0], "second": uuids[1]}[known]
    items = [Chunk(files[0], start, uuid) for start in range(2)]
    reader = Reader()
    found, result = apply(functools.partial(reader, uproot_options={}, savemetrics=counting), items, tmp_path)
    if known == "second":
        assert [one["kind"] for one in found["failures"]] == ["changed", "changed"]
        assert found["failures"][0]["message"].startswith(
            "it was written anew since it was planned: its uuid is"
        )
        assert reader.trees == []
    else:
        assert not found["failures"]
        assert result == {0, 1}


@pytest.mark.parametrize("option", [{"object_cache": None}, {"object_cache": {}}])
def test_what_is_asked_for_is_kept(files: list[str], option: dict[str, Any], tmp_path: Path) -> None:
    reader = Reader()
    apply(functools.partial(reader, uproot_options=option), pieces(files, 0, 0, 0), tmp_path)
    assert reader.read == 3


def test_where_bytes_of_a_file_are_counted_each_chunk_reads_its_own(files: list[str], tmp_path: Path) -> None:
    reader = Reader()
    function = functools.partial(reader, uproot_options={}, savemetrics=True)
    apply(function, pieces(files, 0, 0, 0), tmp_path)
    assert reader.read == 3


def test_no_chunk_keeps_what_another_has_read(files: list[str], tmp_path: Path) -> None:
    reader = Reader()
    cached = []

    def counting(item: Piece, *, uproot_options: dict[str, Any]) -> set[int]:
        found = reader(item, uproot_options=uproot_options)
        cached.append(len(reader.trees[-1].file.array_cache))
        return found

    apply(functools.partial(counting, uproot_options={}), pieces(files, 0, 0, 0, 0), tmp_path)
    assert cached == [1, 1, 1, 1]


@pytest.mark.parametrize("counting", [False, True])
def test_coffeas_work_function_is_recognized(counting: bool) -> None:
    """Nothing would fail if it were not, only time would be lost."""
    closure = functools.partial(
        Runner._work_function, "root", 60, None, False, counting, processor_instance=b"", uproot_options={}
    )
    trees = Trees()
    found: Any = trees.used_by(functools.partial(Runner.automatic_retries, 0, False, closure))
    cache = found.args[2].args[1]["object_cache"]
    assert (cache is trees) is not counting
    assert isinstance(cache, Checked)


def test_a_file_is_known_when_its_entries_were_counted(files: list[str], tmp_path: Path) -> None:
    counted = functools.partial(Runner.metadata_fetcher_root, 60, False, {})
    header, found = apply(counted, [FileMeta("A", files[0], "Events")], tmp_path)
    assert [meta.metadata["numentries"] for meta in found] == [10]
    (told,) = header["inputs"]
    assert told["entries"] == 10
    assert told["identity"]


@pytest.mark.parametrize(
    ("path", "options", "reader"),
    [
        ("/data/a.root", {}, LocalSource),
        ("a.root", {}, LocalSource),
        ("root://host//a.root", {}, None),
        ("https://host/a.root", {}, None),
        ("https://host/a.root", {"handler": uproot.HTTPSource}, uproot.HTTPSource),
        ("simplecache::root://host//a.root", {}, None),
        ("/data/a.root", {"handler": uproot.MemmapSource}, uproot.MemmapSource),
    ],
)
def test_local_files_are_read_in_the_thread_that_asks(
    path: str, options: dict[str, Any], reader: Any
) -> None:
    seen: dict[str, Any] = {}

    def look(item: Piece, *, uproot_options: dict[str, Any]) -> None:
        assert item.filename == path
        seen.update(uproot_options)

    trees = Trees()
    trees.used_by(functools.partial(look, uproot_options=options))(Piece(path))
    assert seen["handler"] is Lent
    assert trees._reader is reader


@pytest.mark.parametrize(
    ("name", "path"), [("HTTPSource", "https://host/a.root"), ("MemmapSource", "/data/a.root")]
)
def test_a_class_that_the_user_names_reads_what_stays_open(name: str, path: str) -> None:
    trees = Trees(Reading(options={"handler": name}))
    trees.used_by(functools.partial(lambda *_, **__: None, uproot_options={}))(Piece(path))
    assert trees._reader is getattr(uproot, name)


@pytest.mark.parametrize("reader", [None, uproot.MemmapSource, uproot.MultithreadedFileSource])
def test_a_file_stays_open_as_it_was_asked_for(reader: Any, files: list[str], tmp_path: Path) -> None:
    reading: list[Any] = []

    def look(item: Piece, *, uproot_options: dict[str, Any]) -> set[int]:
        with uproot.open({item.filename: None}, **uproot_options) as file:
            found = {int(file["Events"]["x"].array(entry_start=item.start)[0])}
            reading.append(file.file.source._kept.source)
            return found

    options = {} if reader is None else {"handler": reader}
    _, result = apply(functools.partial(look, uproot_options=options), pieces(files, 0, 0, 1), tmp_path)
    assert result == {0, 1, 102}
    assert {type(one) for one in reading} == {reader or LocalSource}
    assert reading[0] is reading[1]
    assert all(one.closed for one in reading)


@pytest.mark.parametrize(
    ("scheme", "options"),
    [("", {}), ("file://", {}), ("", {"handler": uproot.MultithreadedFileSource})],
    ids=["as we read it", "as a server's file", "as it was asked for"],
)
def test_threads_of_a_processor_read_each_its_own(
    scheme: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Of one that seeks and then reads, half of the columns would be what other threads have asked for."""
    names = [f"column{number}" for number in range(8)]
    with uproot.recreate(tmp_path / "many.root", compression=None) as file:
        tree = file.mktree("Events", dict.fromkeys(names, "i8"))
        for _ in range(20):
            tree.extend({name: np.full(1000, number) for number, name in enumerate(names)})

    def look(item: Piece, *, uproot_options: dict[str, Any]) -> set[tuple[int, int]]:
        with uproot.open({item.filename: None}, **uproot_options) as file:
            tree = file["Events"]

            def values(number: int) -> set[tuple[int, int]]:
                return {(number, int(value)) for value in tree[names[number]].array(library="np")}

            with ThreadPoolExecutor(8) as threads:
                return set().union(*threads.map(values, [*range(8)] * 4))

    items = [Piece(f"{scheme}{tmp_path}/many.root")] * 5
    header, result = apply(functools.partial(look, uproot_options=options), items, tmp_path)
    assert not header["failures"]
    assert result == {(number, number) for number in range(8)}


def test_what_is_no_class_is_said_to_be_none(files: list[str], tmp_path: Path) -> None:
    options = {"handler": "MemmapSource"}
    header, _ = apply(functools.partial(Reader(), uproot_options=options), pieces(files, 0), tmp_path)
    assert "'handler' is not a class" in header["failures"][0]["message"]


def _replaced(path: str) -> None:
    written(Path(path).parent / "new")
    Path(path).parent.joinpath("new", Path(path).name).replace(path)


def _patched(path: str) -> None:
    """Write other numbers in the place of those in a file, which stays the same in all else."""
    content = Path(path).read_bytes()
    old, new = (np.arange(10, dtype=">i8") + shift for shift in (0, 50))
    assert content.count(old.tobytes()) == 1
    with Path(path).open("r+b") as file:
        file.write(content.replace(old.tobytes(), new.tobytes()))


@pytest.mark.parametrize(("change", "found"), [(_replaced, {0, 1, 2}), (_patched, {0, 51, 52})])
def test_a_file_that_changes_between_chunks_is_opened_anew(
    change: Callable[[str], None], found: set[int], tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    files = written(tmp_path, compression=None)
    reader = Reader()

    def changing(item: Piece, *, uproot_options: dict[str, Any]) -> set[int]:
        result = reader(item, uproot_options=uproot_options)
        if item.start == 0:
            change(files[0])
        return result

    _, result = apply(functools.partial(changing, uproot_options={}), pieces(files, 0, 0, 0), tmp_path)
    assert result == found
    assert reader.trees[1] is not reader.trees[0]
    assert reader.trees[2] is reader.trees[1]


def test_it_travels_empty() -> None:
    assert not pickle.loads(pickle.dumps(Trees()))
