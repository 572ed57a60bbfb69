"""An engine that follows a script, and a clock that nobody waits for.

Tasks are done in this process by the same code as on a worker; what a script decides is how long an attempt
takes, how much memory it uses, and how it ends. Nothing sleeps: the clock goes from one event to the next.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Ending, Outcome, Resources, Task
from wq_runner.remote import functions, wire, work
from wq_runner.remote.seeds import Seeder
from wq_runner.units import MB

FOREVER = 10_000_000.0  # seconds after which a script is taken for one that does not end


@dataclass
class Clock:
    """Seconds that only grow, when somebody says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker that is there for a time, in seconds from the start of the engine; `memory` in MB."""

    host: str = "node"
    cores: int = 1
    memory: float = 4096
    joins: float = 0.0
    leaves: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an item takes: seconds, and bytes of memory at its peak."""

    seconds: float = 1.0
    memory: float = 200 * MB


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A task that a worker begins; `number` counts all attempts from 1."""

    number: int
    task: Task
    values: tuple[Any, ...]
    host: str


@dataclass(frozen=True, kw_only=True)
class Act:
    """How an attempt ends. `spoil` is what happens to its answer on the way, `times` how often it comes."""

    ending: Ending = Ending.RETURNED
    exit_code: int = 0
    output: str = ""
    detail: str = ""
    spoil: Callable[[Path], None] = lambda _: None
    times: int = 1


Script = Callable[[Attempt], Act]


def well(_: Attempt) -> Act:
    """Let every attempt end well."""
    return Act()


@dataclass(frozen=True, kw_only=True)
class Busy:
    """Cores that a task had, from one moment to another."""

    start: float
    stop: float
    cores: float


@dataclass(eq=False)
class _Place:
    """A worker that is connected, and what is free there."""

    worker: Worker
    cores: float
    memory: float
    running: dict[int, _Started] = field(default_factory=dict)


@dataclass(eq=False)
class _Started:
    attempt: Attempt
    place: _Place
    allocated: Resources
    start: float
    exhausted: bool


class ScriptedEngine:
    """Runs tasks on workers that a test describes; each attempt ends as the script says.

    An attempt takes the seconds of its items together, and `startup`. One whose items use more memory than it
    was given is out of resources halfway through. `busy` says afterwards when cores were at work.
    """

    def __init__(
        self,
        workers: Sequence[Worker] = (Worker(),),
        *,
        clock: Clock,
        script: Script = well,
        cost: Callable[[Any], Cost] = lambda _: Cost(),
        startup: float = 0.0,
    ) -> None:
        self._clock = clock
        self._script = script
        self._cost = cost
        self._startup = startup
        self._workers = workers
        self._waiting: deque[Task] = deque()
        self._submitted: dict[int, float] = {}
        self._places: list[_Place] = []
        self._free: dict[_Place, None] = {}
        self._status: EngineStatus | None = None  # until something changes
        self._events: list[tuple[float, int, Callable[[], list[Outcome]]]] = []
        self._order = itertools.count()
        self._attempts = itertools.count(1)
        self._joined = self._lost = 0
        self._avoided: set[str] = set()
        self.busy: list[Busy] = []
        self.closed = 0
        self.submitted: list[Task] = []

    @property
    def status(self) -> EngineStatus:
        if self._status is None:
            self._status = self._now()
        return self._status

    def _now(self) -> EngineStatus:
        there = [place.worker for place in self._places]
        largest = max(there, key=lambda worker: worker.memory, default=None)
        return EngineStatus(
            workers=len(there),
            workers_busy=sum(bool(place.running) for place in self._places),
            workers_joined=self._joined,
            workers_lost=self._lost,
            cores=sum(worker.cores for worker in there),
            cores_used=int(sum(place.worker.cores - place.cores for place in self._places)),
            memory=sum(worker.memory for worker in there) * MB,
            largest=Resources(cores=largest.cores, memory=largest.memory) if largest else Resources(),
            smallest=Resources(
                cores=min((worker.cores for worker in there), default=None),
                memory=min((worker.memory for worker in there), default=None),
            ),
            tasks_waiting=len(self._waiting),
            tasks_running=sum(len(place.running) for place in self._places),
        )

    def start(self) -> None:
        for worker in self._workers:
            self._at(self._clock.now + worker.joins, functools.partial(self._join, worker))
        while self._events and self._events[0][0] <= self._clock.now:
            heapq.heappop(self._events)[2]()
        self._status = None

    def submit(self, task: Task) -> None:
        self.submitted.append(task)
        self._submitted[task.id] = self._clock.now
        self._waiting.append(task)
        self._status = None

    def wait(self, timeout: float) -> list[Outcome]:
        until = self._clock.now + timeout
        assert until < FOREVER, "the script does not end"
        self._place()
        while self._events and self._events[0][0] <= until:
            self._clock.now, _, happen = heapq.heappop(self._events)
            self._status = None
            if found := happen():
                return found
            self._place()
        self._clock.now = until
        return []

    def avoid(self, host: str, *, avoid: bool) -> None:
        (self._avoided.add if avoid else self._avoided.discard)(host)

    def close(self) -> None:
        self._waiting.clear()
        self._events.clear()
        self._places.clear()
        self._free.clear()
        self.closed += 1

    # -- what happens

    def _at(self, when: float, happen: Callable[[], list[Outcome]]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    def _join(self, worker: Worker) -> list[Outcome]:
        place = _Place(worker, worker.cores, worker.memory)
        self._places.append(place)
        self._free[place] = None
        self._joined += 1
        if worker.leaves < math.inf:
            self._at(self._clock.now + worker.leaves - worker.joins, lambda: self._leave(place))
        return []

    def _leave(self, place: _Place) -> list[Outcome]:
        """Take a worker away: what ran there is lost."""
        self._places.remove(place)
        self._free.pop(place, None)
        self._lost += 1
        lost = list(place.running.values())
        place.running.clear()
        return [self._outcome(one, Act(ending=Ending.LOST)) for one in lost]

    def _place(self) -> None:
        """Give what waits to workers that have room, in the order in which it came."""
        left: deque[Task] = deque()
        while self._waiting and self._free:
            task = self._waiting.popleft()
            if not self._begin(task):
                left.append(task)
        self._waiting = left + self._waiting
        self._status = None

    def _begin(self, task: Task) -> bool:
        cores = task.resources.cores or 1
        for place in self._free:
            worker = place.worker
            share = worker.memory * cores / worker.cores
            memory = share if task.resources.memory is None else task.resources.memory
            if worker.host in self._avoided or place.cores < cores or place.memory < memory:
                continue
            place.cores -= cores
            place.memory -= memory
            if not place.cores:
                del self._free[place]
            self._run(task, place, Resources(cores=cores, memory=memory))
            return True
        return False

    def _run(self, task: Task, place: _Place, allocated: Resources) -> None:
        values = work.unpack(task.items).items
        costs = [self._cost(value) for value in values]
        exhausted = max(cost.memory for cost in costs) > (allocated.memory or 0) * MB
        seconds = self._startup + sum(cost.seconds for cost in costs) / (2 if exhausted else 1)
        attempt = Attempt(
            number=next(self._attempts), task=task, values=tuple(values), host=place.worker.host
        )
        started = _Started(attempt, place, allocated, self._clock.now, exhausted)
        place.running[task.id] = started
        self._at(self._clock.now + seconds, lambda: self._end(started))

    def _end(self, started: _Started) -> list[Outcome]:
        place, task = started.place, started.attempt.task
        if place.running.pop(task.id, None) is None:
            return []  # its worker went away
        place.cores += started.allocated.cores or 0
        place.memory += started.allocated.memory or 0
        self._free[place] = None
        act = self._script(started.attempt)
        if act.ending is Ending.RETURNED and started.exhausted:
            act = Act(ending=Ending.EXHAUSTED)
        if act.ending is Ending.RETURNED:
            work.execute(task.function, task.items, task.result, loaded=_loaded(task.function))
            self._say_costs(started)
            act.spoil(task.result)
        return [self._outcome(started, act)] * act.times

    def _say_costs(self, started: _Started) -> None:
        """Put what the items cost by the script into the answer, in place of what they cost here."""
        task = started.attempt.task
        header, blobs = wire.read(task.result)
        costs = [self._cost(value) for value in started.attempt.values]
        for one in header["measured"]:
            cost = costs[one["index"]]
            one.update(wall=cost.seconds, cpu=cost.seconds, memory=int(cost.memory))
        wall = self._clock.now - started.start
        header.update(host=started.attempt.host, startup=self._startup, wall=wall, read={})
        wire.write(task.result, header, blobs)

    def _outcome(self, started: _Started, act: Act) -> Outcome:
        task = started.attempt.task
        self.busy.append(Busy(start=started.start, stop=self._clock.now, cores=started.allocated.cores or 0))
        return Outcome(
            task_id=task.id,
            ending=act.ending,
            exit_code=act.exit_code,
            output=act.output,
            detail=act.detail,
            host=started.attempt.host,
            allocated=started.allocated,
            submitted=self._submitted[task.id],
            started=started.start,
            finished=self._clock.now,
        )


class _Unseeded(Seeder):
    """Seeds nothing: it would look through all modules of the tests for each chunk, and nobody draws."""

    def prepare(self, item: Any, processor: Any = None) -> None:
        pass


def _loaded(path: Path) -> functions.Function | None:
    try:
        return dataclasses.replace(functions.load_function(path), seeder=_Unseeded())
    except Exception:
        return None  # which the task says


def busy_share(engine: ScriptedEngine, start: float, stop: float, cores: int) -> float:
    """Return the share of so many cores that was at work between two moments."""
    overlaps = ((min(one.stop, stop) - max(one.start, start)) * one.cores for one in engine.busy)
    return sum(max(0.0, overlap) for overlap in overlaps) / ((stop - start) * cores)
