"""Every option of `wq-run`: its type, default, help and group, said once."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wq_runner import formats
from wq_runner.config import completion, processors, types
from wq_runner.config.executors import Backend, parse
from wq_runner.config.nature import (
    ALL,
    ALONE,
    AWAITED,
    EVERYWHERE,
    HERE_OR_SENT,
    ITERATIVE,
    KEPT_IN_BOUNDS,
    NEVER,
    OF_MANY,
    REST,
    SCALED,
    SIZED,
    WORK_QUEUE,
    Nature,
    Place,
    no_word,
    of_environment,
    of_parsl,
    whole,
)
from wq_runner.errors import UsageError
from wq_runner.model import Order, PerDataset, ResourcesMode
from wq_runner.units import GB
from wq_runner.workers.batch import NAMES, OPTIONS, QUEUES

if TYPE_CHECKING:
    from wq_runner.workers.local import LocalSpec
    from wq_runner.workers.spec import BatchSpec, Form

T = TypeVar("T")

SCHEMAS = ("NanoAODSchema", "BaseSchema", "PFNanoAODSchema", "ScoutingNanoAODSchema", "TreeMakerSchema")
RESOURCES_MODES = ("auto", "fixed", "max", "min-waste", "max-throughput")
ORDERS = ("given", "largest", "smallest")
NAMINGS = ("uuid", "das", "legacy")
MONITORS = ("off", "measure", "watchdog")

AUTO = types.AUTO
AUTO_CHUNKSIZE = 1_000_000  # what is planned with --chunksize auto; tasks cut it to what fits
LOG_LEVELS = ("debug", "info", "warning", "error")


def _option(default: T, /, *names: str, group: str, nature: Nature, python: str = "", **kwargs: Any) -> T:
    """Declare a field that is an option as well; `kwargs` go to click, which parses their `default`.

    `python` is the type of a value that a call may give, where its click type does not tell.
    """
    settings = {"default": default, "show_default": default not in (None, False, ()), **kwargs}
    said = {"names": names, "group": group, "nature": nature, "python": python, "click": settings}
    found: T = dataclasses.field(default=default, metadata=said)
    return found


_INPUT, _CHUNKS, _WORKERS, _ENVIRONMENT, _RESOURCES, _SELECTION, _OUTPUT, _MONITORING = (
    "Input and processor",
    "Chunks and tasks",
    "Workers",
    "Environment",
    "Resources",
    "Selection",
    "Output",
    "Monitoring",
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run, resolved."""

    processor: str | None = _option(
        None,
        "--processor",
        "-p",
        group=_INPUT,
        nature=Nature(
            result=True, session=False, limits=False, jobs=False, drop=NEVER, heed=ALL, path=processors.path
        ),
        type=types.PROCESSOR,
        multiple=True,
        callback=types.Processor.joined,
        metavar="[NAME=]MODULE:NAME|[NAME=]FILE.py:NAME",
        shell_complete=completion.words(files=True),
        help="Processor: a class, an instance, or a function of events. Without it, a survey of the samples "
        "is run (numbers of events, sums of weights). Several, each with a name, read each chunk once "
        "together: -p ee=analysis.py:EE -p mm=analysis.py:MM.",
    )
    processor_args: tuple[Mapping[str, Any], ...] = _option(
        (),
        "--processor-args",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        multiple=True,
        type=types.KEY_VALUES,
        help="Keyword arguments of the processor class: name=value, or a JSON object. Repeatable. Literals "
        "(no, None, .5, [a, b]) are read as values, and have to be quoted to stay text; type "
        "annotations of the class take precedence. For one of several processors: ee.name=value.",
    )
    dataset: str | None = _option(
        None,
        "--dataset",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=False, drop=REST, heed=ALL, path=None),
        metavar="NAME",
        help="Make one dataset of this name of all data files that SAMPLES names directly  [default: one for "
        "each directory, named after it]",
    )
    dataset_per_file: bool = _option(
        False,
        "--dataset-per-file",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=False, drop=REST, heed=ALL, path=None),
        is_flag=True,
        help="Make a dataset of each data file that SAMPLES names directly.",
    )
    treename: str | None = _option(
        None,
        "--treename",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        metavar="NAME",
        help="Tree to read if the samples do not name one  [default: Events]",
    )
    schema: str = _option(
        "NanoAODSchema",
        "--schema",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        metavar="NAME",
        shell_complete=completion.words(*SCHEMAS),
        help="A class of coffea.nanoevents, or module:Class.",
    )
    seed: int | None = _option(
        None,
        "--seed",
        group=_INPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        metavar="N",
        type=click.IntRange(min=0),
        help="Seed of random numbers. They also depend on the chunk (its dataset, file and range), so that "
        "each chunk draws its own.",
    )
    chunksize: int | str | PerDataset[int] = _option(
        types.DEFAULT_CHUNKSIZE,
        "--chunksize",
        "-c",
        group=_CHUNKS,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.CHUNKSIZE,
        help="Largest number of events in a chunk. They are in memory at once. auto: learned while the run "
        "goes, as large as the workers allow.",
    )
    min_chunk: int = _option(
        1000,
        "--min-chunk",
        group=_CHUNKS,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.COUNT,
        help="Smallest number of events to which a chunk is split if it does not fit into memory or kills "
        "its process.",
    )
    task_time: float = _option(
        60.0,
        "--task-time",
        group=_CHUNKS,
        nature=Nature(
            result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=OF_MANY, path=None
        ),
        type=types.SECONDS,
        default="60s",
        help="How long a task should take: it gets as many chunks as fit into this time. The last tasks are "
        "shorter.",
    )
    order: Order = _option(
        "given",
        "--order",
        group=_CHUNKS,
        nature=Nature(result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        type=types.Choice(ORDERS),
        help="Order in which datasets are finished: as the samples list them, or those with the most or the "
        "fewest events first. No core waits for this: where too little of a dataset is left, the next "
        "one begins.",
    )
    executor: str = _option(
        "work_queue",
        "--executor",
        "-e",
        group=_WORKERS,
        nature=Nature(
            result=True, session=True, limits=False, jobs=False, drop=NEVER, heed=ALL, path=of_parsl
        ),
        type=types.EXECUTOR,
        help="Where tasks run: work_queue, iterative, futures, dask or parsl. work_queue has workers "
        "anywhere, iterative is this process, for debugging, futures has processes on this machine. "
        "dask runs a cluster on this machine, dask@SITE in a batch system, dask@tcp://HOST:PORT on a "
        "scheduler that is running; parsl runs processes on this machine, parsl@CONFIG.py what the file"
        " configures.",
    )
    executor_custom_setup: Path | None = _option(
        None,
        "--executor-custom-setup",
        group=_WORKERS,
        nature=Nature(result=True, session=True, limits=False, jobs=False, drop=ALONE, heed=ALL, path=whole),
        metavar="FILE.py",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,  # the names of executors are its own
        help="Python file that makes the executor, with a function get_executor_factory(name, "
        "run_options=..., outputdir=...).",
    )
    workers: str | None = _option(
        None,
        "--workers",
        "-w",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SCALED, path=None
        ),
        python="int | str",
        metavar=f"local|{NAMES}|SITE:N[xCORES[xMEMORY]]",
        shell_complete=completion.workers,
        help="Workers to start: local:4 on this machine, condor:50 in a batch system, condor@SITE:50 as a "
        "site needs them. They end with the run. Without it, the run waits for workers that you start. "
        "With futures, dask and parsl, or at a site, a number is enough, such as 4.",
    )
    pdb: bool = _option(
        False,
        "--pdb",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=REST, heed=ITERATIVE, path=None
        ),
        is_flag=True,
        help="Open Python's debugger where the processor fails. Only with --executor iterative.",
    )
    in_place: bool = _option(
        False,
        "--in-place",
        group=_WORKERS,
        nature=Nature(
            result=True, session=True, limits=False, jobs=False, drop=ALONE, heed=ITERATIVE, path=None
        ),
        is_flag=True,
        help="With --executor iterative, run the processor in the current directory. Otherwise it runs as on"
        " workers, in a directory of its own that has the files of --extra-file.",
    )
    scaleout: int | None = _option(
        None,
        "--scaleout",
        "-s",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SCALED, path=None
        ),
        type=types.COUNT,
        help="Number of workers, if --workers names only their kind (condor, slurm@SITE). Without --workers "
        "they are started on this machine.",
    )
    queue: str | None = _option(
        None,
        "--queue",
        "-q",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SIZED, path=None
        ),
        metavar="NAME",
        help=f"Queue of the batch system of --workers: {QUEUES}.",
    )
    cores_per_worker: int | None = _option(
        None,
        "--cores-per-worker",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SIZED, path=None
        ),
        type=types.COUNT,
        help="Cores of each worker that is started.",
    )
    mem_per_worker: int | None = _option(
        None,
        "--mem-per-worker",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SIZED, path=None
        ),
        type=types.WORKER_MEMORY,
        help="Memory of each worker that is started; 4 means 4GB.",
    )
    disk_per_worker: int | None = _option(
        None,
        "--disk-per-worker",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SIZED, path=None
        ),
        type=types.WORKER_SIZE,
        help="Disk of each worker that is started; 4 means 4GB.",
    )
    name: str | None = _option(
        None,
        "--name",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        metavar="NAME",
        help="Name by which workers find this manager (work_queue_worker -M NAME)  [default: "
        "USER-workqueue-coffea]",
    )
    port: tuple[int, int] = _option(
        (9123, 9130),
        "--port",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.PORTS,
        default="9123-9130",
        help="Port to listen on. If it is a range, the first free port is taken.",
    )
    catalog: str | None = _option(
        None,
        "--catalog",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.CATALOG,
        help="Catalog server through which workers find this manager by its name. local: start a private one"
        " on this machine. none: use no catalog  [default: CATALOG_HOST, or else the engine's public "
        "one]",
    )
    password_file: str | None = _option(
        None,
        "--password-file",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=no_word
        ),
        type=types.PASSWORD,
        help="File with the password that workers have to present. auto: your own, which is made once. "
        "Workers that the run starts get a new one.",
    )
    tls: bool = _option(
        False,
        "--tls",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        is_flag=True,
        help="Encrypt the connections between the run and its workers. conda-forge's release of the engine "
        "can do this, Debian's cannot. Encryption does not prove who is at the other end: a password "
        "does.",
    )
    proxy: str = _option(
        AUTO,
        "--proxy",
        group=_ENVIRONMENT,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=no_word
        ),
        type=types.PROXY,
        help="X509 proxy that is sent with tasks if there are root:// files. auto: X509_USER_PROXY, or the "
        "usual places. A proxy that is renewed later reaches the workers, too.",
    )
    redirector: tuple[tuple[str, str], ...] = _option(
        (),
        "--redirector",
        group=_INPUT,
        nature=Nature(result=True, session=True, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        multiple=True,
        type=types.REDIRECTOR,
        help="Read files whose names begin with FROM from the place that begins with TO. Repeatable.",
    )
    preload: str = _option(
        AUTO,
        "--preload",
        group=_INPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.PRELOAD,
        help="Which columns are read in one request, before the processor asks for them. auto: of files on "
        "servers (root://, https://), those that earlier chunks of the dataset have read, or those that the "
        "samples name. off: none. NAMES: these, such as nMuon,Muon_pt. Others are read when they are asked "
        "for.",
    )
    read_timeout: float | None = _option(
        None,
        "--read-timeout",
        group=_INPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.SECONDS,
        help="How long a server of files may take for one answer, such as 2m  [default: 60s, or 30s for "
        "files that can be read elsewhere]",
    )
    uproot_option: tuple[Mapping[str, Any], ...] = _option(
        (),
        "--uproot-option",
        group=_INPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        multiple=True,
        type=types.KEY_VALUES,
        help="Options of uproot.open: name=value, such as handler=XRootDSource or num_workers=4. Those that "
        "it does not know go to the file system (fsspec). Repeatable.",
    )
    batch_options: str | None = _option(
        None,
        "--batch-options",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=SIZED, path=None
        ),
        metavar="TEXT",
        help=f"Text for the batch system of --workers: {OPTIONS}.",
    )
    wait_time: float | None = _option(
        None,
        "--wait-time",
        group=_WORKERS,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=AWAITED, path=None
        ),
        type=types.SECONDS,
        help="Give up, with exit code 5, if no worker has come within this time  [default: wait forever]",
    )
    environment: str = _option(
        "auto",
        "--environment",
        group=_ENVIRONMENT,
        nature=Nature(
            result=True,
            session=True,
            limits=False,
            jobs=False,
            drop=NEVER,
            heed=WORK_QUEUE,
            path=of_environment,
        ),
        metavar="auto|packed|shared|none|FILE|DIRECTORY/",
        shell_complete=completion.words("auto", "packed", "shared", "none", files=True),
        help="How workers get Python and your code. packed: ship this Python environment and the code as it "
        "is now. shared: use this very Python, on a shared file system. none: ship only the code. FILE:"
        " a packed environment (*.tar.gz), or the packages to make one from: a list (environment.yml, "
        "requirements.txt) or a lock (conda-lock.yml, an @EXPLICIT list). DIRECTORY/: the environment "
        "in that directory. auto: shared if all workers are on this machine, otherwise packed.",
    )
    extra_file: tuple[Path, ...] = _option(
        (),
        "--extra-file",
        group=_ENVIRONMENT,
        nature=Nature(
            result=True, session=True, limits=False, jobs=False, drop=NEVER, heed=HERE_OR_SENT, path=whole
        ),
        multiple=True,
        metavar="PATH",
        type=click.Path(exists=True, path_type=Path),
        help="File or directory that tasks find in their working directory. Repeatable.",
    )
    setup_command: tuple[str, ...] = _option(
        (),
        "--setup-command",
        group=_ENVIRONMENT,
        nature=Nature(
            result=True, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        multiple=True,
        metavar="COMMAND",
        help="Command that each worker runs once, before its first task. Repeatable.",
    )
    channel: tuple[str, ...] = _option(
        (),
        "--channel",
        group=_ENVIRONMENT,
        nature=Nature(
            result=True, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        multiple=True,
        metavar="URL",
        help="Channel of conda packages for --environment FILE.yml, searched before those that the file "
        "names. Repeatable.",
    )
    max_cache: int | None = _option(
        20 * GB,
        "--max-cache",
        group=_ENVIRONMENT,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.SIZE,
        default="20GB",
        help="Disk space for packed environments. Those that have been unused for longest are deleted.",
    )
    cores: int = _option(
        1,
        "--cores",
        group=_RESOURCES,
        nature=Nature(result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        type=types.COUNT,
        help="Cores of each task.",
    )
    memory: int | PerDataset[int | None] | None = _option(
        None,
        "--memory",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=KEPT_IN_BOUNDS, path=None
        ),
        type=types.MEMORIES,
        help="Memory of each task  [default: learned for each dataset]",
    )
    disk: int | None = _option(
        None,
        "--disk",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.SIZE,
        help="Disk of each task  [default: a share of the worker's]",
    )
    gpus: int | None = _option(
        None,
        "--gpus",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.COUNT,
        help="GPUs of each task.",
    )
    resources_mode: ResourcesMode = _option(
        "auto",
        "--resources-mode",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.Choice(RESOURCES_MODES),
        help="How the memory of tasks is chosen. auto: learned from the events. fixed: as --memory says, or "
        "a share of the worker. The others are the engine's own ways to learn, which need its monitor.",
    )
    treereduction: int | str = _option(
        AUTO,
        "--treereduction",
        group=_CHUNKS,
        nature=Nature(
            result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=OF_MANY, path=None
        ),
        type=types.TREEREDUCTION,
        help="Let tasks add up results, this many or this many bytes at once, instead of the manager. auto: "
        "if results come faster than the manager can add them.",
    )
    column_cache: str = _option(
        "off",
        "--column-cache",
        group=_CHUNKS,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.COLUMN_CACHE,
        help="Keep the columns that chunks read on the hosts of workers, for runs that read them again: up "
        "to this size on each host, or in this directory there. auto: only of remote files, and of files "
        "that LZMA compressed.",
    )
    resource_monitor: str = _option(
        "off",
        "--resource-monitor",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=WORK_QUEUE, path=None
        ),
        type=types.Choice(MONITORS),
        help="Run each task in the engine's resource_monitor. Tasks watch their own memory without it, too.",
    )
    stall_time: float = _option(
        600.0,
        "--stall-time",
        group=_RESOURCES,
        nature=Nature(
            result=False, session=True, limits=False, jobs=False, drop=NEVER, heed=KEPT_IN_BOUNDS, path=None
        ),
        type=types.SECONDS,
        default="10m",
        help="End a chunk that has neither computed nor read anything for this long, and try it elsewhere. "
        "Waiting for a program that it started, or for a core of a busy host, does not count. 0: never.",
    )
    only: tuple[str, ...] = _option(
        (),
        "--only",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        multiple=True,
        metavar="NAME|KEY=VALUE",
        shell_complete=completion.dataset,
        help="Process only datasets with this name, or with this value in their metadata (year=2018, "
        "isData=false). Patterns with * are allowed. Repeatable: values for the same key are "
        "alternatives, different keys must all match.",
    )
    skip: tuple[str, ...] = _option(
        (),
        "--skip",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        multiple=True,
        metavar="NAME|KEY=VALUE",
        shell_complete=completion.dataset,
        help="Leave out datasets with this name or value. Repeatable.",
    )
    select: tuple[str, ...] = _option(
        (),
        "--select",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        multiple=True,
        metavar="DATASET[:FILE[:START-STOP]]",
        shell_complete=completion.dataset,
        help="Process only this dataset, file, or range of events. Patterns with * are allowed. Repeatable.",
    )
    limit_files: int | PerDataset[int | None] | None = _option(
        None,
        "--limit-files",
        "-lf",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        type=types.COUNTS,
        help="Largest number of files of each dataset.",
    )
    limit_chunks: int | PerDataset[int | None] | None = _option(
        None,
        "--limit-chunks",
        "-lc",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        type=types.COUNTS,
        help="Largest number of chunks of each dataset. Only the files that they need are opened.",
    )
    test: bool = _option(
        False,
        "--test",
        "-t",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        is_flag=True,
        help="Process one chunk of one file of each dataset, in this process. -e, -w, -lf and -lc on the "
        "same command line take precedence.",
    )
    probe: int | None = _option(
        None,
        "--probe",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=True, jobs=False, drop=REST, heed=ALL, path=None),
        type=types.COUNT,
        help="Process this many chunks of each dataset, then say what the whole will take and which settings"
        " suit it. It runs in one process unless --workers says where.",
    )
    skip_bad_files: bool = _option(
        False,
        "--skip-bad-files",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        is_flag=True,
        help="Leave out files that cannot be read, list them, and end with exit code 3.",
    )
    max_failed: float = _option(
        0.0,
        "--max-failed",
        group=_SELECTION,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=ALONE, heed=ALL, path=None),
        type=types.SHARE,
        help="Leave out chunks in which the processor fails, up to this share of the events, such as 0.5%.",
    )
    output: Path | None = _option(
        None,
        "--output",
        "-o",
        group=_OUTPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=False, drop=REST, heed=ALL, path=None),
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Directory for everything that the run writes  [default: wq-run-SAMPLES]",
    )
    fresh: bool = _option(
        False,
        "--fresh",
        group=_OUTPUT,
        nature=Nature(
            result=False, session=False, limits=False, jobs=False, drop=EVERYWHERE, heed=ALL, path=None
        ),
        is_flag=True,
        help="Start over, whatever an earlier run in DIR has done.",
    )
    accept_stale: bool = _option(
        False,
        "--accept-stale",
        group=_OUTPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        is_flag=True,
        help="Keep what an earlier run in DIR has done, although the code or the options have changed since.",
    )
    keep_results: int = _option(
        3,
        "--keep-results",
        group=_OUTPUT,
        nature=Nature(result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        metavar="N",
        type=click.IntRange(min=0),
        help="Number of results of other code or options that DIR keeps beside the newest. A run that goes "
        "back to one of them finds it done. The oldest are deleted.",
    )
    outputs: str = _option(
        "one",
        "--outputs",
        group=_OUTPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.OUTPUTS,
        help="Write one file output.coffea, or several outputs/NAME.coffea: for each dataset, for all "
        "datasets with the same KEY in their metadata, or for each N files of a dataset. Each is "
        "postprocessed by itself.",
    )
    pkl_gz: bool = _option(
        False,
        "--pkl-gz",
        group=_OUTPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        is_flag=True,
        help=f"Also write {formats.PICKLE.suffix} beside each .coffea file: {formats.PICKLE.words}.",
    )
    stage_out: str | None = _option(
        None,
        "--stage-out",
        group=_OUTPUT,
        nature=Nature(
            result=False, session=False, limits=False, jobs=False, drop=EVERYWHERE, heed=ALL, path=None
        ),
        metavar="DIR|URL|none",
        shell_complete=completion.words("none", files=True),
        help="Copy the output, the files that the processor wrote, run.json and missing.json to this place "
        "(root://..., or a path), and read the copies back to check them. none: copy nothing, whatever "
        "a file of options says.",
    )
    naming: str = _option(
        "uuid",
        "--naming",
        group=_OUTPUT,
        nature=Nature(result=True, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.Choice(NAMINGS),
        help="How to name the files that the processor writes to events.metadata['output_dir']: by the uuid "
        "of the input file, by its name as in DAS, or by the uuid in HiggsDNA's first way.",
    )
    drain_time: float = _option(
        600.0,
        "--drain-time",
        group=_CHUNKS,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.SECONDS,
        default="10m",
        help="How long the first Ctrl-C waits for running tasks. A second Ctrl-C does not wait.",
    )
    http: int | None = _option(
        None,
        "--http",
        group=_MONITORING,
        nature=Nature(result=False, session=False, limits=False, jobs=False, drop=NEVER, heed=ALL, path=None),
        metavar="[PORT]",
        type=types.PORT,
        help="Serve the status page on 127.0.0.1 while the run goes, on PORT or the next free one  [8787].",
    )
    loglevel: str = _option(
        "warning",
        "--loglevel",
        "-ll",
        group=_MONITORING,
        nature=Nature(result=False, session=False, limits=False, jobs=True, drop=NEVER, heed=ALL, path=None),
        type=types.Choice(LOG_LEVELS, case_sensitive=False),
        help="Messages that the terminal shows: this level and above. DIR/wq-run.log has all of them.",
    )

    @property
    def backend(self) -> Backend:
        """The executor, and where it is."""
        return parse(self.executor, custom=self.executor_custom_setup is not None)

    @property
    def on_work_queue(self) -> bool:
        return self.place is Place.WORK_QUEUE

    @property
    def place(self) -> Place:
        """Which of the executors it is, which says what options it heeds."""
        backend = self.backend
        if self.executor_custom_setup is not None:
            return Place.CUSTOM
        if backend.name == "dask" and backend.place:
            return Place.DASK_SCHEDULER if "://" in backend.place else Place.DASK_SITE
        if backend.name == "parsl" and backend.place:
            return Place.PARSL_CONFIG
        return Place[backend.name.upper()]

    @property
    def started(self) -> LocalSpec | BatchSpec | None:
        """The workers that the run starts, or processes; None if it waits for workers, or needs none.

        Raises
        ------
        UsageError
            If --workers cannot be understood, or asks for what the executor cannot start.
        """
        from wq_runner.workers import spec

        match self.place:
            case Place.WORK_QUEUE:
                form = self._form
                if place := self.backend.place:
                    form = spec.at_site(place, form)
                return spec.meant(form) if form else None
            case Place.DASK_SITE:
                return spec.meant(spec.at_site(self.backend.place, self._form))
            case Place.FUTURES | Place.DASK | Place.PARSL:
                return spec.processes(self._form)
            case Place.CUSTOM:  # whose own words they may be
                with contextlib.suppress(UsageError):
                    return spec.meant(self._form) if self._form else spec.processes(None)
            case _:
                pass
        return None

    @property
    def processes(self) -> LocalSpec:
        """The processes that the run starts on this machine, where the executor has such."""
        from wq_runner.workers import spec

        return spec.processes(self._form)

    @property
    def _form(self) -> Form | None:
        from wq_runner.workers import spec

        return spec.read(self.workers) if self.workers else None

    @property
    def dask_site(self) -> str | None:
        """The site at which a run starts a cluster of Dask."""
        return self.backend.place if self.place is Place.DASK_SITE else None

    @property
    def planned_chunksize(self) -> int | PerDataset[int]:
        """The most events of a chunk in the plan."""
        return AUTO_CHUNKSIZE if isinstance(self.chunksize, str) else self.chunksize


NATURES: Mapping[str, Nature] = {
    field.name: field.metadata["nature"] for field in dataclasses.fields(RunOptions)
}


def named(are_such: Callable[[Nature], bool]) -> tuple[str, ...]:
    """Return the names of the options that are such, in their order."""
    return tuple(name for name, nature in NATURES.items() if are_such(nature))


LIMITS = named(lambda one: one.limits)
PER_DATASET = tuple(
    field.name
    for field in dataclasses.fields(RunOptions)
    if isinstance(field.metadata["click"].get("type"), types.PerDatasetValue)
)
"""The options that may have another value for each dataset."""

_OF_TEST = {"executor": "iterative", "executor_custom_setup": None, "limit_files": 1, "limit_chunks": 1}


def defaulted(options: RunOptions, said: Collection[str] = ()) -> RunOptions:
    """Return the options with what depends on others filled in: what --test means, workers, the name.

    --test takes the place of what files and variables say, but not of what is `said` beside it: with workers
    it is tried on these.
    """
    workers = _workers(options)
    changes: dict[str, Any] = {"name": options.name or default_name(), "workers": workers}
    if options.test:
        changes |= {name: value for name, value in _OF_TEST.items() if name not in said}
        if "executor" in said:
            changes.pop("executor_custom_setup", None)  # it may be what makes it
        elif {"workers", "scaleout"} & set(said):
            changes["executor"] = "work_queue"  # one process has no workers
    if options.on_work_queue and "executor" not in changes:
        changes["executor"] = "work_queue"  # where is said by the workers now
    if options.probe is not None:
        changes |= {"limit_chunks": options.probe, "fresh": True}
        if options.on_work_queue and workers is None:
            changes |= {"executor": "futures", "workers": "1"}
    if options.stage_out == "none":
        changes["stage_out"] = None  # though a file or a variable says where
    return dataclasses.replace(options, **changes)


def _workers(options: RunOptions) -> str | None:
    """Return what to start, with what is said of it by other options; where it is no worker, how many."""
    from wq_runner.workers import spec

    if options.place is Place.CUSTOM and options.workers:
        return options.workers  # words of its own, perhaps
    form = spec.read(options.workers) if options.workers else None
    if form is None and options.scaleout:
        form = spec.Form(count=options.scaleout)
    whole = form
    if options.on_work_queue and options.backend.place:
        whole = spec.at_site(options.backend.place, form)
    elif options.on_work_queue and form and not form.kind:
        whole = dataclasses.replace(form, kind=spec.LOCAL)
    if whole is not None and options.place in {Place.WORK_QUEUE, Place.DASK_SITE}:
        whole = whole.filled(
            count=options.scaleout,
            cores=options.cores_per_worker,
            memory=options.mem_per_worker,
            disk=options.disk_per_worker,
        )
    # what was typed is kept as it was typed
    return options.workers if whole == form and options.workers else str(whole) if whole else None


def default_name() -> str:
    """Return ``USER-workqueue-coffea``, from the password database where USER is not set."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in some containers
        user = "user"
    return f"{user}-workqueue-coffea"
