"""What the loop writes into the journal, made from what it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from wq_runner.engine.answer import Answer, Elsewhere, Input, Left
from wq_runner.engine.protocol import EngineStatus
from wq_runner.execution.items import Item, Key, file_id
from wq_runner.execution.policy import Trouble
from wq_runner.journal import Accepted, Decided, LeftBehind, ReadElsewhere, TaskEnded, TaskSubmitted, Workers
from wq_runner.model import MB, Outcome, Task
from wq_runner.remote.servers import server_of


def submitted(task: Task, batch: tuple[Item, ...]) -> TaskSubmitted:
    return TaskSubmitted(
        task=task.id,
        category=task.category.value,
        dataset=batch[0].dataset,
        items=len(batch),
        events=sum(item.events for item in batch),
        cores=task.resources.cores,
        memory=task.resources.memory,
    )


def ended(task: Task, outcome: Outcome, batch: tuple[Item, ...], found: Answer | None) -> TaskEnded:
    measured = found.measured if found else ()
    used = [one.memory for one in measured] + [one.memory for one in (found.failures if found else ())]
    return TaskEnded(
        task=task.id,
        category=task.category.value,
        dataset=batch[0].dataset,
        ending=outcome.ending.value,
        host=outcome.host,
        started=outcome.started,
        finished=outcome.finished,
        wall=found.wall if found else 0.0,
        startup=found.startup if found else 0.0,
        processing=sum(one.wall for one in measured),
        cpu=sum(one.cpu for one in measured),
        memory=max(used, default=0),
        bytes_read=sum(one.bytes_read for one in measured),
        bytes_sent=outcome.bytes_sent,
        bytes_received=outcome.bytes_received,
        done=len(found.done) if found else 0,
        events=sum(batch[index].events for index in found.done) if found else 0,
        cores=outcome.allocated.cores or task.resources.cores or 1,
        allocated=(outcome.allocated.memory or 0) * MB,
        transfer=outcome.transfer_seconds,
    )


def accepted(task: Task, batch: tuple[Item, ...], found: Answer, *, late: int = 0) -> Accepted:
    items = tuple(batch[index] for index in found.done)
    measured = {one.index: one for one in found.measured}
    return Accepted(
        task=task.id,
        category=task.category.value,
        dataset=items[0].dataset,
        portion=items[0].portion,
        events=sum(item.events for item in items),
        items=tuple(_key(batch[index], found.inputs.get(index)) for index in found.done),
        given=_given(batch, found),
        seconds=tuple(round(measured[index].wall, 4) for index in found.done),
        memory=tuple(measured[index].memory for index in found.done),
        cpu=tuple(round(measured[index].cpu, 4) for index in found.done),
        read=tuple(measured[index].bytes_read for index in found.done),
        late=late,
    )


def _key(item: Item, told: Input | None) -> Key:
    """Return the key of an item: what its file is, the task may have been the first to see."""
    if told is None or not told.identity:
        return item.key
    return (item.path, item.treename, item.start, item.stop, file_id(item.uuid, told.identity))


def _given(batch: tuple[Item, ...], found: Answer) -> tuple[int, ...]:
    """Return the events that the processor was given of each item, if they are not those of all items."""
    told = [(batch[index].events, found.inputs.get(index)) for index in found.done]
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
            dataset=batch[0].dataset,
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
        dataset=batch[0].dataset,
        host=host,
        files=left.files,
        bytes=left.bytes,
        names=left.names,
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
    )
