"""A real XRootD server on loopback, and one for HTTP that answers requests for ranges."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import running
from batch import needs

_CONF = """\
xrd.port {port}
oss.localroot {data}
all.export /
all.adminpath {admin}
all.pidpath {admin}
"""


@dataclass
class Server:
    """A server; `data` is the directory that it serves, which it may write to."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    port: int

    def hang(self) -> None:
        """Let it answer no more; whoever connects is accepted all the same."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def xrootd(data: Path) -> Iterator[Server]:
    """Serve what is in a directory now; as root it becomes somebody else, as it refuses to be root."""
    needs.programs("xrootd")
    port = running.free_port()
    # not below pytest's own, which each session of pytest closes to other users again
    with tempfile.TemporaryDirectory(prefix="xrootd-") as name:
        directory = Path(name)
        shutil.copytree(data, directory / "data")
        conf = _CONF.format(port=port, data=directory / "data", admin=directory)
        (directory / "xrootd.cfg").write_text(conf)
        command = ["xrootd", "-c", str(directory / "xrootd.cfg"), "-l", str(directory / "log")]
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody")
            shutil.chown(directory / "data", "nobody")
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        with (directory / "out").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory
            )
        url = f"root://127.0.0.1:{port}//"
        server = Server(process=process, url=url, data=directory / "data", port=port)
        try:
            running.until(lambda: _answers(port) or process.poll() is not None, "the server answers")
            assert process.poll() is None, (directory / "out").read_text()
            yield server
        finally:
            server.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class _Ranges(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        stop = min(int(match[2]) + 1 if match and match[2] else len(content), len(content))
        self.asked.append(self.headers.get("Range", ""))
        self.send_response(206 if match else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        if match:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:stop])

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the files of a directory over HTTP; yields the URL, and the ranges that were asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Ranges,), {"asked": asked})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: handler(*args, directory=str(data))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
