"""`wq-report`: what a run did, as a page to keep, as pictures, and what is in its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from wq_runner import names, summary
from wq_runner.cli import base, report_runs
from wq_runner.errors import ReportError, UsageError
from wq_runner.plain import echo
from wq_runner.system import RunPaths

if TYPE_CHECKING:
    from wq_runner.monitor.histograms import Sample
    from wq_runner.monitor.pictures import Picture
    from wq_runner.monitor.view import RunView

_PICTURES = 200  # that are drawn unasked
_FORMATS = click.Choice(("png", "pdf", "svg"))


class ReportGroup(base.Group):
    """Takes a first argument that is no command for the directory of a run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first and self.get_command(ctx, first) is None and first not in {"-h", "--help"}:
            args = ["page", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="dir"), *super().shell_complete(ctx, incomplete)]


@click.group(
    cls=ReportGroup,
    name="wq-report",
    subcommand_metavar="DIR | COMMAND [ARGS]...",
    codes=(0, 2, 3),
    files={
        "DIR/report.html": "The report: one page that needs nothing else.",
        "DIR/plots/": "Pictures.",
    },
)
def cli() -> None:
    """Write the report of the run in DIR, or do one of the commands.

    wq-report DIR is short for wq-report page DIR. A directory that has the name of a command is ./NAME.
    """


cli.add_command(report_runs.peek)
cli.add_command(report_runs.merge)
cli.add_command(report_runs.check)
cli.add_command(report_runs.diff)


def main() -> NoReturn:
    base.main(cli)


@cli.command(
    "page",
    examples="wq-report wq-run-samples\nwq-report wq-run-samples --plots pdf",
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    cls=base.Option,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page  [default: DIR/report.html]",
)
@click.option("--plots", cls=base.Option, type=_FORMATS, help="Write pictures as well, into DIR/plots.")
def page(directory: Path, output: Path | None, plots: str | None) -> None:
    """Write the report of a run: one HTML file that needs nothing else."""
    from wq_runner.monitor import report, runs
    from wq_runner.results import shown

    paths = runs.paths_of(directory)
    view = runs.load(paths, say=lambda line: echo(line, err=True))
    record = report.read_record(paths)
    path = output or paths.report
    histograms, problem = shown.section(paths, record)
    if problem:
        echo(f"note: the report has no histograms: {problem}", err=True)
    _writing(path, lambda: report.write(view, record, path, name=paths.root.name, histograms=histograms))
    echo(f"report       {_shown(path)}")
    if plots:
        _plot(view, paths, plots)


def _plot(view: RunView, paths: RunPaths, kind: str) -> None:
    from wq_runner.monitor import plots, stats_log

    directory = paths.root / "plots"
    made = _writing(directory, lambda: plots.draw_view(view, directory, kind))
    if paths.stats_log.exists():
        try:
            log = stats_log.read(paths.stats_log)
        except UsageError as error:
            echo(f"note: {error.message}", err=True)
        else:
            made += _writing(directory, lambda: plots.draw_stats(log, directory, kind, prefix="engine-"))
    echo(f"plots        {len(made)} in {_shown(directory)}/")


_plots = click.option(
    "--plots",
    cls=base.Option,
    type=_FORMATS,
    default="png",
    show_default=True,
    help="Format of the pictures.",
)


@cli.command(
    "plot",
    examples="wq-report plot wq-run-samples/stats.log\nwq-report plot stats.log --plots pdf -o pictures",
)
@click.argument("log", metavar="STATS.LOG", type=click.Path(path_type=Path))
@_plots
@click.option(
    "-o",
    "--output",
    cls=base.Option,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write the pictures  [default: plots, beside the log]",
)
@click.pass_context
def plot(ctx: click.Context, log: Path, plots: str, output: Path | None) -> None:
    """Draw the statistics that any Work Queue manager logs: workers, tasks, cores, memory, transfer, time.

    If it is given an output of coffea instead, it draws the histograms, as wq-report show does.
    """
    if log.suffix == ".coffea":
        ctx.invoke(show, output=log, plots=plots, directory=output, axes=(), samples=())
        return
    from wq_runner.monitor import plots as pictures
    from wq_runner.monitor import stats_log

    found = stats_log.read(log / "stats.log" if log.is_dir() else log)
    directory = output or (log if log.is_dir() else log.parent) / "plots"
    made = _writing(directory, lambda: pictures.draw_stats(found, directory, plots))
    for path in made:
        echo(_shown(path))


@cli.command(
    "show",
    examples="wq-report show wq-run-samples/output.coffea\n"
    "wq-report show wq-run-samples --axis region=sr --overlay dataset\n"
    "wq-report show output.coffea --plots pdf --normalize --lumi 59.7 --samples samples.cfg",
)
@click.argument("output", metavar="OUTPUT.COFFEA", type=click.Path(path_type=Path))
@_plots
@click.option(
    "-o",
    "--directory",
    cls=base.Option,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write the pictures  [default: plots, beside the output]",
)
@click.option(
    "--list", "only_list", cls=base.Option, is_flag=True, help="List what is in the output, and draw nothing."
)
@click.option(
    "--axis",
    "axes",
    cls=base.Option,
    multiple=True,
    metavar="NAME=VALUE",
    help="Draw only this value of an axis (region=sr), or this dataset. Wildcards * and ? are allowed, and "
    "commas between several values. NAME=sum adds all values up, and the picture says so.",
)
@click.option(
    "--overlay",
    cls=base.Option,
    metavar="NAME",
    help="Draw a line for each value of this axis (dataset, region, ...) instead of stacking datasets.",
)
@click.option(
    "--normalize",
    cls=base.Option,
    is_flag=True,
    help="Scale simulation by xsec x luminosity / nSumOfWeights of its sample.",
)
@click.option(
    "--lumi",
    cls=base.Option,
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FB",
    help="Luminosity in inverse femtobarn; xsec is in picobarn.",
)
@click.option(
    "--samples",
    cls=base.Option,
    multiple=True,
    metavar="FILE",
    help="Samples that have xsec, nSumOfWeights and isData  [default: the samples of the run]",
)
def show(  # noqa: PLR0913 - as many as there are options
    output: Path,
    plots: str,
    directory: Path | None,
    *,
    only_list: bool,
    axes: tuple[str, ...],
    overlay: str | None,
    normalize: bool,
    lumi: float,
    samples: tuple[str, ...],
) -> None:
    """List what is in an output, and draw its histograms.

    There is one picture for each observable and region (or channel, or what other axes there are): datasets
    are stacked, variations are a band around the nominal sum, data are points.
    """
    from wq_runner.monitor import histograms, pictures
    from wq_runner.results import peek, shown, soundness

    path = output / "output.coffea" if output.is_dir() else output
    choice = pictures.choose(axes, overlay or "")
    record = peek.partial(path) or _record_beside(path)
    soundness.check_output(path)
    content = histograms.load(path)
    found = list(histograms.leaves(content))
    width = max((len(leaf.name) for leaf in found), default=0)
    for leaf in found:
        echo(f"{leaf.name:<{width}}  {histograms.describe(leaf.value)}")
    if only_list:
        return
    known = shown.samples_of(record, samples, needed=normalize)
    made = pictures.pictures(content, shown.known(record, samples), choice)
    _warn_of_missing(record, normalize=normalize)
    if normalize:
        made = [pictures.normalized(one, known, lumi) for one in made]
    chosen = bool(axes or overlay)
    _draw(
        made,
        directory or path.parent / "plots",
        plots,
        known,
        lumi=lumi if normalize else None,
        chosen=chosen,
    )


def _draw(
    made: Sequence[Picture],
    directory: Path,
    kind: str,
    known: Mapping[str, Sample],
    *,
    lumi: float | None,
    chosen: bool,
) -> None:
    from wq_runner.monitor import drawing

    files = names.file_names(one.full_name for one in made)
    most = len(made) if chosen else _PICTURES
    for one in made[:most]:
        if one.lacking:
            echo(f"not drawn    {one.title}: {one.lacking}")
            continue
        target = directory / f"{files[one.full_name]}.{kind}"
        try:
            _writing(target, lambda one=one, target=target: drawing.draw(one, target, known, luminosity=lumi))
        except (
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            # matplotlib's: the others are drawn
            echo(f"not drawn    {one.title}: {type(error).__name__}: {error}")
            continue
        echo(f"picture      {_shown(target)}")
    if len(made) > most:
        axis = _example(made[most])
        echo(f"not drawn    {len(made) - most:,} more: choose some, for instance with --axis '{axis}'")


def _example(picture: Picture) -> str:
    return next((f"{axis}={value}" for axis, value in picture.where.items()), "NAME=VALUE")


def _record_beside(path: Path) -> Mapping[str, Any]:
    directory = path.parent.parent if path.parent.name == "outputs" else path.parent
    paths = RunPaths(root=directory.absolute())
    record = summary.look(paths)
    summary.refuse_running(paths, record)
    return record or {}


def _warn_of_missing(record: Mapping[str, Any], *, normalize: bool) -> None:
    lacking = [name for name, one in (record.get("datasets") or {}).items() if not one.get("complete")]
    if lacking:
        what = (
            "normalizing to nSumOfWeights gives too few events"
            if normalize
            else "the histograms lack some of the events"
        )
        verb = "is" if len(lacking) == 1 else "are"
        echo(f"note: {', '.join(lacking)} {verb} incomplete: {what}", err=True)


def _writing(path: Path, write: Any) -> Any:
    """Do it, and translate what can go wrong with files."""
    try:
        return write()
    except OSError as error:
        raise ReportError(
            f"cannot write {path}: {error.strerror or error}", hint="choose another place with -o"
        ) from error


def _shown(path: Path) -> str:
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
