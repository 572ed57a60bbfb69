"""When an earlier run in the directory did all that is asked for now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wq_runner import checksums
from wq_runner.config.settings import ChunkSettings
from wq_runner.directory import finished as finished_
from wq_runner.directory.finished import Asked
from wq_runner.model import Chunk, Dataset, FileFacts, Fileset, InputFile
from wq_runner.output.result_files import Form
from wq_runner.planning import chunks
from wq_runner.planning.left_out import files_left_out
from wq_runner.system import RunPaths

UUID = bytes(range(16))


def file(name: str, ranges: tuple[tuple[int, int], ...] | None = None) -> InputFile:
    return InputFile(path=f"/data/{name}.root", ranges=ranges)


WHOLE = (
    Dataset(name="A", files=(file("a0"), file("a1"))),
    Dataset(name="B", files=(file("b0"),)),
    Dataset(name="shared", files=(file("a0", ((0, 50),)),)),
)


def facts_of(fileset: Fileset, *unknown: str) -> dict[InputFile, FileFacts]:
    return {
        one: FileFacts(entries=100, uuid=UUID, identity=UUID[:8])
        for dataset in fileset
        for one in dataset.files
        if one.path.split("/")[-1].removesuffix(".root") not in unknown
    }


def asked(
    fileset: Fileset = WHOLE,
    *unknown: str,
    whole: Fileset | None = None,
    chunksize: int = 40,
    limit_chunks: int | None = None,
) -> Asked:
    facts = facts_of(fileset, *unknown)
    settings = ChunkSettings(chunksize=chunksize, limit_chunks=limit_chunks)
    plan = chunks.plan(fileset, facts, settings)
    return Asked(
        datasets=[dataset.name for dataset in fileset],
        plan=plan,
        unknown=chunks.files_to_open(fileset, facts, settings),
        left_out=files_left_out(whole or fileset, plan, ()),
    )


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., bool]:
    """Return what asks again after a run that did what was `before`."""
    paths = RunPaths(root=tmp_path)
    paths.output.write_bytes(b"result")

    def ask(before: Asked, now: Asked, **changed: Any) -> bool:
        record = {
            "complete": True,
            "fingerprint": {"the processor": "p"},
            "inputs": before.digest,
            "outputs": [{"path": "output.coffea", "bytes": 6, "sha256": ""}],
            "files_written": 0,
            "form": Form().record(),
            "limited": {
                name: {"files_left_out": files, "files": of} for name, (files, of) in before.left_out.items()
            },
        }
        checksums.write_json(paths.summary, {**record, **changed})
        return finished_.is_finished(paths, {"the processor": "p"}, now, Form())

    return ask


def with_files(name: str, *files: InputFile) -> Fileset:
    return tuple(replace(one, files=(*one.files, *files)) if one.name == name else one for one in WHOLE)


SAME = {
    "the same": asked(),
    "in other chunks": asked(chunksize=7),
    "in another order": asked(tuple(reversed(WHOLE))),
}
OTHER = {
    "a file that is not known": asked(with_files("A", file("a2")), "a2"),
    "a file that is known": asked(with_files("A", file("a2"))),
    "a dataset of which nothing is known": asked(
        (*WHOLE, Dataset(name="C", files=(file("c0"), file("c1")))), "c0", "c1"
    ),
    "a dataset without files": asked((*WHOLE, Dataset(name="C", files=()))),
    "a dataset gone": asked(WHOLE[:2]),
    "a dataset by another name": asked((WHOLE[0], replace(WHOLE[1], name="b"), WHOLE[2])),
    "a file that was known and is not": asked(WHOLE, "a1"),
    "nothing is known": asked(WHOLE, "a0", "a1", "b0"),
    "another tree": asked(
        (WHOLE[0], Dataset(name="B", files=(replace(file("b0"), treename="Runs"),)), WHOLE[2])
    ),
    "ranges that two datasets swapped": asked(
        (
            Dataset(name="A", files=(file("a0", ((0, 50),)), file("a1"))),
            WHOLE[1],
            Dataset(name="shared", files=(file("a0"),)),
        )
    ),
    "fewer files": asked((replace(WHOLE[0], files=WHOLE[0].files[:1]), *WHOLE[1:]), whole=WHOLE),
    "fewer chunks": asked(limit_chunks=1),
}  # fmt: skip


@pytest.mark.parametrize("now", SAME.values(), ids=SAME.keys())
def test_what_was_asked_for_is_there(finished: Callable[..., bool], now: Asked) -> None:
    assert finished(asked(), now)


@pytest.mark.parametrize("now", OTHER.values(), ids=OTHER.keys())
def test_what_was_not_asked_for_is_not(finished: Callable[..., bool], now: Asked) -> None:
    assert not finished(asked(), now)
    if now.plan and not now.unknown:
        assert not finished(now, asked())


def test_files_behind_a_limit_need_not_be_known(finished: Callable[..., bool]) -> None:
    limited = asked(WHOLE, "a1", limit_chunks=2)
    assert limited.unknown == []
    assert finished(limited, limited)
    assert asked(WHOLE, "a0", limit_chunks=2).unknown == [file("a0"), file("a0", ((0, 50),))]


def test_what_was_left_out_is_told_as_it_is_now(finished: Callable[..., bool]) -> None:
    part = WHOLE[:1]
    before = asked(part, whole=WHOLE)
    assert finished(before, before)
    assert not finished(before, asked(part, whole=(*WHOLE, Dataset(name="C", files=(file("c0"),)))))


def test_a_partial_run_is_not_finished(finished: Callable[..., bool]) -> None:
    assert not finished(asked(), asked(), complete=False)


def test_nothing_is_no_result(finished: Callable[..., bool]) -> None:
    nothing = Asked(datasets=[], plan=[], unknown=[], left_out={})
    assert not finished(nothing, nothing)


def test_the_digest_does_not_depend_on_how_it_is_cut() -> None:
    chunk = Chunk(dataset="A", path="/a", treename="Events", start=0, stop=10, uuid=UUID)
    halves = [replace(chunk, stop=5), replace(chunk, start=5)]
    assert finished_.digest_of(["A"], [chunk]) == finished_.digest_of(["A"], halves)
    empty = replace(chunk, path="/b", stop=0)
    assert finished_.digest_of(["A"], [chunk, empty]) != finished_.digest_of(["A"], [chunk])
