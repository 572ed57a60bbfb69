"""What the coffea of this environment can do, asked by feature: its versions differ in what they promise.

Nothing else compares versions of it. What follows from how its Runner behaves is asked of the Runner itself,
with an executor that does nothing. Runs on workers as well, where nothing else of the house is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any

SKIPS = "automatic_retries"
"""How coffea calls what skips files, with the number of retries and `skipbadfiles`."""

_WORKS = "_work_function"  # and what opens a file and calls the processor
_COUNT = ("metadata_fetcher", "metadata_fetcher_root")  # and what opens a file to count its entries
OPTIONS = "uproot_options"
"""The argument of the work function for how files are opened."""
_UPROOT = "uproot"


# -- of the Runner


@functools.cache
def raises_what_is_returned() -> bool:
    """Whether the Runner raises the exception that an executor returns with a part of the result."""
    try:
        _ask(_processor(), _AskedError("returned"))
    except _AskedError:
        return True
    return False


@functools.cache
def takes_what_postprocess_returns() -> bool:
    """Whether it counts what `postprocess` returns, or only what that changes in place."""
    return bool(_ask(_processor())["out"] == _ENDED)


@functools.cache
def takes_functions() -> bool:
    """Whether a function of events is a processor."""
    try:
        _ask(dict)
    except ValueError:
        return False
    return True


@functools.cache
def reads_ranges_of_parquet() -> bool:
    """Whether the work function reads the entries of a chunk, as it can only where the Runner counts them.

    Some Runners count them, for a work function that refuses the file.
    """
    from coffea.processor import Runner

    if not hasattr(Runner, "metadata_fetcher_parquet"):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _ask(_processor(), format="parquet")
        except Exception as error:  # there is no such file, which it found out if it can
            return not isinstance(error.__cause__ or error, NotImplementedError)
    return True


@functools.cache
def unpacks_processors() -> bool:
    """Whether the work function takes a processor for a packed one, unless it can be called as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _ask(_processor(called=False), format="root")
        except TypeError:
            return True
        except Exception:  # there is no such file
            return False
    return False


@functools.cache
def preloads() -> bool:
    """Whether chunks say which branches are read at once; elsewhere each is read as it is asked for."""
    from coffea.processor.executor import WorkItem

    return "preload" in {one.name for one in dataclasses.fields(WorkItem)}


@functools.cache
def skips_by_type() -> bool:
    """Whether `skipbadfiles` may be types of exceptions. Else whatever is true stands for OSError."""
    from coffea.processor import Runner

    def fail() -> None:
        raise OSError("asked")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Runner.automatic_retries(0, (_AskedError,), fail)
        except OSError:
            return True
    return False


def skipped_by(function: Any) -> bool | tuple[type[BaseException], ...]:
    """Return the `skipbadfiles` of a Runner, by the function that it hands to its executor."""
    if isinstance(function, functools.partial) and getattr(function.func, "__name__", "") == SKIPS:
        found: bool | tuple[type[BaseException], ...] = function.args[1]
        return found
    return False


class _AskedError(Exception):
    pass


_ENDED = {"asked": "ended"}


def _processor(*, called: bool = True) -> Any:
    """Return a processor; if it can be `called`, all take it as it is: see `unpacks_processors`."""
    from coffea.processor import ProcessorABC

    class Asked(ProcessorABC):  # type: ignore[misc]  # coffea has no types
        def process(self, events: Any) -> Any:
            return events

        def postprocess(self, accumulator: Any) -> Any:
            del accumulator
            return dict(_ENDED)

    class Called(Asked):
        __call__ = Asked.process

    return Called() if called else Asked()


def _ask(processor: Any, error: Any = 0, **options: Any) -> Any:
    """Run a processor on nothing, by an executor that returns this; with options, on no file."""
    from coffea.processor import Runner
    from coffea.processor.executor import ExecutorBase, WorkItem

    class Asking(ExecutorBase):  # type: ignore[misc]  # coffea has no types
        def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
            del accumulator
            if options:
                function(items[0])
            return {"out": {}, "processed": set()}, error

    runner = Runner(executor=Asking(), processor_compression=None, **options)
    return runner.run([WorkItem("asked", "asked", "asked", 0, 1, b"", None)], processor)


# -- of a processor


def as_processor(given: Any) -> Any:
    """Return a processor of a function of events, where the Runner takes no functions."""
    from coffea.processor import ProcessorABC

    if isinstance(given, ProcessorABC) or takes_functions():
        return given

    class Function(ProcessorABC):  # type: ignore[misc]  # made here, so that it travels by value
        function_of_events = staticmethod(given)

        def process(self, events: Any) -> Any:
            return self.function_of_events(events)

        def postprocess(self, accumulator: Any) -> Any:
            return accumulator

    return Function()


def given_by_user(processor: Any) -> Any:
    """Return what `as_processor` was given."""
    return getattr(type(processor), "function_of_events", processor)


# -- of a schema


def import_behavior(schema: Any) -> None:
    """Import what events of a schema can do: a method of the class, or a property of its instances."""
    behavior = inspect.getattr_static(schema, "behavior", None)
    if isinstance(behavior, property):
        with contextlib.suppress(Exception):  # one that needs an instance imports in each task
            behavior.fget(schema)  # type: ignore[misc]  # a property can be read
    elif behavior is not None:
        schema.behavior()


# -- of the work function


def opens_by_itself(function: Callable[..., Any]) -> bool:
    """Whether this is a function of coffea's that opens files, and has no options for how that is done."""
    opens = getattr(function, "__name__", "") in (_WORKS, *_COUNT)
    return opens and OPTIONS not in inspect.signature(function).parameters


def open_with(
    function: Callable[..., Any], *args: Any, uproot_options: Mapping[str, Any], **keywords: Any
) -> Any:
    """Call a work function that `opens_by_itself` with options for `uproot.open`; its own go before.

    It gets an `uproot` of its own to see: nothing changes for others, in other threads for example.
    """
    assert isinstance(function, types.FunctionType)
    seen = {**function.__globals__, _UPROOT: _Uproot(function.__globals__[_UPROOT], uproot_options)}
    own = types.FunctionType(
        function.__code__, seen, function.__name__, function.__defaults__, function.__closure__
    )
    own.__kwdefaults__ = function.__kwdefaults__
    return own(*args, **keywords)


class _Uproot:
    """uproot, but for how it opens files.

    A work function may name the class that reads local files: `mmap` is a wish of the user's, and the other
    one is what uproot takes by itself, so that ours takes its place.
    """

    def __init__(self, uproot: Any, options: Mapping[str, Any]) -> None:
        self._uproot = uproot
        # no frame of ours stands between coffea and uproot, where it is looked whose failure one is
        self.open = functools.partial(uproot.open, **options)
        if "file_handler" in options:
            self.MultithreadedFileSource = options["file_handler"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uproot, name)


def skip(kinds: tuple[type[BaseException], ...], function: Callable[[Any], Any], item: Any) -> Any:
    """Apply a function as coffea's own does where it `skips_by_type`."""
    try:
        return function(item)
    except Exception as error:
        link: BaseException | None = error
        while link is not None and not isinstance(link, kinds):
            link = link.__cause__
        if link is None:
            raise
        # as coffea says it, which is looked for
        warnings.warn(f"Skipping bad file. The last exception was: {error}", stacklevel=2)
        return None


def of_missing_tree() -> type[BaseException]:
    """Return what is raised for a file without the tree, which is skipped where nothing `skips_by_type`."""
    from coffea.processor import executor

    found: type[BaseException] = executor.UprootMissTreeError
    return found
