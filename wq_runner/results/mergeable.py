"""Whether runs may be added up: they must be alike, and no event may be in two of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wq_runner.errors import RunDirectoryError
from wq_runner.fingerprint import identity
from wq_runner.ledger.items import content_of
from wq_runner.model import Range
from wq_runner.planning import ranges
from wq_runner.results import ended
from wq_runner.results.ended import Run
from wq_runner.terminal import printing


def check(runs: Sequence[Run], *, accept_stale: bool) -> None:
    """Refuse runs that do not add up to one.

    Raises
    ------
    UsageError
        If events are in two of the runs, or if these are of different code, options or environments.
    """
    _check_same(runs, accept_stale=accept_stale)
    _check_disjoint(runs, accept_stale=accept_stale)


def stale_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what is not the same for all results, and was accepted."""
    told = [name for run in runs for name in run.summary.get("stale", ())]
    differing = [name for run in runs[1:] for name in identity.between(runs[0].summary, run.summary)]
    return tuple(dict.fromkeys((*told, *differing)))


def _anew(run: Run) -> str:
    """Return the command that makes a run from the beginning."""
    if not (typed := ended.typed(run.summary)).is_run:
        return "what made it, with --fresh,"
    return typed.again("--fresh", without=("accept_stale",))


def _check_same(runs: Sequence[Run], *, accept_stale: bool) -> None:
    first = runs[0]
    for run in runs:
        if (stale := run.summary.get("stale")) and not accept_stale:
            raise RunDirectoryError(
                f"{printing.path(run.paths.root)} has results of before and after {', '.join(stale)} changed",
                hint=f"{_anew(run)} makes them all anew; --accept-stale merges all the same",
            )
    for run in runs[1:]:
        differing = identity.between(first.summary, run.summary)
        if differing and not accept_stale:
            raise RunDirectoryError(
                f"{printing.path(first.paths.root)} and {printing.path(run.paths.root)} differ in "
                f"{', '.join(differing)}",
                hint="wq-report diff shows it; --accept-stale merges all the same",
            )


def _check_disjoint(runs: Sequence[Run], *, accept_stale: bool) -> None:
    seen: dict[tuple[str, ...], list[tuple[_Span, Run]]] = defaultdict(list)
    for run in runs:
        found = list(_spans(run))
        for place, one in found:
            for other, where in seen[place]:
                if where is not run:
                    _check_apart((one, run), (other, where), accept_stale=accept_stale)
        for place, one in found:
            seen[place].append((one, run))


def _check_apart(one: tuple[_Span, Run], other: tuple[_Span, Run], *, accept_stale: bool) -> None:
    (span, run), (before, where) = one, other
    places = f"{printing.path(where.paths.root)} and {printing.path(run.paths.root)}"
    if span.content != before.content:
        if not accept_stale:
            raise RunDirectoryError(
                f"{span.path} is not the same file in {places}: it was written anew in between",
                hint="run what changed again; --accept-stale merges all the same",
            )
    elif _overlap(span.range, before.range):
        first, last = max(span.range[0], before.range[0]), min(span.range[1], before.range[1])
        as_copy = f" (there as {before.path})" if before.path != span.path else ""
        raise RunDirectoryError(
            f"{span.dataset}: events {first}-{last} of {span.path}{as_copy} are in {places}",
            hint="events would count twice: merge runs of different events",
        )


def _overlap(one: Range, other: Range) -> bool:
    return one == other or max(one[0], other[0]) < min(one[1], other[1])


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Entries of a file; `content` is the same for its copies, whatever their paths."""

    dataset: str
    path: str
    content: str
    range: Range


def _spans(run: Run) -> Iterator[tuple[tuple[str, ...], _Span]]:
    """Yield what is done of each file: by its path, and by its content, as paths may differ.

    What is empty has no content to be told by.
    """
    found: dict[tuple[str, str, str, str], list[Range]] = defaultdict(list)
    for dataset, keys in run.recovered.done.items():
        for path, treename, start, stop, file in keys:
            found[dataset, path, treename, content_of(file) or file].append((start, stop))
    for (dataset, path, treename, content), parts in found.items():
        for one in ranges.merged(parts) + ([(0, 0)] if (0, 0) in parts else []):
            span = _Span(dataset=dataset, path=path, content=content, range=one)
            yield (dataset, treename, path), span
            if content and one != (0, 0):
                yield (dataset, treename, "", content), span
