"""A command with its files and its needs, and what became of it."""

# ruff: noqa: PLR0917 - the signatures are the official ones

import os
from typing import Any

from ndcctools.work_queue import _constants as wq
from ndcctools.work_queue._convert import chars, summary, text
from ndcctools.work_queue._cwork_queue import ffi, lib

PathLike = str | os.PathLike[str]


def _field(name: str, doc: str) -> property:
    return property(lambda task: getattr(task._task, name), doc=doc)


def _text(name: str, doc: str) -> property:
    return property(lambda task: text(getattr(task._task, name)), doc=doc)


def _summary(name: str, doc: str) -> property:
    return property(lambda task: summary(getattr(task._task, name)), doc=doc)


class Task:
    """A shell command to run on a worker.

    The C structure lives as long as this object, and this object as long as a queue has the task.
    """

    def __init__(self, command: str) -> None:
        self._adopt(lib.work_queue_task_create(chars(command)))
        self._has_buffer = False

    def _adopt(self, pointer: Any) -> None:
        if pointer == ffi.NULL:
            raise RuntimeError("Unable to create internal Task structure")
        self._task = ffi.gc(pointer, lib.work_queue_task_delete)
        self._submitted = False

    def _copy(self) -> Any:
        if self._has_buffer:  # the engine copies it as a text, without its length
            raise RuntimeError("this release cannot run a task with a buffer again: make a new task")
        return lib.work_queue_task_clone(self._task)

    def clone(self) -> "Task":
        """Return a copy that can be submitted as well."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._adopt(self._copy())
        return copy

    # what to run

    def specify_command(self, command: str) -> None:
        lib.work_queue_task_specify_command(self._task, chars(command))

    def specify_tag(self, tag: str) -> None:
        lib.work_queue_task_specify_tag(self._task, chars(tag))

    def specify_category(self, name: str) -> None:
        """Tasks of one category are expected to need much the same resources."""
        lib.work_queue_task_specify_category(self._task, chars(name))

    def specify_environment_variable(self, name: str, value: str | None = None) -> None:
        """Set a variable of the command's environment; None unsets it."""
        lib.work_queue_task_specify_environment_variable(self._task, chars(name), chars(value))

    # files

    @staticmethod
    def _determine_file_flags(flags: int | None, cache: bool | None, failure_only: bool | None) -> int:
        flags = wq.WORK_QUEUE_NOCACHE if flags is None else flags
        for wanted, flag in ((cache, wq.WORK_QUEUE_CACHE), (failure_only, wq.WORK_QUEUE_FAILURE_ONLY)):
            if wanted is not None:
                flags = flags | flag if wanted else flags & ~flag
        return flags

    @staticmethod
    def _remote(local_name: PathLike, remote_name: PathLike | None) -> bytes:
        remote = chars(remote_name or os.path.basename(local_name))  # noqa: PTH119 - also of text
        if remote.startswith(b"/"):  # the engine ends the process for it
            raise ValueError(f"the name of a file at the worker cannot be absolute: {remote.decode()}")
        return remote

    def specify_file(
        self,
        local_name: PathLike,
        remote_name: PathLike | None = None,
        type: int | None = None,
        flags: int | None = None,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> int:
        """Send a file to the worker, or with WORK_QUEUE_OUTPUT fetch one from it. Not cached by default."""
        return lib.work_queue_task_specify_file(
            self._task,
            chars(local_name),
            self._remote(local_name, remote_name),
            wq.WORK_QUEUE_INPUT if type is None else type,
            self._determine_file_flags(flags, cache, failure_only),
        )

    def specify_input_file(
        self,
        local_name: PathLike,
        remote_name: PathLike | None = None,
        flags: int | None = None,
        cache: bool | None = None,
    ) -> int:
        return self.specify_file(local_name, remote_name, wq.WORK_QUEUE_INPUT, flags, cache)

    def specify_output_file(
        self,
        local_name: PathLike,
        remote_name: PathLike | None = None,
        flags: int | None = None,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> int:
        return self.specify_file(local_name, remote_name, wq.WORK_QUEUE_OUTPUT, flags, cache, failure_only)

    def specify_file_piece(
        self,
        local_name: PathLike,
        remote_name: PathLike | None = None,
        start_byte: int = 0,
        end_byte: int = 0,
        type: int | None = None,
        flags: int | None = None,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> int:
        return lib.work_queue_task_specify_file_piece(
            self._task,
            chars(local_name),
            self._remote(local_name, remote_name),
            start_byte,
            end_byte,
            wq.WORK_QUEUE_INPUT if type is None else type,
            self._determine_file_flags(flags, cache, failure_only),
        )

    def specify_directory(
        self,
        local_name: PathLike,
        remote_name: PathLike | None = None,
        type: int | None = None,
        flags: int | None = None,
        recursive: bool = False,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> int:
        return lib.work_queue_task_specify_directory(
            self._task,
            chars(local_name),
            self._remote(local_name, remote_name),
            wq.WORK_QUEUE_INPUT if type is None else type,
            self._determine_file_flags(flags, cache, failure_only),
            recursive,
        )

    def specify_buffer(
        self, buffer: str | bytes, remote_name: PathLike, flags: int | None = None, cache: bool | None = None
    ) -> int:
        """Give the command a file with this content."""
        data = buffer.encode("utf-8", "surrogateescape") if isinstance(buffer, str) else buffer
        flags = self._determine_file_flags(flags, cache, None)
        remote = self._remote("", remote_name)
        self._has_buffer = True
        return lib.work_queue_task_specify_buffer(self._task, data, len(data), remote, flags)

    def specify_file_command(
        self,
        cmd: str,
        remote_name: PathLike,
        type: int | None = None,
        flags: int | None = None,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> int:
        """Let a command at the worker make an input file, whose name replaces %% in it."""
        if type == wq.WORK_QUEUE_OUTPUT:
            raise ValueError("specify_file_command does not currently support output files.")
        flags = self._determine_file_flags(flags, cache, failure_only)
        remote = self._remote("", remote_name)
        return lib.work_queue_task_specify_file_command(
            self._task, remote, chars(cmd), wq.WORK_QUEUE_INPUT, flags
        )

    # where, when, and with how much

    def specify_algorithm(self, algorithm: int) -> None:
        lib.work_queue_task_specify_algorithm(self._task, algorithm)

    def specify_feature(self, name: str) -> None:
        """Run only on workers with this --feature."""
        lib.work_queue_task_specify_feature(self._task, chars(name))

    def specify_priority(self, priority: float) -> None:
        lib.work_queue_task_specify_priority(self._task, priority)

    def specify_max_retries(self, max_retries: int) -> None:
        """Give up after so many attempts, with WORK_QUEUE_RESULT_MAX_RETRIES; 0, the default, never does."""
        lib.work_queue_task_specify_max_retries(self._task, max_retries)

    def specify_cores(self, cores: int) -> None:
        lib.work_queue_task_specify_cores(self._task, cores)

    def specify_memory(self, memory: int) -> None:
        """Ask for so many MB."""
        lib.work_queue_task_specify_memory(self._task, memory)

    def specify_disk(self, disk: int) -> None:
        """Ask for so many MB."""
        lib.work_queue_task_specify_disk(self._task, disk)

    def specify_gpus(self, gpus: int) -> None:
        lib.work_queue_task_specify_gpus(self._task, gpus)

    def specify_end_time(self, useconds: float) -> None:
        """Set the latest end, in microseconds since the epoch."""
        lib.work_queue_task_specify_end_time(self._task, int(useconds))

    def specify_running_time(self, useconds: float) -> None:
        """Set the longest run, in microseconds."""
        lib.work_queue_task_specify_running_time(self._task, int(useconds))

    def specify_running_time_max(self, seconds: float) -> None:
        lib.work_queue_task_specify_running_time_max(self._task, int(seconds))

    def specify_running_time_min(self, seconds: float) -> None:
        """Run only on workers that have so many seconds left."""
        lib.work_queue_task_specify_running_time_min(self._task, int(seconds))

    def specify_monitor_output(self, directory: PathLike) -> None:
        lib.work_queue_task_specify_monitor_output(self._task, chars(directory))

    def specify_snapshot_file(self, filename: PathLike) -> int:
        return lib.work_queue_specify_snapshot_file(self._task, chars(filename))

    # what became of it; times are microseconds, since the epoch for an instant

    id = _field("taskid", "Set by submit.")
    tag = _text("tag", "The name the application gave.")
    category = _text("category", '"default" if none was specified.')
    command = _text("command_line", "The shell command.")
    priority = _field("priority", "Higher runs earlier.")
    algorithm = _field("worker_selection_algorithm", "One of WORK_QUEUE_SCHEDULE_*.")
    std_output = _text("output", "Standard output of the command, up to the first null byte.")
    output = _text("output", "The same as std_output.")
    result = _field("result", "One of WORK_QUEUE_RESULT_*: what the engine says.")
    return_status = _field("return_status", "What the command says, if the result is success.")
    exhausted_attempts = _field("exhausted_attempts", "Attempts that exhausted their resources.")
    host = _text("host", "Address and port of the worker.")
    hostname = _text("hostname", "Name of the worker's host.")

    submit_time = _field("time_when_submitted", "When it was submitted.")
    finish_time = _field("time_when_done", "When its outputs were here.")
    send_input_start = _field("time_when_commit_start", "When the inputs began to move.")
    send_input_finish = _field("time_when_commit_end", "When the inputs were at the worker.")
    execute_cmd_start = _field("time_when_commit_end", "When the command began, as far as is known here.")
    execute_cmd_finish = _field("time_when_retrieval", "When the end of the command was seen here.")
    receive_output_start = _field("time_when_retrieval", "When the outputs began to move.")
    receive_output_finish = _field("time_when_done", "When the outputs were here.")
    cmd_execution_time = _field("time_workers_execute_last", "Time of the last complete execution.")
    total_cmd_execution_time = _field("time_workers_execute_all", "Time of all executions, lost ones too.")
    total_cmd_exhausted_execute_time = _field("time_workers_execute_exhaustion", "Of the exhausted ones.")
    app_delay = _field("time_app_delay", "Time that the application spent outside of wait.")
    total_bytes_received = _field("bytes_received", "Bytes of outputs.")
    total_bytes_sent = _field("bytes_sent", "Bytes of inputs, what was cached not counted.")
    total_bytes_transferred = _field("bytes_transferred", "Bytes of both.")

    @property
    def total_transfer_time(self) -> int:
        """Time to move inputs and outputs."""
        inputs = self.send_input_finish - self.send_input_start
        return inputs + self.receive_output_finish - self.receive_output_start

    resources_requested = _summary("resources_requested", "What was specified; -1 where nothing was.")
    resources_allocated = _summary("resources_allocated", "What the last attempt was given.")
    resources_measured = _summary("resources_measured", "What the monitor saw; -1 where it did not.")

    @property
    def result_str(self) -> str:
        return text(lib.work_queue_result_str(self._task.result))

    @property
    def limits_exceeded(self) -> Any:
        """The limits that the command went over, or None."""
        measured = self.resources_measured
        return None if measured is None else measured.limits_exceeded
