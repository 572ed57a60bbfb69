"""A run that is ended at any moment, and goes on until it is complete: nothing lost, nothing there twice."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from counting import Chunk, all_of, chunks, look, ranges
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Act, Attempt, Clock, Cost, ScriptedEngine, Worker

from wq_runner import journal
from wq_runner.journal import Journal
from wq_runner.ledger import ledger
from wq_runner.ledger.items import Key
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.parts import TreeSettings
from wq_runner.ledger.side_files import FileStore
from wq_runner.model import Category, Ending, Outcome
from wq_runner.remote.pinned import Code
from wq_runner.scheduler.batching import ShapeSettings
from wq_runner.scheduler.phase import LoopResult, LoopSettings, StopRequest
from wq_runner.scheduler.session import Numbers, Session
from wq_runner.units import MB

SETTINGS = LoopSettings(code=Code(), shape=ShapeSettings(task_time=12, least_time=2))


class Killed(BaseException):
    """What ends a run in the middle: nothing of ours expects it."""


class Killing(ScriptedEngine):
    """Ends the run when it was waited for so many times."""

    def __init__(self, waits: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._left = waits

    def wait(self, timeout: float) -> list[Outcome]:
        self._left -= 1
        if not self._left:
            raise Killed
        return super().wait(timeout)


def spoiled(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :])


BAD_ENDS = (
    Act(ending=Ending.LOST),
    Act(ending=Ending.TRANSFER, detail="no space left"),
    Act(ending=Ending.EXHAUSTED),
    Act(ending=Ending.NO_RESULT, exit_code=-1),
    Act(spoil=spoiled),
    Act(spoil=Path.unlink),
)


def at_random(dice: random.Random) -> Callable[[Attempt], Act]:
    """Return a script in which one attempt in six ends badly, and one in six comes twice."""

    def script(_: Attempt) -> Act:
        number = dice.randrange(6)
        return dice.choice(BAD_ENDS) if number == 0 else Act(times=2 if number == 1 else 1)

    return script


@dataclass
class Place:
    """Where a run is, which several processes work on one after the other."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("ledger", "staging", "files"):
            (self.root / name).mkdir(parents=True)

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def files(self) -> FileStore:
        return FileStore(root=self.root / "files")

    def recover(self) -> Recovered:
        events = [event for _, event in journal.read(self.journal)] if self.journal.exists() else []
        return ledger.recover(self.root / "ledger", events, self.files)


def without(values: Iterable[Chunk], recovered: Recovered) -> Iterator[Chunk]:
    """Yield what is left of chunks: some were cut, and some parts of them are done."""
    for value in values:
        start = value.entrystart
        keys = recovered.done.get(value.dataset, ())
        for first, last in sorted(key[2:4] for key in keys if key[0] == value.filename):
            if value.entrystart <= first < value.entrystop:
                if start < first:
                    yield replace(value, entrystart=start, entrystop=first)
                start = last
        if start < value.entrystop:
            yield replace(value, entrystart=start)


def a_run(place: Place, dice: random.Random, *, kills: bool, **rest: Any) -> tuple[Session, Recovered]:
    """Return a session that goes on where the last one was ended, with workers that come and go."""
    clock, recovered = Clock(), place.recover()
    workers = [
        Worker(host=f"n{number}", cores=2, joins=dice.uniform(0, 20), leaves=dice.uniform(30, 200))
        for number in range(3)
    ]
    engine = Killing(
        dice.randrange(1, 30) if kills else 10**6,
        workers=(*workers, Worker(host="stays")),
        clock=clock,
        script=at_random(dice),
        cost=lambda chunk: Cost(seconds=3, memory=(200 + getattr(chunk, "events", 0) / 50) * MB),
    )
    numbers = Numbers()
    numbers.pass_over(recovered.last_task)
    session = Session(
        engine=engine,
        staging=place.root / "staging",
        ledger=place.root / "ledger",
        files=place.files,
        recovered=recovered,
        journal=Journal(place.journal),
        numbers=numbers,
        stop=StopRequest(clock=clock),
        clock=clock,
        **rest,
    )
    return session, recovered


@pytest.mark.parametrize("tree", [None, TreeSettings(results=3, always=True)], ids=["added here", "by tasks"])
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6))
def test_whatever_ends_it_all_is_there_once(
    tree: TreeSettings | None, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dice = random.Random(seed)
    place = Place(tmp_path_factory.mktemp("run"))
    values = [
        one
        for name in range(dice.randrange(1, 9))
        for one in chunks(f"D{name}", dice.randrange(1, 9), 20_000)
    ]
    found: LoopResult | None = None
    for number in range(5):
        session, recovered = a_run(place, dice, kills=number < 4, settings=replace(SETTINGS, tree=tree))
        try:
            with contextlib.suppress(Killed):
                found = session.run(list(without(values, recovered)), look, Category.PROCESSING)
                session.close()
                break
        finally:
            session.journal.close()
        assert not session.started, "what ended it is known to the session"
    assert found is not None
    assert not found.skipped
    assert ranges(found.results) == all_of(values)
    held = [key for one in place.recover().holdings for key in one.items]
    assert ranges({("", ""): {"events": sum(key[3] - key[2] for key in held), "seen": seen(held)}}) == all_of(
        values
    )


def seen(keys: Iterable[Key]) -> set[tuple[str, int, int]]:
    return {(key[0], key[2], key[3]) for key in keys}


def test_portions_of_a_dataset_are_sums_of_their_own(tmp_path: Path) -> None:
    values = chunks("A", 8, files=2)
    session, _ = a_run(
        Place(tmp_path / "run"),
        random.Random(1),
        kills=False,
        settings=SETTINGS,
        portion=lambda item: item.path,
    )
    with contextlib.closing(session.journal), contextlib.closing(session):
        results = session.run(values, look, Category.PROCESSING).results
    assert {of: ranges({of: one}) for of, one in results.items()} == {
        ("A", f"A-{number}.root"): [(f"A-{number}.root", 0, 8000)] for number in range(2)
    }
