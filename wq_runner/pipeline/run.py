"""The steps of `wq-run`, one after the other."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import samples, system
from wq_runner.config.options import RunOptions
from wq_runner.environment import WorkerEnvironment, shared
from wq_runner.errors import InterruptedRunError, OutputError, PartialResultError, UsageError, WqRunnerError
from wq_runner.execution.session import Session
from wq_runner.journal import Journal, RunEnded, RunStarted
from wq_runner.model import Chunk, Fileset
from wq_runner.monitor import progress
from wq_runner.pipeline import chunks, engines, facts, say
from wq_runner.pipeline.directory import default_directory, open_directory, start_logging
from wq_runner.pipeline.facts import Knowledge
from wq_runner.pipeline.record import Record, accounts, missing
from wq_runner.samples.cache import FactsCache
from wq_runner.system import RunPaths


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for. `origins` say where the value of each option came from."""

    samples: Sequence[str]
    options: RunOptions
    origins: Mapping[str, str]
    command: Sequence[str]
    version: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that can be wrong on the user's side, found to be right before anything starts."""

    fileset: Fileset
    processor: Any
    processor_name: str
    schema: Any
    environment: WorkerEnvironment
    knowledge: Knowledge
    cache: FactsCache


def dry_run(request: Request, console: Console) -> None:
    """Show what would be run, as far as it is known without opening a file."""
    ready = prepare(request)
    options = request.options
    plan = chunks.plan(
        ready.fileset,
        ready.knowledge.facts,
        chunksize=options.chunksize,
        limit_chunks=options.limit_chunks,
    )
    say.samples(console, ready.fileset, ready.knowledge, plan)
    _say_how(console, request, ready)
    say.chunks(console, plan, options.chunksize)
    unknown = len(
        chunks.files_to_open(
            ready.fileset,
            ready.knowledge.facts,
            chunksize=options.chunksize,
            limit_chunks=options.limit_chunks,
        )
    )
    if unknown:
        say.line(console, "", f"{unknown:,} files are not known yet; a run opens them first")
    say.line(console, "dry run", "nothing was started")


def run(request: Request, console: Console) -> None:
    """Run, and leave everything in the output directory.

    Raises
    ------
    WqRunnerError
        Whatever ended the run; `PartialResultError` after the output was written.
    """
    record = Record(
        command=request.command,
        options={name: (value, request.origins[name]) for name, value in vars(request.options).items()},
        samples=request.samples,
        started=time.time(),
    )
    ready = prepare(request)
    record.environment = ready.environment.description
    paths, lock = open_directory(request.options.output or default_directory(request.samples))
    with lock, _recording(request, record, paths) as journal:
        _run(request, ready, record, paths, journal, console)


def prepare(request: Request) -> Prepared:
    """Check everything that needs neither workers nor an output directory."""
    options = request.options
    fileset = samples.load(request.samples, treename=options.treename)
    fileset = chunks.limit_files(fileset, options.limit_files)
    if not any(dataset.files for dataset in fileset):
        raise UsageError(f"there are no files in {', '.join(request.samples)}")
    from wq_runner.execution.processor import load_processor, load_schema

    name = options.processor or "wq_runner.survey:Survey"
    arguments = {key: value for mapping in options.processor_args for key, value in mapping.items()}
    processor = load_processor(name, arguments)
    cache = FactsCache()
    return Prepared(
        fileset=fileset,
        processor=processor,
        processor_name=options.processor or "survey of events and weights (no --processor)",
        schema=load_schema(options.schema),
        environment=shared("workers use this interpreter"),
        knowledge=facts.known_facts(fileset, cache),
        cache=cache,
    )


def _run(
    request: Request, ready: Prepared, record: Record, paths: RunPaths, journal: Journal, console: Console
) -> None:
    options = request.options
    display = progress.display(console)
    journal.listeners.append(display)
    session = engines.make_session(options, ready.environment, paths, journal, console)
    with contextlib.ExitStack() as stack:
        stack.callback(session.close)
        stack.callback(display.close)
        session.start()
        clock = time.monotonic()
        plan = _plan(options, ready, session)
        record.phases["preprocessing"] = time.monotonic() - clock
        say.samples(console, ready.fileset, ready.knowledge, plan, record.phases["preprocessing"])
        _say_how(console, request, ready)
        say.chunks(console, plan, options.chunksize)
        say.line(console, "workers", engines.describe(session, options))
        say.line(console, "output", f"{say.path(paths.root)}/")
        clock = time.monotonic()
        result, skipped = _process(options, ready, session, plan)
        record.phases["processing"] = time.monotonic() - clock
    record.accounts = accounts(ready.fileset, plan, result["processed"], skipped, ready.knowledge.bad)
    record.missing = missing(session.last_skipped, ready.knowledge.bad)
    clock = time.monotonic()
    _save(result["out"], paths.output)
    record.phases["saving"] = time.monotonic() - clock
    say.ending(console, record.accounts, time.time() - record.started, record.phases["processing"], paths)
    if not all(account.complete for account in record.accounts.values()):
        raise PartialResultError(say.partial(record.accounts, record.missing))


def _plan(options: RunOptions, ready: Prepared, session: Session) -> list[Chunk]:
    limits: dict[str, Any] = {"chunksize": options.chunksize, "limit_chunks": options.limit_chunks}
    facts.learn(ready.fileset, ready.knowledge, session=session, cache=ready.cache, **limits)
    plan = chunks.plan(ready.fileset, ready.knowledge.facts, **limits)
    if not plan:
        raise PartialResultError("not one file could be read, so there is nothing to run on")
    return plan


def _process(
    options: RunOptions, ready: Prepared, session: Session, plan: Sequence[Chunk]
) -> tuple[dict[str, Any], Mapping[str, int]]:
    """Run coffea's Runner on the plan; return its output, and the events skipped by dataset."""
    from coffea.processor import Runner
    from coffea.processor.executor import WorkItem

    from wq_runner.execution.executor import EngineExecutor

    metadata = {dataset.name: dict(dataset.metadata) for dataset in ready.fileset}
    items = [
        WorkItem(
            dataset=chunk.dataset,
            filename=chunk.path,
            treename=chunk.treename,
            entrystart=chunk.start,
            entrystop=chunk.stop,
            fileuuid=chunk.uuid,
            usermeta=metadata[chunk.dataset],
        )
        for chunk in plan
    ]
    runner = Runner(
        executor=EngineExecutor(session=session),
        schema=ready.schema,
        chunksize=options.chunksize,
        format="parquet" if plan[0].path.lower().endswith(".parquet") else "root",
        # a partial result is ours to report; coffea would raise it and drop its account
        skipbadfiles=(PartialResultError,),
    )
    output: dict[str, Any] = runner.run(items, ready.processor)
    skipped: Counter[str] = Counter()
    if isinstance(output["exception"], PartialResultError):
        for one in session.last_skipped:
            skipped[one.item.dataset] += one.item.events
    return output, skipped


def _say_how(console: Console, request: Request, ready: Prepared) -> None:
    origin = request.origins["processor"]
    say.line(console, "processor", ready.processor_name + (f"  ({origin})" if origin != "default" else ""))
    say.line(console, "environment", f"{ready.environment.description}  ({ready.environment.reason})")


@contextlib.contextmanager
def _recording(request: Request, record: Record, paths: RunPaths) -> Iterator[Journal]:
    """Keep the journal, the log and run.json, however the run ends."""
    journal = Journal(paths.journal)
    log_file = start_logging(paths.debug_log, request.options.loglevel)
    code, message = 1, "an error of wq-runner itself"
    try:
        journal.record(
            RunStarted(
                command=tuple(request.command), version=request.version, host=platform.node(), pid=os.getpid()
            )
        )
        yield journal
        code, message = 0, ""
    except WqRunnerError as error:
        code, message = error.exit_code, str(error)
        raise
    except KeyboardInterrupt as error:
        stopped = InterruptedRunError("interrupted; nothing was written but the journal")
        code, message = stopped.exit_code, stopped.message
        raise stopped from error
    except OSError as error:
        full = OutputError(f"cannot write to {paths.root}: {error.strerror or error}")
        code, message = full.exit_code, full.message
        raise full from error
    finally:
        # the disk may be full: what ended the run is said all the same
        with contextlib.suppress(OSError):
            journal.record(RunEnded(code=code, message=message))
            system.write_json(paths.summary, record.as_json(code=code, message=message, finished=time.time()))
        journal.close()
        log_file.close()


def _save(output: Any, path: Path) -> None:
    """Write the output in coffea's format under its name at once."""
    import cloudpickle
    import lz4.frame

    with system.replacing(path) as stream, lz4.frame.open(stream, "wb") as compressed:
        cloudpickle.dump(output, compressed)
