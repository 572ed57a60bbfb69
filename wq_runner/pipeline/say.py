"""What `wq-run` prints, line by line."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wq_runner.model import Chunk, Fileset
from wq_runner.pipeline.facts import Knowledge
from wq_runner.pipeline.record import Account
from wq_runner.system import RunPaths
from wq_runner.units import format_count, format_seconds

_MANY = 12  # datasets that are listed one by one


def line(console: Console, label: str, text: str) -> None:
    """Print one labelled line; nothing in it is taken for markup."""
    console.print(Text(f"{label:<12} {text}"), soft_wrap=True)


def path(place: Path) -> str:
    """Return a path as short as it is clear: relative if it lies below the current directory."""
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)


def samples(
    console: Console,
    fileset: Fileset,
    knowledge: Knowledge,
    plan: Sequence[Chunk],
    seconds: float | None = None,
) -> None:
    files = sum(len(dataset.files) for dataset in fileset)
    events = sum(chunk.events for chunk in plan)
    how = [f"{knowledge.cached:,} files known from before"] if knowledge.cached else []
    if knowledge.opened and seconds is not None:
        how.append(f"{knowledge.opened:,} opened in {format_seconds(seconds)}")
    if knowledge.bad:
        how.append(f"{len(knowledge.bad):,} unreadable")
    text = f"{_number(len(fileset), 'dataset')}, {_number(files, 'file')}, {format_count(events)} events"
    line(console, "samples", text + (f" ({', '.join(how)})" if how else ""))
    for dataset in fileset:
        if not dataset.files:
            line(console, "", f"{dataset.name} has no files")
    for bad in knowledge.bad:
        line(console, "", f"left out: {bad.reason}")


def chunks(console: Console, plan: Sequence[Chunk], chunksize: int) -> None:
    line(console, "chunks", f"{len(plan):,} of at most {chunksize:,} events")


def ending(
    console: Console, accounts: Mapping[str, Account], total: float, processing: float, paths: RunPaths
) -> None:
    """Print the table of datasets and where the output is."""
    planned = sum(account.planned for account in accounts.values())
    done = sum(account.processed for account in accounts.values())
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("dataset", "files", "chunks", "events", "complete"):
        table.add_column(name, justify="left" if name == "dataset" else "right")
    for name, account in list(accounts.items())[:_MANY]:
        table.add_row(
            Text(name),
            f"{account.files:,}",
            f"{account.chunks:,}",
            f"{account.processed:,}",
            "yes" if account.complete else _lacking(account),
        )
    console.print()
    console.print(table)
    if len(accounts) > _MANY:
        console.print(f"and {len(accounts) - _MANY} more; all are in {path(paths.summary)}", highlight=False)
    console.print()
    complete = all(account.complete for account in accounts.values())
    rate = f"{format_count(done / max(processing, 1e-3))} events/s"
    line(
        console,
        "complete" if complete else "partial",
        f"{done:,} of {planned:,} events in {format_seconds(total)} ({rate} while processing)",
    )
    line(console, "output", f"{path(paths.output)}  {paths.summary.name}")


def partial(accounts: Mapping[str, Account], missing: Sequence[Mapping[str, Any]]) -> str:
    """Say what a partial result lacks."""
    lacking = {name: account for name, account in accounts.items() if not account.complete}
    lines = [f"the result is partial: {len(missing)} pieces of the input are not in it"]
    lines += [f"  {name}: {_lacking(account)}" for name, account in lacking.items()]
    lines += [f"  {one['path']}: {one['reason']}" for one in missing[:5]]
    if len(missing) > 5:
        lines.append(f"  and {len(missing) - 5} more; all are in run.json")
    return "\n".join(lines)


def waiting(name: str, port: int, password_file: Path | None) -> Text:
    """Return the lines that start workers, to be pasted."""
    password = f" -P {password_file}" if password_file else ""
    host = socket.getfqdn()
    rows = (
        ("by name", f"work_queue_worker --cores 1 --memory 4000 --disk 8000{password} -M {name}"),
        ("by port", f"work_queue_worker --cores 1 --memory 4000 --disk 8000{password} {host} {port}"),
        ("HTCondor", f"condor_submit_workers --cores 4 --memory 16000 --disk 16000{password} -M {name} 10"),
        ("Slurm", f"slurm_submit_workers --cores 4 --memory 16000 --disk 16000{password} -M {name} 10"),
        ("factory", f"work_queue_factory -Tcondor{password} -Cfactory.json   (its manager-name: {name})"),
    )
    lines = [f"waiting for workers as {name}, port {port}. Start some:"]
    lines += [f"  {label:<10}  {command}" for label, command in rows]
    lines.append("  or let this run start them: wq-run --workers local:" + str(os.cpu_count() or 1))
    if password_file is None:
        lines.append(
            f"note: no password is set: any program that reaches port {port} can join. "
            "--password-file FILE closes it."
        )
    return Text("\n".join(lines))


def _lacking(account: Account) -> str:
    parts = []
    if account.skipped:
        parts.append(f"no: {account.skipped:,} events missing")
    if account.files_unreadable:
        parts.append(f"no: {_number(account.files_unreadable, 'file')} unreadable")
    return ", ".join(parts) or "no"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
