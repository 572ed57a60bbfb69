"""A run in a terminal: bars and a few lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wq_runner.monitor import words
from wq_runner.monitor.view import COMPLETE, RUNNING, Progress, RunView

_WIDTH = 120
_NAME = 30
_BESIDE = 8  # lines that are not bars, and some to see what was before
_STYLES = {RUNNING: "cyan", COMPLETE: "green", "partial": "yellow"}


def render(view: RunView, *, width: int, height: int) -> RenderableType:
    """Draw bars for as many datasets as fit, and the lines below them."""
    lines: list[RenderableType] = [bars(view, width=width, most=max(4, height - _BESIDE))]
    lines.append(Text(words.status(view), overflow="fold"))
    lines += [Text(text, style="yellow", overflow="fold") for text in words.explain(view)]
    if view.last_problem:
        problem = Text(
            f"last problem  {view.last_problem}", style="yellow", no_wrap=True, overflow="ellipsis"
        )
        lines.append(problem)
    return Group(*lines)


def report(view: RunView, *, width: int, height: int, place: str = "") -> RenderableType:
    """Draw a run for somebody who was not there: what it is, how it goes, what came of it."""
    style = _STYLES.get(view.state, "red")
    title = Text.assemble((f"{view.state:<12} ", f"bold {style}"), place or " ".join(view.command))
    title.append(f"  {words.clock(view.seconds)}", style="dim")
    lines: list[RenderableType] = [title]
    if view.message:
        lines.append(Text(view.message.strip().splitlines()[0], style=style, overflow="fold"))
    if view.datasets:
        lines.append(render(view, width=width, height=height - 4))
    else:
        lines += [Text("nothing has been submitted yet"), *(Text(text) for text in words.explain(view))]
    if view.core_time.available:
        lines.append(Text(words.core_hours(view.core_time), overflow="fold"))
    if view.state != RUNNING:
        counts = f"{view.tasks.ended:,} attempts, {view.failures:,} failures"
        lines.append(Text(counts))
    return Group(*lines)


def bars(view: RunView, *, width: int, most: int) -> Table:
    """Draw a bar for each dataset: those that run first, the others in one line if they do not fit."""
    width = min(width, _WIDTH)
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.width = width
    table.add_column(no_wrap=True, max_width=_NAME, overflow="ellipsis")
    table.add_column(ratio=1)
    for _ in range(3):
        table.add_column(no_wrap=True, justify="right")
    shown = choose(view.datasets, most)
    for one in shown:
        _row(table, one, one.name or view.phase, view.unit)
    others = [one for one in view.datasets if one not in shown]
    if others:
        done = sum(one.finished for one in others)
        going = sum(one.started and not one.finished for one in others)
        parts = [(done, "done"), (going, "running"), (len(others) - done - going, "waiting")]
        text = ", ".join(f"{number} {name}" for number, name in parts if number)
        table.add_row(Text(f"{len(others)} more", style="dim"), Text(text, style="dim"))
    if len(view.datasets) > 1:
        _row(table, view.total, "all", view.unit)
    return table


def choose(datasets: Sequence[Progress], most: int) -> list[Progress]:
    """Return at most `most` of them in their order, those that need to be seen before the others."""
    if len(datasets) <= most:
        return list(datasets)

    def rank(one: Progress) -> int:
        if one.finished:
            return 1 if one.skipped else 3
        return 0 if one.started else 2

    kept = sorted(range(len(datasets)), key=lambda place: (rank(datasets[place]), place))[: most - 1]
    return [datasets[place] for place in sorted(kept)]


def _row(table: Table, one: Progress, name: str, unit: str) -> None:
    complete = "green" if not one.skipped else "yellow"
    table.add_row(
        Text(name),
        ProgressBar(
            total=max(one.planned, 1),
            completed=one.planned if one.finished else one.done + one.skipped,
            finished_style=complete,
            complete_style="cyan",
        ),
        Text(words.amount(one, unit)),
        Text(words.rate(one)),
        Text(words.left(one), style=complete if one.finished else ""),
    )
