"""X509 proxies: where they are, how long they live, and the copy that tasks take along."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from wq_runner import system

AUTO = "auto"
NONE = "none"
VARIABLE = "X509_USER_PROXY"
RENEW = "voms-proxy-init -voms cms"


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A file of certificates; `expires` in seconds since 1970, 0 if there are none in it."""

    path: Path
    expires: float = 0.0

    @property
    def left(self) -> float:
        return self.expires - time.time()


def places() -> list[Path]:
    """Return where a proxy may be, in the order in which the grid's programs look."""
    named = os.environ.get(VARIABLE)
    name = f"x509up_u{os.getuid()}"
    return [*([Path(named)] if named else []), Path("/tmp") / name, *(home / name for home in _homes())]


def _homes() -> list[Path]:
    try:
        return [Path.home()]
    except RuntimeError:  # no HOME, and no name for this user id, as in some containers
        return []


def find(path: Path | None = None) -> Proxy | None:
    """Return the proxy of this user, or that of a file."""
    for place in [path] if path else places():
        if place.is_file():
            return Proxy(path=place.absolute(), expires=expires(place))
    return None


def expires(path: Path) -> float:
    """Return when the first of the certificates in a file expires: those after it vouch for it."""
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return 0.0
    return min(one.not_valid_after_utc.timestamp() for one in chain)


class Courier:
    """Keeps a copy of a proxy that is always whole, for tasks that start now; a renewed one replaces it."""

    def __init__(self, proxy: Proxy, copy: Path) -> None:
        self.proxy = proxy
        self.copy = copy
        self._seen: tuple[int, ...] | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Return whether the proxy was renewed; one that is gone or half written leaves the copy as it is."""
        try:
            facts = self.proxy.path.stat()
            seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if seen == self._seen:
                return False
            content = self.proxy.path.read_bytes()
        except OSError:
            return False
        found = Proxy(path=self.proxy.path, expires=expires(self.proxy.path))
        if not found.expires:
            return False
        with system.replacing(self.copy, private=True) as stream:
            stream.write(content)
        renewed = self._seen is not None
        self.proxy, self._seen = found, seen
        return renewed
