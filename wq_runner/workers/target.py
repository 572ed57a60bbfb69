"""For which run workers are: a run of this user that is known, or a name, or a host and a port."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wq_runner.errors import UsageError
from wq_runner.workers import catalog, managers, passwords
from wq_runner.workers.factory_file import escaped


@dataclass(frozen=True, kw_only=True)
class Target:
    """`place` is ``HOST:PORT`` if it is known, else workers ask `catalog` for `name`.

    With `tls` they talk to none that is not encrypted; without it, to one that the catalog says is.
    """

    name: str
    place: str = ""
    catalog: str = ""
    password_file: Path | None = None
    tls: bool = False

    @property
    def description(self) -> str:
        secret = f", password {self.password_file}" if self.password_file else ", no password"
        secret += ", TLS" if self.tls else ""
        if self.place:
            return f"{self.name or 'the manager'} at {self.place}{secret}"
        return f"{self.name}, by the catalog {self.catalog}{secret}"

    @property
    def encryption(self) -> tuple[str, ...]:
        return ("--ssl",) if self.tls else ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What tells `work_queue_worker` where to go, but for the password."""
        if self.place:
            return (*self.encryption, *self.place.split(":"))
        return (*self.encryption, f"--catalog={self.catalog}", f"--manager-name={escaped(self.name)}")


def find(
    name: str,
    *,
    place: str | None = None,
    catalog_option: str | None = None,
    password_option: str | None = None,
    tls: bool = False,
) -> Target:
    """Return where workers are to go; of a run of this user all is known, its password too.

    Raises
    ------
    UsageError
        If the place is not HOST:PORT, or nothing tells where the name is known.
    """
    password = passwords.chosen(password_option)
    if place is not None:
        host, _, port = place.rpartition(":")
        if not host or not port.isdecimal():
            raise UsageError(f"{place!r} is not HOST:PORT", page="names-and-catalogs")
        here = next((one for one in managers.running() if one.place == place), None)
        if here is not None and password_option is None and here.password_file:
            password = Path(here.password_file)
        encrypted = tls or bool(here and here.tls)
        return Target(name=name, place=place, password_file=password, tls=encrypted)
    known = managers.running(name)
    if known and catalog_option is None:
        one = known[0]
        if password_option is None and one.password_file:
            password = Path(one.password_file)
        return Target(name=name, place=one.place, password_file=password, tls=tls or one.tls)
    address = catalog.chosen(catalog_option)
    if address is None:
        raise UsageError(
            "without a catalog, workers need the manager's place: --manager HOST:PORT",
            page="names-and-catalogs",
        )
    return Target(name=name, catalog=str(address), password_file=password, tls=tls)
