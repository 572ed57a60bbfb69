"""From options to what each room of a run is told: the one place that reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wq_runner import formats, literals, units
from wq_runner.config import processors
from wq_runner.config.executors import check_installed
from wq_runner.config.nature import Place
from wq_runner.config.options import AUTO, LIMITS, PER_DATASET, RunOptions, named
from wq_runner.config.settings import (
    AnalysisSettings,
    ChunkSettings,
    EnvironmentSettings,
    ExecutorSettings,
    InputSettings,
    ManagerSettings,
    MonitoringSettings,
    OutputSettings,
    ProxySettings,
    RunSettings,
    TaskSize,
)
from wq_runner.errors import ExecutorSetupError, UsageError
from wq_runner.model import PerDataset, value_of
from wq_runner.units import GB, MB
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.local import LocalSpec
from wq_runner.workers.spec import BatchSpec

if TYPE_CHECKING:
    from wq_runner.engine.care import Care
    from wq_runner.ledger.parts import TreeSettings
    from wq_runner.scheduler.phase import LoopSettings
    from wq_runner.scheduler.read_columns import ReadSettings
    from wq_runner.workers.sites import Site

OFF = "off"
_OF_FILES = frozenset({".coffea", ".pkl", ".gz", ".root", ".parquet", ".h5"})
MOST_INPUTS = 500  # files of one task, however small


def resolve(options: RunOptions) -> RunSettings:
    """Return what the rooms are told of the options; nothing is made or started.

    Raises
    ------
    UsageError
        If options contradict each other, if one cannot be understood, or if the executor needs what is not
        there.
    """
    if options.pdb and options.backend.name != "iterative":
        raise UsageError(
            f"--pdb cannot open a debugger with --executor {options.executor}: the processor runs elsewhere",
            hint="add -e iterative, and --select for the chunk that fails",
            page="command-line",
        )
    _check_values(options)
    _check_executor(options)
    _check_sizes(options)
    site = _site(options)
    return RunSettings(
        analysis=AnalysisSettings(
            processor=options.processor,
            arguments=literals.merged(options.processor_args),
            schema=options.schema,
            seed=options.seed,
        ),
        input=_input(options, site),
        chunks=ChunkSettings(
            chunksize=options.planned_chunksize,
            limit_chunks=options.limit_chunks,
            learned=options.chunksize == AUTO,
        ),
        loop=_loop(options),
        executor=_executor(options, site),
        manager=_manager(options),
        environment=_environment(options),
        proxy=_proxy(options, site),
        output=_output(options),
        monitoring=MonitoringSettings(port=options.http, loglevel=options.loglevel),
        pdb=options.pdb,
        lasting=lasting(options),
    )


def lasting(options: RunOptions) -> tuple[Any, ...]:
    """Return the values of which a session that is kept has all."""
    return tuple(getattr(options, name) for name in named(lambda one: one.session))


def workers_of_this_python(options: RunOptions) -> LocalSpec | None:
    """Return the local workers that run this very Python, if the run starts such.

    It is asked before anything else, and so before the rest is imported.
    """
    if not options.on_work_queue or options.setup_command:
        return None
    if options.environment not in {"auto", "shared"}:
        return None
    try:
        found = options.started
    except UsageError:
        return None  # which the run will say
    return found if isinstance(found, LocalSpec) else None


# -- the executor and its workers


def _check_values(options: RunOptions) -> None:
    """Check what is wrong with every executor, also with one that does not heed it."""
    from wq_runner.workers import catalog, spec

    if options.workers and options.executor_custom_setup is None:  # whose own words they may be
        spec.judge(options.workers)
    if options.catalog:
        catalog.chosen(options.catalog)
    if options.output is not None and options.output.suffix in _OF_FILES and not options.output.is_dir():
        raise UsageError(
            f"--output {options.output}: the output is a directory, with the result and what belongs to it",
            hint=f"-o {options.output.with_suffix('')} has {options.output.stem}/output.coffea",
            page="command-line",
        )


def _check_executor(options: RunOptions) -> None:
    """Check what can be wrong with it before anything starts: a package, a site, a file or a number."""
    if options.executor_custom_setup is not None:
        return
    backend = options.backend
    if (name := options.dask_site) is not None:
        from wq_runner.workers import jobqueue

        check_installed("dask", extra=("dask_jobqueue",))
        wanted = options.started
        assert isinstance(wanted, BatchSpec)
        if (system := wanted.system) not in jobqueue.CLASSES:
            raise ExecutorSetupError(
                f"--executor {options.executor}: Dask cannot start workers by {system}",
                hint=f"it can by {' and '.join(jobqueue.CLASSES)}; or -e work_queue@{name}",
            )
        return
    check_installed(backend.name)
    if backend.name == "parsl" and backend.place and not Path(backend.place).is_file():
        system = backend.place.partition("/")[0]  # as HiggsDNA and BTV have it: parsl/condor/naf_lite
        other = f"\nworkers of Work Queue are started there by --workers {system}:20"
        raise ExecutorSetupError(
            f"--executor {options.executor}: no such file {backend.place}",
            hint=f"looked in {Path.cwd()}; it has to define `config`, a parsl.config.Config"
            f"{other if system in SYSTEMS else ''}",
        )


def _check_sizes(options: RunOptions) -> None:
    """Check that a task fits the workers that are started for it: nothing else would ever be done."""
    from wq_runner.workers import spec

    wanted = options.started if options.on_work_queue else None
    if wanted is None:
        return
    sizes = (
        ("cores", options.cores, wanted.cores),
        ("memory", value_of(options.memory, ""), wanted.memory),
        ("disk", options.disk, wanted.disk),
    )
    for name, asked, has in sizes:
        if not asked or not has or asked <= has:
            continue
        shown = [str(one) if name == "cores" else units.exact_size(one) for one in (asked, has)]
        sized: dict[str, Any] = {name: asked}
        larger: Any = dataclasses.replace(spec.read(options.workers or ""), **sized)
        try:
            spec.meant(larger)
            larger = f"--workers {larger}, or less for a task"
        except UsageError:  # this machine has not so much
            larger = f"let a task ask for at most {shown[1]}"
        raise UsageError(
            f"--{name} {shown[0]}: no task fits a worker, which has {shown[1]} (--workers {options.workers})",
            hint=larger,
            page="no-workers",
        )


def _site(options: RunOptions) -> Site | None:
    """Return the site of the workers that the run starts, if it names one."""
    wanted = options.started if options.place in {Place.WORK_QUEUE, Place.DASK_SITE} else None
    name = options.dask_site or (wanted.site if isinstance(wanted, BatchSpec) else None)
    if not name:
        return None
    from wq_runner.workers import sites

    return sites.find(name)


def _executor(options: RunOptions, site: Site | None) -> ExecutorSettings:
    setup = options.executor_custom_setup
    return ExecutorSettings(
        said=options.executor,
        name=options.backend.name,
        at=options.backend.place,
        place=options.place,
        started=options.started,
        site=site,
        setup=setup,
        run_options=_run_options(options) if setup is not None else {},
        queue=options.queue,
        batch_options=options.batch_options,
        care=_care(options),
        in_place=options.in_place,
        extra_files=options.extra_file,
        wait_time=options.wait_time,
    )


def _care(options: RunOptions) -> Care:
    from wq_runner.config.nature import WATCHED
    from wq_runner.engine.care import Care

    if options.place not in WATCHED:
        return Care()
    return Care(stall=options.stall_time or None, memory=options.memory is not None)


def _run_options(options: RunOptions) -> Mapping[str, Any]:
    """Return the options by the names that setups look them up by: ours, and PocketCoffea's."""
    ours = {one.name.replace("_", "-"): getattr(options, one.name) for one in dataclasses.fields(options)}
    started = options.started
    return {
        **ours,
        "scaleout": options.scaleout or (started.count if started else 1),
        "cores-per-worker": options.cores_per_worker or options.cores,
        "mem-per-worker": f"{(options.mem_per_worker or 2 * GB) // MB}MB",
        "ignore-grid-certificate": True,  # a proxy is not copied: it is where X509_USER_PROXY says
        "retries": 0,  # failures are answered by their cause
        "tree-reduction": 20,
    }


def _manager(options: RunOptions) -> ManagerSettings:
    from wq_runner.workers.choice import Wish

    return ManagerSettings(
        workers=Wish(
            workers=options.started if options.on_work_queue else None,
            name=options.name or "",
            catalog=options.catalog,
            password_file=options.password_file,
            batch_options=options.batch_options,
            queue=options.queue,
            tls=options.tls,
            task_disk=options.disk or 0,
        ),
        ports=options.port,
        usual_ports=options.port == RunOptions.port,
        stall_time=options.stall_time,
        resource_monitor=options.resource_monitor,
        resources_mode=options.resources_mode,
        task=TaskSize(cores=options.cores, memory=value_of(options.memory, "") or 0, disk=options.disk or 0),
    )


# -- what they get


def _environment(options: RunOptions) -> EnvironmentSettings:
    from wq_runner.environment.choice import Wish

    return EnvironmentSettings(
        wish=Wish(
            environment=options.environment,
            workers_here=options.on_work_queue and isinstance(options.started, LocalSpec),
            extra_files=options.extra_file,
            setup_commands=options.setup_command,
            channels=options.channel,
            max_cache=options.max_cache,
        ),
        processor=next(iter(processors.parse(options.processor).values())) if options.processor else None,
        sent=options.on_work_queue,
        unsent="its workers need the same" if options.backend.place else "nothing leaves this machine",
    )


def _proxy(options: RunOptions, site: Site | None) -> ProxySettings:
    from wq_runner.workers import proxy

    return ProxySettings(
        off=options.proxy == proxy.NONE,
        file=Path(options.proxy) if options.proxy not in {proxy.AUTO, proxy.NONE} else None,
        needed_at=site.name if site is not None and site.proxy else "",
    )


def _input(options: RunOptions, site: Site | None) -> InputSettings:
    from wq_runner.samples.together import Direct

    return InputSettings(
        direct=Direct(dataset=options.dataset, per_file=options.dataset_per_file),
        treename=options.treename,
        redirector=options.redirector,
        redirectors=site.redirectors if site else (),
        only=options.only,
        skip=options.skip,
        select=options.select,
        limit_files=options.limit_files,
        per_dataset={name: getattr(options, name) for name in PER_DATASET},
        probing=options.probe is not None,
        skip_bad_files=options.skip_bad_files,
    )


# -- the loop


def _loop(options: RunOptions) -> LoopSettings:
    from wq_runner.scheduler import kept_columns
    from wq_runner.scheduler.allocation import AllocationSettings
    from wq_runner.scheduler.batching import ShapeSettings
    from wq_runner.scheduler.phase import LoopSettings
    from wq_runner.scheduler.policy import DEFAULT_BUDGETS, Cause
    from wq_runner.scheduler.policy import Settings as PolicySettings

    return LoopSettings(
        shape=ShapeSettings(
            task_time=options.task_time, adaptive=options.chunksize == AUTO, order=options.order
        ),
        policy=PolicySettings(
            # somebody looks at the first failure: no second one is needed
            budgets={**DEFAULT_BUDGETS, Cause.PROCESSOR: 0} if options.pdb else DEFAULT_BUDGETS,
            skip_bad_files=options.skip_bad_files,
            min_chunk=options.min_chunk,
            max_failed=options.max_failed,
        ),
        allocation=AllocationSettings(
            mode=options.resources_mode,
            cores=options.cores,
            memory=_memory(options.memory),
            disk=_mb(options.disk),
            gpus=options.gpus,
        ),
        tree=_tree(options.treereduction),
        drain_time=options.drain_time,
        seed=options.seed,
        columns=kept_columns.wish(options.column_cache),
        reads=_reads(options),
    )


def _reads(options: RunOptions) -> ReadSettings:
    from wq_runner.scheduler.read_columns import ReadSettings

    said = options.preload
    return ReadSettings.of(
        options=dict(literals.merged(options.uproot_option)),
        timeout=options.read_timeout,
        ahead=said != OFF,
        learning=said == AUTO,
        columns=tuple(dict.fromkeys(said.split(","))) if said not in {AUTO, OFF} else (),
    )


def _tree(wanted: int | str) -> TreeSettings | None:
    from wq_runner.ledger.parts import TreeSettings

    if wanted == "off":
        return None
    if wanted == AUTO:
        return TreeSettings()
    if isinstance(wanted, int):
        return TreeSettings(results=wanted, always=True)
    return TreeSettings(results=MOST_INPUTS, size=units.size(wanted), always=True)


def _memory(size: int | PerDataset[int | None] | None) -> float | PerDataset[float | None] | None:
    if not isinstance(size, PerDataset):
        return _mb(size)
    patterns = tuple((name, _mb(value)) for name, value in size.patterns)
    return PerDataset(default=_mb(size.default), patterns=patterns)


def _mb(size: int | None) -> float | None:
    return None if size is None else size / MB


# -- what is left behind


def _output(options: RunOptions) -> OutputSettings:
    limited = any(getattr(options, name) for name in LIMITS)
    return OutputSettings(
        directory=options.output,
        part="test" if options.test else "probe" if options.probe else "part" if limited else "",
        fresh=options.fresh,
        accept_stale=options.accept_stale,
        keep_results=options.keep_results,
        scheme=options.outputs,
        also=formats.chosen(vars(options)),
        stage_out=options.stage_out,
        naming=options.naming,
    )
