"""The steps of `wq-run`, one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from wq_runner import samples, system
from wq_runner.config.options import RunOptions
from wq_runner.engine.inline import InlineEngine
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import InterruptedRunError, OutputError, PartialResultError, UsageError, WqRunnerError
from wq_runner.execution import signals
from wq_runner.execution.items import Item
from wq_runner.execution.ledger import Recovered
from wq_runner.execution.session import Session
from wq_runner.journal import Fingerprint, Journal, Resumed, RunEnded, RunStarted
from wq_runner.model import Chunk, Fileset
from wq_runner.monitor.display import display
from wq_runner.monitor.watch import Watch
from wq_runner.pipeline import (
    again,
    backends,
    chunks,
    debugger,
    engines,
    environments,
    facts,
    outputs,
    places,
    probe,
    provenance,
    proxies,
    resume,
    say,
    schemes,
    stageout,
)
from wq_runner.pipeline.chunks import Facts
from wq_runner.pipeline.directory import default_directory, open_directory, start_logging
from wq_runner.pipeline.facts import Knowledge
from wq_runner.pipeline.filters import check_patterns, chosen
from wq_runner.pipeline.limited import OPTIONS, left_out
from wq_runner.pipeline.missing import missing_fileset, missing_list
from wq_runner.pipeline.outputs import Form
from wq_runner.pipeline.process import Analysis, Processed, add_up, pickled, process
from wq_runner.pipeline.record import Record, accounts
from wq_runner.pipeline.resume import Remainder
from wq_runner.pipeline.schemes import Portions
from wq_runner.pipeline.select import select
from wq_runner.samples.cache import FactsCache
from wq_runner.samples.redirect import idle
from wq_runner.system import RunPaths
from wq_runner.workers.proxy import Proxy

SURVEY = "wq_runner.survey:Survey"


class Keeper(Protocol):
    """Whoever keeps a session from run to run."""

    def make_session(
        self,
        options: RunOptions,
        environment: WorkerEnvironment,
        paths: RunPaths,
        journal: Journal,
        console: Console,
        proxy: Path | None = None,
    ) -> Session: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for. `origins` say where the value of each option came from.

    `analysis` is there if it was given in Python, and need not be imported by its name; a `keeper` keeps
    the session, which else ends with the run.
    """

    samples: Sequence[str]
    options: RunOptions
    origins: Mapping[str, str]
    command: Sequence[str]
    version: str
    analysis: Analysis | None = None
    keeper: Keeper | None = None

    @property
    def processor(self) -> str:
        return self.options.processor or SURVEY

    @property
    def arguments(self) -> dict[str, Any]:
        if self.analysis is not None:
            return {"pickled": pickled(self.analysis.processor)}
        return {key: value for mapping in self.options.processor_args for key, value in mapping.items()}

    @property
    def directory(self) -> Path:
        options = self.options
        limited = any(getattr(options, name) for name in OPTIONS)
        part = "test" if options.test else "probe" if options.probe else "part" if limited else ""
        return options.output or default_directory(self.samples, part=part)

    @property
    def limits(self) -> dict[str, Any]:
        """How the plan is cut."""
        return {"chunksize": self.options.planned_chunksize, "limit_chunks": self.options.limit_chunks}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that can be wrong on the user's side, found to be right before anything starts."""

    fileset: Fileset
    whole: Fileset  # before anything was left out on purpose
    environment: WorkerEnvironment
    knowledge: Knowledge
    cache: FactsCache
    fingerprint: Mapping[str, str]
    form: Form
    probing: bool = False
    proxy: Proxy | None = None
    notes: Sequence[tuple[str, str]] = ()


def dry_run(request: Request, console: Console) -> None:
    """Show what would be run, as far as it is known without opening a file."""
    ready = prepare(request)
    load(request)
    plan = chunks.plan(ready.fileset, ready.knowledge.facts, **request.limits)
    say.samples(console, ready.fileset, ready.knowledge, plan)
    say.how(console, request, ready)
    say.chunks(console, plan, request.options.chunksize)
    unknown = len(chunks.files_to_open(ready.fileset, ready.knowledge.facts, **request.limits))
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
    paths, lock = open_directory(request.directory)
    with lock:
        if not request.options.fresh and resume.is_finished(
            paths,
            ready.fingerprint,
            chunks.plan(ready.fileset, ready.knowledge.facts, **request.limits),
            ready.form,
        ):
            say.finished(console, paths)
            return
        analysis = load(request)
        record.fingerprint = {**ready.fingerprint, **resume.code()}
        recovered = resume.start(paths, record.fingerprint, request.options, console)
        with _recording(request, record, paths) as (journal, watch):
            journal.record(Fingerprint(values=record.fingerprint))
            environment = environments.prepare(
                request.options, analysis.processor, analysis.schema, paths, console
            )
            record.environment = environment.as_json()
            record.sources = environment.sources or provenance.sources(
                record.fingerprint, paths.root / "code"
            )
            ready = dataclasses.replace(ready, environment=environment)
            _run(
                request,
                ready,
                analysis,
                record,
                _Place(
                    paths=paths,
                    journal=journal,
                    watch=watch,
                    recovered=recovered,
                    processor=analysis.processor,
                    form=ready.form,
                ),
                console,
            )


def prepare(request: Request) -> Prepared:
    """Check everything that needs neither the processor, nor workers, nor an output directory."""
    options = request.options
    if options.pdb and options.backend.name != "iterative":
        raise UsageError(
            f"--pdb cannot open a debugger with --executor {options.executor}: the processor runs elsewhere",
            hint="add -e iterative, and --select for the chunk that fails",
        )
    backends.check(options)
    if options.stage_out is not None:
        stageout.destination(options.stage_out)  # that it can be written to is no matter of hours later
    whole = samples.load(request.samples, treename=options.treename)
    notes = [("note", text) for text in idle(whole, options.redirector)]
    whole = places.placed(whole, options)
    for name in ("chunksize", "memory", "limit_files", "limit_chunks"):
        check_patterns(name.replace("_", "-"), getattr(options, name), whole)
    fileset = select(chosen(whole, options.only, options.skip), options.select)
    fileset = chunks.limit_files(fileset, options.limit_files)
    if not any(dataset.files for dataset in fileset):
        raise UsageError(f"there are no files in {', '.join(request.samples)}", page="samples")
    proxy = proxies.choose(options, fileset)
    about_proxy = proxies.describe(options, fileset, proxy)
    cache = FactsCache()
    return Prepared(
        fileset=fileset,
        whole=whole,
        probing=options.probe is not None,
        environment=environments.planned(options),
        knowledge=facts.known_facts(fileset, cache),
        cache=cache,
        fingerprint=resume.fingerprint(
            processor=request.processor,
            arguments=request.arguments,
            schema=options.schema,
            naming=options.naming,
            environment=environments.fingerprint(options, resume.installed_packages()),
            fileset=fileset,
        ),
        proxy=proxy,
        notes=[*notes, *([("proxy", about_proxy)] if about_proxy else [])],
        form=Form.of(options, fileset),
    )


def load(request: Request) -> Analysis:
    """Import the processor and the schema; heavy, as it brings coffea."""
    if request.analysis is not None:
        return request.analysis
    from wq_runner.execution.processor import load_processor, load_schema

    return Analysis(
        processor=load_processor(request.processor, request.arguments),
        schema=load_schema(request.options.schema),
    )


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a run leaves what it does, how its result is written, and what was there before."""

    paths: RunPaths
    journal: Journal
    watch: Watch
    recovered: Recovered
    processor: Any
    form: Form


def _run(
    request: Request, ready: Prepared, analysis: Analysis, record: Record, place: _Place, console: Console
) -> None:
    options, paths = request.options, place.paths
    shown = display(console, place.watch.glance)
    place.journal.listeners.append(shown)
    if place.watch.server is not None:
        say.page(console, place.watch.server.url, place.watch.server.tunnel)
    courier = proxies.courier(ready.proxy)
    make_session = request.keeper.make_session if request.keeper else engines.make_session
    session = make_session(
        options, ready.environment, paths, place.journal, console, courier.copy if courier else None
    )
    proxies.keep(session, courier, console, lambda: place.watch.glance().total.left)
    session.numbers = itertools.count(max(place.recovered.last_task + 1, next(session.numbers)))
    session.again = lambda item: say.again(_command_of(request, ready, item))
    if options.pdb and isinstance(session.engine, InlineEngine):
        session.engine.failed = debugger.opener(console, shown.close)
    with contextlib.ExitStack() as stack:
        if request.keeper is None:
            stack.callback(session.close)
        stack.callback(shown.close)
        stack.enter_context(signals.stopping(session.stop.make, lambda: _say_stopping(options, console)))
        session.start()
        stack.enter_context(session.presence)
        clock = time.monotonic()
        plan = _plan(request, ready, session)
        record.phases["preprocessing"] = time.monotonic() - clock
        say.samples(console, ready.fileset, ready.knowledge, plan, record.phases["preprocessing"])
        say.how(console, request, ready)
        say.chunks(console, plan, options.chunksize)
        portions = schemes.portions(options.outputs, ready.fileset)
        session.portion = schemes.of_items(portions)
        left = _what_is_left(plan, place, session, portions, console)
        say.line(console, "workers", engines.describe(session, options))
        if not options.on_work_queue and (limits := backends.limits(options, request.origins)):
            say.line(console, "note", limits)
        say.line(console, "output", f"{say.path(paths.root)}/")
        clock = time.monotonic()
        if left.chunks:
            found = process(analysis, ready.fileset, left.chunks, session)
        else:
            found = add_up(analysis, left.recovered, session)
        record.phases["processing"] = time.monotonic() - clock
    record.files = provenance.inputs(ready.fileset, ready.knowledge, plan)
    _finish(ready, plan, found, record, place, console)


def _command_of(request: Request, ready: Prepared, item: Item) -> str:
    staged = request.options.stage_out is not None
    return again.command(request.command, item, ready.whole, request.directory, stage_out=staged)


def _plan(request: Request, ready: Prepared, session: Session) -> list[Chunk]:
    facts.learn(ready.fileset, ready.knowledge, session=session, cache=ready.cache, **request.limits)
    if session.stop.since is not None:
        raise InterruptedRunError("interrupted before all files were known; what was learned is kept")
    plan = chunks.plan(ready.fileset, ready.knowledge.facts, **request.limits)
    if not plan:
        raise PartialResultError("not one file could be read, so there is nothing to run on")
    return plan


def _what_is_left(
    plan: Sequence[Chunk], place: _Place, session: Session, portions: Portions, console: Console
) -> Remainder:
    left = resume.remainder(plan, place.recovered, portions)
    resume.drop(place.paths, place.journal, place.recovered, left)
    session.recovered = left.recovered
    done = resume.plans_of(left.recovered)
    if done:
        place.journal.record(Resumed(datasets=done))
    say.resuming(console, place.paths, plan, left, done)
    return left


def _say_stopping(options: RunOptions, console: Console) -> None:
    say.line(
        console,
        "stopping",
        f"waiting at most {options.drain_time:.0f} s for what runs, then saving; once more to leave now",
    )


def _finish(
    ready: Prepared,
    plan: Sequence[Chunk],
    found: Processed,
    record: Record,
    place: _Place,
    console: Console,
) -> None:
    """Account for the result, write it, and say what is in it."""
    bad, paths = ready.knowledge.bad, place.paths
    record.accounts = accounts(ready.fileset, plan, found, bad)
    record.inputs = resume.digest_of(plan)
    record.missing = missing_list(plan, found, bad)
    record.limited = left_out(ready.whole, plan, bad, _known(ready))
    clock = time.monotonic()
    form = place.form
    record.outputs = outputs.write(found.output, place.processor, paths, form)
    record.files_written = sum(path.is_file() for path in paths.files.rglob("*"))
    if record.complete:
        paths.missing.unlink(missing_ok=True)
    else:
        system.write_json(paths.missing, missing_fileset(ready.fileset, plan, found, bad))
    record.phases["saving"] = time.monotonic() - clock
    record.form = vars(dataclasses.replace(form, stage_out=None))
    stageout.stage(record, paths, form.stage_out, console)
    record.form = vars(form)
    total = time.time() - record.started
    say.ending(console, record.accounts, record.spent, total, record.phases["processing"], paths)
    say.limited(console, record.limited, len(ready.whole))
    view = place.watch.look()
    if ready.probing:
        say.probe(console, probe.probed(ready.fileset, _known(ready), view.chunk_memory, record.spent))
    else:
        say.afterwards(console, view, _chunksize(record))
    if found.left:
        raise InterruptedRunError(say.interrupted(record.accounts, paths))
    if not record.complete:
        raise PartialResultError(say.partial(record.accounts, record.missing, ready.fileset, paths))


@contextlib.contextmanager
def _recording(request: Request, record: Record, paths: RunPaths) -> Iterator[tuple[Journal, Watch]]:
    """Keep the journal, the log, the status, the report and run.json, however the run ends."""
    watch = Watch(paths, http=request.options.http)
    journal = Journal(paths.journal, listeners=[watch, record.spent])
    log_file = start_logging(paths.debug_log, request.options.loglevel)
    code, message = 1, "an error of wq-runner itself"
    try:
        journal.record(
            RunStarted(
                command=tuple(request.command), version=request.version, host=platform.node(), pid=os.getpid()
            )
        )
        yield journal, watch
        code, message = 0, ""
    except WqRunnerError as error:
        code, message = error.exit_code, str(error)
        raise
    except KeyboardInterrupt as error:
        stopped = InterruptedRunError(
            "interrupted", hint="what was done is kept: the same command continues where this one stopped"
        )
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
        watch.finish(record.as_json(code=code, message=message, finished=time.time()))
        journal.close()
        log_file.close()


def _known(ready: Prepared) -> Facts:
    """Return the facts of all files of the samples that are known, opened now or before."""
    facts = ready.knowledge.facts
    others = (file for dataset in ready.whole for file in dataset.files if file not in facts)
    return {**ready.cache.get_many(others), **facts}


def _chunksize(record: Record) -> int | None:
    """Return the chunksize if it was given as a number."""
    value = record.options["chunksize"][0]
    return value if isinstance(value, int) else None
