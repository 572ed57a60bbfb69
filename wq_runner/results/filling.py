"""The histograms of a result that fills, for the page of a run that goes on.

Another process draws them, now and then and with the lowest priority, from what is accepted in the ledger: so
neither the run nor its workers wait for it. Where that is large, or memory is short, nothing is drawn.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from wq_runner import summary, system
from wq_runner.ledger import totals
from wq_runner.monitor import words
from wq_runner.monitor.gallery import Gallery
from wq_runner.monitor.histograms import Sample
from wq_runner.monitor.html import NOTHING, Child, Html, section, table, tag
from wq_runner.results import peek, shown
from wq_runner.results.peek import Share
from wq_runner.system import RunPaths
from wq_runner.units import format_size

log = logging.getLogger(__name__)

FIRST = 30.0  # seconds: a run that is shorter shows its histograms when it ends
EVERY = 60.0  # seconds between drawings, and so many times what one of them took:
SPARED = 40
LARGEST = 200_000_000  # bytes of the ledger
_FREE = 2_000_000_000  # bytes of memory that have to be free
_LOWEST = 19
_LISTED = 2000  # datasets


@contextlib.contextmanager
def beside(
    fill: Callable[[Html], None], paths: RunPaths, *, first: float = FIRST, every: float = EVERY
) -> Iterator[None]:
    """Have histograms drawn while the block runs, and give them to `fill`."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_keep_drawing, args=(fill, paths, stop, first, every), name="histograms", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_drawing(
    fill: Callable[[Html], None], paths: RunPaths, stop: threading.Event, first: float, every: float
) -> None:
    wait = first
    while not stop.wait(wait):
        began = time.monotonic()
        try:
            problem = _unless(paths)
            drawn = tag("p", problem, class_="note") if problem else _draw_elsewhere(paths, stop)
            if drawn:
                fill(section("histograms", "Histograms so far", drawn))
        except Exception:
            log.info("histograms so far cannot be drawn; the run goes on without", exc_info=True)
        wait = max(every, SPARED * (time.monotonic() - began))


def _unless(paths: RunPaths) -> str:
    """Say why nothing is drawn; nothing if it is."""
    size = 0
    for path in paths.ledger.iterdir() if paths.ledger.is_dir() else ():
        with contextlib.suppress(OSError):  # added up meanwhile
            size += path.stat().st_size
    if size > LARGEST:
        return (
            f"the result so far has {format_size(size)}: not drawn while it fills, but wq-report peek has it"
        )
    return "" if _free() > _FREE else "memory is short on this machine: nothing is drawn before the end"


def _free() -> int:
    """Return the bytes of memory that are free, as far as the system tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return 1024 * int(text.partition("MemAvailable:")[2].split()[0])
    return _FREE + 1


def _draw_elsewhere(paths: RunPaths, stop: threading.Event) -> Html:
    """Return the pictures that another process draws; it ends with the block, or with this process."""
    place = paths.staging / "histograms.html"
    place.unlink(missing_ok=True)
    command = [sys.executable, "-m", __name__, str(paths.root), str(place), str(os.getpid())]
    process = system.start(command, output=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            if stop.wait(0.2):
                return NOTHING
    finally:
        system.stop(process, grace=0)
    return Html(place.read_text(encoding="utf-8")) if place.exists() else NOTHING


# -- in the other process


def draw(paths: RunPaths) -> Html:
    """Return the histograms of what a run has accepted so far, and the share of each dataset.

    They are as they are added up: `postprocess` is only called where it is asked for, as it may do anything.
    """
    sums, shares = peek.so_far(paths)
    gallery = Gallery({**dict.fromkeys(shares, Sample()), **shown.samples_of(summary.look(paths) or {})})
    for name in shares:
        portions = {of[1] or name: value for of, value in sums.items() if of[0] == name}
        if portions:
            gallery.add(totals.total(portions)[totals.OUT], of=name)
    figures = gallery.figures()
    return Html(_share(shares) + figures) if figures else NOTHING


def _share(shares: Mapping[str, Share]) -> Html:
    """Say how much of each dataset is in the histograms."""
    whole = sum(one.complete for one in shares.values())
    some = sum(bool(one.done) for one in shares.values()) - whole
    done, planned = (sum(getattr(one, name) for one in shares.values()) for name in ("done", "planned"))
    text = (
        f"{words.percent(done / planned) if planned else 'a part'} of the events are in them, at "
        f"{time.strftime('%H:%M:%S')}: {whole:,} of {len(shares):,} datasets as a whole, {some:,} in part. "
        "They are as before postprocess"
    )
    rows: list[list[Child]] = [
        [
            name,
            words.percent(one.done / one.planned) if one.planned else "",
            f"{one.done:,}",
            f"{one.planned:,}",
        ]
        for name, one in sorted(shares.items(), key=lambda item: item[1].complete)[:_LISTED]
    ]
    listed = table(
        "shares-table", "what is in the histograms so far", ("dataset", "share", "events", "of"), rows
    )
    return tag(
        "div", tag("p", text, class_="note"), tag("details", tag("summary", "share of each dataset"), listed)
    )


def main(root: str, place: str, parent: str) -> None:
    """Draw into a file; end with the process that asks for it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    os.nice(_LOWEST)
    if os.getppid() != int(parent):
        return
    drawn = draw(RunPaths(root=Path(root)))
    with system.replacing(Path(place), "w", durable=False) as stream:
        stream.write(drawn)


if __name__ == "__main__":
    main(*sys.argv[1:])
