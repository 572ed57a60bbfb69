"""Tasks one after the other in this process: for debugging, and for a look at one chunk."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Task
from wq_runner.remote import prints, seeds, work
from wq_runner.remote.main import THREADS
from wq_runner.remote.work import Failed


class InlineEngine:
    """Does a task when it is waited for; `failed` sees each exception where it was raised.

    A task has what it has on a worker: a directory of its own, with these `files` in it, as pairs of a name
    there and a path; and variables that say what it may use. With None it works where this process does.
    """

    def __init__(self, files: Sequence[tuple[str, Path]] | None = None) -> None:
        self._files = files
        self.failed: Failed = work.unseen
        self._waiting: deque[Task] = deque()

    @property
    def status(self) -> EngineStatus:
        return EngineStatus(workers=1, workers_joined=1, cores=1, tasks_waiting=len(self._waiting), here=True)

    def start(self) -> None:
        pass

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def wait(self, timeout: float) -> list[Outcome]:  # noqa: ARG002 - the protocol's
        if not self._waiting:
            return []
        with seeds.apart(), prints.overheard() as printed:
            outcome = self._run(self._waiting.popleft())
        return [dataclasses.replace(outcome, output=printed.text)]

    def _run(self, task: Task) -> Outcome:
        if self._files is None:
            return run_here(task, self.failed)
        place = task.result.with_name(f"{task.result.name}.task")
        place.mkdir()
        try:
            for name, path in self._files:
                _link(place / name, path)
            with _inside(place), _told(_variables(task)):
                outcome = run_here(dataclasses.replace(task, result=place / "result"), self.failed)
            with contextlib.suppress(FileNotFoundError):  # which is seen where it is read
                (place / "result").replace(task.result)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return outcome

    def avoid(self, host: str, *, avoid: bool) -> None:
        """Do nothing: there is one host only."""

    def close(self) -> None:
        self._waiting.clear()


def run_here(task: Task, failed: Failed = work.unseen, notify: work.Notify = lambda _: None) -> Outcome:
    """Do a task in this process."""
    started, clock = time.time(), time.monotonic()
    work.execute(task.function, task.items, task.result, notify, failed=failed)
    return Outcome(
        task_id=task.id,
        ending=Ending.RETURNED,
        host="localhost",
        allocated=task.resources,
        submitted=started,
        started=started,
        finished=started + time.monotonic() - clock,
    )


def _link(link: Path, path: Path) -> None:
    """Make a link, unless the place is there already by way of a directory that is linked."""
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)


@contextlib.contextmanager
def _inside(place: Path) -> Iterator[None]:
    """Work in a directory; what is imported is found as before."""
    before, found = os.open(".", os.O_RDONLY), list(sys.path)
    sys.path[:] = [os.path.abspath(entry) for entry in found]  # noqa: PTH100 - an archive is no directory
    absolute = list(sys.path)
    os.chdir(place)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)
        if sys.path == absolute:  # else the task has added to it, which stays
            sys.path[:] = found


@contextlib.contextmanager
def _told(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _variables(task: Task) -> dict[str, str]:
    """Return what a worker's tasks find: their resources, and so many threads for each library."""
    given = task.resources
    cores = f"{given.cores or 1:g}"
    found = {"CORES": cores, **{name: cores for name in THREADS if not os.environ.get(name)}}
    for name, value in (("MEMORY", given.memory), ("DISK", given.disk)):
        if value is not None:
            found[name] = str(int(value))
    return found
