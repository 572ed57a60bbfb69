"""Tasks on Parsl: its HighThroughputExecutor on this machine, or whatever a configuration says."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wq_runner.engine.care import Care
from wq_runner.engine.futures import Future, FuturesEngine
from wq_runner.engine.protocol import EngineStatus
from wq_runner.errors import EngineError
from wq_runner.model import Ending

log = logging.getLogger(__name__)

# so that a block whose manager was killed does not outlive it for Parsl's two minutes
_HEARTBEAT, _PATIENCE = 2, 10  # seconds

# before the command: a session of its own, as Ctrl-C is for us to answer, and the end with its parent
_TETHER = (
    "import ctypes, os, signal, sys; os.setsid(); ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class ParslEngine(FuturesEngine):
    """Submits to a kernel of its own; `config` makes the configuration when the engine starts."""

    def __init__(self, config: Callable[[], Any], care: Care | None = None) -> None:
        super().__init__(care)
        self._config = config
        self._kernel: Any = None
        self._most = 0

    def start(self) -> None:
        if self._kernel is not None:
            return
        import parsl

        config = self._config()
        config.retries = 0  # a failure is answered by its cause
        try:
            # not parsl.load: the user's own kernel, if there is one, is left alone
            self._kernel = parsl.DataFlowKernel(config)
        except Exception as error:
            raise EngineError(
                f"Parsl did not start: {type(error).__name__}: {error}",
                hint=f"its logs are in {config.run_dir}",
                page="executors",
            ) from error
        self._status = self._look()

    def _call(self, function: Any, argument: Any) -> Future:
        future: Future = self._kernel.submit(
            function, app_args=(argument,), executors="all", cache=False, ignore_for_cache=None, app_kwargs={}
        )
        return future

    def _look(self) -> EngineStatus:
        if self._kernel is None:
            return EngineStatus()
        named = self._kernel.executors.items()
        workers = sum(_workers(one) for label, one in named if not label.startswith("_parsl"))
        self._most = max(self._most, workers)
        return EngineStatus(
            workers=workers, workers_joined=self._most, workers_lost=self._most - workers, cores=workers
        )

    def _ending(self, error: Exception) -> Ending | None:
        from parsl.executors.errors import ExecutorError
        from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

        if isinstance(error, WorkerLost):
            return Ending.DIED  # the process that did this very task ended
        return Ending.LOST if isinstance(error, ManagerLost | ExecutorError) else None

    def _stop(self) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is None:
            return
        try:
            kernel.cleanup()
        except Exception:
            log.info("Parsl failed at its end", exc_info=True)


def local_config(processes: int, directory: Path) -> Any:
    """Return the configuration of one block of processes on this machine, on loopback."""
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    # Parsl starts its programs by their names, and an environment need not be activated
    programs = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    interchange = shutil.which("interchange.py", path=programs) or "interchange.py"
    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        loopback_address="127.0.0.1",
        max_workers_per_node=processes,
        cores_per_worker=1e-6,  # as many as asked for, whatever the machine has
        heartbeat_period=_HEARTBEAT,
        heartbeat_threshold=_PATIENCE,
        # whoever reaches the port of the interchange could run code as us
        encrypted=True,
        interchange_launch_cmd=[sys.executable, "-c", _TETHER, interchange],
        provider=LocalProvider(
            init_blocks=1, min_blocks=1, max_blocks=1, worker_init=f"export PATH={shlex.quote(programs)}"
        ),
    )
    return Config(
        executors=[executor],
        run_dir=str(directory / "parsl"),
        strategy="none",
        initialize_logging=False,
        usage_tracking=0,
    )


def _workers(executor: Any) -> int:
    """Return how many processes of an executor can work; of those of other kinds, what they may have."""
    if hasattr(executor, "connected_managers"):
        return sum(one["worker_count"] for one in executor.connected_managers() if one["active"])
    return int(getattr(executor, "max_threads", 0) or getattr(executor, "max_workers", 0) or 0)
