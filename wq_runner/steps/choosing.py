"""Which of the results in a directory a run goes on with: that of what is asked for, if it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from wq_runner import kept_results, summary
from wq_runner.config.settings import OutputSettings
from wq_runner.directory import remarks, resume
from wq_runner.directory.finished import Asked
from wq_runner.directory.record import Record
from wq_runner.directory.remainder import has_more
from wq_runner.directory.resume import Earlier
from wq_runner.fingerprint import identity
from wq_runner.kept_results import Identity
from wq_runner.ledger.ledger import Recovered
from wq_runner.steps.built import Built
from wq_runner.system import RunPaths
from wq_runner.terminal.waiting import waiting


@dataclass(frozen=True, kw_only=True)
class Sought:
    """What a result has to be made of: `now` returns it, as far as it is known before the first task."""

    made: Built
    now: Callable[[Mapping[str, str]], Mapping[str, str]]
    asked: Asked
    accept_stale: bool

    def is_same(self, one: Identity) -> bool:
        """Whether a result is of this code, with these options."""
        if not one.fingerprint or (one.stale and not self.accept_stale):
            return False
        before = identity.without_end({**one.late, **one.fingerprint})
        return not identity.changes(before, identity.without_end(self.values(one)))

    def values(self, one: Identity) -> dict[str, str]:
        """Return what would be made now, by the names that a result has on record."""
        return {**self.made.again(one.late), **self.now(one.fingerprint)}

    def is_all(self, paths: RunPaths, one: Identity) -> bool:
        """Whether a result is complete, and of all that is asked for and nothing else.

        Where files have to be opened to know what is asked for, it is one of the same files.
        """
        record = summary.look(paths) or {}
        if not record.get("complete"):
            return False
        if not self.asked.unknown:
            return one.inputs == self.asked.digest
        wanted = {chunk.path for chunk in self.asked.plan} | {file.path for file in self.asked.unknown}
        return {file["path"] for file in record.get("files", ())} == wanted


def go_back(paths: RunPaths, sought: Sought, console: Console) -> None:
    """Put a result that is kept in its place again, if it is rather what is asked for than the one there."""
    there = kept_results.kept(paths)
    if not there:
        return
    newest = resume.identity_of(paths) if kept_results.is_something(paths) else None
    is_same = newest is not None and sought.is_same(newest)
    if newest is not None and is_same and sought.is_all(paths, newest):
        return
    record = summary.look(paths) or {}
    ended = bool(record) and not summary.is_running(record)
    if is_same and sought.asked.unknown and not ended:
        return  # what it lacks is not known, nor whether another has it
    same = [one for one in there if sought.is_same(one.identity)]
    whole = [one for one in same if sought.is_all(one.paths, one.identity)]
    best = next(iter(whole if is_same else (*whole, *same)), None)
    if best is None:
        return
    summary.id_of(paths)  # which is of the directory, and stays
    resume.leave(paths, console)
    with resume.moving(paths):
        kept_results.bring_back(paths, best)
    remarks.went_back(console, best)


def take_up(
    paths: RunPaths,
    found: Earlier | None,
    fingerprint: Mapping[str, str],
    sought: Sought,
    settings: OutputSettings,
    console: Console,
) -> tuple[Recovered, Mapping[str, str]]:
    """Return what of the result that is there may count, as `resume.start`; what does not is kept."""
    if settings.fresh:
        resume.leave(paths, console)
    with waiting(console, "resuming", "reading what was done"):
        recovered, late = resume.start(paths, found, fingerprint, sought.made.places, settings, console)
    _keep_copy(paths, recovered, sought.asked, console)
    return recovered, late


def _keep_copy(paths: RunPaths, recovered: Recovered, asked: Asked, console: Console) -> None:
    """Keep a copy of a result that is about to lose something, or to be mixed with results of other code."""
    more = has_more(recovered.holdings, asked.plan)
    more = more or bool(recovered.outdated)
    if not (recovered.holdings or recovered.outdated) or not (more or recovered.stale):
        return
    made_of = resume.identity_of(paths)
    if more or set(recovered.stale) - set(made_of.stale):
        with resume.moving(paths):
            remarks.put_away(console, kept_results.put_copy(paths, made_of), copied=True)


def tidy(paths: RunPaths, record: Record, most: int, console: Console) -> None:
    """Remove results that are too many, once there is a new one, and say what is left."""
    if record.written or record.spent.accepted:
        made_of = Identity(
            fingerprint=dict(record.fingerprint),
            late=dict(record.read_late),
            stale=tuple(record.stale),
            inputs=record.inputs,
        )
        kept_results.prune(paths, most, made_of, complete=record.complete)
    remarks.kept(console, paths)


def tidy_finished(paths: RunPaths, most: int, console: Console) -> None:
    """Remove results that are too many beside one that is complete, and say what is left."""
    kept_results.prune(paths, most, resume.identity_of(paths), complete=True)
    remarks.kept(console, paths)
