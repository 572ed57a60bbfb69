"""Whether what a run left is as it was written: read, and not believed by its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wq_runner import checksums, journal
from wq_runner.checksums import DamagedRecordError
from wq_runner.errors import DamagedResultError
from wq_runner.ledger import ledger
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.output import result_files, stageout
from wq_runner.run_events import Accepted, Dropped, Event, Fingerprint, Merged
from wq_runner.system import RunPaths
from wq_runner.terminal import printing

AGAIN = "start the command of the run again: what is damaged runs again, and nothing else"


class Damaged(NamedTuple):
    """Files that are missing or not what was written: of the result, and of what it was made of."""

    result: Sequence[str] = ()
    ledger: Sequence[str] = ()


def of_finished(paths: RunPaths, summary: Mapping[str, Any]) -> Damaged:
    """Read all that a finished run left, and name what is damaged."""
    result = [one["path"] for one in summary["outputs"] if not result_files.is_whole(paths.root, one)]
    if url := summary["form"].get("stage_out"):
        staged = [stageout.Staged(**one) for one in summary["staged"]]
        result += stageout.destination(url).lacking(staged)
    return Damaged(result=result, ledger=_damaged_ledger(paths))


def _damaged_ledger(paths: RunPaths) -> Sequence[str]:
    """Name what is damaged. A ledger that was removed is not: the result stays what it is."""
    reader = journal.Reader()
    try:
        events = list(_of_ledger(paths, reader))
    except OSError:
        events = []
    if not events or reader.damaged or not reader.sealed or not journal.ends_well(paths.journal):
        return [paths.journal.name]
    store = FileStore(root=paths.files)
    if any(paths.ledger.iterdir()):
        return ledger.look(paths.ledger, events, store).damaged
    files = (file for one in ledger.holdings(events)[0] for file in one.files)
    return [f"{paths.files.name}/{name}" for name in sorted(store.damaged(files))]


def summary_problem(paths: RunPaths) -> str:
    """Say what is wrong with run.json; nothing if it is right, or not there."""
    try:
        checksums.read_json(paths.summary)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def read_ledger(paths: RunPaths) -> Recovered:
    """Read all that counts of a run, and change nothing.

    Raises
    ------
    UsageError
        If anything of it is damaged, or there are files that are no part of it.
    """
    reader = journal.Reader()
    try:
        events = list(_of_ledger(paths, reader))
    except OSError as error:
        raise DamagedResultError(
            f"{printing.path(paths.root)} is not the directory of a run: {error}",
            hint="wq-status shows what runs",
        ) from error
    if reader.damaged or not reader.sealed:
        lines = f"{reader.damaged} lines are damaged" if reader.sealed else "its lines have no checksums"
        raise DamagedResultError(f"{printing.path(paths.journal)} cannot be relied on: {lines}", hint=AGAIN)
    store = FileStore(root=paths.files)
    found = ledger.look(paths.ledger, events, store)
    if found.lost:
        raise DamagedResultError(
            f"{printing.path(paths.root)}: the result is damaged or incomplete ({_few(found.damaged)})",
            hint=AGAIN,
        )
    others = store.others(file for one in found.holdings for file in one.files)
    if others:
        names = _few([path.relative_to(paths.root).as_posix() for path in others])
        raise DamagedResultError(
            f"{printing.path(paths.root)}: no result that counts has these files: {names}",
            hint=f"they are of tasks that did not end, or not the run's: {AGAIN}, and they are removed",
        )
    return found


def _of_ledger(paths: RunPaths, reader: journal.Reader) -> Iterator[Event]:
    kinds = (Accepted, Merged, Dropped, Fingerprint)
    for _, event in journal.read(paths.journal, reader, kinds):
        yield event


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check_output(path: Path) -> None:
    """Compare a file of a result with what run.json beside it says of it, if it says anything.

    Raises
    ------
    UsageError
        If one of the two is damaged.
    """
    for root in (path.absolute().parent, path.absolute().parent.parent):
        paths = RunPaths(root=root)
        try:
            outputs_ = checksums.read_json(paths.summary)["outputs"]
        except DamagedRecordError as error:
            raise DamagedResultError(f"{printing.path(paths.summary)}: {error}", hint=AGAIN) from error
        except (OSError, KeyError):
            continue
        for one in outputs_:
            if root / one["path"] == path.absolute() and not result_files.is_whole(root, one):
                raise DamagedResultError(
                    f"{printing.path(path)} is damaged: it is not what the run wrote", hint=AGAIN
                )
