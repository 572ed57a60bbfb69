"""wq-samples: what a list of samples means, and whether its files can be read."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import click

from wq_runner.cli import base, manual
from wq_runner.config import completion
from wq_runner.config.types import COUNT, Choice
from wq_runner.errors import OutputError, PartialResultError
from wq_runner.model import FileFacts, Fileset, InputFile
from wq_runner.plain import echo
from wq_runner.samples import convert as converting

_F = TypeVar("_F", bound=Callable[..., Any])

_LINES = 10
"""Lines of progress in a log."""


def _arguments(function: _F) -> _F:
    function = click.argument(
        "names", metavar="FILE...", nargs=-1, required=True, shell_complete=completion.samples()
    )(function)
    return click.option(
        "--treename",
        cls=base.Option,
        metavar="NAME",
        help="Tree to read, even if the samples name another  [default: the one they name, or Events]",
    )(function)


def _direct(function: _F) -> _F:
    function = click.option(
        "--dataset",
        cls=base.Option,
        metavar="NAME",
        help="Make one dataset of this name of all data files that are named directly  [default: one for "
        "each directory, named after it]",
    )(function)
    return click.option(
        "--dataset-per-file",
        "per_file",
        cls=base.Option,
        is_flag=True,
        help="Make a dataset of each data file that is named directly.",
    )(function)


_jobs = click.option(
    "-j",
    "--jobs",
    cls=base.Option,
    type=COUNT,
    help="Number of files to open at the same time  [default: two per core, at most 16]",
)


@click.group(
    cls=base.Group,
    name="wq-samples",
    codes=(0, 2, 3),
    variables=manual.CACHE,
    files={"~/.cache/wq-runner/facts.sqlite": "What is known of files that were opened."},
)
def cli() -> None:
    """Look at samples: TopCoffea .cfg and JSON, coffea filesets, ROOT files, directories, globs."""


@cli.command("list", examples="wq-samples list samples.cfg\nwq-samples list 'data/*.root'")
@_arguments
@_direct
def list_(names: tuple[str, ...], treename: str | None, **direct: Any) -> None:
    """Show how samples are understood: datasets, files, trees, metadata. No data file is opened."""
    from wq_runner.samples import overview

    fileset = _load(names, treename, **direct)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    echo("\n".join(overview.listing(fileset, width=width)))
    _warn(overview.remarks(fileset))


@cli.command(examples="wq-samples check samples.cfg\nwq-samples check --json samples.cfg > report.json")
@_arguments
@_direct
@_jobs
@click.option(
    "--timeout",
    cls=base.Option,
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time to wait for a server.",
)
@click.option("--json", "as_json", cls=base.Option, is_flag=True, help="Print the report as JSON.")
def check(
    names: tuple[str, ...],
    treename: str | None,
    jobs: int | None,
    timeout: float,
    as_json: bool,
    **direct: Any,
) -> None:
    """Open every file: count entries, find missing trees and unreadable files. Nothing is changed.

    The exit code is 0 if every file is good, and 3 if some are not.
    """
    from wq_runner.samples import check as checking
    from wq_runner.samples import overview

    fileset = _load(names, treename, **direct)
    total = sum(len(dataset.files) for dataset in fileset)
    reports = list(_shown(checking.check(fileset, jobs=jobs, timeout=timeout), total))
    if as_json:
        echo(json.dumps(overview.as_json(fileset, reports), indent=2, ensure_ascii=False))
    else:
        echo("\n".join(overview.summary(fileset, reports)))
    _warn(overview.remarks(fileset))
    if any(report.problem for report in reports):
        click.get_current_context().exit(PartialResultError.exit_code)


@cli.command(
    examples="wq-samples missing --convention DAS --source parquet/ --json samples.json --output missing.json"
)
@click.option(
    "--convention",
    cls=base.Option,
    type=click.Choice(("DAS", "Legacy"), case_sensitive=False),
    required=True,
    help="How the parquet files are named: by the name of the input file, or by the uuid inside it.",
)
@click.option(
    "--source",
    cls=base.Option,
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the parquet files, with one directory for each dataset.",
)
@click.option(
    "--json",
    "samples",
    cls=base.Option,
    metavar="FILE",
    required=True,
    shell_complete=completion.samples(),
    help="Samples to compare with.",
)
@click.option(
    "--output",
    cls=base.Option,
    metavar="FILE",
    default="unprocessed_samples.json",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for what is missing, as samples for wq-run.",
)
def missing(convention: str, source: Path, samples: str, output: Path) -> None:
    """Find input files that were not processed, or only in part, from the names of parquet files.

    Input files are opened only for what these names do not tell: the number of events in a file that was
    processed in part and, with Legacy, the uuid. The exit code is 3 if something is missing.
    """
    from wq_runner import system
    from wq_runner.samples import unprocessed

    fileset = _load((samples,), None)
    found = unprocessed.find(fileset, source, convention, _Facts())
    for dataset in fileset:
        echo(unprocessed.summary(found, dataset))
    _warn(
        f"{file.path} cannot be opened: it is assumed to end where its last parquet file does"
        for file in found.unsure
    )
    if found.lacking:
        system.write_json(output, unprocessed.as_samples(found, fileset))
        echo(f"{output} has the rest, as samples for the program that made the parquet files")
        click.get_current_context().exit(PartialResultError.exit_code)
    echo("nothing is missing")


@cli.command(
    examples="wq-samples convert --to pocketcoffea -o datasets.json samples.cfg\n"
    "wq-samples convert --to topcoffea -o sample_jsons/ fileset.json.gz"
)
@_arguments
@_direct
@click.option(
    "--to",
    "dialect",
    cls=base.Option,
    required=True,
    type=Choice(tuple(converting.DIALECTS)),
    help="Program in whose format the samples are written.",
)
@click.option(
    "-o",
    "--output",
    cls=base.Option,
    metavar="FILE|DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, for topcoffea a directory. Nothing is overwritten.",
)
def convert(names: tuple[str, ...], treename: str | None, dialect: str, output: Path, **direct: Any) -> None:
    """Write samples in the format of another program. No data file is opened.

    What the format cannot express is listed.
    """
    fileset = _known(_load(names, treename, **direct))
    written = converting.DIALECTS[dialect](fileset)
    paths = {output / name if name else output: one for name, one in written.documents.items()}
    for path in paths:
        if path.exists():
            raise OutputError(f"{path} is there already", hint="name another place, or remove it")
    for path, document in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, document)
    _warn(written.lost)
    echo(f"{output}: {len(fileset):,} datasets, {sum(len(one.files) for one in fileset):,} files")


@cli.command(examples="wq-samples update samples.cfg\nwq-samples update --dry-run sample_jsons/*.json")
@_arguments
@_jobs
@click.option("--dry-run", cls=base.Option, is_flag=True, help="Show what would change, and change nothing.")
def update(names: tuple[str, ...], treename: str | None, jobs: int | None, dry_run: bool) -> None:
    """Count the events of samples, and write nEvents, nGenEvents and nSumOfWeights into the sample JSONs.

    Sums of weights are taken from the tree Runs where there is one, which is right for skims as well. Other
    keys, their order and the layout of the JSON stay the same. A sample with a file that cannot be read is
    left as it is, and the exit code is 3.
    """
    from wq_runner.cli import samples_update

    good, remarks = samples_update.update(names, treename=treename, jobs=jobs, dry_run=dry_run, shown=_shown)
    _warn(remarks)
    if not good:
        click.get_current_context().exit(PartialResultError.exit_code)


def _known(fileset: Fileset) -> Fileset:
    """Add what is known of the files from before."""
    from dataclasses import replace

    from wq_runner.samples.cache import FactsCache

    cached = FactsCache().get_many(file for dataset in fileset for file in dataset.files)
    return tuple(
        replace(
            dataset,
            files=tuple(replace(file, facts=file.facts or cached.get(file)) for file in dataset.files),
        )
        for dataset in fileset
    )


def _write(path: Path, document: Any) -> None:
    from wq_runner import system

    if path.suffix == ".cfg":
        with system.replacing(path, "w") as stream:
            stream.write("".join(f"{name}\n" for name in document))
    elif path.suffix == ".gz":
        text = json.dumps(document, indent=2, ensure_ascii=False)
        with system.replacing(path) as binary:
            binary.write(gzip.compress(text.encode(), mtime=0))
    else:
        system.write_json(path, document)


class _Facts:
    """What is known of files from before, or from opening them."""

    def __init__(self) -> None:
        from wq_runner.samples.cache import FactsCache

        self._cache = FactsCache()

    def __call__(self, file: InputFile) -> FileFacts | None:
        from wq_runner.samples.probe import BadFileError, probe

        known = file.facts or self._cache.get_many([file]).get(file)
        if known is None:
            try:
                known = probe(file)
            except BadFileError:
                return None
            self._cache.put_many({file: known})
        return known


def main() -> NoReturn:
    base.main(cli)


def _load(names: tuple[str, ...], treename: str | None, **direct: Any) -> Fileset:
    from wq_runner.samples import load
    from wq_runner.samples.together import Direct

    return load(names, treename=treename, wanted=Direct(**direct))


def _warn(remarks: Iterable[str]) -> None:
    for remark in remarks:
        echo(remark, label="warning:", color="yellow", err=True)


class _Report(Protocol):
    """What is known of a file that was opened."""

    @property
    def problem(self) -> str: ...


_R = TypeVar("_R", bound=_Report)


def _shown(reports: Iterator[_R], total: int) -> Iterator[_R]:
    """Pass the reports on and show on standard error how far we are."""
    return _with_bar(reports, total) if sys.stderr.isatty() else _with_lines(reports, total)


def _with_bar(reports: Iterator[_R], total: int) -> Iterator[_R]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from wq_runner.monitor.console import PlainConsole

    columns = (TextColumn("opening"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=PlainConsole(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("", total=total)
        bad = 0
        for report in reports:
            bad += bool(report.problem)
            progress.update(task, advance=1, description=f"{bad} bad" if bad else "")
            yield report


def _with_lines(reports: Iterator[_R], total: int) -> Iterator[_R]:
    step = max(1, total // _LINES)
    bad = 0
    for done, report in enumerate(reports, 1):
        bad += bool(report.problem)
        if done % step == 0 or done == total:
            echo(f"opened {done:,} of {total:,} files, {bad:,} bad", err=True)
        yield report
