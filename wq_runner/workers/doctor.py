"""Why nothing runs: facts are gathered at the edge, the diagnosis only looks at them."""

from __future__ import annotations

import contextlib
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from wq_runner import system
from wq_runner.errors import EngineError, nearest
from wq_runner.units import format_seconds, format_size
from wq_runner.workers import catalog, managers, proxy
from wq_runner.workers.catalog import Advert
from wq_runner.workers.local import find_program
from wq_runner.workers.managers import Manager
from wq_runner.workers.notices import Notices

LITTLE_DISK = 1_000_000_000  # bytes
SHORT_LIFE = 3600.0  # seconds of a proxy


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found. `catalog` is its address; `catalog_error` why it does not answer, if it does not.

    `reachable` is whether the manager's port answers, None if it is not known where it is. `refusals` are
    kinds of notices of the engine. `proxy` is None if none is needed.
    """

    name: str
    catalog: str | None = None
    catalog_error: str | None = None
    adverts: tuple[Advert, ...] = ()
    managers: tuple[Manager, ...] = ()
    reachable: bool | None = None
    refusals: frozenset[str] = frozenset()
    release: str | None = None
    free_disk: int | None = None
    proxy: proxy.Proxy | None = None
    needs_proxy: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing: `bad` if it keeps work from being done."""

    kind: str
    text: str
    bad: bool = True


def diagnose(facts: Facts) -> list[Finding]:
    """Return what is wrong, or one finding that nothing is."""
    found = [
        *_of_catalog(facts),
        *_of_managers(facts),
        *_of_refusals(facts),
        *_of_machine(facts),
        *_of_proxy(facts),
    ]
    if not any(one.bad for one in found):
        found.append(
            Finding(kind="fine", text="nothing is wrong here: what is missing are workers", bad=False)
        )
    return found


def _of_catalog(facts: Facts) -> list[Finding]:
    if facts.catalog_error is None:
        return []
    way = "--catalog HOST:PORT names another"
    if facts.managers:
        one = facts.managers[0]
        way += f", or start workers by host and port: work_queue_worker {one.host} {one.port}"
    return [Finding(kind="catalog", text=f"{facts.catalog_error}. {way}")]


def _of_managers(facts: Facts) -> list[Finding]:
    mine = [one for one in facts.adverts if one.name == facts.name]
    if not mine and not any(one.name == facts.name for one in facts.managers):
        return [_no_manager(facts)]
    found = []
    if facts.reachable is False:
        found.append(
            Finding(
                kind="port",
                text=f"the port of the manager does not answer at {_place(facts)}: a firewall, or another "
                "network; --port LOW-HIGH takes one that is open",
            )
        )
    if not mine and facts.catalog and not facts.catalog_error:
        found.append(
            Finding(
                kind="not told",
                text=f"the catalog {facts.catalog} has not heard of {facts.name}, yet: it is told "
                f"once a minute. By host and port: work_queue_worker {_place(facts).replace(':', ' ')}",
            )
        )
    for advert in mine:
        if not advert.workers:
            found.append(Finding(kind="no workers", text=f"{facts.name} has no workers", bad=False))
        elif advert.waiting and not advert.running:
            found.append(
                Finding(
                    kind="too small",
                    text=f"{advert.workers} workers are there and {advert.waiting} tasks wait: the workers "
                    f"are too small. A task asks for {advert.task_cores:.0f} cores, "
                    f"{advert.task_memory:.0f} MB of memory, {advert.task_disk:.0f} MB of disk",
                )
            )
    return found


def _no_manager(facts: Facts) -> Finding:
    others = [one.name for one in facts.adverts] + [one.name for one in facts.managers if one.name]
    near = nearest(facts.name, others)
    rest = (
        f" Nearest: {near}" if near else f" There are: {', '.join(sorted(set(others))[:5])}" if others else ""
    )
    return Finding(kind="name", text=f"no manager has the name {facts.name!r}.{rest}")


def _place(facts: Facts) -> str:
    for one in facts.managers:
        if one.name == facts.name:
            return one.place
    return next((f"{one.host}:{one.port}" for one in facts.adverts if one.name == facts.name), "")


_REFUSALS = {
    "no or a wrong password": "workers came with no password or a wrong one, and were refused: "
    "start them with -P",
    "a password that is not wanted": "workers came with a password, but the run has none: start them "
    "without -P, or the run with --password-file",
    "another release": "workers of another release of the engine came, and were refused: both sides "
    "need the same",
    "another version": "workers of another version of the engine came: both sides should be of the same",
    "a stranger": "something that is no worker talks to the port",
}


def _of_refusals(facts: Facts) -> list[Finding]:
    return [Finding(kind=kind, text=_REFUSALS[kind]) for kind in sorted(facts.refusals)]


def _of_machine(facts: Facts) -> list[Finding]:
    found = []
    if facts.release is None:
        found.append(
            Finding(
                kind="engine",
                text="work_queue_worker is not installed here, or does not start",
            )
        )
    for one in facts.managers:
        if one.name == facts.name and one.release and facts.release and one.release != facts.release:
            text = f"workers from here are of release {facts.release}, the run's engine is of {one.release}"
            found.append(Finding(kind="release", text=text))
    if facts.free_disk is not None and facts.free_disk < LITTLE_DISK:
        text = f"only {format_size(facts.free_disk)} of disk are free for workers here"
        found.append(Finding(kind="disk", text=text))
    return found


def _of_proxy(facts: Facts) -> list[Finding]:
    if facts.proxy is None:
        if facts.needs_proxy:
            return [Finding(kind="proxy", text="no X509 proxy was found: voms-proxy-init -voms cms")]
        return []
    if not facts.proxy.expires:
        return [
            Finding(kind="proxy", text=f"{facts.proxy.path} is no proxy: no certificate in it", bad=False)
        ]
    left = facts.proxy.left
    if left <= 0:
        return [
            Finding(kind="proxy", text=f"the proxy {facts.proxy.path} has expired: voms-proxy-init -voms cms")
        ]
    if left < SHORT_LIFE:
        text = f"the proxy {facts.proxy.path} expires in {format_seconds(left)}"
        return [Finding(kind="proxy", text=text, bad=False)]
    return []


def gather(
    name: str,
    *,
    address: str | None,
    log: Notices | None = None,
    knock: bool = True,
    scratch: Path,
) -> Facts:
    """Look at the catalog, the managers, the port unless `knock` is false, this machine and the proxy."""
    asked = catalog.parse(address) if address else catalog.default()
    adverts: tuple[Advert, ...] = ()
    error = None
    try:
        adverts = tuple(catalog.managers(asked))
    except EngineError as failure:
        error = failure.message
    mine = tuple(managers.running())
    return Facts(
        name=name,
        catalog=str(asked),
        catalog_error=error,
        adverts=adverts,
        managers=mine,
        reachable=_reachable(name, adverts, mine) if knock else None,
        refusals=_refusals(log, name, mine),
        release=worker_release(),
        free_disk=shutil.disk_usage(scratch).free,
        proxy=proxy.find(),
    )


def _reachable(name: str, adverts: tuple[Advert, ...], mine: tuple[Manager, ...]) -> bool | None:
    places = [(one.host, one.port) for one in mine if one.name == name]
    places += [(one.host, one.port) for one in adverts if one.name == name]
    for place in places:
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=3.0):
            return True
    return False if places else None


def _refusals(log: Notices | None, name: str, mine: tuple[Manager, ...]) -> frozenset[str]:
    """Return the kinds of notices, of a run's own log or of those that it left where it runs."""
    if log is not None:
        return log.kinds
    found: set[str] = set()
    for one in mine:
        if one.name == name:
            notices = Notices(Path(one.directory) / "workers" / "queue.log")
            notices.news()
            found |= notices.kinds
    return frozenset(found)


def worker_release() -> str | None:
    """Return the release of the worker that would be started here."""
    try:
        words = system.run([find_program(), "--version"]).split()
    except (EngineError, system.CommandError, OSError):
        return None
    return words[2] if len(words) > 2 else None
