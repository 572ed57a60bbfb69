"""`--executor-custom-setup`: executors that a file of the user makes, by PocketCoffea's protocol.

The file defines ``get_executor_factory(name, run_options=..., outputdir=...)``. What it returns has a method
``get()``, which returns an executor of coffea, a client of Dask or a pool, and may have ``close()``.
https://pocketcoffea.readthedocs.io/en/stable/running.html
"""

from __future__ import annotations

import concurrent.futures
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from wq_runner import guarded
from wq_runner.config.settings import ExecutorSettings
from wq_runner.engine.borrowed import BorrowedPool, CoffeaExecutor
from wq_runner.engine.dask import DaskEngine
from wq_runner.engine.inline import InlineEngine
from wq_runner.engine.parsl import ParslEngine
from wq_runner.engine.pool import PoolEngine
from wq_runner.engine.protocol import Engine
from wq_runner.errors import ExecutorSetupError, did_you_mean
from wq_runner.executors import backends
from wq_runner.system import RunPaths

log = logging.getLogger(__name__)

_FUNCTION = "get_executor_factory"


class ExecutorFactory:
    """A base for factories: `setup` is called when it is made, `get` once, and `close` at the end."""

    handles_submission = False

    def __init__(self, run_options: Mapping[str, Any], **_: Any) -> None:
        self.run_options = run_options
        self.setup()

    def setup(self) -> None:
        """Prepare what workers need, such as a cluster."""

    def get(self) -> Any:
        """Return the executor."""
        raise NotImplementedError(f"{type(self).__name__} needs a method get()")

    def customized_args(self) -> dict[str, Any]:
        """Return arguments of the executor."""
        return {}

    def close(self) -> None:
        """Give back what `setup` took."""


def make_factory(settings: ExecutorSettings, paths: RunPaths) -> Any:
    """Return the factory that the user's file makes.

    Raises
    ------
    UsageError
        If the file defines none.
    ProcessorError
        If it fails.
    """
    path = settings.setup
    assert path is not None
    module = backends.load(path)
    function = getattr(module, _FUNCTION, None)
    if function is None:
        raise ExecutorSetupError(
            f"{path} defines no {_FUNCTION}.{did_you_mean(_FUNCTION, vars(module))}",
            hint=f"def {_FUNCTION}(executor_name, run_options, **kwargs): ... returns a factory with get()",
        )
    name = settings.name
    with guarded.code(f"{path} makes no factory for {name}", page="executors"):
        factory = function(name, run_options=dict(settings.run_options), outputdir=str(paths.root))
    if factory is None or not callable(getattr(factory, "get", None)):
        raise ExecutorSetupError(
            f"{path} has no executor {name}: {_FUNCTION} returned {type(factory).__name__}",
            hint="it has to return a factory, which has a method get()",
        )
    if getattr(factory, "handles_submission", False):
        raise ExecutorSetupError(
            f"the factory of {path} submits jobs of its own, which are PocketCoffea's",
            hint="with `handles_submission = False` and get() it gives an executor",
        )
    return factory


def make_engine(factory: Any) -> Engine:
    """Return our engine on what a factory gives.

    Raises
    ------
    ProcessorError
        If it fails.
    UsageError
        If it gives something that nothing can run on.
    """
    with guarded.code(f"{type(factory).__name__}.get() failed", page="executors"):
        executor = factory.get()
    return engine_on(executor)


def closing(factory: Any) -> Callable[[], None]:
    """Return what ends a factory: should it fail, what was done is there all the same."""

    def close() -> None:
        try:
            getattr(factory, "close", lambda: None)()
        except (Exception, SystemExit) as error:
            name = type(factory).__name__
            log.warning("%s.close() failed: %s: %s", name, type(error).__name__, error, exc_info=True)

    return close


def engine_on(executor: Any) -> Engine:
    """Return our engine on somebody's executor: where it runs is his, how is ours."""
    from coffea import processor
    from coffea.processor.executor import ExecutorBase

    from wq_runner.coffea_adapter.executor import EngineExecutor

    distributed: Any = sys.modules.get("distributed")
    match executor:
        case EngineExecutor():
            raise ExecutorSetupError(
                "the factory gives wq-runner's own executor", hint="-e work_queue is the same"
            )
        case processor.IterativeExecutor():
            return InlineEngine()
        case processor.FuturesExecutor(pool=concurrent.futures.Executor() as pool):
            return BorrowedPool(pool)
        case processor.FuturesExecutor(workers=workers):
            return PoolEngine(workers)
        case processor.DaskExecutor(client=client) if client is not None:
            return DaskEngine(lambda: client)
        case processor.ParslExecutor(config=config) if config is not None:
            return ParslEngine(lambda: config)
        case ExecutorBase():
            return CoffeaExecutor(executor)
        case concurrent.futures.Executor():
            return BorrowedPool(executor)
        case _ if distributed is not None and isinstance(executor, distributed.Client):
            return DaskEngine(lambda: executor)
    raise ExecutorSetupError(
        f"the factory's get() returned {type(executor).__name__}, which nothing can run on",
        hint="it has to be an executor of coffea, a client of Dask, or a pool of concurrent.futures",
    )
