"""The process that holds the queue; the only place that imports ndcctools.

It is a child of the manager because the engine holds the interpreter's lock while it waits, and
because a crash in C must not take the run with it. It ends with its parent: the connection closes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from wq_runner.engine import listening, refusals, release
from wq_runner.engine.idling import Idleness
from wq_runner.engine.messages import (
    Avoid,
    Finish,
    Finished,
    QueueSettings,
    Report,
    Started,
    Submit,
)
from wq_runner.engine.protocol import EngineStatus
from wq_runner.model import Category, Ending, Outcome, Resources, Task

MB = 2**20  # as the engine counts
MICROSECOND = 1e-6
CATALOG_PORT = 9097
PORT_RACES = 3  # that may be lost, one after the other
LOOK_EVERY = 0.05  # seconds to listen to the manager, while there is a worker that it may have a task for
GRACE = 0.005  # seconds in which one task follows another
LOSSES = 3  # of workers, until a task comes back as the possible reason
BEAT = 2.0  # seconds after which the state is told although it is the same
PROXY = "x509_proxy"  # its name at a task
OUTPUT_KEPT = 6000  # characters of what a command printed, of which the payload prints less


def main(descriptor: int) -> None:
    """Serve one queue over the connection until it is told to finish or its parent is gone."""
    with contextlib.closing(Connection(descriptor)) as connection:
        try:
            settings: QueueSettings = connection.recv()
        except (EOFError, BrokenPipeError):
            return
        try:
            queue = _Queue(settings)
        except (EOFError, BrokenPipeError):
            return
        except Exception as error:
            connection.send(refusals.failed(settings, error))
            return
        connection.send(Started(port=queue.port))
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            queue.serve(connection)


class _Queue:
    """The engine's queue, and the tasks it holds."""

    def __init__(self, settings: QueueSettings) -> None:
        import ndcctools.work_queue as wq

        self._wq = wq
        self._settings = settings
        if settings.tls:
            wq.cctools_debug_flags_set("ssl")  # else it does not say whom it refuses
        self._queue = _listening(wq, settings)
        if settings.here:
            listening.listen_here_only(self.port)
        listening.wait_for_words(self.port)
        if settings.password_file:
            self._queue.specify_password_file(str(settings.password_file))
        if settings.name and settings.catalog:
            host, _, port = settings.catalog.partition(":")
            self._queue.specify_catalog_server(host, int(port or CATALOG_PORT))
        if settings.name:
            self._queue.specify_name(settings.name)
        self._allocate()
        self._queue.specify_keepalive_interval(settings.keepalive_interval)
        self._queue.specify_keepalive_timeout(settings.keepalive_timeout)

    @property
    def port(self) -> int:
        return int(self._queue.port)

    def _allocate(self) -> None:
        """Let the engine measure and learn, if that is asked for; it needs its monitor to learn."""
        wq, mode = self._wq, self._settings.resources_mode
        modes = {
            "max": wq.WORK_QUEUE_ALLOCATION_MODE_MAX,
            "min-waste": wq.WORK_QUEUE_ALLOCATION_MODE_MIN_WASTE,
            "max-throughput": wq.WORK_QUEUE_ALLOCATION_MODE_MAX_THROUGHPUT,
        }
        if self._settings.monitored:
            self._queue.enable_monitoring(watchdog=self._settings.monitor != "measure")
        if self._settings.engine_learns:
            for category in Category:
                self._queue.specify_category_mode(category.value, modes[mode])
        # what a task asks for is what it gets; releases without this knob do so anyway
        with contextlib.suppress(Exception):
            self._queue.tune("force-proportional-resources", 0)

    def serve(self, connection: Connection) -> None:
        prompt = release.is_prompt(release.release_of(self._wq))
        idleness = Idleness(listening.listening_at(self.port), connection.fileno(), prompt=prompt)
        last, said = EngineStatus(), time.monotonic()
        while True:
            pause = 0.0
            while connection.poll(pause):
                pause = GRACE if _wants_tasks(last) else 0.0
                request: Submit | Avoid | Finish = connection.recv()
                match request:
                    case Avoid(host=host, avoid=avoid):
                        (self._queue.block_host if avoid else self._queue.unblock_host)(host)
                    case Submit(task=task):
                        self._submit(task)
                    case Finish(release_workers=workers):
                        if workers:
                            self._queue.shutdown_workers(0)
                        return
            outcomes = self._collect(idleness)
            for outcome in outcomes:
                connection.send(Finished(outcome=outcome))
            if any(one.never_ran for one in outcomes) and self._has_foremen():
                connection.send(refusals.without_foremen(release.release_of(self._wq)))
                return
            status = refilled(self._status(), outcomes)
            if status != last or time.monotonic() > said + BEAT:  # who says nothing is taken for hanging
                connection.send(Report(status=status))
                last, said = status, time.monotonic()
            if _wants_tasks(status):
                # the engine hears nothing of the manager while it waits; and it does not wait without a task
                connection.poll(LOOK_EVERY)

    def _submit(self, task: Task) -> None:
        self._queue.submit(_engine_task(self._wq, task, self._settings))

    def _collect(self, idleness: Idleness, most: int = 200) -> list[Outcome]:
        """Wait at most a second for a task, then take what else is ready."""
        done: list[Outcome] = []
        idle = bool(self._queue.empty())
        if idle and not idleness.rest():
            return done
        with idleness.nudging(idle=idle):
            finished = self._queue.wait(1)
        while finished is not None:
            done.append(_outcome(self._wq, finished))
            if len(done) >= most or not self._queue.stats.tasks_with_results:
                break
            finished = self._queue.wait(0)
        return done

    def _has_foremen(self) -> bool:
        """Whether workers of workers are known: those that joined these are counted with theirs."""
        return bool(self._queue.stats_hierarchy.workers_joined > self._queue.stats.workers_joined)

    def _status(self) -> EngineStatus:
        stats = self._queue.stats
        return EngineStatus(
            workers=stats.workers_connected,
            workers_busy=stats.workers_busy,
            workers_joined=stats.workers_joined,
            # of those that joined: without a password, whoever knocked and left is one for the engine
            workers_lost=min(stats.workers_lost, max(0, stats.workers_joined - stats.workers_connected)),
            cores=stats.total_cores,
            cores_used=stats.committed_cores,
            memory=stats.total_memory * MB,
            memory_used=stats.committed_memory * MB,
            largest=Resources(
                cores=stats.max_cores, memory=stats.max_memory, disk=stats.max_disk, gpus=stats.max_gpus
            ),
            smallest=Resources(cores=stats.min_cores, memory=stats.min_memory),
            tasks_waiting=stats.tasks_waiting,
            tasks_running=stats.tasks_on_workers,
            bytes_sent=stats.bytes_sent,
            bytes_received=stats.bytes_received,
        )


def refilled(status: EngineStatus, outcomes: Sequence[Outcome]) -> EngineStatus:
    """Return the state once tasks that wait have taken the places of those that came back.

    That is when the engine waits the next time, so what it says now holds for a moment, and would be what is
    known of the next second.
    """
    places = [one.allocated for one in outcomes if one.ending is Ending.RETURNED][: status.tasks_waiting]
    if not places:
        return status
    return dataclasses.replace(
        status,
        workers_busy=min(status.workers, status.workers_busy + len(places)),
        cores_used=min(status.cores, status.cores_used + int(sum(one.cores or 0 for one in places))),
        memory_used=min(status.memory, status.memory_used + MB * sum(one.memory or 0 for one in places)),
        tasks_waiting=status.tasks_waiting - len(places),
        tasks_running=status.tasks_running + len(places),
    )


def _wants_tasks(status: EngineStatus) -> bool:
    return not status.tasks_waiting and (not status.cores or status.cores_used < status.cores)


def _listening(wq: Any, settings: QueueSettings) -> Any:
    """Return the queue, on the first free port.

    The engine takes a port that another one has bound and does not listen on yet, and then fails: so it is
    tried again, unless there is no choice.
    """
    low, high = settings.ports

    def made() -> Any:
        return wq.WorkQueue(
            port=list(settings.ports) if low != high else low,
            name=None,
            stats_log=str(settings.stats_log) if settings.stats_log else None,
            transactions_log=str(settings.transactions_log) if settings.transactions_log else None,
            **({"ssl": tuple(map(str, settings.certificate or ()))} if settings.tls else {}),
        )

    for _ in range(PORT_RACES if low != high else 0):
        try:
            return made()
        except Exception:
            time.sleep(0.1)
    return made()


def _engine_task(wq: Any, task: Task, settings: QueueSettings) -> Any:
    made = wq.Task(f"{settings.command} -S -E payload.pyz function items result")
    made.specify_tag(str(task.id))
    made.specify_category(task.category.value)
    made.specify_priority(-task.id)  # first come, first served: the queue by itself takes the newest first
    made.specify_max_retries(LOSSES)
    if settings.monitored:
        # a child of the warm process is none of the process that the monitor watches
        made.specify_environment_variable("WQ_RUNNER_WARM", "0")
    if settings.engine_learns:
        # the monitor looks too rarely to see all of a short task: what is learned from it is too little
        made.specify_environment_variable("WQ_RUNNER_WATCH_MEMORY", "0")
    if settings.stall_time:
        made.specify_environment_variable("WQ_RUNNER_STALL", str(settings.stall_time))
    made.specify_input_file(str(settings.payload), "payload.pyz", cache=True)
    for path, name in settings.inputs:
        made.specify_input_file(str(path), name, cache=True)
    if settings.proxy:
        # never from a worker's cache: it may have been renewed meanwhile
        made.specify_input_file(str(settings.proxy), PROXY, cache=False)
        made.specify_environment_variable("X509_USER_PROXY", PROXY)
    made.specify_input_file(str(task.function), "function", cache=True)
    made.specify_buffer(task.items, "items", cache=False)
    for path in task.inputs:
        made.specify_input_file(str(path), path.name, cache=False)
    made.specify_output_file(str(task.result), "result", cache=False)
    wanted = task.resources
    if wanted.cores is not None:
        made.specify_cores(int(wanted.cores))
    if wanted.memory is not None:
        made.specify_memory(int(wanted.memory))
    if wanted.disk is not None:
        made.specify_disk(int(wanted.disk))
    # said even if it is none: release 9.9 takes what is not said of a whole worker for its memory in gpus
    made.specify_gpus(int(wanted.gpus or 0))
    return made


def _outcome(wq: Any, task: Any) -> Outcome:
    ending = _ending(wq, task)
    return Outcome(
        task_id=int(task.tag),
        ending=ending,
        exit_code=task.return_status,
        host=_host(task),
        output=(task.output or "")[-OUTPUT_KEPT:],
        detail="" if ending is Ending.RETURNED else _result_name(wq, task.result),
        allocated=_resources(task.resources_allocated),
        measured=_resources(task.resources_measured),
        submitted=task.submit_time * MICROSECOND,
        started=task.execute_cmd_start * MICROSECOND,
        finished=task.execute_cmd_finish * MICROSECOND,
        bytes_sent=task.total_bytes_sent,
        bytes_received=task.total_bytes_received,
        transfer_seconds=max(0, task.total_transfer_time) * MICROSECOND,
    )


def _host(task: Any) -> str:
    """Return the host's name; its address if its own name does not resolve there, which makes it garbage."""
    name: str = task.hostname or ""
    if name.isascii() and name.isprintable():
        return name
    return str(task.host or "").partition(":")[0]


def _ending(wq: Any, task: Any) -> Ending:
    endings = {
        wq.WORK_QUEUE_RESULT_SUCCESS: Ending.RETURNED if task.return_status == 0 else Ending.NO_RESULT,
        wq.WORK_QUEUE_RESULT_STDOUT_MISSING: Ending.RETURNED,
        wq.WORK_QUEUE_RESULT_OUTPUT_MISSING: Ending.NO_RESULT,
        wq.WORK_QUEUE_RESULT_SIGNAL: Ending.NO_RESULT,
        wq.WORK_QUEUE_RESULT_INPUT_MISSING: Ending.TRANSFER,
        wq.WORK_QUEUE_RESULT_RESOURCE_EXHAUSTION: Ending.EXHAUSTED,
        wq.WORK_QUEUE_RESULT_DISK_ALLOC_FULL: Ending.EXHAUSTED,
        wq.WORK_QUEUE_RESULT_TASK_TIMEOUT: Ending.EXHAUSTED,
        wq.WORK_QUEUE_RESULT_TASK_MAX_RUN_TIME: Ending.EXHAUSTED,
        wq.WORK_QUEUE_RESULT_MAX_RETRIES: Ending.DEADLY,
    }
    return endings.get(task.result, Ending.LOST)


def _result_name(wq: Any, code: int) -> str:
    prefix = "WORK_QUEUE_RESULT_"
    names = {getattr(wq, name): name for name in dir(wq) if name.startswith(prefix)}
    return names.get(code, str(code)).removeprefix(prefix).replace("_", " ").lower()


def _resources(found: Any) -> Resources:
    if found is None:
        return Resources()

    def known(value: float) -> float | None:
        return value if value >= 0 else None

    return Resources(
        cores=known(found.cores),
        memory=known(found.memory),
        disk=known(found.disk),
        gpus=known(found.gpus),
        wall_time=known(found.wall_time),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
