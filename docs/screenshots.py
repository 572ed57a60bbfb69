"""Make the pictures of terminals and pages in docs/images, from a real run of examples/dimuon.

    python docs/screenshots.py

It works in /tmp/dimuon, as paths are seen in the pictures, and needs what `make setup` and the tests
bring: the group `docs` of pyproject.toml, and a browser. A terminal of its own is what the run is started
in; what it shows becomes an SVG by rich.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
PLACE = Path("/tmp/dimuon")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLUMNS, ROWS = 110, 40
HALF = 0.6  # of the events, or so: a run that goes on is shown there

RUN = ("--chunksize", "20k", "--task-time", "10", "--workers", "local:2", "--http", "samples.cfg")


class Terminal:
    """A terminal with a program in it, and what it shows."""

    def __init__(self, command: list[str]) -> None:
        self._screen = pyte.HistoryScreen(COLUMNS, ROWS, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LOGNAME": "physicist"}
        self.process = subprocess.Popen(
            command, cwd=PLACE, env=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        )
        os.close(theirs)

    def read(self, seconds: float) -> bool:
        """Take in what was written meanwhile; False at the end."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            self._stream.feed(os.read(self._ours, 1 << 16))
        except OSError:  # the other side is closed
            return False
        return True

    def lines(self) -> Iterator[Text]:
        """Yield the lines on the screen."""
        for row in range(ROWS):
            cells = [self._screen.buffer[row][column] for column in range(COLUMNS)]
            line = Text()
            for (colour, bold), alike in itertools.groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
                style = Style(color=_colour(colour), bold=bold)
                line.append("".join(cell.data for cell in alike), style)
            line.rstrip()
            yield line

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def close(self) -> None:
        os.close(self._ours)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return {"brown": "yellow", "brightbrown": "bright_yellow"}.get(name, name.replace("bright", "bright_"))


def save(terminal: Terminal, command: str, path: Path) -> None:
    """Write what a terminal shows as a picture that needs no font from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold"), command))
    lines = list(terminal.lines())
    while lines and not lines[-1].plain.strip():
        lines.pop()
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    text = console.export_svg(title="wq-run", unique_id=path.stem)
    text = re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL)
    text = text.replace("Fira Code, monospace", "ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n")


def share_done() -> float:
    """Return how much of the run is done, as it says itself."""
    try:
        total = json.loads((PLACE / "wq-run-samples" / "status.json").read_text())["total"]
    except (OSError, ValueError):
        return 0.0
    return float(total["done"]) / total["planned"] if total["planned"] else 0.0


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SystemExit(f"there is no browser: none of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])


def picture(browser: Browser, url: str, path: Path, height: int) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": height})
    page.goto(url)
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    page.close()


def prepare() -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(
        ROOT / "examples" / "dimuon", PLACE, ignore=shutil.ignore_patterns("data", "*.png", "wq-run-*")
    )
    (PLACE / ".venv").symlink_to(sys.prefix)
    subprocess.run(
        [sys.executable, "make_data.py", "--files", "40", "--samples", "."],
        cwd=PLACE,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    prepare()
    IMAGES.mkdir(exist_ok=True)
    wq_run = str(PLACE / ".venv" / "bin" / "wq-run")
    terminal = Terminal([str(PLACE / ".venv" / "bin" / "python"), wq_run, *RUN])
    command = f"wq-run {' '.join(RUN)}"
    seen = False
    try:
        with browser() as chromium:
            while terminal.read(1.0):
                if not seen and share_done() > HALF:
                    seen = True
                    url = re.search(r"http://127\S+", terminal.text)
                    assert url, terminal.text
                    save(terminal, command, IMAGES / "terminal.svg")
                    picture(chromium, url[0], IMAGES / "page.png", 1000)
            save(terminal, command, IMAGES / "end.svg")
            picture(
                chromium, (PLACE / "wq-run-samples" / "report.html").as_uri(), IMAGES / "report.png", 1100
            )
    finally:
        terminal.close()
    assert seen, "the run was over before it was seen"
    assert terminal.process.returncode == 0, terminal.text


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{IMAGES} in {time.monotonic() - began:.0f} s")
