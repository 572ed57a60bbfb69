"""What each room of a run is told: values, made of the options before anything starts (`config.resolved`).

A room takes its own part, and reads no text again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wq_runner.config import processors
from wq_runner.config.nature import WATCHED, Place
from wq_runner.model import PerDataset

if TYPE_CHECKING:
    # rooms have settings of their own, and some take long to be imported
    from wq_runner.engine.care import Care
    from wq_runner.environment.choice import Wish as EnvironmentWish
    from wq_runner.samples.together import Direct
    from wq_runner.scheduler.phase import LoopSettings
    from wq_runner.workers.choice import Wish as WorkersWish
    from wq_runner.workers.local import LocalSpec
    from wq_runner.workers.sites import Site
    from wq_runner.workers.spec import BatchSpec


SURVEY = "wq_runner.survey:Survey"


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings:
    """What is done with the events.

    `processor` is as it was named, None for the survey; `arguments` are those of its class.
    """

    processor: str | None
    arguments: Mapping[str, Any]
    schema: str
    seed: int | None

    @property
    def processors(self) -> Mapping[str, str]:
        """The processors by their names; one that has none has the empty name."""
        return processors.parse(self.processor or SURVEY)


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """Which events are processed, and where they are read.

    `direct` says which datasets data files make that are named themselves. Files are read where `redirector`
    says, and else where `redirectors`, those of the workers' site, find them. `only`, `skip` and `select`
    choose among them. `per_dataset` are the options that may have a value for each dataset: their patterns
    have to name some. With `probing`, what is chosen is a sample of the whole.
    """

    direct: Direct
    treename: str | None
    redirector: tuple[tuple[str, str], ...]
    redirectors: tuple[str, ...]
    only: tuple[str, ...]
    skip: tuple[str, ...]
    select: tuple[str, ...]
    limit_files: int | PerDataset[int | None] | None
    per_dataset: Mapping[str, Any]
    probing: bool
    skip_bad_files: bool


@dataclass(frozen=True, kw_only=True)
class ChunkSettings:
    """How files are cut: into chunks of at most so many events, and at most so many of each dataset.

    If they are `learned`, tasks cut them further, to what fits.
    """

    chunksize: int | PerDataset[int]
    limit_chunks: int | PerDataset[int | None] | None = None
    learned: bool = False


@dataclass(frozen=True, kw_only=True)
class ExecutorSettings:
    """Where tasks run.

    `said` is how it was named: by its `name`, and where it is: `at` a site, a scheduler, or as a file says.
    `started` are the workers or processes that the run starts itself, None if it waits for some or needs
    none, and `site` is theirs. `setup` is a file of the user's that makes the executor, which is told
    `run_options`. `queue` and `batch_options` are for the jobs of Dask's workers. Processes of ours are
    ended as `care` says. In this process, tasks find the `extra_files`, unless they run `in_place`.
    """

    said: str
    name: str
    at: str
    place: Place
    started: LocalSpec | BatchSpec | None
    site: Site | None
    setup: Path | None
    run_options: Mapping[str, Any]
    queue: str | None
    batch_options: str | None
    care: Care
    in_place: bool
    extra_files: tuple[Path, ...]
    wait_time: float | None

    @property
    def on_work_queue(self) -> bool:
        return self.place is Place.WORK_QUEUE

    @property
    def is_watched(self) -> bool:
        """Whether processes are ours, and so ours to end."""
        return self.place in WATCHED

    @property
    def is_all_here(self) -> bool:
        """Whether all the work is done on this machine."""
        from wq_runner.workers.local import LocalSpec

        if self.on_work_queue:
            return isinstance(self.started, LocalSpec)
        return not self.at and self.setup is None


@dataclass(frozen=True, kw_only=True)
class TaskSize:
    """What a task asks for, in bytes, as workers that look for a run are told; 0 if it is not said."""

    cores: int
    memory: int
    disk: int


@dataclass(frozen=True, kw_only=True)
class ManagerSettings:
    """The manager of Work Queue: who its workers are, and where and how it waits for them.

    `ports` are those to try, which workers that the run starts need not have if they are `usual`.
    """

    workers: WorkersWish
    ports: tuple[int, int]
    usual_ports: bool
    stall_time: float
    resource_monitor: str
    resources_mode: str
    task: TaskSize

    @property
    def needs_its_ports(self) -> bool:
        """Whether a port has to be one of those: workers that the run starts are told any other."""
        return not self.usual_ports or self.workers.workers is None


@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """How workers get Python and the code of `processor`: as `wish` says if it is `sent` to them."""

    wish: EnvironmentWish
    processor: str | None
    sent: bool
    unsent: str
    """Why nothing is sent."""


@dataclass(frozen=True, kw_only=True)
class ProxySettings:
    """The proxy of tasks: `off`, of a `file`, or where it usually is. A site may need one: `needed_at`."""

    off: bool
    file: Path | None
    needed_at: str


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """What a run leaves behind: in a `directory`, or in one named after the samples and their `part`."""

    directory: Path | None
    part: str
    fresh: bool
    accept_stale: bool
    keep_results: int
    scheme: str
    also: tuple[str, ...]
    stage_out: str | None
    naming: str


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """The `port` of the status page, if there is one; what the terminal shows of the log."""

    port: int | None
    loglevel: str


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """All of it. `pdb` is whether the debugger opens at a failure.

    `lasting` are values that differ where a notebook needs another manager, or other workers.
    """

    analysis: AnalysisSettings
    input: InputSettings
    chunks: ChunkSettings
    loop: LoopSettings
    executor: ExecutorSettings
    manager: ManagerSettings
    environment: EnvironmentSettings
    proxy: ProxySettings
    output: OutputSettings
    monitoring: MonitoringSettings
    pdb: bool
    lasting: tuple[Any, ...]
