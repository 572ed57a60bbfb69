"""The steps of `wq-run`, one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir
from rich.console import Console

from wq_runner import checksums, names, summary
from wq_runner.clock import Clock
from wq_runner.code import arguments, pins
from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.config.types import ONE
from wq_runner.directory import earlier, finished, learned, provenance, remarks, resume
from wq_runner.directory.finished import Asked
from wq_runner.directory.opening import open_directory
from wq_runner.directory.record import Record
from wq_runner.engine.inline import InlineEngine
from wq_runner.executors import backends, environments, proxies, sessions
from wq_runner.executors.sessions import Wanted
from wq_runner.fingerprint import identity
from wq_runner.journal import Journal
from wq_runner.ledger.ledger import Recovered
from wq_runner.ledger.side_files import FileStore
from wq_runner.monitor.display import display
from wq_runner.output.early_files import Completed
from wq_runner.planning import chunks, file_info, reading, schemes
from wq_runner.planning.left_out import files_left_out
from wq_runner.remote.reads import recorder
from wq_runner.results import filling, soundness
from wq_runner.run_events import Fingerprint, KeptStale
from wq_runner.scheduler.phase import LoopSettings
from wq_runner.scheduler.session import Session
from wq_runner.steps import announcements, choosing, debugger, obstacles, reproduce, staging
from wq_runner.steps.built import build, imported_name
from wq_runner.steps.choosing import Sought
from wq_runner.steps.conclusion import Place, conclude
from wq_runner.steps.prepare import Prepared, load, prepare
from wq_runner.steps.recording import recording
from wq_runner.steps.request import Request
from wq_runner.steps.rounds import Rounds
from wq_runner.system import RunPaths
from wq_runner.terminal import printing, signals
from wq_runner.terminal.floods import dammed
from wq_runner.terminal.waiting import waiting


def dry_run(request: Request, console: Console) -> None:
    """Show what would be run, as far as it is known without opening a file."""
    ready = _prepared(request, console)
    with waiting(console, "processor", f"Importing {imported_name(request)}"):
        analysis = load(request)
    plan = chunks.plan(ready.fileset, ready.knowledge.facts, request.settings.chunks)
    announcements.samples(console, ready.fileset, ready.knowledge, plan)
    announcements.how(console, request, ready, analysis.arguments)
    printing.line(console, "workers", obstacles.workers(request).text)
    announcements.tasks(console, request)
    if limits := backends.limits(request.settings.executor, request.origins):
        printing.line(console, "note", limits)
    announcements.chunks(console, plan, request.settings.chunks)
    lacking = obstacles.lacking(request, ready.fileset)
    for error in (*obstacles.found(request), *([lacking] if lacking else [])):
        printing.line(console, "in the way", error.message)
    if text := obstacles.unheard(request):
        printing.line(console, "note", text)
    unknown = len(chunks.files_to_open(ready.fileset, ready.knowledge.facts, request.settings.chunks))
    if unknown:
        text = "1 file is not known yet; a run opens it first"
        many = f"{unknown:,} files are not known yet; a run opens them first"
        printing.line(console, "", text if unknown == 1 else many)
    printing.line(console, "dry run", "nothing was started")


def run(request: Request, console: Console) -> None:
    """Run, and leave everything in the output directory.

    Raises
    ------
    WqRunnerError
        Whatever ended the run; `PartialResultError` after the output was written.
    """
    clock = Clock()
    record = Record(
        command=request.command,
        options={name: (value, request.origins[name]) for name, value in request.options.items()},
        samples=request.samples,
        started=clock(),
        clock=clock,
    )
    ready = _prepared(request, console)
    checked = obstacles.check_new(request, ready.fileset, console)
    paths, lock = open_directory(request.directory)
    with lock:
        asked, damaged = _asked(request, ready), soundness.Damaged()
        recorder.ignore(str(paths.root), user_cache_dir("wq-runner"))  # what is ours
        made = build(request, lambda name: waiting(console, "processor", f"Importing {name}"))

        def now(previous: Mapping[str, str]) -> Mapping[str, str]:
            return {**ready.fingerprint, **made.varying(previous, request).values}

        output = request.settings.output
        sought = Sought(made=made, now=now, asked=asked, accept_stale=output.accept_stale)
        if not output.fresh:
            choosing.go_back(paths, sought, console)
        before, late = finished.last_time(paths)
        if not output.fresh and finished.is_finished(
            paths, {**made.again(late), **now(before)}, asked, ready.form, accept_stale=output.accept_stale
        ):
            damaged = _damaged(paths, console)
            if not any(damaged):
                announcements.finished(console, paths)
                choosing.tidy_finished(paths, output.keep_results, console)
                return
            remarks.damaged(console, damaged.result)
        elif problem := soundness.summary_problem(paths):
            printing.line(console, "damaged", problem)
        obstacles.check(request, console, unless=checked)
        record.arguments = arguments.as_json(made.analysis.arguments, request.arguments)
        code = pins.code(made.analysis.modules)
        announcements.edited(console, made.edited)
        found = None if output.fresh else resume.earlier(paths)
        record.fingerprint = now(found.fingerprint or {} if found else {})
        record.run = summary.id_of(paths)
        before_not_watched = finished.not_watched(paths)
        staging.reserve(record, paths, output.stage_out, console)
        recovered, late = choosing.take_up(paths, found, record.fingerprint, sought, output, console)
        earlier.put_aside(paths, record, console, keep=not damaged.result)
        watched = made.watched(record.fingerprint, late)
        watched.ours = str(paths.root.resolve())
        record.read_late = watched.recorded
        record.stale = recovered.stale
        record.not_watched = before_not_watched if recovered.holdings else []
        with recording(request, record, paths, console) as (journal, watch):
            _begin(journal, record, paths, recovered)
            environment = environments.prepare(
                request.settings.environment,
                made.analysis.processor,
                made.analysis.schema,
                paths,
                console,
                code=code,
            )
            watched.shipped = environment.shipped
            record.environment = environment.as_json()
            record.sources = environment.sources or provenance.sources(made.files, paths.root / "code")
            ready = dataclasses.replace(ready, environment=environment)
            _run(
                request,
                ready,
                made.analysis,
                record,
                Place(
                    paths=paths,
                    journal=journal,
                    watch=watch,
                    recovered=recovered,
                    processor=made.analysis.processor,
                    code=code,
                    form=ready.form,
                    late=watched,
                    typed=request.typed,
                ),
                console,
            )


def _begin(journal: Journal, record: Record, paths: RunPaths, recovered: Recovered) -> None:
    """Write down what the results are made of from now on; first, what is not of one code with them."""
    resume.drop_outdated(paths, journal, recovered)
    if record.stale:
        journal.record(KeptStale(names=tuple(record.stale)))
    journal.record(Fingerprint(values=record.fingerprint))


def _prepared(request: Request, console: Console) -> Prepared:
    with waiting(console, "samples", "reading them"):
        return prepare(request)


def _damaged(paths: RunPaths, console: Console) -> soundness.Damaged:
    with waiting(console, "complete", "comparing what is there with its checksums"):
        return soundness.of_finished(paths, checksums.read_json(paths.summary))


def _asked(request: Request, ready: Prepared) -> Asked:
    """Return what is asked for, as far as it is known now."""
    facts = ready.knowledge.facts
    plan = chunks.plan(ready.fileset, facts, request.settings.chunks)
    return Asked(
        datasets=[dataset.name for dataset in ready.fileset],
        plan=plan,
        unknown=chunks.files_to_open(ready.fileset, facts, request.settings.chunks),
        left_out=files_left_out(ready.whole, plan, ()),
    )


def _run(
    request: Request, ready: Prepared, analysis: Analysis, record: Record, place: Place, console: Console
) -> None:
    settings, paths = request.settings, place.paths
    shown = display(console, place.watch.glance)
    place.journal.listeners += [
        shown,
        file_info.forgetful(ready.cache),
        announcements.losing(console),
        announcements.keeping(console),
    ]
    if place.watch.server is not None:
        server = place.watch.server
        printing.page(console, server.url, server.tunnel, secret_in=paths.address)
    courier = proxies.courier(ready.proxy)
    make_session = request.keeper.make_session if request.keeper else sessions.make_session
    session = make_session(
        Wanted(
            settings=settings,
            environment=ready.environment,
            paths=paths,
            journal=place.journal,
            console=console,
            proxy=courier.copy if courier else None,
        )
    )
    session.numbers.pass_over(place.recovered.last_task)
    known = dataclasses.replace(
        session.settings,
        code=place.code,
        prior=learned.recall(*_learned(ready, record)),
        processors=tuple(dict.fromkeys(one.processor for one in ready.fileset if one.processor)),
    )
    session = dataclasses.replace(
        proxies.keeping(session, courier, console, lambda: place.watch.glance().total.left),
        settings=reading.with_names(known, ready.fileset),
        late=place.late,
        advice=reproduce.advice(request, ready.whole),
    )
    if settings.pdb and isinstance(session.engine, InlineEngine):
        session.engine.failed = debugger.opener(console, shown.close)
    place = dataclasses.replace(place, completed=_completed(ready, place, session, console))
    if place.completed is not None:
        session = place.completed.serving(session)
    ours = settings.executor.name in {"work_queue", "iterative"}
    with dammed(console, unless=ours), contextlib.ExitStack() as cleaning:
        if request.keeper is None:  # it ends when the output is written
            cleaning.callback(_close, session, console)
        with contextlib.ExitStack() as stack:
            stack.callback(shown.close)
            stack.callback(paths.address.unlink, missing_ok=True)
            stack.enter_context(
                signals.stopping(session.stop.make, lambda: _say_stopping(settings.loop, console))
            )
            stack.enter_context(_beside(ready, record, place, session))
            with waiting(console, "workers", sessions.starting(settings.executor)):
                session.start()
            stack.enter_context(session.presence)
            clock = time.monotonic()
            rounds = Rounds(
                request=request,
                ready=ready,
                analysis=analysis,
                session=session,
                paths=paths,
                journal=place.journal,
                console=console,
                completed=place.completed,
            )
            plan = rounds.plan(place.recovered)
            record.phases["preprocessing"] = time.monotonic() - clock
            announcements.samples(
                console, ready.fileset, ready.knowledge, plan, record.phases["preprocessing"]
            )
            announcements.how(console, request, ready, analysis.arguments)
            announcements.chunks(console, plan, settings.chunks)
            portions = schemes.portions(settings.output.scheme, ready.fileset)
            session = dataclasses.replace(
                session, portion=schemes.of_items(portions), files=_in_folders(session.files, ready)
            )
            rounds = dataclasses.replace(rounds, session=session)
            left = rounds.left(plan, place.recovered, portions)
            rounds.resume(plan, left)
            printing.line(console, "workers", sessions.describe(session, settings))
            if limits := backends.limits(settings.executor, request.origins):
                printing.line(console, "note", limits)
            printing.line(console, "output", f"{printing.path(paths.root)}/")
            clock = time.monotonic()
            plan, found = rounds.process(plan, left, portions)
            record.phases["processing"] = time.monotonic() - clock
        record.files = provenance.inputs(ready.fileset, ready.knowledge, plan)
        conclude(ready, plan, found, record, place, console)


def _close(session: Session, console: Console) -> None:
    with waiting(console, "workers", "ending them", after=3.0):
        session.close()


@contextlib.contextmanager
def _beside(ready: Prepared, record: Record, place: Place, session: Session) -> Iterator[None]:
    """Write and show what is there already, while a run goes on, and learn what its chunks take."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_learning(session, ready, record))
        if place.completed is not None:
            stack.enter_context(place.completed.working())
        stack.enter_context(filling.beside(place.watch.fill, place.paths))
        yield


def _learned(ready: Prepared, record: Record) -> tuple[Path, str]:
    """Return the file of what was learned, and the processor that it is of."""
    return ready.cache.path.with_name("learned.json"), identity.processor_of(record.fingerprint)


@contextlib.contextmanager
def _learning(session: Session, ready: Prepared, record: Record) -> Iterator[None]:
    """Remember what chunks of the processor take, for its next run."""
    yield
    # what a chunk takes in this process is no guess for a worker's
    if session.last is not None and not isinstance(session.engine, InlineEngine):
        learned.remember(*_learned(ready, record), session.last.took)


def _in_folders(files: FileStore | None, ready: Prepared) -> FileStore | None:
    if files is None:
        return None
    folders = names.file_names(dataset.name for dataset in ready.whole)
    return dataclasses.replace(files, folders=folders)


def _completed(ready: Prepared, place: Place, session: Session, console: Console) -> Completed | None:
    """Return what writes parts of the result while the run goes; none where it is one file."""
    if place.form.scheme == ONE:
        return None

    def show(value: Any, of: str) -> None:
        from wq_runner.results import shown  # once something is done

        shown.of_run(place.watch, ready.whole, value, of)

    return Completed(
        paths=place.paths,
        form=place.form,
        processor=place.processor,
        fileset=ready.fileset,
        journal=place.journal,
        lacking=lambda: {bad.dataset for bad in ready.knowledge.bad},
        say=functools.partial(printing.line, console, "written"),
        show=show,
        here=isinstance(session.engine, InlineEngine),
    )


def _say_stopping(settings: LoopSettings, console: Console) -> None:
    printing.line(
        console,
        "stopping",
        f"waiting at most {settings.drain_time:.0f} s for what runs, then saving; once more to leave now",
    )
