"""coffea's executor interface on our engines."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from coffea.processor import accumulate
from coffea.processor.executor import ExecutorBase

from wq_runner.code import own_modules
from wq_runner.code.local_names import absolute, as_named
from wq_runner.coffea_adapter import progress, queue_session
from wq_runner.coffea_adapter.fallbacks import Table, apply_anywhere
from wq_runner.coffea_adapter.inherited import Inherited, Understood, ports, several, understood
from wq_runner.environment import WorkerEnvironment
from wq_runner.environment.choice import Wish, script_directory
from wq_runner.errors import (
    ExecutorArgumentError,
    InterruptedRunError,
    PartialResultError,
    UsageError,
    WqRunnerError,
    did_you_mean,
)
from wq_runner.ledger import totals
from wq_runner.ledger.items import Sum
from wq_runner.model import Category
from wq_runner.remote import abilities
from wq_runner.run_events import Event, LeftBehind
from wq_runner.scheduler.phase import LoopResult, Skipped, StopRequest
from wq_runner.scheduler.session import Session
from wq_runner.terminal import signals
from wq_runner.workers import spec
from wq_runner.workers.local import LocalSpec

log = logging.getLogger(__name__)

# what coffea's Runner calls the function that opens files
_METADATA = "get_metadata"
_NAMED = 20  # files that are skipped, and named
_STOPPING = "interrupted: waiting for what runs; once more to leave now"


class ChangedInputError(Exception):
    """Files are not those that were planned: what is asked for has to be planned again."""

    def __init__(self, items: Sequence[Skipped]) -> None:
        super().__init__(f"{len(items)} chunks have to be planned again")
        self.items = items


class DoneError(Exception):
    """A phase has ended, and its sums are not to be added to each other: its way out of coffea's Runner."""

    def __init__(self, found: LoopResult) -> None:
        super().__init__(f"{len(found.done)} chunks are done")
        self.found = found


@dataclass(kw_only=True)
class EngineExecutor(ExecutorBase):  # type: ignore[misc] # coffea has no types
    """Runs on the engine of a session. coffea copies executors at will; the copies share the session.

    Results are merged on the workers, and failures are answered by the session's policy: never set
    coffea's own `retries`, which would repeat inside the task what the session repeats elsewhere.
    """

    session: Session | None = None
    fallbacks: Table | None = None
    apart: bool = False

    def __call__(
        self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any
    ) -> tuple[Any, int | BaseException]:
        """Apply the function to each item and add the results to `accumulator`.

        With `apart`, it ends with a DoneError that has them.

        Raises
        ------
        WqRunnerError
            If the run cannot go on; the exception of the worker is its cause.
        """
        values, names = absolute(items)
        if not values:
            return accumulator, 0
        if self.session is None:
            self.session = self._make_session()
        skipped = abilities.skipped_by(function)
        category = Category.PREPROCESSING if self.function_name == _METADATA else Category.PROCESSING
        if self.fallbacks and category is Category.PROCESSING:
            function = functools.partial(apply_anywhere, self.fallbacks, function)
        try:
            found = self.session.run(values, function, category)
        except WqRunnerError as failed:
            raise (failed if self.apart else as_coffeas(failed)) from failed.__cause__
        if found.again:
            raise ChangedInputError(found.again)
        if self.apart:
            raise DoneError(found)
        error = lacking(found)
        merged = as_named(_whole(found.results, accumulator), names)
        _say_skipped(found)
        if error is not None and (merged is None or _is_dropped(error, skipped, category)):
            raise error
        return merged, error or 0

    def close(self) -> None:
        """End the engine and its workers."""
        if self.session is not None:
            self.session.close()

    def __enter__(self) -> EngineExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_session(self) -> Session:
        raise NotImplementedError("an EngineExecutor needs a session")


def _is_dropped(error: WqRunnerError, skipped: bool | tuple[type, ...], category: Category) -> bool:
    """Whether coffea's Runner would return a part of the result as if it were all, and was not asked to."""
    if isinstance(skipped, tuple) and isinstance(error, skipped):
        return False
    return category is Category.PREPROCESSING or not abilities.raises_what_is_returned()


def _say_skipped(found: LoopResult) -> None:
    """Warn of what coffea's function left out on a worker, where nobody sees its own warnings."""
    skipped = [one for one in found.skipped if one.by_function]
    if skipped:
        files = dict.fromkeys(one.item.path or str(one.item.value) for one in skipped)
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        text = f"{', '.join(list(files)[:_NAMED])}{more}. The first: {skipped[0].reason}"
        warnings.warn(f"Skipping bad files, {len(files)}: {text}", stacklevel=3)


def _losing() -> Callable[[float, Event], None]:
    """Return a listener of the journal that warns once that files of the processor are lost."""
    said: list[Event] = []

    def told(_: float, event: Event) -> None:
        if isinstance(event, LeftBehind) and not said:
            said.append(event)
            names = ", ".join(event.names)
            hint = "give the processor the whole path of a directory that stays"
            log.warning("files are lost with the directories of tasks: %s; %s", names, hint)

    return told


def as_coffeas(error: WqRunnerError) -> WqRunnerError:
    """Return an error that is also of the type that coffea's Runner would raise, which others catch."""
    cause = error.__cause__
    if cause is None or isinstance(error, type(cause)):
        return error
    try:
        both: type[WqRunnerError] = type(type(error).__name__, (type(error), type(cause)), {})
        found = type(cause).__new__(both)
        found.args = error.args
        if isinstance(found, OSError) and isinstance(cause, OSError):
            found.errno, found.strerror = cause.errno, cause.strerror
            found.filename, found.filename2 = cause.filename, cause.filename2
        vars(found).update(vars(error))
    except Exception:  # a type that cannot be mixed, or is not made so
        return error
    return found


def _whole(results: Mapping[Sum, Any], accumulator: Any) -> Any:
    """Return the sum of all datasets."""
    sums = {dataset: one for (dataset, _), one in results.items() if one is not None}
    whole = totals.total(sums, hint="book them alike, or run the datasets one by one")
    return whole if accumulator is None else accumulate([whole], accumulator)


def lacking(found: LoopResult) -> WqRunnerError | None:
    """Return the error of a result that is not whole; what coffea skips by itself is not ours to say."""
    if found.left:
        return InterruptedRunError(f"stopped before {len(found.left)} chunks were done")
    missing = [one for one in found.skipped if not one.by_function]
    if not missing:
        return None
    places = "\n".join(f"  {one.item.place}: {one.reason}" for one in missing[:10])
    return PartialResultError(f"{len(missing)} chunks are not in the result\n{places}")


_C = TypeVar("_C", bound=type)


def _called_with_names(cls: _C) -> _C:
    """Have a class take `workers` first, and all else by name.

    The order of the fields of a dataclass begins with that of coffea's own, which differs from version to
    version and which nobody knows: a text that is meant as workers would be another field.
    """
    made: Any = cls  # whose `__init__` is changed, before there is another class of it
    init = made.__init__

    @functools.wraps(init)
    def checked(self: Any, workers: Any = None, *more: Any, **named: Any) -> None:
        if more:
            given = ", ".join(map(repr, (workers, *more)))
            raise ExecutorArgumentError(
                f"{cls.__name__}({given}): all but the first, which is `workers`, need their names",
                hint=f'such as {cls.__name__}("local:4", manager_name="me-coffea")',
            )
        for name in named:
            if name not in known:
                raise ExecutorArgumentError(
                    f"{cls.__name__} has no argument {name}.{did_you_mean(name, known)}",
                    hint=f"help({cls.__name__}) lists them",
                )
        try:
            init(self, workers=workers, **named)
        except WqRunnerError as error:
            raise error.with_traceback(None) from None  # it says all itself: our own lines help nobody

    signature = inspect.signature(init)
    (this, *rest) = signature.parameters.values()
    known = {one.name for one in rest}
    fields = {one.name: one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in rest}
    first = fields.pop("workers").replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    checked.__signature__ = signature.replace(  # type: ignore[attr-defined] # for `help`
        parameters=[this, first, *fields.values()]
    )
    made.__init__ = checked
    return cls


@_called_with_names
@dataclass
class WorkQueueExecutor(EngineExecutor, Inherited):
    """Runs coffea's Runner as a Work Queue manager, whose workers stay from call to call.

    In a notebook or a terminal it shows how it goes, unless `status` is False. The first Ctrl-C, or interrupt
    of the notebook, waits for what runs; the Runner then raises InterruptedRunError, or with
    ``skipbadfiles=(InterruptedRunError,)`` returns what is done. The second one leaves at once.

    >>> with WorkQueueExecutor(workers="local:4") as executor:
    ...     runner = coffea.processor.Runner(executor=executor)
    ...     output = runner(fileset, processor_instance=processor, treename="Events")

    The arguments of coffea 0.7's executor of this name are taken as well: what they mean is done, or what
    does it here is logged.

    Parameters
    ----------
    workers
        As ``--workers`` of `wq-run`: ``local:N`` or ``local:NxCORES`` starts workers on this machine, as
        does a number; ``condor:100x1x2GB``, ``slurm@SITE:20`` or ``SITE:20`` has a factory start them, which
        ends with the executor. None waits for workers to connect to `port`, or to find `name` in a catalog.
    queue, batch_options
        The queue of the batch system, and options for it, where it starts workers.
    name
        The name to advertise, such as ``me-workqueue-coffea``; None advertises nothing. Also `manager_name`.
    port
        A port, or the lowest and the highest to try.
    password_file
        What workers must present. Workers that are started get a generated one.
    logs
        A directory for the engine's logs; None keeps none. `stats_log`, `transactions_log` and `debug_log`
        name single files.
    environment, extra_files, setup_commands
        What workers get: as the options of `wq-run`. Code is looked at once, when the executor is made.
        `environment_file` and `extra_input_files` are the same.
    column_cache
        Which columns workers keep, as ``--column-cache`` of `wq-run`: ``off``, ``auto``, a size, a directory.
    seed
        What random numbers follow from, besides the dataset, file and range of a chunk.
    cores, memory, disk, gpus, resources_mode, resource_monitor
        What a task may use: as the options of `wq-run`. Numbers are MB. Without `memory` it is learned.
    x509_proxy
        The proxy that tasks take along. None takes that of this user if files are read over XRootD by workers
        elsewhere, False none.
    ssl
        Encrypt what goes between the queue and its workers.
    filepath
        A directory for files of tasks, which are removed at the end.
    """

    workers: str | int | None = None
    _: KW_ONLY
    name: str | None = None
    port: int | str | Sequence[int] | None = queue_session.DEFAULT_PORTS
    password_file: str | Path | None = None
    logs: str | Path | None = None
    environment: str = "auto"
    extra_files: str | Path | Sequence[str | Path] = ()
    setup_commands: str | Sequence[str] = ()
    seed: int | None = None
    column_cache: str = "off"
    queue: str | None = None
    batch_options: str | None = None

    def __post_init__(self) -> None:
        if self.session is None:
            self.session = self._make_session()
        self.retries = 0  # coffea's Runner would repeat inside the task

    def __call__(
        self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any
    ) -> tuple[Any, int | BaseException]:
        """Apply the function to each item and add the results to `accumulator`; see EngineExecutor."""
        assert self.session is not None
        items = list(items)
        queue_session.carry_proxy(self.session, items, self.x509_proxy)
        stop = StopRequest(clock=self.session.clock)
        self.session = dataclasses.replace(self.session, stop=stop)
        shown = progress.shown(self.session.journal) if self.status else contextlib.nullcontext()
        with signals.stopping(stop.make, lambda: log.warning("%s", _STOPPING)), shown:
            return super().__call__(items, function, accumulator)

    def _make_session(self) -> Session:
        said = understood(
            self,
            name=self.name,
            environment=self.environment,
            extra_files=self.extra_files,
            compression=self.compression,
        )
        seed: Any = self.seed
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral)):
            raise ExecutorArgumentError(
                f"seed={seed!r} is not a whole number", hint="seed=1, or leave it out"
            )
        if self.password_file is not None and not Path(self.password_file).is_file():
            raise UsageError(
                f"password_file={str(self.password_file)!r}: no such file",
                hint=f"looked in {Path.cwd()}; a password is whatever the file holds",
                page="passwords",
            )
        form = spec.of_python(self.workers)
        workers = spec.meant(form) if form else None
        if not isinstance(workers, spec.BatchSpec) and (self.queue or self.batch_options):
            word = f"queue={self.queue!r}" if self.queue else f"batch_options={self.batch_options!r}"
            raise ExecutorArgumentError(
                f"{word} is for a batch system, and no workers are started by one",
                hint='name it: workers="condor:20", "slurm@SITE:20"',
            )
        for note in said.notes:
            log.warning("%s", note)
        wanted = queue_session.Wanted(
            said=said,
            workers=workers,
            ports=ports(self.port, queue_session.DEFAULT_PORTS),
            environment=self._make_environment(said, here=isinstance(workers, LocalSpec)),
            logs=queue_session.logs_of(
                self.logs, queue=self.debug_log, stats=self.stats_log, transactions=self.transactions_log
            ),
            password_file=Path(self.password_file) if self.password_file else None,
            directory=Path(self.filepath) if self.filepath else None,
            queue=self.queue or None,
            batch_options=self.batch_options,
            seed=self.seed,
            column_cache=self.column_cache,
        )
        session = queue_session.make(wanted)
        session.journal.listeners.append(_losing())
        return session

    def _make_environment(self, said: Understood, *, here: bool) -> WorkerEnvironment:
        from wq_runner.environment.preparation import Preparation
        from wq_runner.environment.smoke import NEEDED

        wish = Wish(
            environment=said.environment,
            workers_here=here,
            analysis=script_directory(),
            imported=own_modules.files(),
            extra_files=said.extra_files,
            setup_commands=tuple(several(self.setup_commands)),
        )
        with Preparation(wish=wish, say=log.info) as preparation:
            found = preparation.environment()
            preparation.check(modules=NEEDED)
        for note in (*found.notes, *preparation.findings):
            log.warning(note)
        if found.lease is not None:
            atexit.register(found.lease.release)  # nobody deletes it before
        return found
