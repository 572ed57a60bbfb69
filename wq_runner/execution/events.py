"""What the loop writes into the journal, made from what it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from msgspec import structs

from wq_runner.engine.answer import Answer, Elsewhere, Input, Left
from wq_runner.engine.protocol import EngineStatus
from wq_runner.execution.items import Item, Key, Share, file_id, named, shares
from wq_runner.execution.policy import Trouble
from wq_runner.journal import Accepted, Decided, LeftBehind, ReadElsewhere, TaskEnded, TaskSubmitted, Workers
from wq_runner.model import MB, Outcome, Task
from wq_runner.remote.servers import server_of


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


def ended(task: Task, outcome: Outcome, batch: tuple[Item, ...], found: Answer | None) -> list[TaskEnded]:
    """Return one event for each share of the task, as if one had come after the other.

    The first one has what they have in common: the start, and the transfers.
    """
    parts = shares(task.id, batch)
    first, *others = parts
    spans = _spans(outcome, parts, found)
    began = outcome.finished - sum(spans[1:])
    made = [_ended(task, outcome, first, found, outcome.started, began)]
    for share, span in zip(others, spans[1:], strict=True):
        made.append(_ended(task, outcome, share, found, began, began + span))
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
        bytes_received=outcome.bytes_received - received * len(others),
        transfer=outcome.transfer_seconds,
    )
    return made


def _spans(outcome: Outcome, parts: list[Share], found: Answer | None) -> list[float]:
    """Return the seconds of each share: as measured, else by their sizes."""
    weights = [float(share.size) for share in parts]
    whole = outcome.finished - outcome.started
    if found is not None:
        whole = found.wall - found.startup
        measured = [sum(one.wall for one in found.measured if one.index in share) for share in parts]
        weights = measured if any(measured) else weights
    return [max(0.0, whole) * weight / sum(weights) for weight in weights]


def _ended(
    task: Task, outcome: Outcome, share: Share, found: Answer | None, started: float, finished: float
) -> TaskEnded:
    measured = [one for one in (found.measured if found else ()) if one.index in share]
    failed = [one for one in (found.failures if found else ()) if one.index is None or one.index in share]
    done = [index for index in (found.done if found else ()) if index in share]
    return TaskEnded(
        task=share.number,
        category=task.category.value,
        dataset=share.items[0].dataset,
        ending=outcome.ending.value,
        host=outcome.host,
        started=started,
        finished=finished,
        processing=sum(one.wall for one in measured),
        cpu=sum(one.cpu for one in measured),
        memory=max([*(one.memory for one in measured), *(one.memory for one in failed)], default=0),
        bytes_read=sum(one.bytes_read for one in measured),
        done=len(done),
        events=sum(share.items[index - share.first].events for index in done),
        cores=outcome.allocated.cores or task.resources.cores or 1,
        allocated=(outcome.allocated.memory or 0) * MB,
    )


def accepted(task: Task, batch: tuple[Item, ...], found: Answer, *, late: int = 0) -> list[Accepted]:
    """Return one event for each sum in the answer."""
    parts = shares(task.id, batch)
    return [
        _accepted(next(share for share in parts if done[0] in share), task, batch, done, found, late)
        for done in found.sums
    ]


def _accepted(
    share: Share, task: Task, batch: tuple[Item, ...], done: tuple[int, ...], found: Answer, late: int
) -> Accepted:
    items = tuple(batch[index] for index in done)
    measured = {one.index: one for one in found.measured}
    return Accepted(
        task=share.number,
        category=task.category.value,
        dataset=items[0].dataset,
        portion=items[0].portion,
        events=sum(item.events for item in items),
        items=tuple(_key(batch[index], found.inputs.get(index)) for index in done),
        given=_given(batch, done, found),
        seconds=tuple(round(measured[index].wall, 4) for index in done),
        memory=tuple(measured[index].memory for index in done),
        cpu=tuple(round(measured[index].cpu, 4) for index in done),
        read=tuple(measured[index].bytes_read for index in done),
        late=late,
    )


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
