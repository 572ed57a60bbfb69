"""Which X509 proxy the tasks of a run get, and what is said of it before and while it runs."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable

from rich.console import Console

from wq_runner.config.settings import ProxySettings
from wq_runner.errors import UsageError
from wq_runner.model import Fileset
from wq_runner.samples.redirect import over_xrootd
from wq_runner.scheduler.session import Session, temporary_directory
from wq_runner.terminal import printing
from wq_runner.units import format_seconds
from wq_runner.workers import proxy
from wq_runner.workers.proxy import Courier, Proxy

SHORT = 3600.0  # seconds of life that are worth a word at the start
_EVERY = 5.0  # seconds between looks


def choose(settings: ProxySettings, fileset: Fileset) -> Proxy | None:
    """Return the proxy; None if none is needed, wanted or there.

    Raises
    ------
    UsageError
        If the site asks for one and there is none, or the file that was named is none.
    """
    if settings.off or not over_xrootd(fileset):
        return None
    found = proxy.find(settings.file)
    if found is not None and found.expires:
        return found
    if settings.file is not None:
        raise UsageError(
            f"--proxy {settings.file}: there is no certificate in it", hint=proxy.RENEW, page="proxies"
        )
    if settings.needed_at:
        looked = ", ".join(map(str, proxy.places()))
        raise UsageError(
            f"no X509 proxy, and {settings.needed_at} needs one for root:// files (looked at {looked})",
            hint=f"{proxy.RENEW}, or --proxy FILE; --proxy none goes on without",
            page="proxies",
        )
    return None


def describe(settings: ProxySettings, fileset: Fileset, found: Proxy | None) -> str:
    """Say which one it is and how long it lives; nothing if there is nothing to say."""
    if not over_xrootd(fileset):
        return ""
    if found is None:
        if settings.off:
            return "none, as --proxy none says"
        return "none found: servers that ask for one will refuse"
    if found.left <= 0:
        return f"{found.path} has expired: {proxy.RENEW}; a new one reaches the tasks by itself"
    short = f": {proxy.RENEW} before it ends; a new one reaches the tasks by itself"
    return f"{found.path}, {format_seconds(found.left)} left{short if found.left < SHORT else ''}"


class Renewal:
    """Called again and again: brings a renewed proxy to the tasks, and says when it will not last."""

    def __init__(
        self,
        courier: Courier,
        console: Console,
        left: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._courier = courier
        self._console = console
        self._left = left
        self._clock = clock
        self._next = 0.0
        self._said: set[str] = set()

    def __call__(self) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + _EVERY
        if self._courier.refresh():
            self._said.clear()
            printing.line(self._console, "proxy", f"renewed, {format_seconds(self._courier.proxy.left)} left")
        self._warn(self._courier.proxy, self._left())

    def _warn(self, one: Proxy, run: float | None) -> None:
        if one.left <= 0:
            self._once("expired", f"{one.path} has expired: {proxy.RENEW}")
        elif run is not None and one.left < run:
            self._once(
                "short",
                f"{one.path} expires in {format_seconds(one.left)}, the run takes about "
                f"{format_seconds(run)} more: {proxy.RENEW}",
            )

    def _once(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            printing.line(self._console, "proxy", text)


def courier(found: Proxy | None) -> Courier | None:
    """Return what brings a proxy to tasks; this process and its children read with it, too."""
    if found is None:
        return None
    os.environ[proxy.VARIABLE] = str(found.path)
    return Courier(found, temporary_directory() / "proxy")


def keeping(
    session: Session, carried: Courier | None, console: Console, left: Callable[[], float | None]
) -> Session:
    """Return the session that keeps the proxy of its tasks fresh; `left` is how many seconds it takes yet."""
    if carried is None:
        return session
    renewal, before = Renewal(carried, console, left), session.on_tick

    def both() -> None:
        before()
        renewal()

    return dataclasses.replace(session, on_tick=both)
