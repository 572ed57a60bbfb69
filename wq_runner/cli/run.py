"""`wq-run`: run a processor over samples."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wq_runner import system
from wq_runner.cli import base, manual
from wq_runner.cli.layered import LayeredCommand, click_options, origin_of
from wq_runner.config import completion
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.plain import echo
from wq_runner.units import DEFAULT_PAGE_PORT

if TYPE_CHECKING:
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.steps.request import Request

_ABOUT = "Options and help"
_PARTS = ("completion", "explain", "export")
_PROGRAMS = ("status", "report", "samples", "env", "workers")  # programs of their own as well

_USUAL = (
    "processor",
    "processor_args",
    "schema",
    "chunksize",
    "executor",
    "workers",
    "scaleout",
    "only",
    "limit_files",
    "test",
    "output",
    "fresh",
    "http",
    "run_options",
    "dry_run",
    "version",
)
_EXAMPLES = """
wq-run --workers local:4 samples.cfg                          on this machine
wq-run -p analysis.py:Analysis samples.cfg                    wait for workers, from anywhere
wq-run -p analysis:Analysis --test samples.cfg                one chunk of each dataset, in seconds
wq-run -p analysis:Analysis -e futures '/data/*.root'         without any workers
wq-run --dry-run samples.cfg                                  show what would be done
wq-run export slurm -o jobs samples.cfg                       as batch jobs that need no manager
"""


class _RunCommand(LayeredCommand):
    """Knows that the port of --http may be left out."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if extra.get("resilient_parsing") and (part := _part(args)):  # a shell completes `wq-run export`
            return part.make_context(part.name, args[1:], parent, **extra)
        for place, name in enumerate(args):
            if name == "--":
                break
            if name == "--http" and not "".join(args[place + 1 : place + 2]).isdigit():
                args = [*args[:place], f"--http={DEFAULT_PAGE_PORT}", *args[place + 1 :]]
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    cls=_RunCommand,
    name="wq-run",
    params=[
        click.Argument(
            ["samples"],
            nargs=-1,
            metavar="SAMPLES...",
            shell_complete=completion.samples(*_PARTS, *_PROGRAMS),
        ),
        *click_options(RunOptions),
        base.Option(
            ["-ro", "--run-options", "--custom-run-options"],
            multiple=True,
            metavar="FILE.yaml",
            shell_complete=completion.words(files=True),
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Read options from a file, by their long names. Repeatable: later files take precedence.",
        ),
        base.Option(
            ["--write-options"],
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Write all options with their present values and their help, for --run-options, and exit.",
        ),
        base.Option(
            ["--dry-run"],
            is_flag=True,
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Show what the run would do, and exit. No file is opened.",
        ),
        base.Option(
            ["--detach"],
            is_flag=True,
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Run in the background, also after you log out. wq-status shows the run.",
        ),
        base.Option(
            ["--stop"],
            metavar="DIR",
            type=click.Path(path_type=Path),
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Stop the run in DIR as Ctrl-C does, and wait until it has ended.",
        ),
        base.Option(
            ["--show-options"],
            is_flag=True,
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Show the value of every option and where it came from, and exit.",
        ),
        base.Option(
            ["--version"],
            is_flag=True,
            group=_ABOUT,
            allow_from_autoenv=False,
            help="Show the versions of wq-runner, coffea and the engine.",
        ),
    ],
    examples=_EXAMPLES,
    usual=_USUAL,
    codes=(0, 2, 3, 4, 5, 6, 130),
    variables={
        "WQ_RUNNER_CHUNKSIZE, ...": "Any option, by its long name: WQ_RUNNER_CHUNKSIZE=50k.",
        **manual.CATALOG,
        "X509_USER_PROXY": "The proxy, if --proxy is not given.",
        **manual.CACHE,
        **manual.CONFIG,
    },
    files={
        "pyproject.toml": "Options, in [tool.wq-runner]; looked for here, above, and beside the samples.",
        "DIR/output.coffea": "The result; DIR is given by --output.",
        "DIR/run.json": "What was asked for, used and done, and what is missing.",
        "DIR/missing.json": "What is missing, as samples for another run.",
        "DIR/wq-run.log": "The complete log.",
        "DIR/damaged/": "Files that damaged lines of the journal may belong to, if there were such lines.",
        "~/.config/wq-runner/sites.yaml": "Your own sites.",
    },
)
@click.pass_context
def cli(ctx: click.Context, /, samples: tuple[str, ...], **values: Any) -> None:
    """Run a coffea processor over SAMPLES as a Work Queue manager.

    SAMPLES are TopCoffea .cfg and sample JSON files, coffea filesets (JSON, YAML), ROOT files,
    directories or globs. Options can also be set in [tool.wq-runner] of pyproject.toml, in files
    given with --run-options, and in WQ_RUNNER_* variables. The command line takes precedence.

    wq-run export writes batch jobs instead of running, wq-run explain shows the page about an error, and
    wq-run completion prints the completion for a shell. wq-run status, report, samples, env and workers
    are the same as wq-status, wq-report, ...
    """
    names = RunOptions.__dataclass_fields__
    options = RunOptions(**{name: values[name] for name in names})
    if values["version"]:
        _show_version()
    elif values["show_options"]:
        _show_options(ctx, options)
    elif values["write_options"] is not None:
        _write_options(values["write_options"], options)
    elif values["stop"] is not None:
        _stop(values["stop"])
    else:
        if not samples:
            raise click.UsageError("SAMPLES are missing: a .cfg, a .json, ROOT files, a directory or a glob")
        _run(ctx, samples, options, only_show=values["dry_run"], detach=values["detach"])


def main() -> NoReturn:
    if part := _part(sys.argv[1:]):
        base.main(part, sys.argv[2:])
    base.main(cli)


def _part(args: list[str]) -> click.Command | None:
    """Return the command that the first word names; samples of these names are ./export, for instance.

    A file or a directory that has the name of a program, as samples/ may, is what is meant, unless one of
    the program's own commands follows.
    """
    if not args or args[0] not in (*_PARTS, *_PROGRAMS):
        return None
    found: click.Command = importlib.import_module(f"wq_runner.cli.{args[0]}").cli
    if args[0] in _PROGRAMS and Path(args[0]).exists():
        return found if isinstance(found, click.Group) and args[1:2] and args[1] in found.commands else None
    return found


def _run(
    ctx: click.Context, samples: tuple[str, ...], options: RunOptions, *, only_show: bool, detach: bool
) -> None:
    from importlib import metadata

    from wq_runner.config.resolved import resolve, workers_of_this_python
    from wq_runner.executors import preimport
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.monitor.steady import outlive_terminal
    from wq_runner.terminal import signals

    outlive_terminal()
    said = [name for name in RunOptions.__dataclass_fields__ if origin_of(ctx, name) == "command line"]
    options = defaulted(options, said)
    workers = None if only_show or detach else workers_of_this_python(options)
    with signals.raising(), preimport.imports(workers):
        with system.uncollected(for_good=True):
            from wq_runner.steps.request import Request
            from wq_runner.steps.run import dry_run, run

        request = Request(
            samples=samples,
            settings=resolve(options),
            options=vars(options),
            origins={name: origin_of(ctx, name) for name in RunOptions.__dataclass_fields__},
            command=("wq-run", *sys.argv[1:]),
            version=metadata.version("wq-runner"),
        )
        console = PlainConsole()
        if only_show:
            dry_run(request, console)
        elif detach:
            _detach(ctx, request, console)
        else:
            run(request, console)


def _detach(ctx: click.Context, request: Request, console: PlainConsole) -> None:
    from wq_runner.steps import obstacles
    from wq_runner.steps.detached import detach
    from wq_runner.steps.prepare import prepare

    obstacles.check_new(request, prepare(request).fileset, console)  # mistakes are said here and now
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    ctx.exit(detach(arguments, request.directory, console))


def _stop(directory: Path) -> None:
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.steps.detached import stop

    stop(directory, PlainConsole())


def _show_version() -> None:
    from importlib import metadata

    from wq_runner.directory.record import engine_release

    echo(f"wq-runner {metadata.version('wq-runner')}")
    echo(f"coffea {metadata.version('coffea')}")
    echo(f"work queue {engine_release()}")


def _write_options(path: Path, options: RunOptions) -> None:
    from wq_runner.config.written import as_yaml
    from wq_runner.errors import OutputError

    if path.exists():
        raise OutputError(f"{path} is there already", hint="name another file, or remove it")
    with system.replacing(path, "w") as stream:
        stream.write(as_yaml(options))
    echo(f"{path} has all options: a run takes them from there with --run-options {shlex.quote(str(path))}")


def _show_options(ctx: click.Context, options: RunOptions) -> None:
    rows = [
        (name.replace("_", "-"), _shown(value), origin_of(ctx, name)) for name, value in vars(options).items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        echo(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return "-".join(map(str, value)) if isinstance(value[0], int) else json.dumps(value)
    return shlex.quote(str(value))
