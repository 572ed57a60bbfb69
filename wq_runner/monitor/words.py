"""The state of a run in words: what terminal, page and report say in the same way."""

from __future__ import annotations

from collections.abc import Iterable

from wq_runner.monitor.view import (
    PHASES,
    PROCESSING,
    RUNNING,
    USES,
    ChunkMemory,
    ColumnsRead,
    CoreTime,
    Elsewhere,
    LeftFiles,
    Progress,
    RunView,
)
from wq_runner.units import GB, MB, format_count, format_rate, format_seconds, format_size

_TEXT = 120  # characters of a warning in a line
_SHOWN = 4  # datasets whose memory is named
SHORT_RUN = 60.0  # core seconds of a run of which nothing is to be learned
_LONG = 60.0  # seconds without a worker, or without a result, that need a word


def phase(view: RunView) -> str:
    """Return what a run does now: ``opening files``, ``processing``, ``merging``."""
    going = bool(view.phases) and view.phases[-1].seconds is None
    if view.phase == PROCESSING and view.total.finished and going and view.state == RUNNING:
        return "merging"  # what is left of the phase is to add up
    return PHASES.get(view.phase, view.phase)


def shortened(names: Iterable[str], width: int) -> dict[str, str]:
    """Return names for a place of some width: what is left out is where they differ least, in the middle."""
    wanted = list(dict.fromkeys(names))
    found: dict[str, str] = {}
    for part in (0.6, 0.8, 0.4, 0.2, 1.0):
        found = {name: _cut(name, width, part) for name in wanted}
        if len(set(found.values())) == len(wanted):
            break
    return found


def _cut(name: str, width: int, part: float) -> str:
    if len(name) <= width:
        return name
    begin = round((width - 1) * part)
    end = width - 1 - begin
    return f"{name[:begin]}…{name[len(name) - end :]}"


def amount(progress: Progress, unit: str) -> str:
    """Return ``18.1/20.3 M``: done of planned, with one unit where both have the same."""
    done, planned = format_count(progress.done), format_count(progress.planned)
    number, _, scale = done.partition(" ")
    if scale and planned.endswith(f" {scale}"):
        done = number
    return f"{done}/{planned}" + ("" if unit == "events" else f" {unit}")


def percent(part: float) -> str:
    """Return a share for people: never 100% before the end, never 0% after the begin."""
    if 0 < part < 0.005:
        return "<1%"
    return f"{min(round(100 * part), 99) if part < 1 else 100}%"


def share_done(progress: Progress) -> float:
    """Return how much of it is behind us, skipped or done, from 0 to 1."""
    if not progress.planned:
        return 1.0 if progress.finished and progress.chunks else 0.0
    part = (progress.done + progress.skipped) / progress.planned
    return part if progress.finished else min(part, 0.99)


def rate(progress: Progress) -> str:
    """Return events per second: those of the last minute, those of its whole time at the end."""
    value = progress.rate or (progress.mean_rate if progress.finished else 0.0)
    return per_second(value) if value else ""


def left(progress: Progress, *, written: bool = False) -> str:
    """Return what is left of it; `written` adds the name of the file that is there."""
    if progress.finished and progress.output:
        return progress.output.rpartition("/")[2] if written else "written"
    if progress.finished:
        if progress.skipped:
            return f"{format_count(progress.skipped)} skipped"
        return f"{count(progress.chunks_skipped, 'chunk')} skipped" if progress.lacks else "done"
    if progress.left is not None:
        return f"{clock(progress.left)} left" if progress.started else f"done in {clock(progress.left)}"
    return "" if progress.started else "waiting"


def clock(seconds: float) -> str:
    """Return ``0:05``, ``1:02:03``, ``2 d 3 h``: a time that is left."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short_count(value: float) -> str:
    """Return ``950``, ``38.8 k``, ``1.2 M``."""
    return f"{value / 1000:.1f} k" if 1000 <= value < 1e6 else format_count(value)


def per_second(value: float) -> str:
    return f"{short_count(value) if value >= 1000 else format_rate(value)}/s"


def workers(view: RunView) -> str:
    now = view.workers
    if now.here:
        return "in this process"
    if not now.connected:
        return "no workers" if now.joined else "no workers yet"
    cores = f"{now.cores_used:.0f} of {count(round(now.cores), 'core')}"
    return f"{now.busy} of {count(now.connected, 'worker')} busy, {cores}"


def tasks(view: RunView) -> str:
    if view.workers.here:
        return "one task after the other"
    return f"{count(view.tasks.running, 'task')} running {view.tasks.waiting:,} waiting"


def came(view: RunView) -> str:
    """Return who did it, when it is over."""
    now = view.workers
    return workers(view) if now.here else f"{count(now.joined, 'worker')} came, {now.lost:,} were lost"


def memory(view: RunView) -> str:
    """Return measured and allocated memory of what runs, and that of all workers."""
    now = view.workers
    if not now.memory:
        return ""
    used = f"{now.memory_measured / GB:.1f} used / " if now.memory_measured else ""
    return f"memory {used}{now.memory_used / GB:.1f} allocated / {now.memory / GB:.1f} GB"


def moved(view: RunView) -> str:
    parts = [("read", view.moved.read), ("sent", view.moved.sent), ("received", view.moved.received)]
    return ", ".join(f"{name} {format_size(value)}" for name, value in parts if value)


def retries(view: RunView) -> list[str]:
    return [f"{number:,} retried ({cause})" for cause, number in view.retries.items()]


def status(view: RunView) -> str:
    """Return workers, tasks, memory, bytes and retries in one line."""
    if view.state == RUNNING:
        parts = [workers(view), tasks(view), memory(view), moved(view)]
    else:
        parts = [came(view), moved(view)]
    if view.workers.engine_restarts:
        parts.append(count(view.workers.engine_restarts, "engine restart"))
    if view.tasks.skipped:
        parts.append(f"{view.tasks.skipped:,} skipped")
    if chunks := sum(one.chunks for one in view.elsewhere):
        parts.append(f"{count(chunks, 'chunk')} read elsewhere")
    return " · ".join(part for part in (*parts, *retries(view)) if part)


def one_line(view: RunView) -> str:
    """Return everything in one line, for logs."""
    total = view.total
    text = (
        f"{phase(view):<12} {format_count(total.done)} of {format_count(total.planned)} {view.unit} "
        f"({percent(share_done(total))}), {per_second(total.rate or total.mean_rate)}"
    )
    if total.left is not None and not total.finished:
        text += f", {clock(total.left)} left"
    text = f"{text}; {status(view)}"
    return f"{text}; last problem: {view.last_problem}" if view.last_problem else text


def core_hours(time: CoreTime) -> str:
    """Return ``0.82 core hours: 61% processing, 30% start-up, 9% idle``."""
    shares = [(time.share(use), name) for use, name in USES.items()]
    parts = [f"{percent(share)} {name}" for share, name in sorted(shares, reverse=True) if share > 0]
    return f"{core_time(time.available)}" + (f": {', '.join(parts)}" if parts else "")


def core_time(seconds: float) -> str:
    """Return ``4.2 core seconds``, below a minute, or ``0.82 core hours``."""
    return f"{in_core_unit(seconds, seconds)} {core_unit(seconds)}"


def core_unit(whole: float) -> str:
    """Return the unit in which a core time and its parts are told."""
    return "core seconds" if whole < SHORT_RUN else "core hours"


def in_core_unit(seconds: float, whole: float) -> str:
    """Return a part of a core time in the unit of the whole."""
    return f"{seconds:.1f}" if whole < SHORT_RUN else hours(seconds)


def is_short(view: RunView) -> bool:
    """Whether a run did so little that its core time and memory are no news to anybody."""
    return 0 < view.core_time.available < SHORT_RUN


def afterwards(view: RunView) -> list[tuple[str, str]]:
    """Return the lines that end a run: core time, and memory of the datasets, if it was none of seconds."""
    rows = []
    short = is_short(view)
    if view.core_time.available and not short:
        rows.append(("core time", core_hours(view.core_time)))
    largest = [] if short else sorted(view.chunk_memory, key=lambda one: one.most, reverse=True)
    for number, one in enumerate(largest[:_SHOWN]):
        rows.append(("" if number else "memory", f"{one.dataset} {chunk_memory(one)}"))
    if len(largest) > _SHOWN:
        rows.append(("", f"and {len(largest) - _SHOWN} more, which took less"))
    rows += [("read", elsewhere(one)) for one in view.elsewhere]
    if view.columns is not None:
        rows += [("columns" if not number else "", text) for number, text in enumerate(columns(view.columns))]
    if view.left_behind is not None:
        rows.append(("lost", left_behind(view.left_behind)))
    rows += [("host", f"{host} was not used for a while: {why}") for host, why in view.blocked_hosts.items()]
    return rows


def said(view: RunView) -> str:
    """Say in a line what tasks warned of and whether they printed; empty if they did neither."""
    found = []
    if view.warnings:
        number = sum(one.count for one in view.warnings)
        first = view.warnings[0]
        text = first.text if len(first.text) <= _TEXT else f"{first.text[: _TEXT - 1]}…"
        more = f", and {len(view.warnings) - 1:,} more kinds" if len(view.warnings) > 1 else ""
        found.append(f"{count(number, 'warning')} ({first.kind}: {text}{more})")
    if view.printed:
        found.append(f"{count(view.printed, 'task')} printed something")
    return "; ".join(found)


def left_behind(one: LeftFiles) -> str:
    """Say which files are lost, and what would keep them."""
    names = ", ".join(one.names[:3]) + (", ..." if one.files > 3 else "")
    what = f"{count(one.files, 'file')} ({format_size(one.bytes)})"
    return (
        f"{what} that the processor wrote to the directories of tasks, which are removed: {names}. "
        "Written to events.metadata['output_dir'] they are kept"
    )


def columns(one: ColumnsRead) -> list[str]:
    """Say how much came from the columns that workers keep, and what went wrong with them."""
    texts = []
    read, kept = format_size(one.hit + one.missed), format_size(one.kept)
    if one.hits:
        share = percent(one.hit / max(one.hit + one.missed, 1))
        now = f"; {kept} more are kept now" if one.kept else ""
        texts.append(
            f"{format_size(one.hit)} of {read} ({share}) came from what workers keep, which saved "
            f"{core_time(max(0.0, one.saved))}{now}"
        )
    elif one.misses:
        texts.append(f"none of {read} was kept on workers before; {kept} are kept now, for the next run")
    return [*texts, *one.notes]


def elsewhere(one: Elsewhere) -> str:
    """Return ``12 chunks from root://b.example instead of root://a.example: OSError: timed out``."""
    what = count(one.chunks, "chunk") if one.chunks else f"{count(one.opened, 'file')} opened"
    return f"{what} from {one.instead} instead of {one.server}" + (f": {one.reason}" if one.reason else "")


def chunk_memory(one: ChunkMemory) -> str:
    """Return ``640.0 MB a chunk (95% below 690.0 MB, max 702.0 MB, 5.1 MB per 1,000 events)``."""
    high, most = format_size(one.high), format_size(one.most)
    slope = one.per_event * 1000 / MB
    per_thousand = f", {slope:,.{0 if slope >= 100 else 1 if slope >= 1 else 3}f} MB per 1,000 events"
    return f"{format_size(one.typical)} a chunk (95% below {high}, max {most}{per_thousand if slope else ''})"


def hours(seconds: float) -> str:
    """Return core seconds in hours, with two significant digits at least."""
    value = seconds / 3600
    for limit, digits in ((100, 0), (1, 2), (0.1, 3)):
        if value >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.4f}"


def count(number: float, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def explain(view: RunView) -> list[str]:
    """Say what is wrong with the numbers, and why nothing runs; nothing to say while all is well."""
    found = []
    if view.damaged_lines:
        found.append(
            f"{count(view.damaged_lines, 'line')} of journal.jsonl cannot be read, being damaged: what was "
            "said there is missing from these numbers. The command of the run, given again, mends it"
        )
    if view.state != RUNNING or not view.phase or view.total.finished:
        return found
    now = view.workers
    waited = view.updated - view.started
    if not now.joined and waited > _LONG:
        found.append(
            f"no worker has come in {format_seconds(waited)}: start some, and see that they have this "
            "manager's name (or host and port), its catalog and its password"
        )
    elif now.joined and not now.connected:
        came = (
            "the only worker that came has" if now.joined == 1 else f"all {now.joined} workers that came have"
        )
        found.append(f"{came} left: batch jobs ended or were evicted")
    elif now.connected and not now.here and not view.tasks.running and view.tasks.waiting:
        found.append(
            f"{count(view.tasks.waiting, 'task')} {'waits' if view.tasks.waiting == 1 else 'wait'} although "
            f"{count(now.connected, 'worker')} {'is' if now.connected == 1 else 'are'} connected: "
            "a task may want more cores, "
            "memory or disk than any worker has "
            f"(the largest: {count(round(now.largest_cores), 'core')}, {format_size(now.largest_memory)})"
        )
    if now.lost >= 10 and now.lost > 2 * now.connected and not view.tasks.useful:
        found.append(
            f"{now.lost} workers were lost before any task was done: workers of another release of the "
            "engine do that, and those whose time or memory is too short"
        )
    if view.tasks.ended >= 10 and not view.tasks.useful:
        found.append(
            f"none of {view.tasks.ended} attempts brought a result; last problem: {view.last_problem}"
        )
    return found
