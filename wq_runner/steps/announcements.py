"""What `wq-run` prints, line by line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from wq_runner import checksums
from wq_runner.code.arguments import described
from wq_runner.config.options import named
from wq_runner.config.settings import ChunkSettings
from wq_runner.directory import remarks
from wq_runner.directory.estimate import Probed, suggestion
from wq_runner.directory.record import Account, Spent
from wq_runner.model import Chunk, Fileset, PerDataset
from wq_runner.monitor import tables, words
from wq_runner.monitor.advice import advice
from wq_runner.monitor.next_time import next_time
from wq_runner.monitor.view import LeftFiles, RunView
from wq_runner.planning.chunks import copies
from wq_runner.planning.file_info import Knowledge, wrong_claims
from wq_runner.planning.left_out import LeftOut
from wq_runner.run_events import ColumnsUsed, Event, LeftBehind
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.units import MB, exact_size, format_count, format_rate, format_seconds, format_size
from wq_runner.workers.batch import SYSTEMS

if TYPE_CHECKING:
    from wq_runner.directory.remainder import Remainder
    from wq_runner.run_events import Plan
    from wq_runner.steps.prepare import Prepared
    from wq_runner.steps.request import Request

_WIDE = 78  # columns that the whole table takes
_COPIES = 3  # files that are named if they are there twice
_NOTES = 6  # that are said of columns while a run goes
_MANY = 12  # datasets that are listed one by one


def samples(
    console: Console,
    fileset: Fileset,
    knowledge: Knowledge,
    plan: Sequence[Chunk],
    seconds: float | None = None,
) -> None:
    fileset = tuple(one for one in fileset if one.processor == fileset[0].processor)  # all have the same
    names = {dataset.name for dataset in fileset}
    plan = [chunk for chunk in plan if chunk.dataset in names]
    left_out = dict.fromkeys((bad.path, bad.reason) for bad in knowledge.bad)
    files = sum(len(dataset.files) for dataset in fileset)
    how = [f"{printing.number(knowledge.cached, 'file')} known from before"] if knowledge.cached else []
    if knowledge.opened and seconds is not None:
        how.append(f"{knowledge.opened:,} opened in {format_seconds(seconds)}")
    if left_out:
        how.append(f"{len(left_out):,} unreadable")
    text = f"{printing.number(len(fileset), 'dataset')}, {printing.number(files, 'file')}, {_events(plan)}"
    printing.line(console, "samples", text + (f" ({', '.join(how)})" if how else ""))
    for dataset in fileset:
        if not dataset.files:
            printing.line(console, "", f"{dataset.plain} has no files")
    for _, reason in left_out:
        printing.line(console, "", f"left out: {reason}")
    wrong = wrong_claims(knowledge)
    for text in wrong[:_COPIES]:
        printing.line(console, "note", f"{text}: what is in the file counts")
    if len(wrong) > _COPIES:
        printing.line(
            console,
            "",
            f"and {printing.number(len(wrong) - _COPIES, 'more file')} about which the samples are wrong",
        )
    again = copies(plan)
    for name, first, other in again[:_COPIES]:
        printing.line(
            console, "note", f"{name}: {other} has the same content as {first}: its events count twice"
        )
    if len(again) > _COPIES:
        printing.line(
            console,
            "",
            f"and {printing.number(len(again) - _COPIES, 'more file')} whose content is in the dataset "
            "already",
        )


def chunks(console: Console, plan: Sequence[Chunk], settings: ChunkSettings) -> None:
    chunksize = settings.chunksize
    if settings.learned:
        printing.line(console, "chunks", "as large as fits, learned as it goes")
        return
    count = f"{len(plan):,} of" if plan else "not known yet,"
    if isinstance(chunksize, PerDataset):
        others = ", ".join(f"{size:,} of {name}" for name, size in chunksize.patterns)
        printing.line(console, "chunks", f"{count} at most {chunksize.default:,} events ({others})")
        return
    printing.line(console, "chunks", f"{count} at most {chunksize:,} events")


def ending(
    console: Console,
    accounts: Mapping[str, Account],
    spent: Spent,
    total: float,
    rate: float,
    paths: RunPaths,
) -> None:
    """Print the table of datasets and where the output is; `rate` is that which the page says, too."""
    planned = sum(account.planned for account in accounts.values())
    done = sum(account.processed for account in accounts.values())
    complete = all(account.complete for account in accounts.values())
    short = sum(spent.seconds.values()) < words.SHORT_RUN
    if not (complete and short and len(accounts) == 1):  # then it says nothing that is not in the line below
        console.print()
        _table(console, accounts, spent)
    if len(accounts) > _MANY:
        console.print(
            f"and {len(accounts) - _MANY} more; all are in {printing.path(paths.summary)}", highlight=False
        )
    console.print()
    measured = f" ({format_rate(rate)} events/s while processing)" if rate else ""
    printing.line(
        console,
        "complete" if complete else "partial",
        f"{done:,} of {planned:,} events in {format_seconds(total)}{measured}",
    )
    printing.line(
        console, "output", f"{printing.path(_output(paths))}  {paths.report.name}  {paths.summary.name}"
    )


def limited(console: Console, left_out: Mapping[str, LeftOut], whole_fileset: Fileset) -> None:
    """Print what was left out on purpose, if anything was."""
    names = [one.name for one in whole_fileset if one.processor == whole_fileset[0].processor]
    datasets = len(names)
    left_out = {name: one for name, one in left_out.items() if name in names}
    if not left_out:
        return
    whole = sum(one.files == one.of_files for one in left_out.values())
    files = sum(one.files for one in left_out.values())
    events = [one.events for one in left_out.values()]
    many = f"{sum(filter(None, events)):,} events" if None not in events else "events not counted"
    some = f"{whole:,} of {printing.number(datasets, 'dataset')}, " if whole else ""
    printing.line(
        console,
        "limited",
        f"left out on purpose: {some}{printing.number(files, 'file')}, {many}",
    )


def probe(console: Console, found: Sequence[Probed]) -> None:
    """Print what some chunks took, what the whole will take, and what would suit it."""
    head = ("dataset", "memory of a chunk", "time of a chunk", "rate per core", "all events", "core time")
    rows = {
        one.dataset: (
            format_size(one.memory.most),
            format_seconds(one.seconds / one.memory.chunks),
            f"{format_rate(one.rate)}/s",
            f"{'' if one.exact else 'about '}{format_count(one.total)}",
            format_seconds(one.expected),
        )
        for one in found
    }
    console.print()
    tables.show(console, head, rows)
    console.print()
    best = suggestion(found)
    if best is None:
        printing.line(console, "probe", "nothing was measured")
        return
    total = sum(one.total for one in found)
    printing.line(
        console,
        "whole",
        f"{format_count(total)} events, {format_seconds(sum(one.expected for one in found))} of core time; "
        f"{format_seconds(best.seconds)} with {printing.number(best.workers, 'worker')}",
    )
    memory = f"{math.ceil(best.memory / MB)}MB"
    printing.line(
        console,
        "suggested",
        f"--chunksize {best.chunksize} --workers local:{best.workers}x1x{memory}   "
        f"({', '.join(f'{name}:{best.workers}x1x{memory}' for name in SYSTEMS)})",
    )


def _table(console: Console, accounts: Mapping[str, Account], spent: Spent) -> None:
    """Print a line for each dataset; on a narrow terminal without what can be done without."""
    names = ("dataset", "files", "chunks", "events", "core time", "rate per core", "complete")
    kept = names if console.width >= _WIDE or not console.is_terminal else ("dataset", "events", "complete")
    rows = {}
    for name, account in list(accounts.items())[:_MANY]:
        seconds = spent.seconds[name]
        cells = {
            "files": f"{account.files:,}",
            "chunks": f"{account.chunks:,}",
            "events": f"{account.processed:,}",
            "core time": format_seconds(seconds),
            "rate per core": f"{format_rate(spent.events[name] / seconds)}/s" if spent.events[name] else "",
            "complete": "yes" if account.complete else _lacking(account),
        }
        rows[name] = [cells[column] for column in kept[1:]]
    tables.show(console, kept, rows, texts=("complete",))


def afterwards(console: Console, view: RunView, chunksize: int | None, paths: RunPaths) -> None:
    """Print where the core time went, what memory was used, and what would do better."""
    for label, text in words.afterwards(view):
        printing.line(console, label, text)
    if text := words.said(view):
        printing.line(console, "said", f"{text}: {printing.path(paths.debug_log)}")
    best = next_time(view, chunksize)
    if best is not None:
        printing.line(console, "next time", best.text(chunksize))
    others = [one for one in advice(view, chunksize=chunksize) if best is None or not one.of_chunks]
    for one in others[:2]:
        printing.line(console, "advice", one.text)


def how(
    console: Console, request: Request, ready: Prepared, understood: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Print the processor with its arguments and the environment, and why it is these."""
    origin = request.origins["processor"]
    places = request.processors if request.settings.analysis.processor else {}
    texts = [f"{name} = {place}" if name else place for name, place in places.items()]
    name = ", ".join(texts) or "survey of events and weights (no --processor)"
    printing.line(
        console,
        "processor" if len(texts) < 2 else "processors",
        name + (f"  ({origin})" if origin != "default" else ""),
    )
    if understood:
        printing.line(console, "arguments", described(understood))
    printing.line(console, "environment", f"{ready.environment.description}  ({ready.environment.reason})")
    for label, text in ready.notes:
        printing.line(console, label, text)


def tasks(console: Console, request: Request) -> None:
    """Print what each task asks for, as far as it was said and counts with this executor."""
    allocation, place = request.settings.loop.allocation, request.settings.executor.place
    said = {
        name
        for name in named(lambda one: place in one.heed)
        if request.origins.get(name, "default") != "default"
    }
    asked = {
        "cores": printing.number(int(allocation.cores), "core"),
        "memory": f"memory {_sizes(allocation.memory)}",
        "disk": f"disk {_sizes(allocation.disk)}",
        "gpus": printing.number(int(allocation.gpus or 0), "GPU"),
    }
    if texts := [text for name, text in asked.items() if name in said]:
        printing.line(console, "tasks", f"each asks for {', '.join(texts)}")


def _sizes(megabytes: float | PerDataset[float | None] | None) -> str:
    """Return a size as it may be typed, and those of some datasets behind it."""
    if not isinstance(megabytes, PerDataset):
        return "as learned" if megabytes is None else exact_size(round(megabytes * MB))
    others = ", ".join(f"{_sizes(value)} of {name}" for name, value in megabytes.patterns)
    return f"{_sizes(megabytes.default)} ({others})"


def edited(console: Console, files: Sequence[Path]) -> None:
    """Print which files are not what this session of Python has imported, if there are any."""
    if files:
        names = ", ".join(map(printing.path, files[:3])) + (
            f" and {len(files) - 3} more" if len(files) > 3 else ""
        )
        printing.line(
            console,
            "note",
            f"edited since imported here: {names}. The old code may run: importlib.reload() the module, or "
            "name the processor as FILE.py:NAME",
        )


def losing(console: Console) -> Callable[[float, Event], None]:
    """Return a listener of the journal that says once, at the first, that files of the processor are lost."""
    said: list[Event] = []

    def told(_: float, event: Event) -> None:
        if isinstance(event, LeftBehind) and not said:
            said.append(event)
            files = LeftFiles(files=event.files, bytes=event.bytes, names=event.names)
            printing.line(console, "lost", f"{words.left_behind(files)}: stop here if you want them")

    return told


def keeping(console: Console) -> Callable[[float, Event], None]:
    """Return a listener of the journal that says that workers keep columns, and once what goes wrong."""
    said: set[str] = set()

    def told(_: float, event: Event) -> None:
        if not isinstance(event, ColumnsUsed):
            return
        if event.place and (event.hits or event.misses) and "" not in said:
            said.add("")
            text = f"workers keep what chunks read in {event.place}, at most {format_size(event.limit)}"
            printing.line(console, "columns", f"{text} on a host: --column-cache")
        for note in event.notes:
            if note not in said and len(said) < _NOTES:
                said.add(note)
                printing.line(console, "columns", f"{event.host}: {note}")

    return told


def resuming(
    console: Console, paths: RunPaths, plan: Sequence[Chunk], left: Remainder, done: Mapping[str, Plan]
) -> None:
    """Print what an earlier run did, if there was one."""
    for file in left.changed[:_COPIES]:
        printing.line(console, "changed", f"{file} is not what it was: it is run again, whole")
    if len(left.changed) > _COPIES:
        printing.line(
            console, "", f"and {printing.number(len(left.changed) - _COPIES, 'more file')} that changed"
        )
    for name, before in left.renamed.items():
        what = (
            f"{name} has the files of {printing.few(before)}, which were datasets before: their events "
            "run again"
        )
        printing.line(
            console, "starting over:", f"{what}. --dataset-per-file takes files one by one, as before"
        )
    renamed = {name for names in left.renamed.values() for name in names}
    for dataset in left.redone:
        if dataset in renamed:
            continue
        printing.line(
            console,
            "starting over:",
            f"{dataset}: the earlier result holds more events than this command asks for",
        )
    if left.recovered.lost:
        count = printing.number(sum(len(one.items) for one in left.recovered.lost), "chunk")
        printing.line(console, "", f"results of {count} are missing or damaged, and are made again")
    if done:
        events = sum(one.events for one in done.values())
        total = sum(chunk.events for chunk in plan)
        text = f"{printing.path(paths.root)}/: {events:,} of {total:,} events are done"
        unchanged = "" if left.recovered.stale else " (nothing has changed of what is watched)"
        printing.line(console, "resuming", text + unchanged)


def again_planned(console: Console, files: Sequence[str]) -> None:
    """Print which files tasks found to be others than were planned."""
    for file in files[:_COPIES]:
        printing.line(console, "changed", f"{file}: the file has changed; it is opened and planned again")
    if len(files) > _COPIES:
        printing.line(console, "", f"and {printing.number(len(files) - _COPIES, 'more file')} that changed")


def finished(console: Console, paths: RunPaths) -> None:
    told = "is there already; samples, code and the files that it read have not changed"
    last = checksums.read_json(paths.summary)
    if names := last.get("stale"):
        told = "is there already"
        remarks.stale(console, names)
    printing.line(console, "complete", f"{printing.path(_output(paths))} {told}")
    remarks.not_watched(console, last.get("not_watched", ()))
    printing.line(console, "", "--fresh runs it again")


def interrupted(accounts: Mapping[str, Account], paths: RunPaths) -> str:
    """Say what an interrupted run has, and how it goes on."""
    done = sum(account.processed for account in accounts.values())
    planned = sum(account.planned for account in accounts.values())
    return (
        f"interrupted; {printing.path(_output(paths))} has {done:,} of {planned:,} events\n"
        "the same command continues where this one stopped"
    )


def partial(
    accounts: Mapping[str, Account],
    missing: Sequence[Mapping[str, Any]],
    fileset: Fileset,
    rest: str,
) -> str:
    """Say what a partial result lacks, what that means, and how to get the `rest`."""
    lacking = {name: account for name, account in accounts.items() if not account.complete}
    one = len(missing) == 1
    pieces = "1 piece of the input is" if one else f"{len(missing):,} pieces of the input are"
    lines = [f"the result is partial: {pieces} missing"]
    lines += [f"  {name}: {_lacking(account)}" for name, account in lacking.items()]
    lines += [f"  {_piece(one)}: {one['reason']}" for one in missing[:5]]
    if len(missing) > 5:
        lines.append(f"  and {len(missing) - 5} more; all are in run.json")
    simulated = [one.name for one in fileset if one.name in lacking and one.is_simulation is not False]
    if simulated:
        lines.append(
            f"sums of weights of {', '.join(simulated)} are incomplete: do not normalize to the cross section"
        )
    return "\n".join([*lines, rest])


def again(call: str, pdb: str = "--pdb") -> str:
    """Say how to see a chunk fail."""
    return f"to see it here, in one process ({pdb} opens the debugger there):\n  {call}"


def _piece(one: Mapping[str, Any]) -> str:
    return f"{one['path']} events {one['start']}-{one['stop']}" if "start" in one else str(one["path"])


def _output(paths: RunPaths) -> Path:
    return paths.outputs if paths.outputs.exists() else paths.output


def _lacking(account: Account) -> str:
    parts = []
    if account.skipped:
        parts.append(f"{account.skipped:,} events missing")
    if not account.as_planned:
        parts.append(f"{account.given:,} events were read where {account.processed:,} were planned")
    if account.left:
        parts.append(f"{account.left:,} events left")
    if account.files_unreadable:
        parts.append(f"{printing.number(account.files_unreadable, 'file')} unreadable")
    return f"no: {', '.join(parts)}" if parts else "no"


def _events(plan: Sequence[Chunk]) -> str:
    if not plan:
        return "events not known yet"
    events = sum(chunk.events for chunk in plan)
    return "1 event" if events == 1 else f"{format_count(events)} events"
