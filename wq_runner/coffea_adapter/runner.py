"""Handing the plan to coffea's Runner, and what an earlier run left to the same sum."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wq_runner import guarded
from wq_runner.errors import PartialResultError, UsageError, WqRunnerError
from wq_runner.ledger import reducer, totals
from wq_runner.ledger.items import Place, Sum
from wq_runner.ledger.ledger import Recovered
from wq_runner.model import Chunk, Fileset
from wq_runner.remote import abilities, several
from wq_runner.remote.files import OUTPUT_DIR, PLACEHOLDER
from wq_runner.remote.inputs import Known
from wq_runner.remote.opening import Reading
from wq_runner.samples import content
from wq_runner.scheduler.phase import Skipped
from wq_runner.scheduler.session import Session


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What to do with each chunk. `modules` are those that the user named: what they do is part of it."""

    processor: Any
    schema: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the processor, as its class understood them."""
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What came of a plan. `sums` are of what the processor returned, for each dataset and portion.

    `items` are the WorkItems that are in them; `skipped` are chunks that were given up, `left` those
    that a stop came before, as events by dataset. `again` are those that have to be planned again, as their
    files are not what was planned; there are no sums then. `given` are the events of each dataset that the
    processor was given, `seen` what tasks found the files to be. Of several processors, those that `failed`
    were given up: what was to be done for them is left.
    """

    sums: Mapping[Sum, Any]
    items: Sequence[Any]
    skipped: Sequence[Skipped] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    again: Sequence[Skipped] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[Place, Known] = field(default_factory=dict)
    failed: Mapping[str, WqRunnerError] = field(default_factory=dict)


def process(analysis: Analysis, fileset: Fileset, plan: Sequence[Chunk], session: Session) -> Processed:
    """Run the processor on the plan, which is not empty.

    Nothing is added up across datasets: what fails there would take all that is done with it.

    Raises
    ------
    PartialResultError, InterruptedRunError
        If nothing at all was done.
    """
    from coffea.processor import Runner

    from wq_runner.code.task_function import unsendable
    from wq_runner.coffea_adapter.executor import ChangedInputError, DoneError, EngineExecutor, lacking

    fallbacks = _fallbacks(fileset)
    runner = Runner(
        executor=EngineExecutor(session=session, fallbacks=fallbacks, apart=True),
        xrootdtimeout=_timeout(session.settings.reads.reading, fallbacks),
        schema=analysis.schema,
        format=_format(plan),
    )
    try:
        runner.run(_work_items(fileset, plan), abilities.as_processor(analysis.processor))
    except ChangedInputError as error:
        return Processed(sums={}, items=(), again=error.items)
    except DoneError as ended:
        found = ended.found
    except (Exception, SystemExit) as error:
        if isinstance(error, WqRunnerError) or guarded.comes_from_us(error, __file__):
            raise
        raise unsendable(error) from error  # all that coffea's Runner does before it calls us
    else:  # it ends by an error of ours, as it calls us at all
        raise PartialResultError("nothing was done")
    if not found.results:
        raise lacking(found) or PartialResultError("nothing was done")
    left = Counter(found.unsummed)
    for item in found.left:
        left[item.dataset] += item.events
    return Processed(
        sums=found.results,
        items=_items(found.results),
        skipped=found.skipped,
        left=left,
        given=found.given,
        seen=found.seen,
        failed=found.failed,
    )


def _timeout(reading: Reading, fallbacks: Mapping[str, object]) -> int:
    """Return how long a request may take, in whole seconds: XRootD takes no others."""
    return math.ceil(reading.timeout or (30 if fallbacks else 60))  # where there is another place, sooner


def _items(sums: Mapping[Sum, Any]) -> list[Any]:
    """Return coffea's own record of what is in the sums."""
    return [item for one in sums.values() for item in one[totals.PROCESSED]]


def add_up(recovered: Recovered, session: Session) -> Processed:
    """Merge what an earlier run left, where nothing is left to be done."""
    assert session.ledger is not None
    sums = reducer.add_up(recovered.holdings, session.ledger)
    given: Counter[str] = Counter()
    for holding in recovered.holdings:
        given[holding.dataset] += holding.given
    return Processed(sums=sums, items=_items(sums), given=given)


def _fallbacks(fileset: Fileset) -> dict[str, tuple[str, ...]]:
    return {file.path: file.fallbacks for dataset in fileset for file in dataset.files if file.fallbacks}


def _work_items(fileset: Fileset, plan: Sequence[Chunk]) -> list[Any]:
    from coffea.processor.executor import WorkItem

    # each chunk gets a directory of its own there, unless the samples name one
    metadata = {
        dataset.name: {
            OUTPUT_DIR: PLACEHOLDER,
            **dataset.metadata,
            **({several.MEANT: (dataset.processor, dataset.plain)} if dataset.processor else {}),
        }
        for dataset in fileset
    }
    preload = {dataset.name: frozenset(dataset.preload) for dataset in fileset if dataset.preload is not None}
    more = {name: {"preload": preload.get(name)} if abilities.preloads() else {} for name in metadata}
    return [
        WorkItem(
            dataset=chunk.dataset,
            filename=chunk.path,
            treename=chunk.treename,
            entrystart=chunk.start,
            entrystop=chunk.stop,
            fileuuid=chunk.uuid,
            usermeta=metadata[chunk.dataset],
            **more[chunk.dataset],
        )
        for chunk in plan
    ]


def _format(plan: Sequence[Chunk]) -> str:
    kinds = {content.kind(path) == content.PARQUET for path in {chunk.path for chunk in plan}}
    if len(kinds) > 1:
        raise UsageError(
            "ROOT and parquet files cannot be mixed in one run", hint="run them one by one", page="samples"
        )
    if kinds == {True} and not abilities.reads_ranges_of_parquet():
        raise UsageError(
            f"{plan[0].path} cannot be read in chunks: the coffea of this environment reads parquet files "
            "as a whole, or not at all",
            hint="write the events as ROOT files, or take an environment with coffea >= 2026.9",
            page="input-files",
        )
    return "parquet" if kinds.pop() else "root"
