"""The status page over http: for this machine only, and for those who have the token.

Everybody with an account on a login node can connect to its 127.0.0.1, and any web page that is open in
a browser can try to. So an address without the token gets nothing, and neither does a request that was
meant for another host (https://en.wikipedia.org/wiki/DNS_rebinding).
"""

from __future__ import annotations

import getpass
import hmac
import http
import logging
import math
import secrets
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wq_runner.errors import ReportError
from wq_runner.monitor.metrics import CONTENT_TYPE, metrics
from wq_runner.monitor.status import Snapshot

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
PORTS_TRIED = 20
EVERY = 2.0  # seconds between two looks of a page that is open
_POLL = 0.05  # seconds between two looks whether to end
_FRESH = 1.0  # seconds in which all who ask get the same
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer:
    """Serves ``/``, ``/status.json`` and ``/metrics`` from a thread until it is closed."""

    def __init__(self, snapshot: Callable[[float], Snapshot], port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._last: tuple[float, Snapshot] | None = None
        self._asked = -math.inf
        self._told = threading.Event()
        self._server = _listen(port, self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="status-server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    @property
    def tunnel(self) -> str:
        """The command that makes `url` work on another machine."""
        return f"ssh -N -L {self.port}:{ADDRESS}:{self.port} {_user()}{socket.getfqdn()}"

    def close(self) -> None:
        """End; a page that is open somewhere gets the last state first, if it asks for it soon."""
        with self._lock:
            self._last = None
            self._told.clear()
            watched = time.monotonic() - self._asked < 2 * EVERY
        if watched:
            self._told.wait(EVERY + 1.0)
            time.sleep(0.1)  # until it is sent
        self._server.shutdown()
        self._server.server_close()

    def allows(self, host: str, token: str) -> bool:
        """Tell whether a request is for us, and by somebody who may see us."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return name.lower() in _HOSTS and hmac.compare_digest(token.encode(), self.token.encode())

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return the type and the content of a page; None if there is no such page."""
        match path:
            case "/" | "/status.html":
                self._asked = time.monotonic()
                content = self._now().html
                self._told.set()
                return "text/html; charset=utf-8", content
            case "/status.json":
                return "application/json", self._now().json
            case "/metrics":
                return CONTENT_TYPE, metrics(self._now().view).encode()
            case _:
                return None

    def _now(self) -> Snapshot:
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] > _FRESH:
                self._last = (time.monotonic(), self._snapshot(EVERY))
            return self._last[1]


def _listen(port: int, pages: PageServer) -> ThreadingHTTPServer:
    class Handler(_Handler):
        server_pages = pages

    reason = ""
    for number in (*range(port, min(port + PORTS_TRIED, 65536)), 0):
        try:
            return _Server((ADDRESS, number), Handler)
        except OSError as error:
            reason = error.strerror or str(error)
    raise ReportError(f"no port for the status page: {reason}", hint="run without --http")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # two servers on one port would share its requests
    allow_reuse_address = True
    allow_reuse_port = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        log.debug("a reader of the status page went away", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server_pages: PageServer
    server_version = "wq-runner"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = parse_qs(parts.query).get("token", [""])[0]
        given = given or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.server_pages.allows(self.headers.get("Host", ""), given):
            self._send(http.HTTPStatus.FORBIDDEN, "text/plain", b"")
            return
        found = self.server_pages.answer(parts.path)
        if found is None:
            self._send(http.HTTPStatus.NOT_FOUND, "text/plain", b"")
        else:
            self._send(http.HTTPStatus.OK, *found)

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: http.HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the address holds the token."""


def _user() -> str:
    try:
        return f"{getpass.getuser()}@"
    except (KeyError, OSError):
        return ""
