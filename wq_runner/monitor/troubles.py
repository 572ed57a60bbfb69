"""The parts of status page and report that say what went wrong, or took long."""

from __future__ import annotations

from wq_runner.monitor import words
from wq_runner.monitor.html import Html, facts, section, table, tag
from wq_runner.monitor.sections import moment
from wq_runner.monitor.view import RUNNING, Problem, RunView
from wq_runner.units import format_count, format_seconds


def failures(view: RunView) -> Html:
    found = [_problem(place, one) for place, one in enumerate(view.problems)]
    if view.other_problems:
        found.append(tag("p", f"and {view.other_problems:,} failures of more kinds", class_="note"))
    by_cause: dict[str, int] = {}
    for one in view.problems:
        by_cause[one.cause] = by_cause.get(one.cause, 0) + one.count
    causes = ", ".join(f"{count:,} × {cause}" for cause, count in by_cause.items())
    return section(
        "failures",
        "Failures",
        tag("p", causes or "none so far" if view.state == RUNNING else causes or "none"),
        found,
        tag("p", f"Lost: {words.left_behind(view.left_behind)}.") if view.left_behind else None,
        _elsewhere(view),
    )


def _elsewhere(view: RunView) -> Html | None:
    rows = [
        [
            one.server,
            one.instead,
            one.reason,
            one.path,
            f"{one.chunks:,}" if one.chunks else "",
            format_count(one.events) if one.chunks else "",
            f"{one.opened:,}" if one.opened else "",
        ]
        for one in view.elsewhere
    ]
    if not rows:
        return None
    return table(
        "elsewhere-table",
        "read from another server than the first",
        ("server", "read from", "why", "for example", "chunks", "events", "files opened"),
        rows,
        texts=4,
    )


def said(view: RunView) -> Html:
    """Return what tasks warned of, and the end of what the last ones printed."""
    rows = [
        [
            f"{one.kind}: {one.text}" if one.kind else one.text,
            one.place,
            ", ".join(one.datasets),
            f"{one.count:,}",
        ]
        for one in view.warnings
    ]
    shown = f", the last {len(view.prints):,} of them:" if view.printed > len(view.prints) else ""
    return section(
        "said",
        "What tasks said",
        table(
            "warnings-table", "warnings, once by text", ("warning", "at", "datasets", "times"), rows, texts=3
        )
        if rows
        else None,
        tag(
            "p",
            f"{words.count(view.printed, 'task')} printed something{shown}" if view.printed else "no prints",
        ),
        [
            tag(
                "details",
                tag("summary", f"task {one.task:,}, {one.dataset}, on {one.host}"),
                tag("pre", one.text, id=f"printed-{place}", tabindex=0),
            )
            for place, one in enumerate(view.prints)
        ],
    )


def _problem(place: int, one: Problem) -> Html:
    done = ", ".join(f"{count:,} × {action}" for action, count in one.actions.items())
    return tag(
        "details",
        tag("summary", tag("b", f"{one.count:,} × {one.cause}"), f" {one.reason}"),
        facts(
            [
                ("what was done", done),
                ("last in", one.place),
                ("datasets", ", ".join(one.datasets)),
                ("hosts", ", ".join(one.hosts)),
                ("events", f"{one.events:,}"),
                ("from, to", f"{moment(one.first)}, {moment(one.last)}"),
            ]
        ),
        tag("pre", one.traceback, id=f"traceback-{place}", tabindex=0) if one.traceback else None,
        id=f"problem-{place}",
    )


def slowest(view: RunView) -> Html:
    files = [
        [
            one.path,
            one.dataset,
            f"{one.events:,}",
            format_seconds(one.seconds),
            f"+{format_seconds(one.excess)}",
            words.per_second(one.events / one.seconds) if one.events and one.seconds else "",
        ]
        for one in view.slow_files
    ]
    hosts = [
        [
            one.host,
            f"{one.tasks:,}",
            f"{one.failed:,}" if one.failed else "",
            format_count(one.events),
            words.in_core_unit(one.core_seconds, view.core_time.available),
            f"{one.speed:.2f}",
        ]
        for one in view.hosts
    ]
    shown = "" if len(view.hosts) == view.host_count else f": {len(hosts)} of {view.host_count:,}"
    return section(
        "slowest",
        "Slowest files and hosts",
        table(
            "files-table",
            "files that took longer than their dataset's others for as many events",
            ("file", "dataset", "events", "time", "longer by", "rate"),
            files,
            texts=2,
        )
        if files
        else tag("p", "no file stands out", class_="soft"),
        table(
            "hosts-table",
            f"hosts, the slowest first{shown} (speed 1 is that of all together)",
            ("host", "attempts", "failed", "events", words.core_unit(view.core_time.available), "speed"),
            hosts,
        )
        if hosts
        else None,
    )
