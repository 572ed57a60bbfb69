"""What is known of a run at one moment: the numbers that terminal, page, report and metrics all show.

Durations are seconds, times seconds since the epoch, sizes bytes. Everything here becomes JSON by way
of its attributes' names, which `docs/schemas/status.schema.json` describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FORMAT = 1  # raised when a number changes its meaning

RUNNING, COMPLETE, PARTIAL, FAILED, INTERRUPTED, DIED = (
    "running",
    "complete",
    "partial",
    "failed",
    "interrupted",
    "died",
)
OPENING, PROCESSING = "preprocessing", "processing"
PHASES: Mapping[str, str] = {OPENING: "opening files", PROCESSING: "processing"}
"""What a run does, and what people call it."""
_STATES = {0: COMPLETE, 3: PARTIAL, 130: INTERRUPTED}


def state_of(code: int) -> str:
    """Return the state that an exit code means."""
    return _STATES.get(code, FAILED)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a dataset is, in its phase's unit: events, or files while they are opened.

    `resumed` of those done were done by an earlier process. `rate` is that of the last minute or so; `left`
    is None while nothing is known. `output` is the file with its result, if it is there while others run.
    `empty_left` are chunks of empty files that no task has seen yet: events do not tell of them.
    """

    name: str
    planned: int
    done: int
    skipped: int = 0
    chunks: int = 0
    chunks_done: int = 0
    chunks_skipped: int = 0
    empty_left: int = 0
    resumed: int = 0
    retried: int = 0
    rate: float = 0.0
    mean_rate: float = 0.0
    left: float | None = None
    started: bool = False
    output: str = ""

    @property
    def finished(self) -> bool:
        return self.done + self.skipped >= self.planned and self.empty_left <= 0

    @property
    def lacks(self) -> bool:
        """Whether something of it was skipped, be it a file without events."""
        return bool(self.skipped or self.chunks_skipped)


@dataclass(frozen=True, kw_only=True)
class WorkersNow:
    """`memory_used` is what is allocated; `memory_measured` is what the running tasks are likely to use.

    `here` says that there are no workers, as the process of the run does all by itself.
    """

    connected: int = 0
    busy: int = 0
    joined: int = 0
    lost: int = 0
    cores: float = 0
    cores_used: float = 0
    memory: float = 0
    memory_used: float = 0
    memory_measured: float = 0
    largest_cores: float = 0
    largest_memory: float = 0
    engine_restarts: int = 0
    here: bool = False
    since: float | None = None
    """When the first one joined."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """`ended` are attempts that came back, `useful` those of them that brought a result."""

    submitted: int = 0
    ended: int = 0
    useful: int = 0
    running: int = 0
    waiting: int = 0
    retried: int = 0
    split: int = 0
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Bytes: read from input by the processor, sent to and received from workers."""

    read: int = 0
    sent: int = 0
    received: int = 0


@dataclass(frozen=True, kw_only=True)
class CoreTime:
    """Where the time of the workers' cores went, in core seconds; `available` is the sum of the others."""

    available: float = 0.0
    processing: float = 0.0
    opening: float = 0.0
    adding: float = 0.0
    startup: float = 0.0
    transfer: float = 0.0
    retries: float = 0.0
    running: float = 0.0
    idle: float = 0.0

    def share(self, use: str) -> float:
        """Return the part of the available time that a use took, from 0 to 1."""
        value: float = getattr(self, use)
        return value / self.available if self.available > 0 else 0.0


USES: Mapping[str, str] = {
    "processing": "processing",
    "opening": "opening files",
    "adding": "adding up results",
    "startup": "start-up",
    "transfer": "transfer",
    "retries": "retries",
    "running": "still running",
    "idle": "idle",
}
"""The uses of core time, and what people call them."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peaks of the tasks of one dataset (of a whole category if `dataset` is empty), and what they held.

    `exhausted` counts failures for want of memory, disk or time; `lost` are the core seconds they took.
    """

    category: str
    dataset: str
    tasks: int = 0
    typical: float = 0.0
    high: float = 0.0
    most: float = 0.0
    allocated: float = 0.0
    most_allocated: float = 0.0
    exhausted: int = 0
    lost: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ChunkMemory:
    """Peaks of the chunks of one dataset that were done, in bytes: `fixed` + `per_event` x events, roughly.

    `events` is the mean of a chunk, `typical` the median, `high` what 95% stay below.
    """

    dataset: str
    chunks: int
    events: float
    typical: float
    high: float
    most: float
    fixed: float
    per_event: float


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Failures that are alike. `place` is where the last one was, `high` is not counted twice."""

    cause: str
    reason: str
    count: int
    events: int
    actions: Mapping[str, int]
    datasets: tuple[str, ...]
    hosts: tuple[str, ...]
    place: str
    first: float
    last: float
    traceback: str = ""


@dataclass(frozen=True, kw_only=True)
class LeftFiles:
    """Files that processors left in the directories of tasks, which are gone; `names` are some of them."""

    files: int
    bytes: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnsRead:
    """What came from columns that workers keep: baskets that were there or not, and bytes of their values.

    `saved` are the seconds of all cores that it saved; `notes` say what went wrong on which host.
    """

    hits: int
    misses: int
    hit: int
    missed: int
    kept: int
    saved: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What was not read from its own server but from another: chunks, their events, and files opened.

    `reason` is what the first server said the last time, `path` the file that it said it of.
    """

    server: str
    instead: str
    chunks: int
    events: int
    opened: int
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class WarningSeen:
    """What tasks warned of `count` times, in the words of one of them; `place` is a file and a line."""

    kind: str
    text: str
    place: str
    count: int
    datasets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Print:
    """The end of what a task printed."""

    task: int
    dataset: str
    host: str
    text: str


@dataclass(frozen=True, kw_only=True)
class FileTime:
    """A file that took long; `excess` are the seconds beyond what its dataset takes for as many events."""

    path: str
    dataset: str
    events: int
    seconds: float
    excess: float


@dataclass(frozen=True, kw_only=True)
class HostTime:
    """`speed` is relative to all hosts on the same datasets: 0.5 takes twice as long."""

    host: str
    tasks: int
    failed: int
    events: int
    core_seconds: float
    speed: float


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A histogram with edges in equal ratios: bin i is ``[edges[i], edges[i + 1])``."""

    count: int = 0
    mean: float = 0.0
    median: float = 0.0
    high: float = 0.0
    most: float = 0.0
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Series:
    """Time in bins of `width` seconds from `start`: means of gauges, and sums of what was counted.

    The last bin has only lasted `last_width` so far.
    """

    start: float = 0.0
    width: float = 1.0
    last_width: float = 0.0
    gauges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    counts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def bins(self) -> int:
        return len(next(iter(self.gauges.values()), ()))

    def rates(self, name: str) -> list[float]:
        """Return a count per second in each bin."""
        values = [count / self.width for count in self.counts[name]]
        if values and self.last_width > 0:
            values[-1] = self.counts[name][-1] / max(self.last_width, min(1.0, self.width))
        return values


Span = tuple[int, int, int, bool]
"""First bin, number of bins, place in `kinds`, whether it failed."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What one core of a host did: attempts, and which bins they filled; the others were idle."""

    host: str
    attempts: int
    failed: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """What hosts did when, in `bins` of `width` seconds from `start`.

    `kinds` are categories and datasets; many datasets take turns with a few kinds that have no name. Of
    `more_hosts` nothing was kept. `done` is the share of the events that was in the result after each bin: of
    all (no name), and of the datasets that took until last.
    """

    start: float = 0.0
    width: float = 0.25
    bins: int = 0
    kinds: tuple[tuple[str, str], ...] = ()
    lanes: tuple[Lane, ...] = ()
    more_hosts: int = 0
    done: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a chunk takes: `fixed` + `per_event` x its events, in seconds, as far as chunks differ in size.

    `fixed` is None where they do not.
    """

    chunks: int = 0
    events: int = 0
    seconds: float = 0.0
    fixed: float | None = None
    per_event: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    category: str
    started: float
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run at one moment. `unit` is what datasets are counted in; `opening` is None where no task did it.

    `printed` tasks have printed something, the last of which are in `prints`. `damaged_lines` of the journal
    are left out of the numbers.
    """

    format: int = FORMAT
    state: str = RUNNING
    command: tuple[str, ...] = ()
    version: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    updated: float = 0.0
    ended: float | None = None
    code: int | None = None
    message: str = ""
    phase: str = ""
    phases: tuple[Phase, ...] = ()
    unit: str = "events"
    total: Progress = Progress(name="", planned=0, done=0)
    datasets: tuple[Progress, ...] = ()
    opening: Progress | None = None
    workers: WorkersNow = WorkersNow()
    tasks: Tasks = Tasks()
    moved: Moved = Moved()
    core_time: CoreTime = CoreTime()
    memory: tuple[Memory, ...] = ()
    chunk_memory: tuple[ChunkMemory, ...] = ()
    failures: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    other_problems: int = 0
    last_problem: str = ""
    elsewhere: tuple[Elsewhere, ...] = ()
    warnings: tuple[WarningSeen, ...] = ()
    prints: tuple[Print, ...] = ()
    printed: int = 0
    left_behind: LeftFiles | None = None
    columns: ColumnsRead | None = None
    slow_files: tuple[FileTime, ...] = ()
    hosts: tuple[HostTime, ...] = ()
    host_count: int = 0
    blocked_hosts: Mapping[str, str] = field(default_factory=dict)
    task_seconds: Distribution = Distribution()
    task_events: Distribution = Distribution()
    chunks_per_task: float = 0.0
    task_memory: Distribution = Distribution()
    result_bytes: Distribution = Distribution()
    cost: Cost = Cost()
    series: Series = Series()
    lanes: Lanes = Lanes()
    damaged_lines: int = 0
    log: tuple[str, ...] = ()

    @property
    def mean_event_rate(self) -> float:
        """Events per second from the first attempt on; 0 of what has none."""
        return self.total.mean_rate if self.unit == "events" else 0.0

    @property
    def seconds(self) -> float:
        """How long the run has lasted, or lasted."""
        return max(0.0, (self.ended if self.ended is not None else self.updated) - self.started)
