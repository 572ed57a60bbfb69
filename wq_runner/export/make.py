"""`wq-run export`: everything that jobs need, in a folder that can be submitted as it is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wq_runner import checksums, literals, system
from wq_runner.config import commands
from wq_runner.config.layers import LITERALS
from wq_runner.config.options import named
from wq_runner.config.settings import RunSettings
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import ExportError, OutputError, PartialResultError
from wq_runner.executors import environments, sessions
from wq_runner.executors.sessions import Wanted
from wq_runner.export import folder as folders
from wq_runner.export import texts
from wq_runner.export.folder import Export, Folder, Slice
from wq_runner.export.job_settings import Code, Settings, as_module, code_of, memory_of, shape_of
from wq_runner.export.split import split
from wq_runner.export.texts import Node
from wq_runner.journal import Journal
from wq_runner.model import Chunk, value_of
from wq_runner.output import ownership, stageout
from wq_runner.output.ownership import Owner
from wq_runner.planning import chunks, file_info
from wq_runner.remote import leftovers, pinned
from wq_runner.steps import announcements
from wq_runner.steps.prepare import Prepared, load, prepare
from wq_runner.steps.request import Request
from wq_runner.summary import new_id
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.workers import sites
from wq_runner.workers.batch import SYSTEMS
from wq_runner.workers.batch.job import Job

_ALSO_NEEDED = ("wq_runner.cli.run", "wq_runner.steps.run", "wq_runner.export.deliver")


def export(request: Request, settings: Settings, console: Console) -> Folder:
    """Write the folder, and say what was made and how to submit it.

    Raises
    ------
    OutputError
        If there is something in the folder already.
    WqRunnerError
        As a run that cannot start.
    """
    output = request.settings.output
    if "" not in request.processors:
        raise ExportError(
            "the batch jobs of an export run one processor, without a name",
            hint="export each of them by itself",
        )
    if output.directory is None:
        raise ExportError("where to? wq-run export takes -o JOBDIR, a new folder")
    shape, site = shape_of(settings, request.settings.manager)
    ready = prepare(_kept_here(request))
    if output.stage_out is not None:
        stageout.destination(output.stage_out)
    root = output.directory.absolute()
    _refuse_what_is_there(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    # it gets its name when all is in it
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        draft = Folder(root=Path(scratch) / "export")
        draft.root.mkdir()
        made = _write(request, ready, settings, draft, console)
        final = Folder(root=root)
        _write_texts(made, draft, final, settings, shape, site)
        try:
            draft.root.rename(root)
        except OSError as error:
            raise OutputError(f"{root} cannot be made: {error.strerror or error}") from error
    _say(made.slices, final, console)
    for note in site.notes if site else ():
        printing.line(console, "note", note)
    return final


def _kept_here(request: Request) -> Request:
    """Return a request whose result is copied nowhere, as jobs do that by themselves."""
    output = dataclasses.replace(request.settings.output, stage_out=None)
    return dataclasses.replace(request, settings=dataclasses.replace(request.settings, output=output))


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What was found out while the folder was written."""

    request: Request
    slices: Sequence[Slice]
    environment: WorkerEnvironment
    inputs: Sequence[str]
    code: Code
    memory: Mapping[str, int]


def _write(request: Request, ready: Prepared, settings: Settings, draft: Folder, console: Console) -> _Made:
    for directory in (draft.samples, draft.submit, draft.logs, draft.results, draft.environment):
        directory.mkdir()
    code = code_of(request.settings.analysis.processor, settings.remote, draft.checkout)
    environment = _environment(request, settings, draft, console)
    clock = time.monotonic()
    plan = _plan(settings.opening, ready, console)
    announcements.samples(console, ready.fileset, ready.knowledge, plan, time.monotonic() - clock)
    jobs = split(ready.fileset, plan, ready.knowledge.facts, settings.files_per_job)
    if environment.mode != "shared":
        code = dataclasses.replace(code, name=code.name if settings.remote else as_module(code.name))
    for job, samples in jobs:
        system.write_json(draft.samples_of(job.name), samples)
        system.write_json(draft.options_of(job.name), _options_of(job, request.options, code.name))
    inputs = []
    for path, name in environment.inputs:
        _link(path, draft.environment / name)
        inputs.append(f"{draft.environment.name}/{name}")
    return _Made(
        request=request,
        slices=[job for job, _ in jobs],
        environment=environment,
        inputs=inputs,
        code=code,
        memory=memory_of(request.options["memory"], ready.fileset),
    )


def _write_texts(
    made: _Made, draft: Folder, final: Folder, settings: Settings, shape: Job, site: sites.Site | None
) -> None:
    stage_out = made.request.settings.output.stage_out
    export = new_id()
    if stage_out is not None:
        owner = Owner(run=export, place=str(final.root))
        ownership.claim(stageout.destination(stage_out), owner, [one.name for one in made.slices])
    node = Node(
        export=export,
        python=made.environment.command,
        inputs=made.inputs,
        pythonpath=made.environment.paths,
        stage_out=_absolute(stage_out),
        repository=made.code.repository,
        commit=made.code.commit,
        scratch=site.scratch if site else "",
        image=site.image if site else "",
    )
    draft.script.write_text(texts.job_script(node), encoding="utf-8")
    draft.script.chmod(0o755)
    content = {
        "id": export,
        "command": list(made.request.command),
        "version": made.request.version,
        "created": time.time(),
        "directory": str(final.checkout if settings.remote else Path.cwd()),
        "samples": list(made.request.samples),
        "options": {
            name: {"value": value, "origin": made.request.origins[name]}
            for name, value in made.request.options.items()
        },
        "system": settings.system,
        "cluster_per": settings.cluster_per,
        "shape": dataclasses.asdict(shape),
        "memory": made.memory,
        "inputs": list(made.inputs),
        "stage_out": node.stage_out or None,
        "repository": node.repository,
        "commit": node.commit,
        "environment": made.environment.as_json(),
        "jobs": [dataclasses.asdict(one) for one in made.slices],
        "written": {path.name: checksums.of_file(path) for path in sorted(draft.samples.iterdir())},
    }
    folders.write(Export(folder=draft, content=content))
    write_submission(Export(folder=final, content=content), made.slices, draft)


def write_submission(
    exported: Export, jobs: Sequence[Slice], place: Folder, *, prefix: str = ""
) -> tuple[Path, Sequence[Path]]:
    """Write the submit files of some jobs, and a script that submits them all; return both."""
    content = exported.content
    chosen = SYSTEMS[content["system"]]
    shape = Job(**content["shape"])
    files = []
    for name, some in texts.clusters(jobs, content["cluster_per"]).items():
        path = place.submit / f"{prefix}{name}{chosen.jobs_suffix}"
        sized = dataclasses.replace(shape, memory=content["memory"].get(some[0].dataset, shape.memory))
        text = chosen.jobs_text(texts.cluster(exported.folder, some, content["inputs"]), sized)
        path.write_text(text, encoding="utf-8")
        files.append(path)
    script = place.root / f"{prefix}submit.sh"
    script.write_text(texts.submit_script(chosen.submit, [path.name for path in files]), encoding="utf-8")
    script.chmod(0o755)
    return script, files


def _refuse_what_is_there(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        what = "an export" if folders.is_export(root) else "something"
        raise OutputError(
            f"there is {what} in {printing.path(root)} already, which is never overwritten",
            hint="choose another folder with -o",
        )


def _plan(settings: RunSettings, ready: Prepared, console: Console) -> list[Chunk]:
    """Open the files that are not known yet, in processes of this machine."""
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as scratch:
        paths = RunPaths(root=Path(scratch))
        session = sessions.make_session(
            Wanted(
                settings=settings,
                environment=ready.environment,
                paths=paths,
                journal=Journal(),
                console=console,
            )
        )
        try:
            file_info.learn(
                ready.fileset,
                ready.knowledge,
                session=session,
                cache=ready.cache,
                settings=settings.chunks,
            )
        finally:
            session.close()
    plan = chunks.plan(ready.fileset, ready.knowledge.facts, settings.chunks)
    if not plan:
        raise PartialResultError("not one file could be read, so there is nothing to run on")
    return plan


def _environment(request: Request, settings: Settings, draft: Folder, console: Console) -> WorkerEnvironment:
    sent, paths = request.settings.environment, RunPaths(root=draft.root)
    if not settings.remote:
        analysis = load(request)
        processor, schema = analysis.processor, analysis.schema
        code = pinned.Code(named=analysis.modules)  # jobs import it themselves, from their copy
    else:
        # what is checked out is imported there, and does not travel
        with _inside(draft.checkout):
            schema = load(request).schema
        sent, processor, code = dataclasses.replace(sent, processor=None), None, pinned.Code()
    modules = (*environments.OURS, *_ALSO_NEEDED)
    found = environments.prepare(sent, processor, schema, paths, console, modules=modules, code=code)
    printing.line(console, "environment", f"{found.description}  ({found.reason})")
    return found


def _options_of(job: Slice, options: Mapping[str, Any], processor: str | None) -> dict[str, Any]:
    names = named(lambda one: one.jobs)  # where it runs, and what was selected, is decided here
    given: dict[str, Any] = {name: value_of(options[name], job.dataset) for name in names}
    for name in LITERALS:
        given[name] = tuple(literals.written(given[name]))
    # a job has a directory of its own, with all files in it
    found = {"executor": "iterative", "in_place": True, "processor": processor, **given}
    return {
        name.replace("_", "-"): list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if value is not None and value != ()
    }


def _absolute(url: str | None) -> str:
    if url is None or "://" in url:
        return url or ""
    return str(Path(url).absolute())


def _link(source: Path, target: Path) -> None:
    """Take a file of the cache: it stays when the cache is cleaned, and takes no space twice."""
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@contextlib.contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _say(slices: Sequence[Slice], made: Folder, console: Console) -> None:
    events = sum(job.events for job in slices)
    printing.line(console, "jobs", f"{len(slices):,}, for {events:,} events")
    printing.line(console, "output", f"{printing.path(made.root)}/")
    printing.line(console, "submit", commands.line(made.root / "submit.sh"))
    check, merge = (commands.line("wq-report", word, made.root) for word in ("check", "merge"))
    printing.line(console, "then", f"{check}      and      {merge}")
