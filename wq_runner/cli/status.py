"""`wq-status`: how a run goes, from any shell that sees its directory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NoReturn

import click

from wq_runner import kept_results
from wq_runner.cli import base
from wq_runner.errors import UsageError
from wq_runner.plain import echo
from wq_runner.system import RunPaths
from wq_runner.units import format_size


@click.command(
    cls=base.Command,
    name="wq-status",
    codes=(0, 2),
    files={"DIR/journal.jsonl": "The record of everything that happened: wq-status reads nothing else."},
    examples="wq-status                          the runs below this directory\n"
    "wq-status wq-run-samples           one run, now\n"
    "wq-status --watch wq-run-samples   until it ends",
)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("-w", "--watch", cls=base.Option, is_flag=True, help="Keep showing the run until it has ended.")
@click.option("--json", "as_json", cls=base.Option, is_flag=True, help="Print what status.json holds.")
def cli(directory: Path | None, *, watch: bool, as_json: bool) -> None:
    """Show the run in DIR as its terminal does, or list the runs below the current directory.

    It reads files only, and so works on any machine that sees the directory.
    """
    from wq_runner.monitor import runs

    if directory is None:
        if watch or as_json:
            raise UsageError(
                "name the directory of the run to look at", hint="wq-status lists the runs below this one"
            )
        _list(Path.cwd())
        return
    paths = runs.paths_of(directory)
    if as_json:
        from wq_runner.monitor.status import to_json

        echo(to_json(runs.load(paths, log=True)).decode(), nl=False)
    elif watch:
        _watch(paths)
    else:
        _show(paths)


def main() -> NoReturn:
    base.main(cli)


def _show(paths: RunPaths) -> None:
    from wq_runner.monitor import runs, terminal
    from wq_runner.monitor.console import PlainConsole

    console = PlainConsole()
    size = console.size
    height = size.height if console.is_terminal else 60
    view = runs.load(paths)
    console.print(terminal.report(view, width=size.width, height=height, place=_shown(paths.root)))
    if len(view.datasets) > terminal.room(height - terminal.TITLE):
        console.print(terminal.listing(view))
    for one in kept_results.kept(paths):
        state = "complete" if one.complete else "not complete"
        echo(f"also kept: {_shown(one.paths.root)}  {one.title}, {state}, {format_size(one.bytes)}")


def _watch(paths: RunPaths) -> None:
    from rich.live import Live

    from wq_runner.monitor import terminal
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.monitor.follow import Follower
    from wq_runner.monitor.view import RUNNING

    console = PlainConsole()
    follower = Follower(paths)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            before = time.monotonic()
            view = follower.look()
            size = console.size
            live.update(
                terminal.report(view, width=size.width, height=size.height, place=_shown(paths.root)),
                refresh=True,
            )
            if view.state != RUNNING:
                return
            time.sleep(max(1.0, 5 * (time.monotonic() - before)))


def _list(root: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from wq_runner.monitor import runs, sections, words
    from wq_runner.monitor.console import PlainConsole

    found = [(paths, runs.load(paths)) for paths in runs.find(root)]
    if not found:
        echo(f"no runs in or below {root}")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("run", "state", "done", "started", "lasted", "workers"):
        table.add_column(name, no_wrap=name != "run", overflow="fold")
    for paths, view in sorted(found, key=lambda one: one[1].started, reverse=True):
        table.add_row(
            Text(_shown(paths.root)),
            view.state,
            words.percent(words.share_done(view.total)),
            sections.moment(view.started),
            words.clock(view.seconds),
            str(view.workers.connected) if view.state == "running" else "",
        )
    PlainConsole().print(table)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) + "/" if path.is_relative_to(Path.cwd()) else f"{path}/"
