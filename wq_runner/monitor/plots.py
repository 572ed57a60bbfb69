"""Pictures of a run as files of their own: from Work Queue's statistics, and from our journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.monitor import words
from wq_runner.monitor.stats_log import StatsLog
from wq_runner.monitor.view import USES, Distribution, RunView
from wq_runner.units import GB, MB

FORMATS = ("png", "pdf", "svg")
COLORS = ("#2f6fb5", "#d9730d", "#2e8b57", "#8e5bb5", "#b8336a", "#6b7280", "#c9a227")


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Columns of the log in one picture: `rates` are drawn as growth per second, `scale` divides."""

    name: str
    title: str
    unit: str
    columns: Sequence[tuple[str, str]]
    scale: float = 1.0
    rates: bool = False


_GB, _MEGA, _HOUR = float(GB), float(MB), 3600.0
PICTURES = (
    Curves(
        name="workers",
        title="workers",
        unit="workers",
        columns=(
            ("workers_connected", "connected"),
            ("workers_busy", "busy"),
            ("workers_idle", "idle"),
            ("workers_init", "starting"),
        ),
    ),
    Curves(
        name="workers-sum",
        title="workers that came and went",
        unit="workers",
        columns=(
            ("workers_joined", "joined"),
            ("workers_removed", "removed"),
            ("workers_lost", "lost"),
            ("workers_idled_out", "idled out"),
            ("workers_fast_aborted", "too slow"),
            ("workers_blocked", "blocked"),
        ),
    ),
    Curves(
        name="tasks",
        title="tasks",
        unit="tasks",
        columns=(
            ("tasks_waiting", "waiting"),
            ("tasks_on_workers", "on workers"),
            ("tasks_running", "running"),
            ("tasks_with_results", "with results"),
        ),
    ),
    Curves(
        name="tasks-sum",
        title="tasks, all in all",
        unit="tasks",
        columns=(
            ("tasks_submitted", "submitted"),
            ("tasks_dispatched", "dispatched"),
            ("tasks_done", "done"),
            ("tasks_failed", "failed"),
            ("tasks_exhausted_attempts", "ran out of resources"),
            ("tasks_cancelled", "cancelled"),
        ),
    ),
    Curves(
        name="task-rate",
        title="tasks per second",
        unit="tasks/s",
        columns=(("tasks_dispatched", "dispatched"), ("tasks_done", "done"), ("tasks_failed", "failed")),
        rates=True,
    ),
    Curves(
        name="cores",
        title="cores",
        unit="cores",
        columns=(("total_cores", "there"), ("committed_cores", "in use"), ("max_cores", "largest worker")),
    ),
    Curves(
        name="memory",
        title="memory",
        unit="GB",
        columns=(("total_memory", "there"), ("committed_memory", "in use"), ("max_memory", "largest worker")),
        scale=1000.0,
    ),
    Curves(
        name="disk",
        title="disk",
        unit="GB",
        columns=(("total_disk", "there"), ("committed_disk", "in use"), ("max_disk", "largest worker")),
        scale=1000.0,
    ),
    Curves(
        name="transfer-rate",
        title="transfer",
        unit="MB/s",
        columns=(("bytes_sent", "sent"), ("bytes_received", "received")),
        scale=_MEGA,
        rates=True,
    ),
    Curves(
        name="transfer-sum",
        title="transfer, all in all",
        unit="GB",
        columns=(("bytes_sent", "sent"), ("bytes_received", "received")),
        scale=_GB,
    ),
    Curves(
        name="workers-time",
        title="time of the workers in commands",
        unit="hours",
        columns=(
            ("time_execute", "all"),
            ("time_execute_good", "with a result"),
            ("time_execute_exhaustion", "lost to exhaustion"),
        ),
        scale=_HOUR,
    ),
    Curves(
        name="capacity",
        title="how many this manager could feed",
        unit="cores",
        columns=(("capacity_cores", "estimated"), ("total_cores", "there")),
    ),
    Curves(
        name="manager-load",
        title="load of the manager",
        unit="share of its time",
        columns=(("manager_load", "busy"),),
    ),
)
_MANAGER = (
    ("time_send", "sending"),
    ("time_receive", "receiving"),
    ("time_status_msgs", "status messages"),
    ("time_internal", "internal"),
    ("time_application", "application"),
    ("time_polling", "waiting"),
)


def draw_stats(log: StatsLog, directory: Path, kind: str, *, prefix: str = "") -> list[Path]:
    """Draw all that a log of statistics shows, and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    seconds, unit = _time_axis(log.seconds)
    made = []
    for picture in PICTURES:
        lines = []
        for column, name in picture.columns:
            if log.has(column):
                values = log.rate(column) if picture.rates else log.columns[column]
                lines.append((name, [value / picture.scale for value in values]))
        if lines:
            path = directory / f"{prefix}{picture.name}.{kind}"
            with _axes(path, picture.title, f"time since the start [{unit}]", picture.unit) as axes:
                for place, (name, values) in enumerate(lines):
                    axes.plot(seconds, values, label=name, color=COLORS[place], drawstyle="steps-post")
                axes.set_ylim(bottom=0)
            made.append(path)
    made += _manager_time(log, directory, kind, prefix)
    made += _efficiency(log, directory, kind, prefix)
    return made


def _manager_time(log: StatsLog, directory: Path, kind: str, prefix: str) -> list[Path]:
    if not log.has(*(column for column, _ in _MANAGER)):
        return []
    rates = [log.rate(column) for column, _ in _MANAGER]
    sums = [sum(values) or 1.0 for values in zip(*rates, strict=True)]
    shares = [[value / total for value, total in zip(values, sums, strict=True)] for values in rates]
    seconds, unit = _time_axis(log.seconds)
    path = directory / f"{prefix}manager-time.{kind}"
    with _axes(path, "what the manager does", f"time since the start [{unit}]", "share of its time") as axes:
        axes.stackplot(seconds, shares, labels=[name for _, name in _MANAGER], colors=COLORS, step="post")
        axes.set_ylim(0, 1)
    return [path]


def _efficiency(log: StatsLog, directory: Path, kind: str, prefix: str) -> list[Path]:
    if not log.has("time_execute_good", "time_execute", "total_cores"):
        return []
    spent = []
    available = 0.0
    for place in range(1, len(log.seconds)):
        available += log.columns["total_cores"][place - 1] * (log.seconds[place] - log.seconds[place - 1])
        spent.append(available)
    good = log.columns["time_execute_good"][1:]
    seconds, unit = _time_axis(log.seconds)
    path = directory / f"{prefix}efficiency.{kind}"
    share = [min(value / total, 1.0) if total > 0 else 0.0 for value, total in zip(good, spent, strict=True)]
    with _axes(
        path,
        "time in commands with a result, of the cores' time so far",
        f"time since the start [{unit}]",
        "share",
    ) as axes:
        axes.plot(seconds[1:], share, color=COLORS[0], label="efficiency")
        axes.set_ylim(0, 1.05)
    return [path]


def draw_view(view: RunView, directory: Path, kind: str) -> list[Path]:
    """Draw what only our journal knows, and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    made = [
        directory / f"events.{kind}",
        directory / f"core-hours.{kind}",
        directory / f"memory-datasets.{kind}",
    ]
    series = view.series
    times = [series.width * place for place in range(series.bins)]
    seconds, unit = _time_axis(times)
    with _axes(made[0], "events per second", f"time since the start [{unit}]", "events/s") as axes:
        axes.fill_between(
            seconds,
            series.rates("events") if series.bins else [],
            step="post",
            color=COLORS[0],
            label="events/s",
        )
        axes.set_ylim(bottom=0)
    core_unit = words.core_unit(view.core_time.available)
    scale = 1.0 if core_unit == "core seconds" else _HOUR
    uses = [
        (name, getattr(view.core_time, use) / scale)
        for use, name in USES.items()
        if getattr(view.core_time, use)
    ]
    with _axes(made[1], "where the core time went", core_unit, "") as axes:
        axes.barh([name for name, _ in uses][::-1], [value for _, value in uses][::-1], color=COLORS[0])
    rows = [one for one in view.memory if one.dataset and one.tasks][:40]
    with _axes(made[2], "memory of tasks: used (median, most) and allocated", "GB", "") as axes:
        names = [one.dataset for one in rows]
        axes.barh(names, [one.most_allocated / _GB for one in rows], color="#dde1e6", label="allocated")
        axes.barh(names, [one.most / _GB for one in rows], color=COLORS[0], alpha=0.5, label="most")
        axes.barh(names, [one.typical / _GB for one in rows], color=COLORS[0], label="median")
    distributions: list[tuple[str, str, str, Distribution, float]] = [
        ("task-time", "time of a task", "seconds", view.task_seconds, 1.0),
        ("task-events", "events of a task", "events", view.task_events, 1.0),
        ("task-memory", "peak memory of a task", "MB", view.task_memory, _MEGA),
        ("result-size", "size of a result", "kB", view.result_bytes, 1024.0),
    ]
    for name, title, unit_, found, scale in distributions:
        if found.counts:
            made.append(directory / f"{name}.{kind}")
            with _axes(made[-1], title, unit_, "tasks") as axes:
                axes.stairs(found.counts, [edge / scale for edge in found.edges], fill=True, color=COLORS[0])
                axes.set_xscale("log")
    return made


def _time_axis(seconds: Sequence[float]) -> tuple[list[float], str]:
    last = seconds[-1] if seconds else 0.0
    for limit, unit in ((2 * 86400, "days"), (2 * 3600, "hours"), (300, "minutes")):
        if last > limit:
            size = {"days": 86400, "hours": 3600, "minutes": 60}[unit]
            return [value / size for value in seconds], unit
    return list(seconds), "seconds"


@contextmanager
def _axes(path: Path, title: str, x: str, y: str) -> Iterator[Any]:
    """Give axes to draw on, and save them under the path."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    yield axes
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(loc="outside lower center", ncols=min(len(handles), 6), frameon=False)
    figure.savefig(path, dpi=120)
