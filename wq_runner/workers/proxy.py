"""X509 proxies: where they are, and how long they live."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from wq_runner import system


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A file with a certificate; `expires` in seconds since 1970, 0 if it cannot be read from it."""

    path: Path
    expires: float = 0.0

    @property
    def left(self) -> float:
        return self.expires - time.time()


def places() -> list[Path]:
    """Return where a proxy may be, in the order in which the grid's programs look."""
    named = os.environ.get("X509_USER_PROXY")
    return [*([Path(named)] if named else []), Path(f"/tmp/x509up_u{os.getuid()}")]


def find(path: Path | None = None) -> Proxy | None:
    """Return the proxy of this user, or that of a file."""
    for place in [path] if path else places():
        if place.is_file():
            return Proxy(path=place, expires=expires(place))
    return None


def expires(path: Path) -> float:
    """Return when the first certificate of a file expires."""
    try:
        text = system.run(["openssl", "x509", "-noout", "-enddate", "-in", str(path)])
    except (system.CommandError, OSError):
        return 0.0
    match = re.search(r"notAfter=(.*) GMT", text)
    if match is None:
        return 0.0
    end = datetime.strptime(match[1], "%b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc)
    return end.timestamp()
