"""The parts of which status page and report are made: each a pure function of the state of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence

from wq_runner.monitor import charts, stream, words
from wq_runner.monitor.charts import Line
from wq_runner.monitor.html import NOTHING, Child, Html, escape, facts, number, section, table, tag
from wq_runner.monitor.view import OPENING, PHASES, RUNNING, USES, Memory, RunView
from wq_runner.units import format_seconds, format_size

DATASETS_SHOWN = 2000
_LISTED = 12  # datasets whose memory is told one by one, also if they are alike
_ALIKE = 1.5


def head(view: RunView, title: str) -> Html:
    return tag(
        "header",
        tag("h1", title),
        tag("span", view.state, class_=f"badge {view.state}"),
        tag("span", words.phase(view), id="phase") if view.state == RUNNING and view.phase else None,
        tag(
            "span",
            f"{'for' if view.state == RUNNING else 'lasted'} {words.clock(view.seconds)}",
            class_="soft",
        ),
        tag("span", f"as of {moment(view.updated)}", class_="soft"),
    )


def contents(parts: Sequence[tuple[str, str]]) -> Html:
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, title in parts]
    return tag("nav", tag("ul", links), aria_label="sections")


def messages(view: RunView) -> Html:
    """Return what needs attention, if anything does."""
    found = [tag("p", text, class_="attention") for text in words.explain(view)]
    if view.total.resumed:
        before = f"{view.total.resumed:,} {view.unit} were done before, by an earlier process"
        found.append(
            tag("p", f"{before}: times, core hours and failures are those of this one", class_="soft")
        )
    if view.message:
        found.insert(0, tag("p", view.message.strip(), class_=f"message {view.state}"))
    return Html("".join(found))


def summary(view: RunView) -> Html:
    total, now = view.total, view.workers
    ended = view.state != RUNNING
    rate = total.mean_rate if ended else total.rate
    tiles: list[tuple[str, Child, Child]] = [
        (
            view.unit,
            number("events_done", total.done, words.short_count(total.done)),
            ("of ", number("events_planned", total.planned, words.short_count(total.planned))),
        ),
        ("rate", words.per_second(rate), "on average" if ended else "in the last minute"),
    ]
    if ended:
        spent = view.core_time.available
        share = words.percent(view.core_time.share("processing"))
        tiles.append(
            (
                words.core_unit(spent),
                number("core_hours", spent / 3600, words.in_core_unit(spent, spent)),
                f"{share} processing",
            )
        )
        if not now.here:
            tiles.append(("workers", number("workers_joined", now.joined), f"came, {now.lost:,} were lost"))
    else:
        unknown = "none" if total.finished else "unknown"
        left = words.clock(total.left) if total.left is not None else unknown
        tiles.append(("time left", left, "at the speed so far"))
        cores = f"{now.cores_used:.0f} of {words.count(round(now.cores), 'core')} busy"
        if not now.here:
            tiles.append(("workers", number("workers", now.connected), cores))
            tiles.append(
                (
                    "tasks",
                    number("tasks_running", view.tasks.running),
                    f"running, {view.tasks.waiting:,} waiting",
                )
            )
    tiles.append(
        ("attempts", number("attempts", view.tasks.ended), f"{view.tasks.useful:,} brought a result")
    )
    tiles.append(
        ("failures", number("failures", view.failures), ", ".join(words.retries(view)) or "no retries")
    )
    bar = tag(
        "progress",
        words.percent(words.share_done(total)),
        value=total.done + total.skipped,
        max=max(total.planned, 1),
        class_=f"whole {_of_phase(view)}".strip(),
        aria_label=f"{words.phase(view)}: all datasets" if view.phase else "all datasets",
    )
    drawn = [tag("div", tag("dt", name), tag("dd", tag("b", value), note)) for name, value, note in tiles]
    return Html(f"{bar}{tag('dl', drawn, class_='tiles')}")


def _of_phase(view: RunView) -> str:
    """Return the class of a bar: files that are opened do not look like events that are processed."""
    if view.phase == OPENING:
        return "opening"
    return "done" if view.total.finished else ""


def over_time(view: RunView) -> Html:
    series, seconds = view.series, view.series.width * max(view.series.bins - 1, 0) + view.series.last_width

    flat: list[str] = []

    def drawn(title: str, lines: Sequence[Line], shown: charts.Format = short_size) -> Html:
        if all(_is_flat(line.values) for line in lines):
            levels = [f"{line.name} {shown(line.values[len(line.values) // 2])}" for line in lines]
            flat.append(f"{title} ({', '.join(levels)})")
            return NOTHING
        return charts.over_time(title, lines, seconds=seconds, shown=shown, of_bytes=shown is short_size)

    if not series.bins:
        return section("time", "Over time", tag("p", "nothing yet"))
    gauges = series.gauges
    pictures = [
        stream.progress(view),
        drawn(
            "events per second", [Line(name="events/s", values=series.rates("events"), filled=True)], short
        ),
        drawn(
            "workers and cores",
            [
                Line(name="cores busy", values=gauges["cores_used"], filled=True),
                Line(name="cores", values=gauges["cores"]),
                Line(name="workers", values=gauges["workers"]),
            ],
            short,
        ),
        drawn(
            "tasks",
            [
                Line(name="running", values=gauges["running"], filled=True),
                Line(name="waiting", values=gauges["waiting"]),
            ],
            short,
        ),
        drawn(
            "failures per second",
            [Line(name="failures/s", values=series.rates("failures"), filled=True)],
            short,
        )
        if view.failures
        else NOTHING,
        drawn(
            "bytes per second",
            [
                Line(name="read from input", values=series.rates("read"), filled=True),
                Line(name="sent to workers", values=series.rates("sent")),
                Line(name="received", values=series.rates("received")),
            ],
        ),
        drawn(
            "memory of the workers",
            [
                Line(name="allocated", values=gauges["memory_used"], filled=True),
                Line(name="there", values=gauges["memory"]),
            ],
        ),
    ]
    note = tag("p", f"the same all the time: {'; '.join(flat)}", class_="note") if flat else None
    return section("time", "Over time", tag("div", pictures, class_="charts"), note)


def _is_flat(values: Sequence[float]) -> bool:
    """Whether a line is level but for its ends, where workers come and go."""
    inner = values[1:-1] or values
    return max(inner, default=0.0) - min(inner, default=0.0) <= 0.01 * max(map(abs, inner), default=0.0)


def memory(view: RunView) -> Html:
    whole = [one for one in view.memory if not one.dataset]
    apart, alike = _outliers([one for one in view.memory if one.dataset])
    rows = [_memory(one) for one in (*whole, *apart)]
    if alike:
        first, last = min(one.typical for one in alike), max(one.typical for one in alike)
        rows.append(
            [
                f"{len(alike):,} datasets alike",
                "",
                size(first) if size(first) == size(last) else f"{size(first)} to {size(last)}",
                size(max(one.high for one in alike)),
                size(max(one.most for one in alike)),
                size(max(one.allocated for one in alike)),
                "",
                "",
            ]
        )
    return section(
        "memory",
        "Memory",
        table(
            "memory-table",
            "peaks of tasks, measured by themselves, and what was allocated to them",
            (
                "",
                "used of allocated",
                "median",
                "95% below",
                "most",
                "allocated",
                "exhausted",
                "core time lost to it",
            ),
            rows,
        ),
    )


def _memory(one: Memory) -> list[Child]:
    return [
        one.dataset or f"all of {one.category}",
        charts.used_of(one.most, one.most_allocated) if one.most_allocated else "",
        size(one.typical),
        size(one.high),
        size(one.most),
        size(one.allocated),
        f"{one.exhausted:,}" if one.exhausted else "",
        format_seconds(one.lost) if one.lost else "",
    ]


def _outliers(datasets: Sequence[Memory]) -> tuple[Sequence[Memory], Sequence[Memory]]:
    """Tell datasets that differ from those that are alike, where there are many."""
    if len(datasets) <= _LISTED:
        return datasets, ()
    usual = sorted(one.typical for one in datasets)[len(datasets) // 2]
    apart = [
        one
        for one in datasets
        if one.exhausted or not usual / _ALIKE <= one.typical <= usual * _ALIKE or one.most > 2 * usual
    ]
    apart = sorted(apart, key=lambda one: one.most, reverse=True)[:DATASETS_SHOWN]
    there = set(map(id, apart))
    return apart, [one for one in datasets if id(one) not in there]


def core_time(view: RunView) -> Html:
    time_ = view.core_time
    parts = [(name, getattr(time_, use)) for use, name in USES.items()]
    rows = [
        [
            name,
            number(
                f"core_hours_{use}",
                getattr(time_, use) / 3600,
                words.in_core_unit(getattr(time_, use), time_.available),
            ),
            words.percent(time_.share(use)),
        ]
        for use, name in USES.items()
        if getattr(time_, use)
    ]
    return section(
        "cores",
        "Where the core time went",
        charts.stack("shares of the cores' time", parts) if time_.available else tag("p", "no cores yet"),
        table(
            "cores-table",
            words.core_time(time_.available),
            ("use", words.core_unit(time_.available), "share"),
            rows,
        ),
    )


def log_tail(view: RunView) -> Html:
    if not view.log:
        return Html("")
    return section(
        "log", "Log", tag("pre", "\n".join(view.log), id="log-tail", tabindex=0, aria_label="end of the log")
    )


def about(view: RunView, more: Sequence[tuple[str, Child]] = ()) -> Html:
    rows: list[tuple[str, Child]] = [
        ("command", tag("code", " ".join(view.command))),
        ("wq-runner", view.version),
        ("host", f"{view.host}, process {view.pid}" if view.pid else view.host),
        ("started", moment(view.started)),
        ("ended", moment(view.ended) if view.ended else ""),
        ("bytes", words.moved(view)),
        ("columns", "; ".join(words.columns(view.columns)) if view.columns else ""),
        *((PHASES.get(one.category, one.category), _phase(one.seconds)) for one in view.phases),
        *more,
    ]
    return section("about", "About this run", facts((name, value) for name, value in rows if escape(value)))


def _phase(seconds: float | None) -> str:
    return format_seconds(seconds) if seconds is not None else "runs"


def moment(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) if when else ""


def short(value: float) -> str:
    """Return a number for an axis."""
    return trimmed(words.short_count(value)) if value >= 1000 else f"{value:.3g}"


def short_size(value: float) -> str:
    """Return a size for an axis."""
    return trimmed(format_size(value))


def trimmed(text: str) -> str:
    """Return ``20 GB`` for ``20.0 GB``, for axes."""
    return text.replace(".0 ", " ")


def size(value: float) -> str:
    return format_size(value) if value else ""
