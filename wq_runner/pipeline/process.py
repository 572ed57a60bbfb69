"""Handing the plan to coffea's Runner, and what an earlier run left to the same sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wq_runner.errors import InterruptedRunError, PartialResultError, UsageError
from wq_runner.execution import reduce
from wq_runner.execution.items import Place
from wq_runner.execution.ledger import Recovered
from wq_runner.execution.phase import Skipped
from wq_runner.execution.session import Session
from wq_runner.model import Chunk, Fileset
from wq_runner.pipeline import outputs
from wq_runner.remote.files import OUTPUT_DIR, PLACEHOLDER
from wq_runner.remote.inputs import Known
from wq_runner.samples import content


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
    """What came of a plan. `output` is what the processor returned, merged and postprocessed.

    `items` are the WorkItems that are in it; `skipped` are chunks that were given up, `left` those
    that a stop came before, as events by dataset. `again` are those that have to be planned again, as their
    files are not what was planned; there is no output then. `given` are the events of each dataset that the
    processor was given, `seen` what tasks found the files to be.
    """

    output: Any
    items: Sequence[Any]
    skipped: Sequence[Skipped] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    again: Sequence[Skipped] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[Place, Known] = field(default_factory=dict)


def process(analysis: Analysis, fileset: Fileset, plan: Sequence[Chunk], session: Session) -> Processed:
    """Run the processor on the plan, which is not empty.

    Raises
    ------
    PartialResultError, InterruptedRunError
        If nothing at all was done.
    """
    from coffea.processor import Runner

    from wq_runner.execution.executor import ChangedInputError, EngineExecutor

    fallbacks = _fallbacks(fileset)
    runner = Runner(
        executor=EngineExecutor(session=session, fallbacks=fallbacks),
        xrootdtimeout=30 if fallbacks else 60,  # seconds; where there is another place, sooner
        schema=analysis.schema,
        format=_format(plan),
        # what is missing is ours to report; coffea would raise it and drop its account
        skipbadfiles=(PartialResultError, InterruptedRunError),
    )
    try:
        wrapped: dict[str, Any] = runner.run(_work_items(fileset, plan), analysis.processor)
    except ChangedInputError as error:
        return Processed(output=None, items=(), again=error.items)
    last = session.last
    left: Counter[str] = Counter()
    for item in last.left if last else ():
        left[item.dataset] += item.events
    return Processed(
        output=wrapped["out"],
        items=list(wrapped["processed"]),
        skipped=last.skipped if last else (),
        left=left,
        given=last.given if last else {},
        seen=last.seen if last else {},
    )


def add_up(analysis: Analysis, recovered: Recovered, session: Session) -> Processed:
    """Merge what an earlier run left, where nothing is left to be done."""
    from coffea.processor import accumulate

    assert session.ledger is not None
    wrapped: dict[str, Any] = accumulate(reduce.add_up(recovered.holdings, session.ledger).values())
    output = outputs.postprocessed(analysis.processor, wrapped["out"])
    given: Counter[str] = Counter()
    for holding in recovered.holdings:
        given[holding.dataset] += holding.given
    return Processed(output=output, items=list(wrapped["processed"]), given=given)


def _fallbacks(fileset: Fileset) -> dict[str, tuple[str, ...]]:
    return {file.path: file.fallbacks for dataset in fileset for file in dataset.files if file.fallbacks}


def _work_items(fileset: Fileset, plan: Sequence[Chunk]) -> list[Any]:
    from coffea.processor.executor import WorkItem

    # each chunk gets a directory of its own there, unless the samples name one
    metadata = {dataset.name: {OUTPUT_DIR: PLACEHOLDER, **dataset.metadata} for dataset in fileset}
    preload = {dataset.name: frozenset(dataset.preload) for dataset in fileset if dataset.preload is not None}
    return [
        WorkItem(
            dataset=chunk.dataset,
            filename=chunk.path,
            treename=chunk.treename,
            entrystart=chunk.start,
            entrystop=chunk.stop,
            fileuuid=chunk.uuid,
            usermeta=metadata[chunk.dataset],
            preload=preload.get(chunk.dataset),
        )
        for chunk in plan
    ]


def _format(plan: Sequence[Chunk]) -> str:
    kinds = {content.kind(path) == content.PARQUET for path in {chunk.path for chunk in plan}}
    if len(kinds) > 1:
        raise UsageError("ROOT and parquet files cannot be mixed in one run", hint="run them one by one")
    return "parquet" if kinds.pop() else "root"
