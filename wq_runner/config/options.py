"""Every option of `wq-run`: its type, default, help and group, said once."""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from wq_runner.config import types

T = TypeVar("T")

EXECUTORS = ("work_queue", "iterative", "futures")
SCHEMAS = ("NanoAODSchema", "BaseSchema", "PFNanoAODSchema", "ScoutingNanoAODSchema", "TreeMakerSchema")
ENVIRONMENTS = ("shared",)
LOG_LEVELS = ("debug", "info", "warning", "error")


def _option(default: T, *names: str, group: str, **kwargs: Any) -> T:
    """Declare a field that is an option as well; `kwargs` go to click."""
    settings = {"show_default": default not in (None, False, ()), **kwargs}
    found: T = dataclasses.field(
        default=default, metadata={"names": names, "group": group, "click": settings}
    )
    return found


_WHAT, _HOW, _WHERE, _LIMITS, _OUTPUT, _ABOUT = (
    "What to run",
    "How to cut it",
    "Where it runs",
    "Less than everything",
    "Output",
    "About the options",
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run, resolved."""

    processor: str | None = _option(
        None,
        "--processor",
        "-p",
        group=_WHAT,
        metavar="MODULE:NAME|FILE.py:NAME",
        help="A processor class, an instance, or a function of events. Without it: a survey of the samples "
        "(events, sums of weights).",
    )
    processor_args: tuple[Mapping[str, Any], ...] = _option(
        (),
        "--processor-args",
        group=_WHAT,
        multiple=True,
        type=types.KEY_VALUES,
        help="Keyword arguments of the processor class: name=value, or a JSON object. Repeatable.",
    )
    treename: str | None = _option(
        None,
        "--treename",
        group=_WHAT,
        metavar="NAME",
        help="Tree to read where the samples name none  [default: Events]",
    )
    schema: str = _option(
        "NanoAODSchema",
        "--schema",
        group=_WHAT,
        metavar="NAME",
        help="One of coffea.nanoevents, or module:Class.",
    )
    chunksize: int = _option(
        100_000, "--chunksize", group=_HOW, type=types.COUNT, help="The most events held in memory at once."
    )
    task_time: float = _option(
        60.0,
        "--task-time",
        group=_HOW,
        type=types.SECONDS,
        help="A task is as many chunks as fit into this time; the last ones are shorter.",
    )
    executor: str = _option(
        "work_queue",
        "--executor",
        "-e",
        group=_WHERE,
        type=types.Choice(EXECUTORS),
        help="work_queue: tasks for workers, anywhere. iterative: one process, for debugging. futures: "
        "processes of this machine.",
    )
    workers: str | None = _option(
        None,
        "--workers",
        "-w",
        group=_WHERE,
        metavar="local:N[xCORES]",
        help="Start workers on this machine. Without it, wait for workers to come. With futures: how many "
        "processes.",
    )
    name: str | None = _option(
        None,
        "--name",
        group=_WHERE,
        metavar="NAME",
        help="How workers find this manager (work_queue_worker -M NAME)  [default: USER-workqueue-coffea]",
    )
    port: tuple[int, int] = _option(
        (9123, 9130),
        "--port",
        group=_WHERE,
        type=types.PORTS,
        show_default="9123-9130",
        help="Port to listen on, the first free one.",
    )
    password_file: Path | None = _option(
        None,
        "--password-file",
        group=_WHERE,
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="What workers must present. Workers started here get a generated one.",
    )
    wait_time: float | None = _option(
        None,
        "--wait-time",
        group=_WHERE,
        type=types.SECONDS,
        help="Give up, with exit code 5, if no worker came in this time  [default: wait for ever]",
    )
    environment: str = _option(
        "shared",
        "--environment",
        group=_WHERE,
        type=types.Choice(ENVIRONMENTS),
        help="shared: workers use this very Python, on the same file system.",
    )
    limit_files: int | None = _option(
        None, "--limit-files", group=_LIMITS, type=types.COUNT, help="At most so many files of each dataset."
    )
    limit_chunks: int | None = _option(
        None,
        "--limit-chunks",
        group=_LIMITS,
        type=types.COUNT,
        help="At most so many chunks of each dataset; only the files they need are opened.",
    )
    test: bool = _option(
        False,
        "--test",
        group=_LIMITS,
        is_flag=True,
        help="One chunk of one file of each dataset, in this process.",
    )
    skip_bad_files: bool = _option(
        False,
        "--skip-bad-files",
        group=_LIMITS,
        is_flag=True,
        help="Leave out files that cannot be read, say which, and end with exit code 3.",
    )
    output: Path | None = _option(
        None,
        "--output",
        "-o",
        group=_OUTPUT,
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Directory for everything the run leaves behind  [default: wq-run-SAMPLES]",
    )
    loglevel: str = _option(
        "warning",
        "--loglevel",
        group=_OUTPUT,
        type=types.Choice(LOG_LEVELS, case_sensitive=False),
        help="What the terminal shows; DIR/wq-run.log has it all.",
    )


def defaulted(options: RunOptions) -> RunOptions:
    """Return the options with what depends on others filled in: what --test means, and the name."""
    changes: dict[str, Any] = {"name": options.name or default_name()}
    if options.test:
        changes |= {"executor": "iterative", "limit_files": 1, "limit_chunks": 1}
    return dataclasses.replace(options, **changes)


def default_name() -> str:
    """Return ``USER-workqueue-coffea``, from the password database where USER is not set."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        user = "user"
    return f"{user}-workqueue-coffea"
