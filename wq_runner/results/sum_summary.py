"""What the run.json of a sum says: how many events it has of each dataset, and what it still lacks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wq_runner.clock import Clock
from wq_runner.directory.record import Account
from wq_runner.errors import PartialResultError
from wq_runner.model import Range
from wq_runner.output.result_files import Form
from wq_runner.planning import ranges
from wq_runner.results import mergeable
from wq_runner.results.ended import Run
from wq_runner.summary import ENDED, new_id


def still_missing(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what is in no run, as samples: what one lacks and no other has."""
    done: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for run in runs:
        for dataset, keys in run.recovered.done.items():
            for path, _, start, stop, _ in keys:
                done[dataset, path].append((start, stop))
    entries = {(one["dataset"], one["path"]): one["entries"] for run in runs for one in run.summary["files"]}
    lacking: dict[str, Any] = {}
    for run in runs:
        for dataset, body in run.missing.items():
            for path, entry in body["files"].items():
                there = ranges.merged(done[dataset, path])
                parts = _left(entry.get("ranges"), entries.get((dataset, path)), there)
                if parts or (parts is None and not there):
                    files = lacking.setdefault(dataset, {**body, "files": {}})["files"]
                    files[path] = {**entry, "ranges": parts} if parts else entry
    return lacking


def _left(wanted: Any, entries: int | None, there: Sequence[Range]) -> list[list[int]] | None:
    """Return the ranges that are missing of a file; None if not even its entries are known."""
    if wanted is None and entries is None:
        return None
    parts = [tuple(part) for part in wanted] if wanted is not None else [(0, entries or 0)]
    return [list(left) for start, stop in parts for left in ranges.subtract((start, stop), there)]


def accounts(runs: Sequence[Run], lacking: Mapping[str, Any]) -> dict[str, Account]:
    made = {}
    for dataset in dict.fromkeys(name for run in runs for name in run.summary["datasets"]):
        keys = [key for run in runs for key in run.recovered.done.get(dataset, ())]
        done = sum(stop - start for _, _, start, stop, _ in keys)
        files = lacking.get(dataset, {"files": {}})["files"]
        left = sum(stop - start for entry in files.values() for start, stop in entry.get("ranges") or ())
        inputs = {one["path"] for run in runs for one in run.summary["files"] if one["dataset"] == dataset}
        made[dataset] = Account(
            files=len(inputs),
            files_unreadable=sum(not entry.get("ranges") for entry in files.values()),
            chunks=len(keys),
            planned=done + left,
            processed=done,
            skipped=0,
            left=left,
        )
    return made


def summary(
    runs: Sequence[Run],
    accounts: Mapping[str, Account],
    lacking: Mapping[str, Any],
    written: Sequence[Mapping[str, Any]],
    form: Form,
    clock: Clock,
) -> dict[str, Any]:
    finished = clock()
    planned: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for dataset, keys in run.recovered.done.items():
            for path, _, start, stop, *_ in keys:
                planned[dataset, path] += stop - start
    missing = list(_missing_list(lacking))
    for one in missing:
        planned[one["dataset"], one["path"]] += one.get("stop", 0) - one.get("start", 0)
    known = {(one["dataset"], one["path"]): one for run in runs for one in run.summary["files"]}
    return {
        "run": new_id(),
        "state": ENDED,
        "merged": [{"directory": str(run.paths.root), "command": run.summary["command"]} for run in runs],
        "exit_code": PartialResultError.exit_code if lacking else 0,
        "message": "",
        "complete": not lacking,
        "started": clock.began,
        "finished": finished,
        "seconds": {"total": finished - clock.began},
        "inputs": "",
        "files": [{**one, "planned": planned[place]} for place, one in known.items()],
        "outputs": list(written),
        "stale": list(mergeable.stale_names(runs)),
        "files_written": sum(run.summary["files_written"] for run in runs),
        "form": form.record(),
        "staged": [],
        "datasets": {name: account.as_json() for name, account in accounts.items()},
        "missing": missing,
        "limited": _limited(runs, known),
    }


def _missing_list(lacking: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for dataset, body in lacking.items():
        for path, entry in body["files"].items():
            about = {"dataset": dataset, "path": path, "reason": "in none of the merged runs"}
            parts = entry.get("ranges")
            yield from (
                ({**about, "start": start, "stop": stop} for start, stop in parts) if parts else (about,)
            )


def _limited(runs: Sequence[Run], known: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what was left out on purpose of all: of its files, those that are in none of the runs."""
    there = Counter(dataset for dataset, _ in known)
    found = {}
    for run in runs:
        for dataset, one in run.summary.get("limited", {}).items():
            files = max(0, one["files"] - there[dataset])
            if files or not one["files_left_out"]:  # of which other run has its events, nobody knows
                found[dataset] = {**one, "files_left_out": files, "events_left_out": None}
    return found
