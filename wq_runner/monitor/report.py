"""The report of a run: one HTML file to keep, or to send to a colleague."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wq_runner import checksums, system
from wq_runner.checksums import DamagedRecordError
from wq_runner.errors import DamagedResultError
from wq_runner.monitor import charts, datasets, sections, stream, troubles, words
from wq_runner.monitor.advice import advice
from wq_runner.monitor.html import NOTHING, Child, Html, document, facts, section, table, tag
from wq_runner.monitor.next_time import next_time
from wq_runner.monitor.view import RunView
from wq_runner.system import RunPaths
from wq_runner.units import format_seconds, format_size

Record = Mapping[str, Any]
"""What run.json says; empty where there is none."""

_PARTS = (
    ("advice", "advice"),
    ("complete", "completeness"),
    ("histograms", "histograms"),
    ("stream", "workers"),
    ("time", "over time"),
    ("cores", "core time"),
    ("tasks", "tasks"),
    ("memory", "memory"),
    ("slowest", "slowest"),
    ("failures", "failures"),
    ("said", "what tasks said"),
    ("environment", "environment"),
    ("about", "about"),
)
_MISSING_SHOWN = 200


def read_record(paths: RunPaths) -> Record:
    """Return run.json, empty if it is not there.

    Raises
    ------
    UsageError
        If it is not what the run wrote.
    """
    try:
        return checksums.read_json(paths.summary)
    except OSError:
        return {}
    except DamagedRecordError as error:
        raise DamagedResultError(
            f"{paths.summary}: {error}",
            hint="the command of the run, given again, writes it anew",
        ) from error


def write(view: RunView, record: Record, path: Path, *, name: str, histograms: Html = NOTHING) -> None:
    """Write the report under its name at once."""
    with system.replacing(path, "w") as stream:
        stream.write(report_page(view, record, name=name, histograms=histograms))


def report_page(view: RunView, record: Record, *, name: str, histograms: Html = NOTHING) -> str:
    """Return the report as HTML."""
    there = {"histograms": histograms, "stream": view.lanes.lanes}
    body = tag(
        "main",
        sections.messages(view),
        sections.summary(view),
        sections.contents([part for part in _PARTS if there.get(part[0], True)]),
        _advice(view, record),
        _completeness(view, record),
        histograms,
        stream.section_of(view),
        sections.over_time(view),
        sections.core_time(view),
        _tasks(view),
        sections.memory(view),
        troubles.slowest(view),
        troubles.failures(view),
        troubles.said(view),
        _environment(record),
        sections.about(view, _results(record)),
        id="main",
        tabindex=-1,
    )
    return document(f"report {name}", sections.head(view, name), body, state=view.state)


def chunksize_of(record: Record) -> int | None:
    value = _options(record).get("chunksize", {}).get("value")
    return value if isinstance(value, int) else None


def _advice(view: RunView, record: Record) -> Html:
    chunksize = chunksize_of(record)
    best = next_time(view, chunksize)
    found = [f"next time: {best.text(chunksize)}"] if best is not None else []
    others = advice(view, chunksize=chunksize)
    found += [one.text for one in others if best is None or not one.of_chunks]
    found += [f"{host} was not used for a while: {why}" for host, why in view.blocked_hosts.items()]
    if not found:
        return section("advice", "Advice", tag("p", "nothing stands out", class_="soft"))
    return section("advice", "Advice", tag("ul", [tag("li", text) for text in found], class_="advice"))


def _accounts_table(name: str, accounts: Sequence[tuple[str, Any]]) -> Html:
    rows: list[list[Child]] = [
        [
            dataset,
            "yes" if one.get("complete") else "no",
            f"{one.get('files', 0):,}",
            f"{one.get('files_unreadable', 0):,}" if one.get("files_unreadable") else "",
            f"{one.get('chunks', 0):,}",
            f"{one.get('events_planned', 0):,}",
            f"{one.get('events_processed', 0):,}",
            f"{one.get('events_skipped', 0):,}" if one.get("events_skipped") else "",
        ]
        for dataset, one in accounts[: sections.DATASETS_SHOWN]
    ]
    return table(
        name,
        "planned = processed + skipped, in events",
        ("dataset", "complete", "files", "unreadable", "chunks", "planned", "processed", "skipped"),
        rows,
        texts=2,
    )


def _completeness(view: RunView, record: Record) -> Html:
    accounts: Mapping[str, Any] = record.get("datasets") or {}
    if not accounts:  # the run did not come to its end: what the journal knows
        return datasets.section_of(view)
    many = len(accounts) > datasets.FEW
    order = sorted(accounts.items(), key=lambda item: bool(item[1].get("complete")))
    listed = _accounts_table("complete-table", order if many else list(accounts.items()))
    lacking = [item for item in order if not item[1].get("complete")] if many else []
    missing = record.get("missing") or []
    lost = [
        [
            one.get("path", ""),
            one.get("dataset", ""),
            one.get("reason", ""),
            f"{one['start']:,}-{one['stop']:,}" if "stop" in one else "all",
        ]
        for one in missing[:_MISSING_SHOWN]
    ]
    complete = sum(bool(one.get("complete")) for one in accounts.values())
    return section(
        "complete",
        "Completeness",
        tag("p", f"{complete:,} of {words.count(len(accounts), 'dataset')} complete"),
        _accounts_table("lacking-table", lacking) if lacking else None,
        datasets.searchable("complete", "all datasets, those that lack something first", listed)
        if many
        else listed,
        table(
            "missing-table",
            f"not in the result: {len(missing):,} pieces"
            + (f", the first {len(lost)}" if len(missing) > len(lost) else ""),
            ("file", "dataset", "reason", "events"),
            lost,
            texts=3,
        )
        if lost
        else None,
        _limited(record),
    )


def _limited(record: Record) -> Html | None:
    """Return what was left out on purpose, which is not missing."""
    limited: Mapping[str, Any] = record.get("limited") or {}
    rows: list[list[Child]] = [
        [
            name,
            f"{one['files_left_out']:,} of {one['files']:,}",
            f"{one['events_left_out']:,}" if one.get("events_left_out") is not None else "not counted",
        ]
        for name, one in list(limited.items())[: sections.DATASETS_SHOWN]
    ]
    if not rows:
        return None
    return table("limited-table", "left out on purpose", ("dataset", "files", "events"), rows, texts=1)


def _tasks(view: RunView) -> Html:
    tasks = view.tasks
    rows: list[tuple[str, Child]] = [
        ("submitted", f"{tasks.submitted:,}"),
        ("attempts ended", f"{tasks.ended:,}, {tasks.useful:,} with a result"),
        ("decisions", f"{tasks.retried:,} retries, {tasks.split:,} splits, {tasks.skipped:,} skips"),
        (
            "chunks",
            f"{view.total.chunks_done:,} of {view.total.chunks:,}, {view.chunks_per_task:.1f} a task",
        ),
    ]
    pictures = [
        charts.histogram("time of a task", view.task_seconds, shown=format_seconds),
        charts.histogram("events of a task", view.task_events, shown=sections.short, whole=True),
        charts.histogram("peak memory of a task", view.task_memory, shown=format_size),
        charts.histogram("size of a result", view.result_bytes, shown=format_size),
    ]
    return section("tasks", "Tasks", facts(rows), tag("div", pictures, class_="charts"))


def _environment(record: Record) -> Html:
    versions: Mapping[str, Any] = record.get("versions") or {}
    options = _options(record)
    rows: list[tuple[str, Child]] = [
        ("environment", _text(record.get("environment"))),
        *((name, _text(version)) for name, version in versions.items()),
    ]
    set_ = [
        [name, _text(one.get("value")), _text(one.get("origin"))]
        for name, one in options.items()
        if one.get("origin") != "default"
    ]
    return section(
        "environment",
        "Environment and provenance",
        facts((name, value) for name, value in rows if value)
        if record
        else tag("p", "run.json is not there"),
        table("options-table", "options that were set", ("option", "value", "from"), set_, texts=3)
        if set_
        else None,
    )


def _results(record: Record) -> list[tuple[str, Child]]:
    if not record:
        return []
    return [
        ("samples", ", ".join(map(str, record.get("samples") or ()))),
        ("exit code", _text(record.get("exit_code"))),
    ]


def _options(record: Record) -> Mapping[str, Any]:
    found = record.get("options")
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, str) or value is None:
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)
