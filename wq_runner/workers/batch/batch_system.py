"""What a batch system is to everybody here: one value, that a new one writes down once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.workers.batch.job import Cluster, Job


def _no_arguments(job: Job) -> Mapping[str, Any]:  # noqa: ARG001 - as those who are told more
    return {}


def _no_text(job: Job, script: Path) -> str:  # noqa: ARG001 - as those who read a file
    return ""


def _nothing(*_: object) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class BatchSystem:
    """A batch system: its names, its programs, and how it is told what everybody tells it.

    `name` is its name for people who type it, and that of the engine's factory (``work_queue_factory -T``);
    `title` is how it is written in a sentence. What is left out is what a batch system can be without.
    """

    name: str
    title: str

    # words of it, in help and messages
    queue_word: str
    """What its queues are called: ``partition``."""
    options_word: str
    """What `--batch-options` are: ``options of sbatch``."""

    # programs
    submit: str
    remove: str
    """What removes jobs, whose numbers are its arguments."""
    ask: tuple[str, ...]
    """A command that only asks, and is quick where all is well."""
    submit_workers: str = ""
    """The engine's own program that submits workers, if there is one."""
    scratch_variable: str
    """What a job has in its environment for its scratch directory."""

    # how it is told
    separator: str
    """What stands between two of its options in one text."""
    queue: Callable[[str], str]
    """The option that names a queue."""
    time_option: str
    """The option that limits the time of a job, with ``{seconds}`` or ``{time}``, which is H:MM:SS."""
    proxy: Callable[[Path], str] = _nothing
    """The option that has a proxy certificate travel with a job; none, where jobs see the home directory."""

    # workers of a factory
    errors: Callable[[str, str], str]
    """The option that has what a job says on standard error come back, in a file that begins and ends so."""
    memory: Callable[[int], str] = _nothing
    """The option for the memory of a worker in MB, where the factory's own key for it does not do."""
    takes_requirements: bool = False
    left: Callable[[Path], list[str]]
    """The jobs that a factory which is gone has left, by what is in its scratch directory."""

    # workers by hand
    command: Callable[[Job, Path], list[str]]
    """The command that submits workers, whose script is the path."""
    file: str = ""
    """The name of the file that this command reads, beside the script; none, if all is in the command."""
    text: Callable[[Job, Path], str] = _no_text
    """What is in this file."""
    most_script: float = float("inf")
    """Bytes that the script of a job may have."""

    # jobs without a manager: wq-run export
    jobs_suffix: str
    jobs_text: Callable[[Cluster, Job], str]

    # workers of Dask
    dask_cluster: str = ""
    """The class of dask-jobqueue; none, if that knows no such batch system."""
    dask_arguments: Callable[[Job], Mapping[str, Any]] = _no_arguments
    """What this class is told besides what all of them are told."""

    def time_limit(self, seconds: int) -> str:
        """Return the option that limits the time of a job."""
        minutes, rest = divmod(seconds, 60)
        return self.time_option.format(seconds=seconds, time=f"{minutes // 60}:{minutes % 60:02}:{rest:02}")

    def joined(self, *options: str | None) -> str:
        """Return options as one text, without those that say nothing."""
        return self.separator.join(one for one in options if one)
