"""What `wq-run` does, from Python: for notebooks, where manager and workers outlive a run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wq_runner import checksums, literals, names, summary, system
from wq_runner.api.keywords import Keywords, told
from wq_runner.code.arguments import of_processor
from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.config import habits, processors
from wq_runner.config.nature import Place
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.resolved import resolve
from wq_runner.config.settings import RunSettings
from wq_runner.config.types import KEY_VALUES
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import (
    InterruptedRunError,
    PartialResultError,
    SamplesError,
    UsageError,
    WqRunnerError,
    did_you_mean,
)
from wq_runner.executors import sessions
from wq_runner.executors.sessions import Wanted
from wq_runner.ledger.side_files import FileStore
from wq_runner.monitor.console import PlainConsole
from wq_runner.remote import several
from wq_runner.remote.several import Several
from wq_runner.scheduler.phase import StopRequest
from wq_runner.scheduler.session import Session, temporary_directory
from wq_runner.steps import run as steps
from wq_runner.steps.request import Request
from wq_runner.system import RunPaths
from wq_runner.workers import spec

if TYPE_CHECKING:
    from typing_extensions import Unpack

WIDTH = 110  # of what is printed below a cell


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run left in its directory.

    `output` is what the processor returned, merged and postprocessed. `complete` is False if something is
    missing from it, which `datasets` counts in events and `missing` lists.
    """

    output: Any
    complete: bool
    datasets: Mapping[str, Mapping[str, Any]]
    missing: Sequence[Mapping[str, Any]]
    directory: Path

    def __repr__(self) -> str:
        done, planned = (
            sum(one[key] for one in self.datasets.values()) for key in ("events_processed", "events_planned")
        )
        state = "complete" if self.complete else "partial"
        return f"<{state}: {done:,} of {planned:,} events, in {self.directory}>"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the account, the histograms, a link to the report."""
        from wq_runner.results import shown

        try:
            return shown.result(self)
        except Exception:
            return None  # what cannot be drawn is shown as text


@told
def run(
    samples: str | Path | Mapping[str, Any] | Iterable[str | Path],
    processor: Any = None,
    *,
    schema: Any = None,
    **options: Unpack[Keywords],
) -> Result:
    """Run a processor over samples, as `wq-run` does, and return what came of it.

    The manager and its workers are kept for the next run, until `close` or the end of Python. An
    interrupt waits for what runs and returns what is done; a second one leaves at once. The same call
    again does what is left.

    Parameters
    ----------
    samples
        What `wq-run` takes, one or several, or a fileset of coffea as a dict.
    processor
        An instance of a ProcessorABC, a class of them (which is built with `processor_args`), a function of
        events, or ``FILE.py:NAME`` or ``module:NAME``; without it, a survey. A dict of them by names runs
        all on one reading of each chunk; the output is a dict of their results.
    schema
        A class of coffea.nanoevents, or its name.
    options
        The options of `wq-run` by their long names: ``workers="local:4"`` or ``workers=4``,
        ``workers="slurm:20"``, ``chunksize="100k"``, ``memory="2GB"``. Relative files are looked for in the
        current directory. Without ``output``, all is written to ``wq-run-NAME``, which is called after the
        first file of samples, or after the processor where the samples are a dict.

    Returns
    -------
    Result
        The output, and how complete it is.

    Raises
    ------
    WqRunnerError
        If there is no result.
    """
    try:
        return _run(samples, processor, schema, dict(options))
    except WqRunnerError as error:
        raise error.with_traceback(None) from None  # it says all itself: our own lines help nobody


def _run(samples: Any, processor: Any, schema: Any, options: dict[str, Any]) -> Result:
    if schema is not None:
        options["schema"] = schema if isinstance(schema, str) else _name(_schema(schema))
    if processor is not None:
        options["processor"] = _named(processor)
    if not isinstance(named := options.get("executor"), str | None):
        raise UsageError(
            f"executor: run() takes the name of one, and not an object ({type(named).__name__})",
            hint='executor="futures", for instance; an executor of coffea goes into coffea\'s own Runner',
            page="executors",
        )
    chosen = defaulted(_options(options), options)
    given = _names(samples, _title(processor))
    if processor is not None and not _is_text(processor):
        processor = _built(processor, chosen)
    request = Request(
        samples=given,
        options=vars(chosen),
        origins={
            one.name: "run()" if one.name in options else "default" for one in dataclasses.fields(RunOptions)
        },
        command=("wq_runner.run",),
        version=importlib.metadata.version("wq-runner"),
        analysis=None if processor is None or _is_text(processor) else _analysis(processor, chosen.schema),
        keeper=_keeper(),
        settings=resolve(chosen),
    )
    console = PlainConsole(force_jupyter=False, width=WIDTH)
    before = summary.look(RunPaths(root=request.directory))
    try:
        steps.run(request, console)
    except SamplesError as error:
        if not isinstance(samples, Mapping):
            raise
        for place in (given[0], str(Path(given[0]).resolve())):  # nobody knows this file
            error.message = error.message.replace(place, "the fileset")
        raise
    except (InterruptedRunError, PartialResultError) as error:
        if not _wrote(request.directory, before):
            raise
        console.print(error.message, highlight=False, markup=False)
    return _result(request.directory)


def close() -> None:
    """End the manager and the workers that `run` keeps."""
    _keeper().close()


# -- what is asked for


def _options(given: Mapping[str, Any]) -> RunOptions:
    """Return the options, read as on the command line where they are text."""
    known = {one.name: one for one in dataclasses.fields(RunOptions)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise UsageError(
                f"run() has no option {name}.{_meant(name, known)}",
                hint="help(wq_runner.run) and wq-run --help-all list the options",
            )
        if value is None and "None" not in str(Keywords.__annotations__.get(name, None)):
            continue  # as if it had not been given
        settings = known[name].metadata["click"]
        if settings.get("is_flag"):
            values[name] = _yes_or_no(name, value)
            continue
        kind = settings.get("type")
        many = settings.get("multiple", False)
        parts = list(value) if many and isinstance(value, list | tuple) else [value]
        if kind is KEY_VALUES and all(isinstance(part, Mapping) for part in parts):
            parts = [dict(part) for part in parts]  # values of Python are what they are
        elif kind is not None:
            parts = [_converted(kind, name, part) for part in parts]
        values[name] = tuple(parts) if many else parts[0]
    if "processor" in values:
        values["processor"] = _joined(values["processor"])
    if "workers" in values:
        values["workers"] = _workers(values["workers"], given.get("executor"))
    return RunOptions(**values)


def _meant(name: str, known: Iterable[str]) -> str:
    """Say which option was meant, also in the words of other programs."""
    elsewhere = habits.answer(f"--{name.strip('_').replace('_', '-')}", ())
    said = re.search(r"--([a-z-]+)", elsewhere or "")
    option = said[1].replace("-", "_") if said else ""
    return f" Did you mean {option}?" if option in known else did_you_mean(name, known)


def _yes_or_no(name: str, value: Any) -> bool:
    """Return a flag; a text such as "no" would be true."""
    if isinstance(value, str):
        return bool(_converted(click.BOOL, name, value))
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise UsageError(f"{name}: {value!r} is not True or False", hint="wq-run --help-all explains it")


def _converted(kind: Any, name: str, value: Any) -> Any:
    if value is None:
        return value
    try:
        return kind.convert(value, None, None)
    except click.BadParameter as error:
        raise UsageError(f"{name}: {error.message}", hint="wq-run --help-all explains it") from error
    except (AttributeError, TypeError) as error:
        raise UsageError(
            f"{name}: {value!r} is not understood", hint="wq-run --help-all explains what it can be"
        ) from error


def _workers(value: Any, executor: Any) -> Any:
    """Return the form of workers: a number alone is one of this machine, unless the executor has a place."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral | str | None):
        raise UsageError(f"workers: {value!r} is not understood", hint='workers=4, "local:4", "slurm:20"')
    here = executor in {None, "work_queue"}
    if not here:
        return None if value is None else str(value)
    form = spec.of_python(value)
    return str(form) if form else None


def _names(samples: Any, processor: str = "") -> list[str]:
    """Return what names the samples; a fileset is written to a file that is called after the `processor`."""
    if isinstance(samples, str | Path):
        return [str(samples)]
    if not isinstance(samples, Iterable) or isinstance(samples, bytes):
        raise UsageError(
            f"the samples are {type(samples).__name__}: run() takes the samples first, then the processor",
            hint="samples are the name of a file or several of them, or a fileset as a dict",
            page="samples",
        )
    if isinstance(samples, Mapping):
        name = names.file_name(processor.rpartition(":")[2] or "samples")
        path = temporary_directory() / f"{name}.json"
        path.write_text(json.dumps(samples, default=str), encoding="utf-8")
        return [str(path)]
    found = list(samples)
    wrong = [one for one in found if not isinstance(one, str | Path)]
    if wrong or not found:
        what = f"hold {wrong[0]!r}, which is no name of a file" if wrong else "are empty"
        raise UsageError(
            f"the samples {what}",
            hint="samples are the name of a file or several of them, or a fileset as a dict",
            page="samples",
        )
    return [str(one) for one in found]


def _named(processor: Any) -> list[str]:
    """Return the option that names a processor, or several."""
    if not isinstance(processor, Mapping):
        return [_place(processor)]
    if not processor or not all(isinstance(name, str) and name.isidentifier() for name in processor):
        raise UsageError(
            f"the names of the processors are {', '.join(map(repr, processor)) or 'missing'}",
            hint='names are words: run(samples, {"ee": EE, "mm": MM})',
            page="processor-not-found",
        )
    return processors.told({name: _place(one) for name, one in processor.items()})


def _place(processor: Any) -> str:
    if isinstance(processor, str):
        return processor
    return _name(processor if hasattr(processor, "__qualname__") else type(processor))


def _title(processor: Any) -> str:
    """Return what a run of these is called."""
    if isinstance(processor, Mapping):
        return "-".join(map(str, processor))
    return "" if processor is None else _place(processor)


def _is_text(processor: Any) -> bool:
    """Whether all that was given are names."""
    some = processor.values() if isinstance(processor, Mapping) else [processor]
    return all(isinstance(one, str) for one in some)


def _joined(texts: Iterable[str]) -> str | None:
    try:
        return processors.join(texts)
    except ValueError as error:
        raise UsageError(f"processor: {error}") from error


def _built(processor: Any, options: RunOptions) -> Any:
    """Return a processor that was given as an object: a class of them is built.

    Raises
    ------
    UsageError
        If it is none, or if it is built already and there are arguments to build it with.
    """
    given = literals.merged(options.processor_args)
    if not isinstance(processor, Mapping):
        return _built_one(processor, given)
    own = {name: of_processor(given, name, processor) for name in processor}
    return Several({name: _built_one(one, own[name]) for name, one in processor.items()})


def _built_one(processor: Any, arguments: Mapping[str, Any]) -> Any:
    from wq_runner.code.processor import build, load_processor

    if isinstance(processor, str):
        return load_processor(processor, arguments)
    name = _name(processor) if isinstance(processor, type) else type(processor).__name__
    if arguments and not isinstance(processor, type):
        raise UsageError(
            f"the processor is built already ({name}), so processor_args have no effect",
            hint="give its class: run(samples, Class, processor_args={...})",
            page="processor-not-found",
        )
    return build(processor, name, arguments)


def _name(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def _schema(given: Any) -> Any:
    from wq_runner.code.processor import checked_schema

    return checked_schema(given, repr(given))


def _analysis(processor: Any, schema: str) -> Analysis:
    from wq_runner.code import pins
    from wq_runner.code.processor import load_schema

    loaded = load_schema(schema)
    homes = pins.home_of(*several.each(processor).values(), loaded)
    return Analysis(processor=processor, schema=loaded, modules=homes)


# -- what came of it


def _wrote(directory: Path, before: Mapping[str, Any] | None) -> bool:
    """Whether there is a result that was not there before."""
    found = summary.look(RunPaths(root=directory))
    return found is not None and found != before and bool(found["outputs"])


def _result(directory: Path) -> Result:
    from coffea.util import load

    paths = RunPaths(root=directory.absolute())
    found = checksums.read_json(paths.summary)
    output = (
        {path.stem: load(path) for path in sorted(paths.outputs.glob("*.coffea"))}
        if paths.outputs.exists()
        else load(paths.output)
    )
    return Result(
        output=output,
        complete=found["complete"],
        datasets=found["datasets"],
        missing=found["missing"],
        directory=directory,
    )


# -- what is kept


@dataclass
class Keeper:
    """The session of the last run, which the next one uses if it asks for the same workers."""

    session: Session | None = None
    _key: tuple[Any, ...] = ()
    _announced: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def make_session(self, wanted: Wanted) -> Session:
        """Return the session of this run, which works in its directory on the engine that is kept."""
        settings, environment, paths = wanted.settings, wanted.environment, wanted.paths
        if settings.executor.place is Place.ITERATIVE:
            # nothing to be kept, and no reason to end what is
            return sessions.make_session(wanted)
        key = _key(settings, environment)
        if self.session is None or key != self._key:
            self.close()
            self._key, self.session = key, self._open(wanted)
        return dataclasses.replace(
            self.session,
            journal=wanted.journal,
            staging=paths.staging,
            ledger=paths.ledger,
            files=FileStore(root=paths.files, naming=settings.output.naming),
            settings=sessions.settings_of(self.session.engine, settings.loop, environment),
            stop=StopRequest(clock=self.session.clock),
        )

    def close(self) -> None:
        """End it."""
        if self.session is not None:
            session, self.session = self.session, None
            try:
                self._announced.close()
            finally:
                session.close()

    def _open(self, wanted: Wanted) -> Session:
        # its own files are not those of a run: a run's directory may be gone before the session
        home = RunPaths(root=temporary_directory())
        system.make_private(home.staging)
        system.make_private(home.workers)
        session = sessions.make_session(dataclasses.replace(wanted, paths=home))
        try:
            session.start()
            self._announced.enter_context(session.presence)
        except BaseException:
            session.close()  # nothing else knows it
            raise
        return dataclasses.replace(session, presence=contextlib.nullcontext())


def _key(settings: RunSettings, environment: WorkerEnvironment) -> tuple[Any, ...]:
    return (environment.command, environment.inputs, *settings.lasting)


@functools.lru_cache(maxsize=1)
def _keeper() -> Keeper:
    return Keeper()
