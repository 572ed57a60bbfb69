"""What happens in a run, as the lines of its journal say it: a type for each kind of event.

These are no events of physics. A new field has a default, so that the journals of older versions,
whose lines lack it, are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

FORMAT = 1  # raised when an event changes its meaning


class RunStarted(Struct, frozen=True, kw_only=True):
    command: tuple[str, ...]
    version: str
    format: int = FORMAT
    host: str = ""
    pid: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """What a phase has to do for one dataset; `events` is 0 where the items are files to be opened.

    `empty` of the items are without events.
    """

    items: int
    events: int
    empty: int = 0


class PhaseStarted(Struct, frozen=True, kw_only=True):
    category: str
    datasets: Mapping[str, Plan]


class TaskSubmitted(Struct, frozen=True, kw_only=True):
    """A task was given to the engine; one that has chunks of several sums is on record as one for each."""

    task: int
    category: str
    dataset: str
    items: int
    events: int
    cores: float | None = None
    memory: float | None = None


class TaskEnded(Struct, frozen=True, kw_only=True):
    """An attempt came back. Times are seconds since the epoch, durations seconds, sizes bytes.

    `wall` is what the payload took, `startup` its part before the first item, `processing` the sum
    over the items; `memory` the largest peak of an item. `done` and `events` are what it brought,
    `cores` and `allocated` (memory) what it held, `transfer` the seconds to move inputs and outputs.
    """

    task: int
    category: str
    dataset: str
    ending: str
    host: str
    started: float
    finished: float
    wall: float = 0.0
    startup: float = 0.0
    processing: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    done: int = 0
    events: int = 0
    cores: float = 1.0
    allocated: float = 0.0
    transfer: float = 0.0


class SideFile(Struct, frozen=True, kw_only=True):
    """A file that a processor wrote beside its result; `name` is relative to the directory of these."""

    name: str
    size: int
    checksum: str


class Accepted(Struct, frozen=True, kw_only=True):
    """These items are in the result. An item is ``[path, treename, start, stop, uuid.identity]``.

    `seconds` is what each of them took, `cpu` the part of it in the processor, `memory` its peak and `read`
    what it read in bytes, in their order; so is `given`, how many events the processor was given, if it is
    not as many as the items have. `files` are what they wrote beside the result. A `portion` of the dataset
    has a sum of its own. `late` is how many names of what tasks have read were on record by then.
    """

    task: int
    category: str
    dataset: str
    events: int
    items: tuple[tuple[str, str, int, int, str], ...]
    seconds: tuple[float, ...] = ()
    memory: tuple[int, ...] = ()
    cpu: tuple[float, ...] = ()
    read: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    files: tuple[SideFile, ...] = ()
    portion: str = ""
    late: int = 0


class Merged(Struct, frozen=True, kw_only=True):
    """The ledger's file `name` holds the sum of what the files in `of` held, which do not count any more."""

    name: str
    dataset: str
    of: tuple[str, ...]


class Written(Struct, frozen=True, kw_only=True):
    """A file of the output is there while the run goes on: all events of these datasets are in the result.

    Of a dataset in several files it is one of them; `events` are those that are in it.
    """

    path: str
    datasets: tuple[str, ...]
    events: int
    bytes: int
    sha256: str


class Dropped(Struct, frozen=True, kw_only=True):
    """These files of the ledger do not count any more; what they held runs again."""

    names: tuple[str, ...]
    reason: str


class Resumed(Struct, frozen=True, kw_only=True):
    """What an earlier process left done, by dataset; the phases that follow do the rest."""

    datasets: Mapping[str, Plan]


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What results depend on besides the input: short names and hashes. Another value is another run."""

    values: Mapping[str, str]


class ReadLate(Struct, frozen=True, kw_only=True):
    """What tasks read that the processor was not made with: names and hashes, as in `Fingerprint`.

    The results that are accepted from then on depend on it.
    """

    values: Mapping[str, str]


class KeptStale(Struct, frozen=True, kw_only=True):
    """What had changed when ``--accept-stale`` kept the results of before, in words.

    From then on results of both may be in the sums, until all are forgotten.
    """

    names: tuple[str, ...]


class Decided(Struct, frozen=True, kw_only=True):
    """What was done about items that are not in the result of a task, and why."""

    task: int
    category: str
    dataset: str
    action: str
    cause: str
    reason: str
    events: int
    items: tuple[tuple[str, str, int, int, str], ...]
    host: str = ""
    traceback: str = ""


class ReadElsewhere(Struct, frozen=True, kw_only=True):
    """Items of a task were not read from their own server but from another; `path` is one of them.

    Servers have the form ``root://host:port``, or are `local paths`. `reason` is empty where the first was
    not asked again, as it had failed lately.
    """

    task: int
    category: str
    dataset: str
    host: str
    server: str
    instead: str
    items: int
    events: int
    path: str
    reason: str = ""


class LeftBehind(Struct, frozen=True, kw_only=True):
    """Files that a processor left in its task's directory, which is gone with them; `names` are some."""

    task: int
    dataset: str
    host: str
    files: int
    bytes: int
    names: tuple[str, ...]


class ColumnsUsed(Struct, frozen=True, kw_only=True):
    """What a task took from the columns that its host keeps, and what it read of files to be kept.

    `hits` and `misses` are baskets, `hit`, `missed` and `kept` the bytes of their values; `saved` are the
    seconds that reading them had taken, less those that this took. They lie at `place`, at most `limit`
    bytes. `notes` say what went wrong.
    """

    task: int
    category: str
    dataset: str
    host: str
    hits: int = 0
    misses: int = 0
    hit: int = 0
    missed: int = 0
    kept: int = 0
    saved: float = 0.0
    place: str = ""
    limit: int = 0
    notes: tuple[str, ...] = ()


class Warned(Struct, frozen=True, kw_only=True):
    """Tasks warned so many times of this, in the processor or what it calls; in the words of one of them.

    Of many, not each is written down at once.
    """

    task: int
    category: str
    dataset: str
    host: str
    kind: str
    text: str
    place: str
    count: int


class Printed(Struct, frozen=True, kw_only=True):
    """A task printed this, at most its beginning and its end; empty if so much was printed before."""

    task: int
    category: str
    dataset: str
    host: str
    text: str


class HostBlocked(Struct, frozen=True, kw_only=True):
    """The workers of this host get no tasks for so many seconds."""

    host: str
    reason: str
    seconds: float


class Workers(Struct, frozen=True, kw_only=True):
    """The engine's state, written when it changed. Memory in bytes; `largest_memory` of one worker.

    Counts of workers and bytes are since the engine started: they begin anew when it restarts. `here` says
    that there are none, as the process of the run does the tasks, one after the other.
    """

    workers: int
    busy: int
    joined: int
    lost: int
    cores: int
    cores_used: int
    memory: float
    memory_used: float
    waiting: int
    running: int
    restarts: int
    bytes_sent: int = 0
    bytes_received: int = 0
    largest_cores: float = 0.0
    largest_memory: float = 0.0
    here: bool = False


class PhaseEnded(Struct, frozen=True, kw_only=True):
    category: str
    seconds: float


class RunEnded(Struct, frozen=True, kw_only=True):
    code: int
    message: str = ""


Event = (
    RunStarted
    | PhaseStarted
    | TaskSubmitted
    | TaskEnded
    | Accepted
    | Merged
    | Written
    | Dropped
    | Resumed
    | Fingerprint
    | ReadLate
    | KeptStale
    | Decided
    | ReadElsewhere
    | LeftBehind
    | ColumnsUsed
    | Warned
    | Printed
    | HostBlocked
    | Workers
    | PhaseEnded
    | RunEnded
)
