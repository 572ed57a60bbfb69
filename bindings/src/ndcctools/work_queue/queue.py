"""The manager: tasks go in, workers connect, finished tasks come out."""

# ruff: noqa: PLR0917 - the signatures are the official ones

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ndcctools.work_queue import _constants as wq
from ndcctools.work_queue._convert import Values, statistics, text
from ndcctools.work_queue._cwork_queue import ffi, lib
from ndcctools.work_queue.debug import specify_debug_log, specify_port_range
from ndcctools.work_queue.settings import Settings
from ndcctools.work_queue.task import Task


class WorkQueue(Settings):
    """A queue that listens on a port: an integer, 0 for any that is free, or a range [low, high].

    Nothing in it is safe to call from two threads at once; `wait` lets other threads run meanwhile.
    """

    def __init__(
        self,
        port: int | Sequence[int] = wq.WORK_QUEUE_DEFAULT_PORT,
        name: str | None = None,
        shutdown: bool = False,
        stats_log: str | None = None,
        transactions_log: str | None = None,
        debug_log: str | None = None,
        ssl: Any = None,
        status_display_interval: float | None = None,  # noqa: ARG002 - there is no display here
    ) -> None:
        if ssl:
            raise ValueError("this release of the engine has no TLS")
        if debug_log:
            specify_debug_log(debug_log)
        self._work_queue = _create(port)
        self._task_table: dict[int, Task] = {}
        # the finalizer holds the table, so no task is freed before the queue that points to it
        self._finalizer = weakref.finalize(
            self, _delete, self._work_queue, self._task_table, shutdown=shutdown, owner=os.getpid()
        )
        if stats_log:
            self.specify_log(stats_log)
        if transactions_log:
            self.specify_transactions_log(transactions_log)
        if name:
            self.specify_name(name)

    def __enter__(self) -> "WorkQueue":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._finalizer()
        self._work_queue = None  # which no function of C accepts

    # what it is, and how it is doing

    @property
    def name(self) -> str | None:
        return text(lib.work_queue_name(self._work_queue))

    @property
    def port(self) -> int:
        return lib.work_queue_port(self._work_queue)

    @property
    def using_ssl(self) -> bool:
        return False

    @property
    def stats(self) -> Values:
        """The counts and times of now; times in microseconds, memory and disk in MB."""
        pointer = ffi.new("struct work_queue_stats *")
        lib.work_queue_get_stats(self._work_queue, pointer)
        return statistics(pointer)

    @property
    def stats_hierarchy(self) -> Values:
        """The same, with what foremen know."""
        pointer = ffi.new("struct work_queue_stats *")
        lib.work_queue_get_stats_hierarchy(self._work_queue, pointer)
        return statistics(pointer)

    def stats_category(self, category: str) -> Values:
        pointer = ffi.new("struct work_queue_stats *")
        lib.work_queue_get_stats_category(self._work_queue, category.encode(), pointer)
        return statistics(pointer)

    def workers_summary(self) -> list[dict[str, int]]:
        """Return how many workers there are with so many cores, gpus, MB of memory and of disk."""
        array = ffi.gc(lib.work_queue_workers_summary(self._work_queue), lib.free)
        workers = []
        while array[len(workers)] != ffi.NULL:
            summary = ffi.gc(array[len(workers)], lib.rmsummary_delete)
            names = ("workers", "cores", "gpus", "memory", "disk")
            workers.append({name: int(getattr(summary, name)) for name in names})
        return workers

    def task_state(self, taskid: int) -> int:
        """Return one of WORK_QUEUE_TASK_*."""
        return lib.work_queue_task_state(self._work_queue, taskid)

    def empty(self) -> int:
        """Return 1 if no task is waiting, running or finished but not returned by `wait`."""
        return lib.work_queue_empty(self._work_queue)

    def hungry(self) -> int:
        """Return how many tasks more would keep the workers busy."""
        return lib.work_queue_hungry(self._work_queue)

    # tasks

    def submit(self, task: Task) -> int:
        """Queue a task, a new one or one that `wait` returned, and return its id."""
        if task._submitted:  # the engine ends the process for it
            raise RuntimeError(f"task {task.id} is in a queue already")
        if task.id:  # the engine frees twice what it cleans for a second run, so that is done by a copy
            task._adopt(task._copy())
        taskid = lib.work_queue_submit(self._work_queue, task._task)
        self._task_table[taskid] = task
        task._submitted = True
        return taskid

    def wait(self, timeout: int = wq.WORK_QUEUE_WAITFORTASK) -> Task | None:
        """Return a finished task, or None after `timeout` seconds or if the queue is empty."""
        return self._take(lib.work_queue_wait(self._work_queue, timeout))

    def cancel_by_taskid(self, id: int) -> Task | None:
        return self._take(lib.work_queue_cancel_by_taskid(self._work_queue, id))

    def cancel_by_tasktag(self, tag: str) -> Task | None:
        return self._take(lib.work_queue_cancel_by_tasktag(self._work_queue, tag.encode()))

    def cancel_by_category(self, category: str) -> list[Task | None]:
        ids = [taskid for taskid, task in self._task_table.items() if task.category == category]
        return [self.cancel_by_taskid(taskid) for taskid in ids]

    def _take(self, pointer: Any) -> Task | None:
        if pointer == ffi.NULL:
            return None
        task = self._task_table.pop(pointer.taskid)
        task._submitted = False
        return task

    # workers

    def shutdown_workers(self, n: int) -> int:
        """Send `n` workers home, all of them if it is 0; return how many were told."""
        return lib.work_queue_shut_down_workers(self._work_queue, n)

    def block_host(self, host: str) -> None:
        """Give no work to workers on this host."""
        lib.work_queue_block_host(self._work_queue, host.encode())

    def block_host_with_timeout(self, host: str, timeout: int) -> None:
        lib.work_queue_block_host_with_timeout(self._work_queue, host.encode(), timeout)

    def unblock_host(self, host: str | None = None) -> None:
        if host is None:
            lib.work_queue_unblock_all(self._work_queue)
        else:
            lib.work_queue_unblock_host(self._work_queue, host.encode())

    blacklist = block_host
    blacklist_with_timeout = block_host_with_timeout
    blacklist_clear = unblock_host

    def invalidate_cache_file(self, local_name: str | os.PathLike[str]) -> None:
        """Delete a file from the workers' caches; tasks that use it run again."""
        name = os.fsencode(local_name)
        lib.work_queue_invalidate_cached_file(self._work_queue, name, wq.WORK_QUEUE_FILE)


def _create(port: int | Sequence[int]) -> Any:
    if isinstance(port, int):
        pointer = lib.work_queue_create(port)
    else:
        try:
            low, high = port
        except (TypeError, ValueError):
            raise ValueError("port should be a single integer, or a sequence of two integers") from None
        with _unchanged("TCP_LOW_PORT", "TCP_HIGH_PORT"):
            specify_port_range(low, high)
            pointer = lib.work_queue_create(-1)  # 0 would prefer WORK_QUEUE_PORT to the range
    if pointer == ffi.NULL:
        raise RuntimeError(
            f"Unable to create internal Work Queue structure: Could not create queue on port {port}"
        )
    return pointer


@contextmanager
def _unchanged(*names: str) -> Iterator[None]:
    """Put these environment variables back afterwards, for queues and processes to come."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _delete(pointer: Any, tasks: dict[int, Task], *, shutdown: bool, owner: int) -> None:
    """Close the queue, then let its tasks go. In a forked child the workers are not ours to dismiss."""
    if os.getpid() != owner:
        return
    if shutdown:
        lib.work_queue_shut_down_workers(pointer, 0)
    lib.work_queue_delete(pointer)
    for task in tasks.values():
        task._submitted = False
    tasks.clear()
