"""What the loop writes into the journal, made from what it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from wq_runner.engine.answer import Answer, ColumnsTold, Elsewhere, Failure, Input, Left, Measurement
from wq_runner.engine.protocol import EngineStatus
from wq_runner.ledger.items import Item, Key, Share, file_id, named, shares
from wq_runner.model import Outcome, Task
from wq_runner.remote.servers import server_of
from wq_runner.run_events import (
    Accepted,
    ColumnsUsed,
    Decided,
    LeftBehind,
    ReadElsewhere,
    TaskEnded,
    TaskSubmitted,
    Workers,
)
from wq_runner.scheduler.policy import Trouble
from wq_runner.units import MB


def submitted(task: Task, batch: tuple[Item, ...]) -> list[TaskSubmitted]:
    """Return one event for each share of the task."""
    return [
        TaskSubmitted(
            task=share.number,
            category=task.category.value,
            dataset=share.items[0].dataset,
            items=len(share.items),
            events=sum(item.events for item in share.items),
            cores=task.resources.cores,
            memory=task.resources.memory,
        )
        for share in shares(task.id, batch)
    ]


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What an answer says of one share of its task."""

    measured: list[Measurement] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    @property
    def wall(self) -> float:
        return sum(one.wall for one in self.measured)


def _by_share(parts: Sequence[Share], found: Answer | None) -> list[_Told]:
    """Divide an answer, in one pass: a task may have hundreds of shares."""
    told = [_Told() for _ in parts]
    if found is None:
        return told
    of = _share_of(parts)
    for one in found.measured:
        told[of[one.index]].measured.append(one)
    for index in found.done:
        told[of[index]].done.append(index)
    for failure in found.failures:
        for part in told if failure.index is None else (told[of[failure.index]],):
            part.failures.append(failure)
    return told


def _share_of(parts: Sequence[Share]) -> list[int]:
    """Return which share each place of a batch belongs to."""
    return [number for number, share in enumerate(parts) for _ in share.items]


def ended(task: Task, outcome: Outcome, batch: tuple[Item, ...], found: Answer | None) -> list[TaskEnded]:
    """Return one event for each share of the task, as if one had come after the other.

    The first one has what they have in common: the start, and the transfers.
    """
    parts = shares(task.id, batch)
    told = _by_share(parts, found)
    spans = _spans(outcome, parts, found, told)
    began = outcome.finished - sum(spans[1:])
    made = [_ended(task, outcome, parts[0], told[0], outcome.started, began)]
    for share, one, span in zip(parts[1:], told[1:], spans[1:], strict=True):
        made.append(_ended(task, outcome, share, one, began, began + span))
        began += span
    if found is not None:
        wall = found.wall - sum(spans[1:])
        made = [structs.replace(one, wall=span) for one, span in zip(made, spans, strict=True)]
        made[0] = structs.replace(made[0], wall=wall, startup=found.startup)
    received = outcome.bytes_received // len(parts)
    made = [structs.replace(one, bytes_received=received) for one in made]
    made[0] = structs.replace(
        made[0],
        bytes_sent=outcome.bytes_sent,
        bytes_received=outcome.bytes_received - received * (len(parts) - 1),
        transfer=outcome.transfer_seconds,
    )
    return made


def _spans(
    outcome: Outcome, parts: Sequence[Share], found: Answer | None, told: Sequence[_Told]
) -> list[float]:
    """Return the seconds of each share: as measured, else by their sizes."""
    measured = [one.wall for one in told]
    weights = measured if any(measured) else [float(share.size) for share in parts]
    whole = outcome.finished - outcome.started if found is None else found.wall - found.startup
    each = max(0.0, whole) / sum(weights)
    return [weight * each for weight in weights]


def _ended(
    task: Task, outcome: Outcome, share: Share, told: _Told, started: float, finished: float
) -> TaskEnded:
    return TaskEnded(
        task=share.number,
        category=task.category.value,
        dataset=share.items[0].dataset,
        ending=outcome.ending.value,
        host=outcome.host,
        started=started,
        finished=finished,
        processing=told.wall,
        cpu=sum(one.cpu for one in told.measured),
        memory=max(
            [*(one.memory for one in told.measured), *(one.memory for one in told.failures)], default=0
        ),
        bytes_read=sum(one.bytes_read for one in told.measured),
        done=len(told.done),
        events=sum(share.items[index - share.first].events for index in told.done),
        cores=outcome.allocated.cores or task.resources.cores or 1,
        allocated=(outcome.allocated.memory or 0) * MB,
    )


def accepted(task: Task, batch: tuple[Item, ...], found: Answer, *, late: int = 0) -> list[Accepted]:
    """Return one event for each sum in the answer."""
    parts = shares(task.id, batch)
    of = _share_of(parts)
    measured = {one.index: one for one in found.measured}
    return [
        Accepted(
            task=parts[of[done[0]]].number,
            category=task.category.value,
            dataset=batch[done[0]].dataset,
            portion=batch[done[0]].portion,
            events=sum(batch[index].events for index in done),
            items=tuple(_key(batch[index], found.inputs.get(index)) for index in done),
            given=_given(batch, done, found),
            seconds=tuple(round(measured[index].wall, 4) for index in done),
            memory=tuple(measured[index].memory for index in done),
            cpu=tuple(round(measured[index].cpu, 4) for index in done),
            read=tuple(measured[index].bytes_read for index in done),
            late=late,
        )
        for done in found.sums
    ]


def _key(item: Item, told: Input | None) -> Key:
    """Return the key of an item: what its file is, the task may have been the first to see."""
    if told is None or not told.identity:
        return item.key
    return (item.path, item.treename, item.start, item.stop, file_id(item.uuid, told.identity))


def _given(batch: tuple[Item, ...], done: tuple[int, ...], found: Answer) -> tuple[int, ...]:
    """Return the events that the processor was given of each item, if they are not those of all items."""
    told = [(batch[index].events, found.inputs.get(index)) for index in done]
    given = tuple(asked if one is None or one.events is None else one.events for asked, one in told)
    return () if given == tuple(asked for asked, _ in told) else given


def read_elsewhere(task: Task, batch: tuple[Item, ...], found: Answer) -> Iterator[ReadElsewhere]:
    """Yield one event for each pair of servers, the first one and that which was read from."""
    pairs: defaultdict[tuple[str, str], list[Elsewhere]] = defaultdict(list)
    for one in found.elsewhere:
        pairs[server_of(batch[one.index].path), server_of(one.place)].append(one)
    for (server, instead), told in pairs.items():
        items = [batch[one.index] for one in told]
        yield ReadElsewhere(
            task=task.id,
            category=task.category.value,
            dataset=items[0].dataset,
            host=found.host,
            server=server,
            instead=instead,
            items=len(items),
            events=sum(item.events for item in items),
            path=items[0].path,
            reason=next((one.reason for one in told if one.reason), ""),
        )


def left_behind(task: Task, batch: tuple[Item, ...], host: str, left: Left) -> LeftBehind:
    return LeftBehind(
        task=task.id,
        dataset=named(batch),
        host=host,
        files=left.files,
        bytes=left.bytes,
        names=left.names,
    )


def columns_used(task: Task, batch: tuple[Item, ...], host: str, told: ColumnsTold) -> ColumnsUsed:
    return ColumnsUsed(
        task=task.id,
        category=task.category.value,
        dataset=named(batch),
        host=host,
        hits=told.hits,
        misses=told.misses,
        hit=told.bytes_hit,
        missed=told.bytes_missed,
        kept=told.bytes_kept,
        saved=round(told.saved, 4),
        place=told.place,
        limit=told.limit,
        notes=told.notes,
    )


def decided(
    action: str, trouble: Trouble, reason: str, items: tuple[Item, ...], task: Task, host: str
) -> Decided:
    return Decided(
        task=task.id,
        category=task.category.value,
        dataset=items[0].dataset,
        action=action,
        cause=trouble.cause.value,
        reason=reason if trouble.message in reason else f"{trouble.message} ({reason})",
        events=sum(item.events for item in items),
        items=tuple(item.key for item in items),
        host=host,
        traceback=trouble.traceback,
    )


def workers(status: EngineStatus) -> Workers:
    return Workers(
        workers=status.workers,
        busy=status.workers_busy,
        joined=status.workers_joined,
        lost=status.workers_lost,
        cores=status.cores,
        cores_used=status.cores_used,
        memory=status.memory,
        memory_used=status.memory_used,
        waiting=status.tasks_waiting,
        running=status.tasks_running,
        restarts=status.restarts,
        bytes_sent=status.bytes_sent,
        bytes_received=status.bytes_received,
        largest_cores=status.largest.cores or 0.0,
        largest_memory=(status.largest.memory or 0.0) * MB,
        here=status.here,
    )
