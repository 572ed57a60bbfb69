"""From a few chunks to what the whole takes."""

from __future__ import annotations

import pytest

from wq_runner.directory.estimate import Probed, Suggestion, all_events, probed, suggestion
from wq_runner.directory.record import Spent
from wq_runner.model import Dataset, FileFacts, InputFile
from wq_runner.monitor.view import ChunkMemory
from wq_runner.units import MB

FILES = tuple(InputFile(path=f"/{name}.root") for name in "abcd")
FACTS = {file: FileFacts(entries=entries, uuid=b"") for file, entries in zip(FILES, (100, 300), strict=False)}


def memory(name: str, *, fixed: float = 200e6, per_event: float = 1000.0) -> ChunkMemory:
    most = fixed + per_event * 50_000
    return ChunkMemory(
        dataset=name,
        chunks=2,
        events=50_000,
        typical=most,
        high=most,
        most=most,
        fixed=fixed,
        per_event=per_event,
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [(FILES[:2], (400, True)), (FILES, (800, False)), (FILES[2:], (0, False)), ((), (0, False))],
)
def test_all_events(files: tuple[InputFile, ...], expected: tuple[int, bool]) -> None:
    assert all_events(Dataset(name="A", files=files), FACTS) == expected


def test_ranges_are_all_there_is() -> None:
    part = InputFile(path="/a.root", ranges=((5, 9), (10, 20)))
    assert all_events(Dataset(name="A", files=(part,)), {}) == (14, True)


def test_what_was_measured() -> None:
    spent = Spent()
    spent.events["A"], spent.seconds["A"] = 100, 0.5
    fileset = (Dataset(name="A", files=FILES), Dataset(name="B", files=FILES[:1]))
    (one,) = probed(fileset, FACTS, [memory("A"), memory("B")], spent)
    assert (one.total, one.exact, one.rate, one.expected) == (800, False, 200, 4.0)


def of(total: int, rate: float, **rest: float) -> Probed:
    return Probed(
        dataset="A", memory=memory("A", **rest), events=int(rate), seconds=1.0, total=total, exact=True
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # by time: 120 s of 1000 events/s
        ([of(36_000_000, 1000)], Suggestion(chunksize=120_000, workers=20, memory=330 * MB, seconds=1800)),
        # by memory: (1.78e9 - 2e8) / 100 kB
        (
            [of(36_000_000, 1000, per_event=1e5)],
            Suggestion(chunksize=15_000, workers=20, memory=1700 * MB, seconds=1800),
        ),
        # little: one worker, one chunk
        ([of(1000, 1000)], Suggestion(chunksize=1000, workers=1, memory=210 * MB, seconds=1)),
        # the slower and larger one decides
        (
            [of(1_800_000, 1000), of(1_800_000, 100)],
            Suggestion(chunksize=12_000, workers=11, memory=220 * MB, seconds=1800),
        ),
    ],
)
def test_what_would_suit(found: list[Probed], expected: Suggestion) -> None:
    assert suggestion(found) == expected


def test_nothing_measured_suggests_nothing() -> None:
    assert suggestion([]) is None
