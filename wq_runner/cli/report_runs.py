"""`wq-report merge`, `check` and `diff`: what is said of several runs, or of jobs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from wq_runner import summary
from wq_runner.cli import base
from wq_runner.config.types import ONE, PER_DATASET
from wq_runner.errors import PartialResultError, RunDirectoryError
from wq_runner.plain import echo
from wq_runner.system import RunPaths
from wq_runner.units import format_size

_DIRECTORY = click.Path(path_type=Path)
_LISTED = 30  # datasets that are not complete


@click.command(
    cls=base.Command,
    examples="wq-report merge wq-run-samples wq-run-missing -o whole\n"
    "wq-report merge --kind parquet wq-run-samples\n"
    "wq-report merge jobs",
)
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=_DIRECTORY)
@click.option(
    "-o",
    "--output",
    cls=base.Option,
    metavar="DIR",
    type=_DIRECTORY,
    help="Where the sum goes  [default: wq-run-merged; with --kind: DIR/merged]",
)
@click.option(
    "--kind",
    cls=base.Option,
    type=click.Choice(("outputs", "parquet", "root")),
    default="outputs",
    show_default=True,
    help="outputs: add up the results of runs. parquet, root: join the files that the processor wrote in one "
    "run, one for each dataset.",
)
@click.option(
    "--outputs",
    "scheme",
    cls=base.Option,
    type=click.Choice((ONE, PER_DATASET)),
    help="Write one file output.coffea, or outputs/NAME.coffea for each dataset. With this option, a single "
    "run can be written in another form as well  [default: the form that the runs have]",
)
@click.option(
    "--accept-stale",
    cls=base.Option,
    is_flag=True,
    help="Merge runs although their code, options or environments differ.",
)
def merge(
    directories: tuple[Path, ...], output: Path | None, kind: str, scheme: str | None, accept_stale: bool
) -> None:
    """Add up the results of runs over different events, as if one run had processed all of them.

    Runs that have events in common are refused. The sum is a run as well, and can be merged again. DIR may
    also be the folder of wq-run export: the results of all its jobs are added up, into DIR/merged.
    """
    if kind != "outputs":
        _join(directories, kind, output)
        return
    from wq_runner.export import folder
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.results.merge import merge as merge_runs

    if len(directories) == 1 and folder.is_export(directories[0]):
        from wq_runner.export.join import join

        join(directories[0], output, PlainConsole(), accept_stale=accept_stale, scheme=scheme)
        return
    if len(directories) < 2 and scheme is None:
        raise RunDirectoryError(
            "there is nothing to merge in one run",
            hint="name two or more directories, or another form of the output with --outputs",
        )
    target = output or Path("wq-run-merged")
    merge_runs(directories, target, PlainConsole(), accept_stale=accept_stale, scheme=scheme)


@click.command(
    cls=base.Command,
    examples="wq-report peek wq-run-samples\n"
    "wq-report peek wq-run-samples --dataset 'DY*' -o now.coffea && wq-report show now.coffea",
)
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.option(
    "-o",
    "--output",
    cls=base.Option,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the sum goes  [default: DIR-partial.coffea, here]",
)
@click.option(
    "--dataset",
    "datasets",
    cls=base.Option,
    multiple=True,
    metavar="NAME",
    help="Add up only this dataset. Wildcards * and ? are allowed. Repeatable.",
)
@click.option("--raw", cls=base.Option, is_flag=True, help="Do not call the processor's postprocess.")
def peek(directory: Path, output: Path | None, datasets: tuple[str, ...], *, raw: bool) -> None:
    """Look at the result of a run while it goes on: write the sum of what is accepted so far.

    The run is not disturbed. The file is marked as partial. wq-report show draws its histograms, and says
    that they are partial.
    """
    from wq_runner.results.peek import peek as look

    path, shares = look(directory, output, datasets, raw=raw)
    lacking = {name: share for name, share in shares.items() if not share.complete}
    width = max(map(len, shares))
    for name, share in list(lacking.items())[:_LISTED]:
        planned = f"of {share.planned:,} events" if share.planned else "events: its files are not opened yet"
        echo(f"{name:<{width}}  {share.done:,} {planned}")
    if len(lacking) > _LISTED:
        echo(f"and {len(lacking) - _LISTED} more that are not complete")
    done, planned = (sum(getattr(share, one) for share in shares.values()) for one in ("done", "planned"))
    complete = len(shares) - len(lacking)
    echo(f"datasets     {complete} of {len(shares)} complete, {done:,} of {planned:,} events")
    echo(f"{'partial' if lacking else 'complete':<12} {path}")


@click.command(cls=base.Command, examples="wq-report check jobs\nwq-report check --resubmit jobs")
@click.argument("directory", metavar="JOBDIR", type=_DIRECTORY)
@click.option(
    "--resubmit",
    cls=base.Option,
    is_flag=True,
    help="Write a script that submits again the jobs that are not done. What they left is put aside.",
)
def check(directory: Path, *, resubmit: bool) -> None:
    """Check the jobs of wq-run export: whether each has a result, undamaged and with every event.

    The exit code is 3 if a job is not done. A job that is still running has no result yet: wait for it
    before you use --resubmit.
    """
    from wq_runner.export.check import check as check_jobs
    from wq_runner.monitor.console import PlainConsole

    check_jobs(directory, PlainConsole(), resubmit=resubmit)


@click.command(cls=base.Command, examples="wq-report diff wq-run-monday wq-run-tuesday")
@click.argument("one", metavar="RUN1", type=_DIRECTORY)
@click.argument("other", metavar="RUN2", type=_DIRECTORY)
def diff(one: Path, other: Path) -> None:
    """Say why the results of two runs may differ: code, options, versions, input, events."""
    from wq_runner.results.comparison import compare

    found = compare(_summary(one), _summary(other))
    if not found:
        echo("the runs do not differ in anything that the results depend on, and the results are identical")
    elif set(found) == {"result"}:
        echo(
            "the runs do not differ in anything that the results depend on; the results differ in some "
            "bytes, as sums of floats do if they are added in another order"
        )
    width = max((len(about) for about in found), default=0) + 3
    for about, texts in found.items():
        for number, text in enumerate(texts):
            echo(f"{about if number == 0 else '':<{width}}{text}")


def _join(directories: tuple[Path, ...], kind: str, output: Path | None) -> None:
    from wq_runner.output.joining import join
    from wq_runner.results import ended

    if len(directories) > 1:
        raise RunDirectoryError(
            f"--kind {kind} takes one run", hint="merge the runs first, then the files of the sum"
        )
    paths = RunPaths(root=directories[0].absolute())
    with contextlib.ExitStack() as stack:
        complete = True
        files = [path for path in paths.files.rglob("*") if path.is_file()]
        if paths.journal.exists():
            (run,) = stack.enter_context(ended.held(directories))
            files = [paths.files / one.name for held in run.recovered.holdings for one in held.files]
            complete = not run.missing
        found = join(paths, kind, output or directories[0] / "merged", files)
    for path in found.made:
        echo(f"{path}  {format_size(path.stat().st_size)}")
    for note in found.notes:
        echo(f"note: {note}", err=True)
    problems = []
    if found.left_out:
        problems.append("\n  ".join(["the joined files were written, without these:", *found.left_out]))
    if not complete:
        problems.append(f"the run is partial: what {paths.missing} lists is not in these files")
    if problems:
        raise PartialResultError(
            "\n".join(problems), hint="what was not joined is still in files/", page="merging"
        )


def _summary(directory: Path) -> dict[str, object]:
    path = directory if directory.is_file() else directory / "run.json"
    found = summary.read_ended(RunPaths(root=path.parent.absolute()), path)
    if "files" not in found or "options" not in found:
        raise RunDirectoryError(f"{path} was not written by this version of wq-run")
    return found
