"""Why nothing runs: facts are gathered at the edge, the diagnosis only looks at them.

Looking disturbs nothing: nobody connects to a manager, which would take that for a worker. What a run of this
user says of itself, in its directory, is seconds old and asked first; what the catalog says is a minute old.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner import checksums
from wq_runner.errors import EngineError, nearest
from wq_runner.system import RunPaths
from wq_runner.units import GB, MB, format_seconds, format_size
from wq_runner.workers import catalog, managers, ports, program, proxy
from wq_runner.workers.catalog import Address, Advert
from wq_runner.workers.managers import Manager
from wq_runner.workers.notices import Notices
from wq_runner.workers.starting import Door

LITTLE_DISK = GB  # bytes
_HERE = "127.0.0.1"  # of a run with workers of its own only
SHORT_LIFE = 3600.0  # seconds of a proxy
FRESH = 90.0  # seconds in which a run writes its state again, however busy


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a run of this user says of itself. Memory is in MB, of the largest worker."""

    workers: int
    busy: int
    joined: int
    waiting: int
    running: int
    largest_cores: float = 0.0
    largest_memory: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Now:
        workers, tasks = values["workers"], values["tasks"]
        return cls(
            workers=workers["connected"],
            busy=workers["busy"],
            joined=workers["joined"],
            waiting=tasks["waiting"],
            running=tasks["running"],
            largest_cores=workers["largest_cores"],
            largest_memory=workers["largest_memory"] / MB,
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found. `catalog` is its address; `catalog_error` why it does not answer, if it does not.

    `now` is what the run says of itself, if it is this user's. `reachable` is whether somebody listens at
    the manager's port, None if only a worker could tell. `refusals` are kinds of notices of the engine.
    `problem` is why no worker starts here, where `release` is None. `proxy` is None if none is needed.
    """

    name: str
    catalog: str | None = None
    catalog_error: str | None = None
    adverts: tuple[Advert, ...] = ()
    managers: tuple[Manager, ...] = ()
    now: Now | None = None
    reachable: bool | None = None
    refusals: frozenset[str] = frozenset()
    release: str | None = None
    problem: str = ""
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
        *_of_nameless(facts),
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
        one = next((one for one in facts.managers if one.name == facts.name), facts.managers[0])
        way += f", or start workers by host and port: {Door.of(one).by_port}"
    return [Finding(kind="catalog", text=f"{facts.catalog_error}. {way}")]


def _of_nameless(facts: Facts) -> list[Finding]:
    """Return how workers find runs that tell their name nowhere, if it is about these."""
    return [
        Finding(
            kind="no name",
            text=f"the run in {one.directory} tells its name nowhere (--catalog none), so workers are "
            f"started by host and port: {Door.of(one).by_port}",
            bad=False,
        )
        for one in facts.managers
        if one.name == facts.name == "" and one.host != _HERE
    ]


def _of_managers(facts: Facts) -> list[Finding]:
    mine = [one for one in facts.adverts if one.name == facts.name]
    if not mine and not any(one.name == facts.name for one in facts.managers):
        return [_no_manager(facts)]
    found = []
    if facts.reachable is False:
        found.append(
            Finding(
                kind="port",
                text=f"nobody listens at {_place(facts)}, where the manager should: it is being started "
                "again, or has just ended",
            )
        )
    if facts.now is not None:
        found += _of_now(facts.name, facts.now)
    if facts.now is not None and facts.now.workers:
        return found
    if not mine and facts.catalog and not facts.catalog_error:
        found.append(
            Finding(
                kind="not told",
                text=f"the catalog {facts.catalog} has not heard of {facts.name}, yet: it is told "
                f"once a minute. By host and port: {_by_port(facts)}",
            )
        )
    for advert in mine if facts.now is None else ():
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


def _of_now(name: str, now: Now) -> list[Finding]:
    if not now.workers:
        came = f"; {now.joined} came and left" if now.joined else ", and none has come so far"
        return [Finding(kind="no workers", text=f"{name} has no workers{came}", bad=False)]
    if now.waiting and not now.running:
        return [
            Finding(
                kind="too small",
                text=f"{now.workers} workers are there and {now.waiting} tasks wait: the workers are too "
                f"small. The largest has {now.largest_cores:.0f} cores and {now.largest_memory:.0f} MB of "
                "memory",
            )
        ]
    text = f"{now.busy} of {now.workers} workers are busy, {now.waiting} tasks wait"
    return [Finding(kind="workers", text=text, bad=False)]


def _no_manager(facts: Facts) -> Finding:
    others = [one.name for one in facts.adverts] + [one.name for one in facts.managers if one.name]
    near = nearest(facts.name, others)
    rest = (
        f" Nearest: {near}" if near else f" There are: {', '.join(sorted(set(others))[:5])}" if others else ""
    )
    return Finding(kind="name", text=f"no manager has the name {facts.name!r}.{rest}")


def _by_port(facts: Facts) -> str:
    (one, *_) = [one for one in facts.managers if one.name == facts.name]
    return Door.of(one).by_port


def _place(facts: Facts) -> str:
    for one in facts.managers:
        if one.name == facts.name:
            return one.place
    return next((f"{one.host}:{one.port}" for one in facts.adverts if one.name == facts.name), "")


_REFUSALS = {
    "no or a wrong password": "workers came with no password or a wrong one, and were refused: "
    "start them with -P",
    "no TLS": "workers without TLS came, and were refused: start them with --ssl, or by wq-workers with "
    "--tls",
    "a password that is not wanted": "workers came with a password, but the run has none: start them "
    "without -P, or the run with --password-file",
    "another release": "workers of another release of the engine came, and were refused: both sides "
    "need the same",
    "another version": "workers of another version of the engine came: both sides should be of the same",
    "a stranger": "something that is no worker talks to the port",
    "in the engine's words": "the engine had something to say of workers: see the log of the run",
}


def _of_refusals(facts: Facts) -> list[Finding]:
    # what was refused once is no reason that nothing runs, where workers are
    bad = facts.now is None or not facts.now.workers
    return [Finding(kind=kind, text=_REFUSALS[kind], bad=bad) for kind in sorted(facts.refusals)]


def _of_machine(facts: Facts) -> list[Finding]:
    found = []
    if facts.release is None:
        found.append(
            Finding(
                kind="engine",
                text=facts.problem or "work_queue_worker is not installed here",
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


def gather(name: str, *, asked: Address | None, log: Notices | None = None, scratch: Path) -> Facts:
    """Look at the run itself, if it is this user's, at the catalog `asked`, this machine and the proxy.

    The catalog is left alone where the run says that it has workers.
    """
    mine = tuple(managers.running())
    now = _now(name, mine)
    adverts: tuple[Advert, ...] = ()
    error = None
    if asked is not None and (now is None or not now.workers):
        try:
            adverts = tuple(catalog.managers(asked))
        except EngineError as failure:
            error = failure.message
    return Facts(
        name=name,
        catalog=str(asked) if asked else None,
        catalog_error=error,
        adverts=adverts,
        managers=mine,
        now=now,
        reachable=_reachable(name, adverts, mine),
        refusals=_refusals(log, name, mine),
        release=program.release(),
        problem=program.problem(),
        free_disk=shutil.disk_usage(scratch).free,
        proxy=proxy.find(),
    )


def meant(default: str) -> str:
    """Return the name of the run that is meant where none is given: empty if only nameless ones wait."""
    if managers.running(default):
        return default
    return "" if any(one.host != _HERE for one in managers.running("")) else default


def catalog_of(name: str) -> Address | None:
    """Return the catalog to ask of a run if none is named: the one that it tells, if it is this user's.

    A run without a name tells none.
    """
    if not name:
        return None
    known = managers.running(name)
    if not known:
        return catalog.default()
    return catalog.parse(known[0].catalog) if known[0].catalog else catalog.default()


def _now(name: str, mine: tuple[Manager, ...]) -> Now | None:
    for one in mine:
        if one.name != name or not name:
            continue
        status = RunPaths(root=Path(one.directory)).status_json
        try:
            if time.time() - status.stat().st_mtime < FRESH:
                return Now.of(checksums.read_json(status))
        except (OSError, ValueError, KeyError, TypeError):  # it has not begun, or is of another release
            continue
    return None


def _reachable(name: str, adverts: tuple[Advert, ...], mine: tuple[Manager, ...]) -> bool | None:
    places = [(one.host, one.port) for one in mine if one.name == name]
    places += [(one.host, one.port) for one in adverts if one.name == name]
    found = [ports.listens(*place) for place in places]
    return True if True in found else None if None in found or not found else False


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
