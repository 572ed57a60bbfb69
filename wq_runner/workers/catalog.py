"""Catalogs: where managers tell their names, and workers ask for them.

A named manager tells a catalog its name, owner, host, port and working directory once a minute; the
engine's default is a public one. A private one, on loopback, is one program.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import system
from wq_runner.errors import EngineError, UsageError
from wq_runner.workers import ports
from wq_runner.workers.leash import Leash
from wq_runner.workers.local import find_program

PORT = 9097
PUBLIC = "catalog.cse.nd.edu"
LOCAL = "local"
NONE = "none"
SPEAKS = 70.0  # seconds, a little more than between two words of a manager to its catalog
LIFETIME = 150  # seconds a private catalog believes in a manager that says nothing; they speak every 60

_TIMEOUT = 5.0
_LOOK_INTERVAL = 10.0
_START_TIMEOUT = 20.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Address:
    host: str
    port: int = PORT

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Advert:
    """What a catalog knows of a manager. `heard` is when it last spoke, memory and disk are in MB."""

    name: str
    host: str
    port: int
    owner: str = ""
    version: str = ""
    heard: float = 0.0
    started: float = 0.0
    workers: int = 0
    waiting: int = 0
    running: int = 0
    task_cores: float = 0.0
    task_memory: float = 0.0
    task_disk: float = 0.0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Advert:
        largest = {
            what: max((_number(one.get(f"max_{what}")) for one in record.get("categories", ())), default=0.0)
            for what in ("cores", "memory", "disk")
        }
        return cls(
            name=str(record.get("project", "")),
            host=str(record.get("address") or record.get("name", "")),
            port=int(_number(record.get("port"))),
            owner=str(record.get("owner", "")),
            version=str(record.get("version", "")),
            heard=_number(record.get("lastheardfrom")),
            started=_number(record.get("starttime")),
            workers=int(_number(record.get("workers"))),
            waiting=int(_number(record.get("tasks_waiting"))),
            running=int(_number(record.get("tasks_running"))),
            task_cores=largest["cores"],
            task_memory=largest["memory"],
            task_disk=largest["disk"],
        )


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def parse(text: str) -> Address:
    """Return the address that ``HOST`` or ``HOST:PORT`` names.

    Raises
    ------
    UsageError
        If it names none.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host, port = port, str(PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(
            f"catalog {text!r} not understood", hint="HOST:PORT, local, or none", page="names-and-catalogs"
        )
    return Address(host=host, port=int(port))


def default() -> Address:
    """Return the catalog that the engine's programs would ask: `CATALOG_HOST` or the public one."""
    host = os.environ.get("CATALOG_HOST", "").split(",")[0] or PUBLIC
    host, _, port = host.partition(":")
    return Address(host=host, port=int(port or _environment_port()))


def local() -> Address:
    """Return where a private catalog is looked for and started."""
    return Address(host=_LOOPBACK, port=_environment_port())


def _environment_port() -> int:
    text = os.environ.get("CATALOG_PORT", "")
    return int(text) if text.isdecimal() else PORT


def chosen(text: str | None) -> Address | None:
    """Return the catalog of an option's value; None if it says ``none``."""
    if text == NONE:
        return None
    if text == LOCAL:
        return local()
    return parse(text) if text else default()


def managers(address: Address, *, timeout: float = _TIMEOUT) -> list[Advert]:
    """Return the managers that a catalog knows.

    Raises
    ------
    EngineError
        If it does not answer, or is no catalog.
    """
    return [Advert.of(one) for one in records(address, timeout=timeout) if one.get("type") == "wq_master"]


def records(address: Address, query: str = "", *, timeout: float = _TIMEOUT) -> list[dict[str, Any]]:
    """Return what a catalog knows as it says it, perhaps only what a query of its own language selects.

    Raises
    ------
    EngineError
        If it does not answer, or is no catalog.
    """
    path = f"/query/{base64.b64encode(query.encode()).decode()}" if query else "/query.json"
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        connection.request("GET", path)
        return [dict(one) for one in json.loads(connection.getresponse().read())]
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise EngineError(
            f"catalog {address} does not answer: {reason}", page="names-and-catalogs"
        ) from error
    except (ValueError, TypeError) as error:
        raise EngineError(f"what answers at {address} is no catalog", page="names-and-catalogs") from error
    finally:
        connection.close()


def tell(address: Address, record: Mapping[str, Any]) -> None:
    """Send a record to a catalog; nobody answers."""
    with contextlib.suppress(OSError), _datagrams() as sock:
        sock.sendto(json.dumps(record).encode(), (address.host, address.port))


def named(address: Address, name: str) -> list[Advert]:
    """Return the managers of a name that live, as far as is known without disturbing them.

    On this machine they listen, or not; one elsewhere has spoken since it should have last.
    """
    now = time.time()
    found = []
    for one in (one for one in managers(address) if one.name == name):
        here = ports.listens(one.host, one.port)
        if here or (here is None and now - one.heard < SPEAKS):
            found.append(one)
    return found


def command(program: str, port: int, history: Path) -> list[str]:
    """Return the command of a catalog that listens on loopback and reports to nobody but itself.

    What it knew before it would read again from `history`, which it writes in any case.
    """
    return [
        program,
        f"--interface={_LOOPBACK}",
        f"--port={port}",
        "--name=localhost",
        f"--update-host={_LOOPBACK}:{port}",
        f"--lifetime={LIFETIME}",
        f"--history={history}",
    ]


class PrivateCatalog:
    """A catalog on loopback, that ends with this process. One that is there already is shared."""

    def __init__(self, address: Address, *, log: Path) -> None:
        self.address = address
        self._program = find_program("catalog_server")
        self._log = log
        self._history = log.with_suffix(".history")
        self._leash: Leash | None = None
        self._next_look = 0.0

    def start(self) -> None:
        """Start it, unless another run has, and wait until it answers.

        Raises
        ------
        EngineError
            If its port is taken by something else.
        """
        if self.answers():
            return
        system.make_private(self._log.parent)
        shutil.rmtree(self._history, ignore_errors=True)
        self._leash = Leash(command(self._program, self.address.port, self._history), log=self._log)
        end = time.monotonic() + _START_TIMEOUT
        while not self.answers():
            if not self._leash.alive or time.monotonic() > end:
                self.stop()
                raise EngineError(
                    f"no catalog could be started on port {self.address.port}, which may be taken",
                    hint=f"another port: CATALOG_PORT=9098. What it said is in {self._log}",
                    page="names-and-catalogs",
                )
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            managers(self.address, timeout=2.0)
        except EngineError:
            return False
        return True

    def keep_alive(self) -> None:
        """Start it again if it ended; one that was shared ends with the run that started it."""
        if self._leash is not None:
            if self._leash.alive:
                return
            self.stop()
        elif time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_INTERVAL
        self.start()

    def stop(self) -> None:
        if self._leash is not None:
            self._leash.stop()
            self._leash = None
            shutil.rmtree(self._history, ignore_errors=True)


def free_address() -> Address:
    """Return an address on loopback for a catalog of our own: it takes the next port as well."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second, _datagrams() as third:
            try:
                first.bind((_LOOPBACK, 0))
                port = first.getsockname()[1]
                second.bind((_LOOPBACK, port + 1))
                third.bind((_LOOPBACK, port))
            except (OSError, OverflowError):
                continue
            return Address(host=_LOOPBACK, port=port)
    raise EngineError("there are no two free ports in a row for a catalog", page="names-and-catalogs")


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
