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
_BESIDE = 9  # lines that are not bars, and some to see what was before
TITLE = 4  # lines that say what a run is
_COLORS = {"opening files": "magenta", "processing": "cyan", "merging": "blue"}
# of text, which has to be read on a light terminal as on a dark one: no yellow, no cyan
_STYLES = {RUNNING: "", COMPLETE: "green", "partial": "magenta"}
_ATTENTION = "bold"


def render(view: RunView, *, width: int, height: int) -> RenderableType:
    """Draw bars for as many datasets as fit, and the lines below them."""
    lines: list[RenderableType] = [_title(view)] if view.phase and view.state == RUNNING else []
    lines.append(bars(view, width=width, most=room(height)))
    lines.append(Text(words.status(view), overflow="fold"))
    lines += [Text(text, style=_ATTENTION, overflow="fold") for text in words.explain(view)]
    if view.last_problem:
        problem = Text(
            f"last problem  {_problem(view.last_problem, width)}",
            style=_ATTENTION,
            no_wrap=True,
            overflow="ellipsis",
        )
        lines.append(problem)
    return Group(*lines)


def _problem(text: str, width: int) -> str:
    """Return a problem with a short name of its dataset, so that the problem itself can be read."""
    name, colon, reason = text.partition(": ")
    if not colon or len(text) <= width:
        return text
    return f"{words.shortened([name], _NAME)[name]}: {reason}"


def room(height: int) -> int:
    """Return for how many datasets there are bars."""
    return max(4, height - _BESIDE)


def report(view: RunView, *, width: int, height: int, place: str = "") -> RenderableType:
    """Draw a run for somebody who was not there: what it is, how it goes, what came of it."""
    style = _STYLES.get(view.state, "red")
    title = Text.assemble((f"{view.state:<12} ", f"bold {style}".strip()), place or " ".join(view.command))
    title.append(f"  {words.clock(view.seconds)}", style="dim")
    lines: list[RenderableType] = [title]
    if view.message:
        lines.append(Text(view.message.strip().splitlines()[0], style=style, overflow="fold"))
    if view.datasets:
        lines.append(render(view, width=width, height=height - TITLE))
    else:
        lines += [Text("nothing has been submitted yet"), *(Text(text) for text in words.explain(view))]
    if view.core_time.available:
        lines.append(Text(words.core_hours(view.core_time), overflow="fold"))
    if view.state != RUNNING:
        counts = f"{view.tasks.ended:,} attempts, {view.failures:,} failures"
        lines.append(Text(counts))
    return Group(*lines)


def _title(view: RunView) -> Text:
    """Name what goes on, in the colour of its bars."""
    now, many = words.phase(view), len(view.datasets)
    done = sum(one.finished for one in view.datasets)
    text = Text.assemble((now, "bold"))
    return text.append(f"  {done:,} of {many:,} datasets done", style="dim") if many > 1 else text


def bars(view: RunView, *, width: int, most: int) -> Group:
    """Draw a bar for all, and one for each dataset; if they do not fit, for those that run."""
    width = min(width, _WIDTH)
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.width = width
    table.add_column(no_wrap=True, max_width=_NAME)
    table.add_column(ratio=1)
    for _ in range(3):
        table.add_column(no_wrap=True, justify="right")
    color = _COLORS.get(words.phase(view), "cyan")
    if len(view.datasets) > 1:
        _row(table, view.total, "all", view.unit, color)
    shown = choose(view.datasets, most)
    names = words.shortened((one.name for one in shown), min(_NAME, width // 3))
    for one in shown:
        _row(table, one, names[one.name] or words.phase(view), view.unit, color)
    others = [one for one in view.datasets if one not in shown]
    if others:
        done = sum(one.finished for one in others)
        going = sum(one.started and not one.finished for one in others)
        parts = [(done, "done"), (going, "running"), (len(others) - done - going, "waiting")]
        text = ", ".join(f"{number} {name}" for number, name in parts if number)
        return Group(table, Text(f"{len(others)} more: {text}", style="dim"))
    return Group(table)


def listing(view: RunView) -> RenderableType:
    """List all datasets of a run by what becomes of them: with trouble, running, waiting, done."""
    trouble = [one for one in view.datasets if one.lacks]
    rest = [one for one in view.datasets if not one.lacks]
    running = [one for one in rest if one.started and not one.finished]
    waiting = [one for one in rest if not one.started and not one.finished]
    done = [one for one in rest if one.finished]
    lines: list[RenderableType] = []
    for title, found in (("skipped some", trouble), ("running", running), ("waiting", waiting)):
        if found:
            lines.append(Text(f"\n{title}, {len(found):,}", style="bold"))
            lines.append(_listed(found, view))
    if done:
        lines.append(Text(f"\ndone, {len(done):,}", style="bold"))
        lines.append(Text("  " + ", ".join(one.name for one in done), overflow="fold"))
    return Group(*lines)


def _listed(datasets: Sequence[Progress], view: RunView) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(overflow="fold")
    for _ in range(2):
        table.add_column(no_wrap=True, justify="right")
    for one in datasets:
        table.add_row(Text(f"  {one.name}"), words.amount(one, view.unit), words.left(one))
    return table


def choose(datasets: Sequence[Progress], most: int) -> list[Progress]:
    """Return them if they are `most`, or else those that run or lack something, in their order."""
    if len(datasets) <= most:
        return list(datasets)
    places = [place for place, one in enumerate(datasets) if not one.finished and one.started]
    places += [place for place, one in enumerate(datasets) if one.finished and one.lacks]
    return [datasets[place] for place in sorted(places[: most - 1])]


def _row(table: Table, one: Progress, name: str, unit: str, color: str) -> None:
    complete = "magenta" if one.lacks else "green"
    table.add_row(
        Text(name),
        ProgressBar(
            total=max(one.planned, 1),
            completed=one.planned if one.finished else one.done + one.skipped,
            finished_style=complete,
            complete_style=color,
        ),
        Text(words.amount(one, unit)),
        Text(words.rate(one)),
        Text(words.left(one), style=complete if one.finished else ""),
    )
