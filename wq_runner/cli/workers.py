"""`wq-workers`: workers here and of batch systems, factories, and why nothing runs."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from wq_runner.cli import base, manual
from wq_runner.config import completion, types
from wq_runner.errors import SamplesError, UsageError
from wq_runner.plain import echo
from wq_runner.units import MB
from wq_runner.workers.batch import NAMES, OPTIONS, QUEUES, SYSTEMS, USUAL

if TYPE_CHECKING:
    from wq_runner.workers.target import Target

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group(
    cls=base.Group,
    name="wq-workers",
    codes=(0, 2, 5),
    variables={**manual.CATALOG, **manual.CONFIG},
    files={
        "~/.config/wq-runner/sites.yaml": "Sites of your own.",
        "~/.config/wq-runner/workers.password": "The password that --password-file auto made.",
    },
)
def cli() -> None:
    """Start workers, write and check factory.json, and find out why nothing runs."""


def main() -> NoReturn:
    base.main(cli)


def _option(*names: str, **kwargs: Any) -> Callable[[_F], _F]:
    return click.option(*names, cls=base.Option, **kwargs)


def _all(*decorators: Callable[[Any], Any]) -> Callable[[_F], _F]:
    def decorated(function: _F) -> _F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorated


_RUN, _WORKER, _JOBS = "For which run", "What a worker is", "How jobs are submitted"

_target_options = _all(
    _option(
        "-M",
        "--name",
        group=_RUN,
        metavar="NAME",
        help="Name of the run that the workers are for  [default: USER-workqueue-coffea]",
    ),
    _option("--manager", group=_RUN, metavar="HOST:PORT", help="Address of the run, if it has no name."),
    _option(
        "--catalog",
        group=_RUN,
        type=types.CATALOG,
        help="Catalog server that knows the name  [default: as for the engine's programs]",
    ),
    _option(
        "--password-file",
        group=_RUN,
        type=types.PASSWORD,
        help="File with the password that the workers present  [default: that of the run, if it is yours "
        "and on this machine]",
    ),
    _option(
        "--tls",
        group=_RUN,
        is_flag=True,
        help="Connect with TLS, which a run with --tls requires. This is detected for your runs on this "
        "machine and through a catalog, but not for a HOST:PORT on another machine.",
    ),
)

_size_options = _all(
    _option(
        "--cores", group=_WORKER, type=types.COUNT, default=1, show_default=True, help="Cores of each worker."
    ),
    _option(
        "--memory",
        group=_WORKER,
        type=types.MEMORY,
        default="4GB",
        show_default=True,
        help="Memory of each worker.",
    ),
    _option(
        "--disk",
        group=_WORKER,
        type=types.SIZE,
        default="8GB",
        show_default=True,
        help="Disk of each worker.",
    ),
    _option(
        "--timeout",
        group=_WORKER,
        type=types.SECONDS,
        default="15m",
        show_default=True,
        help="End a worker that has had no work for this long.",
    ),
)


def _target(values: dict[str, Any]) -> Target:
    """Take the options that say for which run from the values, and find it."""
    from wq_runner.config.options import default_name
    from wq_runner.workers import hand, target

    name, manager = values.pop("name"), values.pop("manager")
    found = target.find(
        name or ("" if manager else default_name()),
        place=manager,
        catalog_option=values.pop("catalog"),
        password_option=values.pop("password_file"),
        tls=values.pop("tls"),
    )
    hand.check(found)
    return found


@cli.command(
    examples="""
    wq-workers local 4                               four workers of one core for your run
    wq-workers local 2 --cores 4 --memory 16GB -M NAME
    """
)
@click.argument("count", metavar="N", type=types.COUNT)
@_target_options
@_size_options
def local(count: int, timeout: float, **values: Any) -> None:
    """Run N workers on this machine, until they are no longer needed or you press Ctrl-C."""
    from wq_runner.workers import hand
    from wq_runner.workers.local import WorkerShape

    target = _target(values)
    cores, memory, disk = values["cores"], values["memory"] // MB, values["disk"] // MB
    echo(f"{count} workers, {cores} cores and {memory} MB each, for {target.description}")
    shape = WorkerShape(cores=cores, memory=memory, disk=disk)
    with tempfile.TemporaryDirectory(prefix="wq-workers-") as scratch:
        hand.run_local(shape, target, count=count, timeout=int(timeout), scratch=Path(scratch), say=echo)


@cli.command(
    examples="""
    wq-workers factory --max 50 --cores 4 --memory 16GB > factory.json
    wq-workers factory -T slurm --max 20 -o factory.json
    """
)
@_option(
    "-T",
    "--batch-type",
    "batch",
    type=types.Choice((*SYSTEMS, "local")),
    default=USUAL,
    show_default=True,
    help="Batch system that the factory submits to.",
)
@_option(
    "-M",
    "--name",
    metavar="NAME",
    help="Name of the run that the workers are for  [default: USER-workqueue-coffea]",
)
@_option(
    "--min",
    "least",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Smallest number of workers.",
)
@_option("--max", "most", type=types.COUNT, default=20, show_default=True, help="Largest number of workers.")
@_option(
    "--per-cycle", type=types.COUNT, help="Largest number of workers to submit every 30 s  [default: all]"
)
@_size_options
@_option("--requirements", metavar="TEXT", help="Requirements expression for HTCondor.")
@_option("--output", "-o", metavar="FILE", type=click.Path(path_type=Path), help="File to write.")
def factory(batch: str, name: str | None, output: Path | None, timeout: float, **values: Any) -> None:
    """Write a factory.json."""
    from wq_runner import system
    from wq_runner.config.options import default_name
    from wq_runner.workers import factory_file, managers, starting

    least, most, memory = values["least"], values["most"], values["memory"]
    if least > most:
        raise UsageError(f"--min {least} is above --max {most}")
    option = SYSTEMS[batch].memory(memory // MB) if batch in SYSTEMS else ""
    text = factory_file.text_of(
        factory_file.FactoryFile(
            manager_name=factory_file.escaped(name or default_name()),
            max_workers=most,
            min_workers=least,
            workers_per_cycle=values["per_cycle"] or factory_file.ALL,
            cores=values["cores"],
            memory=None if option else memory // MB,
            disk=values["disk"] // MB,
            timeout=int(timeout),
            condor_requirements=values["requirements"],
            worker_extra_options=factory_file.extra_options(batch, memory),
        )
    )
    if output is None:
        echo(text, nl=False)
        output = Path("factory.json")
    else:
        with system.replacing(output, "w") as stream:
            stream.write(text)
    known = managers.running(name or default_name())
    door = starting.Door.of(known[0]) if known else starting.Door(host="", port=0)
    more = [f"-B{option}"] if option else []
    echo(f"start it:  {starting.factory(door, batch, more, str(output))}", err=True)


@cli.command(examples="wq-workers check factory.json")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_option("--catalog", type=types.CATALOG, help="Catalog server that knows the managers.")
def check(file: Path, catalog: str | None) -> None:
    """Say what is wrong with a factory.json. The exit code is 2 if the factory would not do what it says."""
    from wq_runner.engine.release import carries_foremen
    from wq_runner.workers import factory_check

    report = factory_check.check(file, catalog, carries_foremen=carries_foremen)
    for warning in report.warnings:
        echo(f"note: {warning.where}  {warning.text}", err=True)
    if report.errors:
        raise SamplesError(str(file), report.errors, page="factory-files")
    echo(f"{file} is fine")


@cli.command(examples="wq-workers scale factory.json --max 200")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_option("--max", "most", type=types.COUNT, help="Largest number of workers.")
@_option("--min", "least", metavar="N", type=click.IntRange(min=0), help="Smallest number of workers.")
@_option("--per-cycle", type=types.COUNT, help="Largest number of workers to submit every 30 s.")
def scale(file: Path, most: int | None, least: int | None, per_cycle: int | None) -> None:
    """Change how many workers a running factory keeps; it follows within a minute."""
    from wq_runner.workers import factory_file

    wanted = {"max-workers": most, "min-workers": least, "workers-per-cycle": per_cycle}
    changes = {key: value for key, value in wanted.items() if value is not None}
    if not changes:
        raise UsageError("nothing is to be changed: give --max, --min or --per-cycle")
    factory_file.scale(file, changes)
    echo(f"{file}: {', '.join(f'{key} {value}' for key, value in changes.items())}")


@cli.command(
    examples="""
    wq-workers submit slurm 10 --cores 4 --memory 16GB
    wq-workers submit condor 50 --queue workday --dry-run
    """
)
@click.argument("batch", metavar=NAMES, type=types.Choice(tuple(SYSTEMS)))
@click.argument("count", metavar="N", type=types.COUNT)
@_target_options
@_size_options
@_option(
    "--queue",
    group=_JOBS,
    metavar="NAME",
    default="",
    help=f"Queue: {QUEUES}.",
)
@_option(
    "--time",
    group=_JOBS,
    type=types.SECONDS,
    help="Longest time that a job may take  [default: the queue's limit]",
)
@_option(
    "--requirements", group=_JOBS, metavar="TEXT", default="", help="Requirements expression for HTCondor."
)
@_option(
    "--batch-options",
    group=_JOBS,
    metavar="TEXT",
    default="",
    help=f"Text for the batch system: {OPTIONS}.",
)
@_option(
    "--worker-image",
    group=_JOBS,
    metavar="IMAGE",
    default="",
    help="Apptainer image in which the workers run.",
)
@_option(
    "--scratch",
    group=_JOBS,
    metavar="DIR",
    default="",
    help="Directory in which the workers work  [default: the job's own]",
)
@_option(
    "--logs",
    group=_JOBS,
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("wq-workers"),
    show_default=True,
    help="Directory for the logs of the workers and for what was submitted.",
)
@_option("--dry-run", group=_JOBS, is_flag=True, help="Show what would be submitted.")
def submit(batch: str, count: int, logs: Path, *, dry_run: bool, **values: Any) -> None:
    """Submit N workers as batch jobs, which bring the worker's program and the password along."""
    from wq_runner.workers import hand, kit
    from wq_runner.workers.batch.job import Job

    target = _target(values)
    image, scratch, timeout = (values.pop(name) for name in ("worker_image", "scratch", "timeout"))
    job = Job(count=count, timeout=int(timeout), **values)
    plan = hand.plan(batch, job, target, directory=logs.resolve(), image=image, scratch=scratch)
    echo(f"{count} workers for {target.description}")
    echo(f"$ {shlex.join(plan.command)}")
    if plan.text:
        echo(plan.text, nl=False)
    if dry_run:
        echo(f"# {plan.script}:")
        echo(kit.shown(kit.script(plan.kit, b"")))
    else:
        echo(hand.submit(batch, plan))


@cli.group(cls=base.Group)
def sites() -> None:
    """Show the known sites, and how workers are started there."""


@sites.command("list")
def sites_list() -> None:
    """List the known sites."""
    from wq_runner.workers import sites as known

    for site in sorted(known.known().values(), key=lambda one: one.name):
        origin = f"  ({site.origin})" if site.origin != "preset" else ""
        echo(f"{site.name:<16} {site.system:<7} {site.description}{origin}")


@sites.command("show")
@click.argument("name", metavar="SITE", shell_complete=completion.site)
def sites_show(name: str) -> None:
    """Show everything that is known about a site."""
    from wq_runner.workers import sites as known

    for key, text in known.described(known.find(name)):
        echo(f"{key:<14} {text}")


@cli.group(cls=base.Group)
def columns() -> None:
    """List or delete the columns that workers keep on this host (--column-cache)."""


_DIRECTORY = click.argument(
    "directory", metavar="[DIR]", required=False, default="", shell_complete=completion.words(files=True)
)


@columns.command("list", examples="wq-workers columns list\nwq-workers columns list /scratch/columns")
@_DIRECTORY
def columns_list(directory: str) -> None:
    """List the files whose columns are kept on this host, most recently used first."""
    from wq_runner.workers import columns as kept

    echo("\n".join(kept.listing(kept.found(directory))))


@columns.command("clean", examples="wq-workers columns clean\nwq-workers columns clean --max-cache 5GB")
@_DIRECTORY
@_option(
    "--max-cache",
    type=types.SIZE,
    help="Delete what was unused for longest, until no more than this is left  [default: delete all]",
)
def columns_clean(directory: str, max_cache: int | None) -> None:
    """Delete columns that are kept on this host. Tasks that need them read the files instead."""
    from wq_runner.units import format_size
    from wq_runner.workers import columns as kept

    shelf = kept.found(directory)
    number, freed = kept.clean(shelf, max_cache) if shelf is not None else (0, 0)
    echo(f"{number:,} files, {format_size(freed)} freed")


@cli.command(examples="wq-workers doctor\nwq-workers doctor -M NAME")
@_option("-M", "--name", metavar="NAME", help="Name of the run  [default: USER-workqueue-coffea]")
@_option("--catalog", type=types.CATALOG, help="Catalog server that should know the run.")
def doctor(name: str | None, catalog: str | None) -> None:
    """Find out why nothing runs, without disturbing any run. The exit code is 5 if something is wrong."""
    from wq_runner.config.options import default_name
    from wq_runner.errors import EngineError
    from wq_runner.workers import catalog as catalogs
    from wq_runner.workers import doctor as doctors

    name = name or doctors.meant(default_name())
    asked = catalogs.chosen(catalog) if catalog is not None else doctors.catalog_of(name)
    facts = doctors.gather(name, asked=asked, scratch=Path())
    findings = doctors.diagnose(facts)
    bad = [one for one in findings if one.bad]
    for one in findings:
        if not one.bad:
            echo(f"{one.kind:<10} {one.text}")
    if bad:
        raise EngineError("\n".join(one.text for one in bad), page="no-workers")
