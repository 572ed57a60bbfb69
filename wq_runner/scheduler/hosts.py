"""Which hosts are left alone for a while: those that fail what others do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from wq_runner.scheduler.policy import Cause

# what a sound host hardly ever does, whatever the chunk
AT_ONCE = frozenset({Cause.ENVIRONMENT, Cause.TRANSFER, Cause.DAMAGED, Cause.LOST})

# what may be the chunk's fault, until another host does it
IF_OTHERS_CAN = frozenset(
    {Cause.INPUT, Cause.CHANGED, Cause.PROCESSOR, Cause.SCHEMA, Cause.RESULT, Cause.CRASHED, Cause.STALLED}
)


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """How many failures in a row are too many, and for how many seconds a host is then left alone.

    For `trial_time`, if it is not known yet whether others do better: a host that fails at once is always
    free, and takes every task before another can show that.
    """

    strikes: int = 3
    block_time: float = 600.0
    trial_time: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Block:
    host: str
    reason: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Unblock:
    host: str


@dataclass
class _Host:
    """`strikes` are failures since the last success; `done` is how many tasks it did."""

    strikes: int = 0
    done: int = 0
    causes: dict[str, None] = field(default_factory=dict)
    until: float | None = None


class Hosts:
    """Takes what came from each host and decides; it neither waits nor knows the engine.

    The only host that works is never blocked, and a host that works now and then is not either.
    """

    def __init__(self, settings: HostSettings | None = None) -> None:
        self._settings = settings or HostSettings()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._suspects: defaultdict[object, dict[str, Cause]] = defaultdict(dict)
        self._watched: dict[str, None] = {}  # those that are blocked, or should be if others are there

    def failed(self, host: str, cause: Cause, items: Iterable[object]) -> None:
        """Note that items failed on a host."""
        if not host:
            return
        if cause in AT_ONCE:
            self._strike(host, cause)
        elif cause in IF_OTHERS_CAN:
            for item in items:
                self._suspects[item][host] = cause

    def done(self, host: str, items: Iterable[object]) -> None:
        """Note that a host did items; what others failed among them was their fault."""
        if not host:
            return
        one = self._hosts[host]
        one.done += 1
        one.strikes = 0
        one.causes.clear()
        if one.until is None:
            self._watched.pop(host, None)
        blamed = {
            other: cause
            for item in items
            for other, cause in self._suspects.pop(item, {}).items()
            if other != host
        }
        for other, cause in blamed.items():
            self._strike(other, cause)

    def decide(self, now: float, *, others: bool = False) -> list[Block | Unblock]:
        """Return what is to be done now, once; `others` is whether there may be other hosts."""
        found: list[Block | Unblock] = []
        for name in tuple(self._watched):
            one = self._hosts[name]
            if one.until is not None:
                if now >= one.until:
                    one.until, one.strikes = None, self._settings.strikes - 1  # it is on probation
                    del self._watched[name]
                    found.append(Unblock(host=name))
            elif one.strikes >= self._settings.strikes and (seconds := self._block_time(name, others=others)):
                one.until = now + seconds
                reason = f"{one.strikes} attempts in a row failed there ({', '.join(one.causes)})"
                found.append(Block(host=name, reason=reason, seconds=seconds))
        return found

    def _block_time(self, name: str, *, others: bool) -> float:
        """Return for how long a host may be left alone; 0 if nobody else is there."""
        if self._others(name):
            return self._settings.block_time
        untried = all(one.until is None and not one.done for host, one in self._hosts.items() if host != name)
        return self._settings.trial_time if others and untried and not self._hosts[name].done else 0.0

    def _strike(self, host: str, cause: Cause) -> None:
        one = self._hosts[host]
        one.strikes += 1
        one.causes[cause.value] = None
        if one.strikes >= self._settings.strikes:
            self._watched[host] = None

    def _others(self, name: str) -> bool:
        """Whether another host has shown that it works."""
        return any(
            one.done and one.until is None and one.strikes < self._settings.strikes
            for other, one in self._hosts.items()
            if other != name
        )
