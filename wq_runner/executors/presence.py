"""How a run is found by workers, and what it says of those that do not come or are refused."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from wq_runner.config.settings import ManagerSettings
from wq_runner.engine.protocol import EngineStatus
from wq_runner.engine.work_queue import WorkQueueEngine
from wq_runner.errors import EngineError
from wq_runner.executors.invitation import invitation
from wq_runner.system import RunPaths
from wq_runner.terminal import printing
from wq_runner.units import MB
from wq_runner.workers import catalog, managers
from wq_runner.workers.catalog import Address
from wq_runner.workers.choice import Choice
from wq_runner.workers.herald import Herald, audience
from wq_runner.workers.local import LocalWorkers
from wq_runner.workers.managers import Manager
from wq_runner.workers.notices import Notices
from wq_runner.workers.starting import Door

PATIENCE = 60.0  # seconds without any worker until it is looked into
_EVERY = 2.0  # seconds between looks at what the engine says


@contextlib.contextmanager
def announced(
    engine: WorkQueueEngine, choice: Choice, settings: ManagerSettings, paths: RunPaths, console: Console
) -> Iterator[None]:
    """Be in the list of this user's managers while the block runs; say so if the name is taken."""
    name = choice.name
    if name is not None and choice.workers is None:
        for text in taken(name, engine.port, choice):
            printing.line(console, "note", text)
    manager = Manager(
        name=name or "",
        # those that a run starts here are the only ones that reach it
        host="127.0.0.1" if isinstance(choice.workers, LocalWorkers) else managers.this_host(),
        port=engine.port,
        pid=os.getpid(),
        machine=platform.node(),
        started=time.time(),
        directory=str(paths.root.resolve()),
        catalog=choice.catalog,
        password_file=str(choice.password_file) if choice.password_file else None,
        tls=settings.workers.tls,
        task_cores=settings.task.cores,
        task_memory=int(settings.task.memory / MB),
        task_disk=int(settings.task.disk / MB),
    )
    with managers.announced(manager):
        yield


def taken(name: str, port: int, choice: Choice) -> list[str]:
    """Say which other managers have the name: workers that come for it may go to either."""
    others = {f"{one.host}:{one.port}": f"in {one.directory}" for one in managers.running(name)}
    if choice.catalog is not None:
        with contextlib.suppress(EngineError):
            for advert in catalog.named(catalog.parse(choice.catalog), name):
                if advert.port != port and not any(key.endswith(f":{advert.port}") for key in others):
                    others[f"{advert.host}:{advert.port}"] = f"of {advert.owner or 'somebody'}"
    return [
        f"another run has the name {name}: {place}, {what}. Workers that come for it go to either; "
        "--name NAME tells them apart"
        for place, what in others.items()
    ]


def _of_environment() -> str:
    """Return the catalog that variables name, which are not set where workers are started."""
    return str(catalog.default()) if os.environ.get("CATALOG_HOST") else ""


def _herald(choice: Choice, port: int) -> Herald | None:
    address = audience(choice.catalog) if choice.name else None
    return Herald(address, choice.name, port) if address and choice.name else None


def _told(choice: Choice) -> Address | None:
    """Return the catalog that hears of the run; the engine's own where none was chosen."""
    if choice.name is None:
        return None
    return catalog.parse(choice.catalog) if choice.catalog else catalog.default()


def _numbers(status: EngineStatus) -> dict[str, int]:
    """Return what a factory counts by, under the names that the engine has for it."""
    return {
        "workers": status.workers,
        "workers_connected": status.workers,
        "tasks_waiting": status.tasks_waiting,
        "tasks_running": status.tasks_running,
        "tasks_on_workers": status.tasks_running,
        "tasks_left": status.tasks_waiting + status.tasks_running,
    }


class Attention:
    """Called again and again: says how workers are started while there are none, and why some are refused."""

    def __init__(
        self,
        engine: WorkQueueEngine,
        choice: Choice,
        settings: ManagerSettings,
        paths: RunPaths,
        console: Console,
    ) -> None:
        self._engine = engine
        self._choice = choice
        self._wish = settings.workers
        self._console = console
        password = choice.workers.password_file if choice.workers else choice.password_file
        self._notices = Notices(paths.workers / "queue.log", password)
        self._since: float | None = None
        self._came = False
        self._looked_into = False
        self._next = 0.0
        self._herald: Herald | None = None

    def __call__(self) -> None:
        engine = self._engine
        if time.monotonic() < self._next:
            return
        if self._since is None:
            self._since = time.monotonic()
            self._ask(engine.port)
            self._herald = _herald(self._choice, engine.port)
        self._next = time.monotonic() + _EVERY
        if self._herald is not None:
            self._herald.look(_numbers(engine.status))
        for notice in self._notices.news():
            printing.line(self._console, "refused", notice.text)
        waited = time.monotonic() - self._since
        if engine.status.workers_joined and not self._came:
            self._came = True
            if self._choice.workers is None:
                printing.line(self._console, "workers", f"the first came after {waited:.0f} s")
        elif not self._came and waited > PATIENCE and not self._looked_into:
            self._looked_into = True
            self._look_into()

    def _ask(self, port: int) -> None:
        if self._choice.workers is None and not self._engine.status.workers_joined:
            door = Door(
                host=managers.this_host(),
                port=port,
                name=self._choice.name or "",
                catalog=self._choice.catalog or _of_environment(),
                password_file=self._choice.password_file,
                tls=self._wish.tls,
            )
            quiet = self._wish.password_file is not None
            self._console.print(invitation(door, quiet=quiet), highlight=False, soft_wrap=True)

    def _look_into(self) -> None:
        from wq_runner.workers import doctor

        facts = doctor.gather(
            self._choice.name or "",
            asked=_told(self._choice),
            log=self._notices,
            scratch=Path.cwd(),
        )
        printing.line(self._console, "no workers", f"for {PATIENCE:.0f} s. What is known:")
        for finding in doctor.diagnose(facts):
            printing.line(self._console, "", finding.text)
