"""Tasks on a Dask cluster: one of this machine, of a batch system, or anybody's scheduler."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wq_runner.engine.care import Care
from wq_runner.engine.futures import Future, FuturesEngine
from wq_runner.engine.protocol import EngineStatus
from wq_runner.errors import EngineError
from wq_runner.model import Ending

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 20.0  # seconds for a scheduler to answer
CLOSE_TIMEOUT = 5.0
_ON_LOOPBACK = "127.0.0.1:0"

# a terminal's Ctrl-C reaches all its processes, but is for the manager to answer
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"

Source = Callable[[], Any]
"""Returns a cluster, which is closed with the engine, a client, which is left open, or an address."""


class DaskEngine(FuturesEngine):
    """Submits to a scheduler; `report` is where Dask's own account of the run goes."""

    def __init__(self, source: Source, *, report: Path | None = None, care: Care | None = None) -> None:
        super().__init__(care)
        self._source = source
        self._report_file = report
        self._report: Any = None
        self._cluster: Any = None
        self._client: Any = None
        self._ours = True
        self._seen: set[str] = set()

    @property
    def dashboard(self) -> str:
        """The address of Dask's page, as seen from this machine; empty if there is none."""
        if self._client is None or not _can_draw():
            return ""
        if "dashboard" not in self._client.scheduler_info()["services"]:
            return ""
        return str(self._client.dashboard_link)

    @property
    def scheduler(self) -> str:
        return str(self._client.scheduler.address) if self._client else ""

    def start(self) -> None:
        if self._client is not None:
            return
        import distributed

        # what goes wrong in its threads is said by us, in one message
        for name in ("distributed", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        found = self._source()
        self._ours = not isinstance(found, distributed.Client)
        self._client = self._connect(found) if self._ours else found
        if self._report_file is not None and _can_draw():
            with _harmless("performance report"):
                self._report = distributed.performance_report(filename=str(self._report_file))
                self._report.__enter__()

    def _connect(self, found: Any) -> Any:
        import distributed

        self._cluster = None if isinstance(found, str) else found
        try:
            # the default client, as performance_report asks for it
            return distributed.Client(found, timeout=CONNECT_TIMEOUT)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {found}: {str(error).splitlines()[0]}",
                hint="look at what `dask scheduler` printed, and name it: -e dask@tcp://HOST:PORT",
                page="executors",
            ) from error

    def _call(self, function: Any, argument: Any) -> Future:
        self._check()
        # pure=False: the same call again is another attempt, not a result that is known
        future: Future = self._client.submit(function, argument, pure=False)
        return future

    def _check(self) -> None:
        if self._client.status not in {"running", "connecting"}:
            raise EngineError(
                "the Dask scheduler went away",
                hint="the same command continues where this run stopped",
                page="executors",
            )
        check_jobs = getattr(self._cluster, "check_jobs", None)  # of a batch system
        if check_jobs is not None:
            check_jobs()

    def _look(self) -> EngineStatus:
        if self._client is None:
            return EngineStatus()
        self._check()
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TimeoutError, KeyError):
            return self._status  # busy, or going away: then the client closes
        self._seen |= workers.keys()
        return EngineStatus(
            workers=len(workers),
            workers_joined=len(self._seen),
            workers_lost=len(self._seen - workers.keys()),
            cores=sum(one["nthreads"] for one in workers.values()),
            memory=sum(one["memory_limit"] or 0 for one in workers.values()),
            memory_used=sum(one["metrics"].get("memory", 0) for one in workers.values()),
        )

    def _ending(self, error: Exception) -> Ending | None:
        import concurrent.futures

        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return Ending.DEADLY
        return Ending.LOST if isinstance(error, concurrent.futures.CancelledError) else None

    def _stop(self) -> None:
        client, cluster, report = self._client, self._cluster, self._report
        self._client = self._cluster = self._report = None
        if client is None:
            return
        if report is not None:
            with _harmless("performance report"):
                report.__exit__(None, None, None)
        if not self._ours:
            return
        with _harmless("client"):
            client.close(timeout=CLOSE_TIMEOUT)
        if cluster is not None:
            with _harmless("cluster"):
                if self._running:
                    _kill_workers(cluster)
                cluster.close(timeout=CLOSE_TIMEOUT)


def _can_draw() -> bool:
    try:
        import bokeh  # noqa: F401
    except ImportError:
        return False
    return True


def local_cluster(processes: int, memory: float | None, directory: Path) -> Any:
    """Start a scheduler and worker processes here, that only we can talk to. Memory in bytes, of each."""
    import dask
    import distributed
    from distributed.security import Security

    dask.config.set({"distributed.logging.distributed": "error"})
    # a processor may start processes; the workers end with this process all the same, by a pipe
    dask.config.set({"distributed.worker.daemon": False})
    return distributed.LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        memory_limit=memory or "auto",
        local_directory=str(directory),
        dashboard_address=_ON_LOOPBACK,
        # whoever reaches an open scheduler runs code as us, and others work on this machine
        security=Security.temporary(),
        preload=[_DEAF],
        silence_logs=logging.ERROR,
    )


def _kill_workers(cluster: Any) -> None:
    """Kill the workers of this machine: asked to end, they would wait for tasks that nobody wants."""
    for nanny in getattr(cluster, "workers", {}).values():
        if pid := getattr(nanny, "pid", None):
            nanny.auto_restart = False
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _harmless(what: str) -> Any:
    try:
        yield
    except Exception:
        log.info("Dask's %s failed at its end", what, exc_info=True)
