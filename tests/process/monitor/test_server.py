"""The page over http: for this machine and those who have the token only."""

from __future__ import annotations

import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from wq_runner.monitor.server import PageServer
from wq_runner.monitor.status import Snapshot, to_json
from wq_runner.monitor.view import RunView


@pytest.fixture
def server(simple: RunView) -> Iterator[PageServer]:
    def snapshot(every: float) -> Snapshot:
        return Snapshot(view=simple, json=to_json(simple), html=f"<p>every {every}</p>".encode())

    server = PageServer(snapshot, 0)
    yield server
    server._asked = -math.inf  # no page is open any more: nothing to wait for
    server.close()


def get(
    server: PageServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return found


def test_with_the_token_there_is_a_page(server: PageServer) -> None:
    status, content, headers = get(server, server.url.partition(str(server.port))[2])
    assert (status, content) == (200, b"<p>every 2.0</p>")
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


def test_state_and_metrics(server: PageServer, simple: RunView) -> None:
    status, content, _ = get(server, f"/status.json?token={server.token}")
    assert (status, json.loads(content)["total"]["done"]) == (200, simple.total.done)
    status, content, headers = get(server, "/metrics", Authorization=f"Bearer {server.token}")
    assert status == 200
    assert b"wq_runner_failures_total 2.0" in content
    assert headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/status.json", "/metrics", "/no"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_the_token_there_is_nothing(server: PageServer, path: str, method: str) -> None:
    status, content, _ = get(server, path, method)
    assert (status, content) == (403, b"")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "[::2]", ""]
)
def test_for_another_host_there_is_nothing(server: PageServer, host: str) -> None:
    status, content, _ = get(server, f"/?token={server.token}", Host=host.format(port=server.port))
    assert (status, content) == (403, b"")


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:{port}", "LOCALHOST", "[::1]:80"])
def test_a_tunnel_may_have_another_port(server: PageServer, host: str) -> None:
    assert get(server, f"/?token={server.token}", Host=host.format(port=server.port))[0] == 200


def test_only_this_machine_can_connect(server: PageServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"
    other = "127.0.0.2"  # as good as another machine: not the address it listens on
    with pytest.raises(ConnectionRefusedError), socket.create_connection((other, server.port), timeout=5):
        pass


def test_nothing_but_reading(server: PageServer) -> None:
    assert get(server, f"/?token={server.token}", "POST")[0] == 501
    assert get(server, f"/other?token={server.token}")[0] == 404


def test_a_port_that_is_taken_leads_to_the_next(server: PageServer) -> None:
    other = PageServer(lambda every: pytest.fail("not asked"), server.port)
    try:
        assert other.port != server.port
        assert other.token != server.token
        assert f"-L {other.port}:127.0.0.1:{other.port} " in other.tunnel
    finally:
        other.close()


def test_an_open_page_gets_the_last_state_before_the_end(simple: RunView) -> None:
    snapshot = Snapshot(view=simple, json=b"", html=b"running")
    server = PageServer(lambda every: snapshot, 0)
    path = f"/?token={server.token}"
    assert get(server, path)[1] == b"running"
    snapshot = Snapshot(view=simple, json=b"", html=b"complete")
    closing = threading.Thread(target=server.close)
    closing.start()
    assert get(server, path)[1] == b"complete"
    closing.join(10)
    assert not closing.is_alive()


def test_nobody_is_waited_for_where_nobody_looks(simple: RunView) -> None:
    server = PageServer(lambda every: Snapshot(view=simple, json=b"", html=b""), 0)
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 2


def test_a_reader_that_goes_away_harms_nobody(server: PageServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /?token=")
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\xff\xfe nonsense\r\n\r\n")
    assert get(server, f"/?token={server.token}")[0] == 200
