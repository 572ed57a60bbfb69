"""What the engine says of workers that it does not take, in words of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = r"\(?(?P<host>[^\s()]+?):\d+\)?"
_KINDS = (
    (
        re.compile(rf"worker {_ADDRESS} presented the wrong password"),
        "no or a wrong password",
        "{host} was refused: a worker without the password or with a wrong one, or no worker at all. It is "
        "{password}",
    ),
    (
        re.compile(r"ssl accept failed from (?P<host>\S+) port \d+"),
        "no TLS",
        "{host} was refused: a worker without TLS, or no worker at all. This run has --tls: start the worker "
        "with --ssl, or by wq-workers with --tls",
    ),
    (
        re.compile(rf"worker {_ADDRESS} is attempting to use a password, but I do not have one"),
        "a password that is not wanted",
        "a worker on {host} has a password and this run has none, so it cannot join: start it without -P, "
        "or the run with --password-file",
    ),
    (
        re.compile(
            rf"worker {_ADDRESS} (?:is using work queue|as it uses) protocol (?P<theirs>\d+)"
            r"(?:, but I am|\. The manager is) using protocol (?P<ours>\d+)"
        ),
        "another release",
        "a worker on {host} is of another release of the engine (protocol {theirs}, here {ours}), and is "
        "refused: both sides need the same",
    ),
    (
        re.compile(rf"worker {_ADDRESS} is an older worker that is not compatible"),
        "another release",
        "a worker on {host} is of an older release of the engine, and is refused: both sides need the same",
    ),
    (
        re.compile(
            rf"worker [^\s]+ {_ADDRESS} is version (?P<theirs>.+?), and manager is version (?P<ours>.+)"
        ),
        "another version",
        "a worker on {host} is of version {theirs}, this run of {ours}: both sides should be of the same",
    ),
    (
        re.compile(rf"(?:[Ii]nvalid|[Uu]nexpected|malformed|not understood).*?{_ADDRESS}"),
        "a stranger",
        "something on {host} that is no worker talked to the port, and was sent away",
    ),
    (  # releases differ in their words
        re.compile(rf"notice: (?P<words>.*?\bworker {_ADDRESS}.*)"),
        "in the engine's words",
        "the engine says of a worker on {host}: {words}",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Of one kind and one host, for people: `text`."""

    kind: str
    host: str
    text: str


def understood(line: str, password_file: Path | None = None) -> Notice | None:
    """Return what a line of the engine's log means, None if it is nothing about a worker."""
    for pattern, kind, text in _KINDS:
        match = pattern.search(line)
        if match:
            password = f"-P {password_file}" if password_file else "given with -P"
            values = {"password": password, **match.groupdict()}
            return Notice(kind=kind, host=match["host"], text=text.format(**values))
    return None


class Notices:
    """Reads a log as it grows; each kind of each host is said once, of many hosts only the first few."""

    def __init__(self, log: Path, password_file: Path | None = None, *, most: int = 20) -> None:
        self._log = log
        self._password_file = password_file
        self._most = most
        self._place = 0
        self._said: set[tuple[str, str]] = set()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds there were so far."""
        return frozenset(kind for kind, _ in self._said)

    def news(self) -> list[Notice]:
        """Return what was not said before."""
        found = []
        for line in self._lines():
            notice = understood(line, self._password_file)
            if notice is None or (notice.kind, notice.host) in self._said or len(self._said) >= self._most:
                continue
            self._said.add((notice.kind, notice.host))
            found.append(notice)
        return found

    def _lines(self) -> list[str]:
        try:
            with self._log.open("rb") as stream:
                stream.seek(self._place)
                text, newline, _ = stream.read().rpartition(b"\n")
        except OSError:
            return []
        self._place += len(text) + len(newline)
        return text.decode(errors="replace").splitlines()
