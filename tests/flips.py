"""Runs whose files are damaged, and what commands make of them, in forks of a process that has imported.

A case is a seed: it says which run, which file, which bit, and which command looks at it first.
"""

from __future__ import annotations

import collections
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nanoaod
import pyarrow.parquet
import running

from wq_runner import journal
from wq_runner.journal import Journal
from wq_runner.ledger import sums
from wq_runner.run_events import Accepted

DATASETS, FILES, EVENTS, CHUNK = ("one", "two"), 2, 60, 20
LONGEST = 60  # seconds of a command
ENDLESS = -99  # the exit code of one that took longer
KINDS = ("finished", "killed", "staged out")


@dataclass(frozen=True, kw_only=True)
class Said:
    """A command that ended: its exit code and what it printed."""

    command: Sequence[str]
    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it ended with one clear message."""
        return self.code != 0 and self.err.count("error: ") == 1 and "more: wq-run explain" in self.err

    @property
    def text(self) -> str:
        return f"$ {' '.join(self.command)}: {self.code}\n{self.out}\n{self.err}"


def warm_up() -> None:
    """Import what commands need, so that none of them has to."""
    for name in (
        *("steps.run", "coffea_adapter.runner", "executors.sessions", "results.merge", "output.joining"),
        *("export.join", "results.comparison", "coffea_adapter.executor", "engine.inline"),
        *("cli.run", "cli.report", "cli.report_runs", "cli.status"),
        *("monitor.report", "monitor.terminal", "monitor.watch", "monitor.histograms"),
    ):
        importlib.import_module(f"wq_runner.{name}")
    for name in ("coffea.processor", "coffea.nanoevents", "coffea.util", "pyarrow.parquet", "fsspec"):
        importlib.import_module(name)


class World:
    """A directory in which runs were made once; it is put back before each case.

    It has the same name each time, as runs know where they are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._forker = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.here = root / "here"
        self.kept = root / "kept"
        self.data = root / "data"
        self.samples = root / "samples.json"
        self.code = root / "mine.py"  # outside of any repository, of which more would be noted
        shutil.copy(running.ANALYSIS, self.code)
        fileset: dict[str, Any] = {}
        for dataset in DATASETS:
            paths = [
                nanoaod.write_simple(self.data / f"{dataset}{number}.root", EVENTS) for number in range(FILES)
            ]
            fileset[dataset] = {"files": {str(path): "Events" for path in paths}, "metadata": {}}
        self.samples.write_text(json.dumps(fileset))
        third = nanoaod.write_simple(self.data / "three0.root", EVENTS)
        self.other = root / "other.json"
        self.other.write_text(json.dumps({"three": {"files": {str(third): "Events"}, "metadata": {}}}))
        self.reference: dict[str, Said] = {}
        for kind in KINDS:
            self._make(kind)
        self._listen()

    def _make(self, kind: str) -> None:
        self.here.mkdir()
        if kind == "killed":
            said = self.run(*self.command(kind), dying=4)
            assert said.code == -signal.SIGKILL, said.text
        else:
            said = self.run(*self.command(kind))
            assert said.code == 0, said.text
        other = self.run("wq-run", *self._options(), "-o", "other", str(self.other))
        assert other.code == 0, other.text
        target = self.kept / kind
        target.parent.mkdir(exist_ok=True)
        self.here.rename(target)

    def _listen(self) -> None:
        """Let the commands say what is right, of a run that is whole."""
        self.put_back("finished")
        for reader, check in READERS.items():
            said = self.reference[" ".join(reader)] = self.run(*reader)
            assert said.code == 0, said.text
            wrong = check(self, said)
            assert not wrong, f"{wrong}: {said.text}"

    def put_back(self, kind: str) -> None:
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.kept / kind, self.here, symlinks=True)

    def command(self, kind: str) -> tuple[str, ...]:
        """Return the command of the run."""
        stage_out = ("--stage-out", "staged") if kind == "staged out" else ()
        return ("wq-run", *self._options(), *stage_out, "-o", "out", str(self.samples))

    def _options(self) -> tuple[str, ...]:
        return (
            *("-p", f"{self.code}:Writer", "--schema", "BaseSchema"),
            *("--chunksize", str(CHUNK), "-e", "iterative", "--task-time", "0"),
        )

    def run(self, *command: str, dying: int = 0) -> Said:
        """Run one of our commands; with `dying`, kill it after so many results."""
        out, err = self.root / "out.txt", self.root / "err.txt"
        request = [command, str(self.here), str(out), str(err), dying]
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.write(json.dumps(request) + "\n")
        self._forker.stdin.flush()
        code = int(self._forker.stdout.readline())
        return Said(command=command, code=code, out=out.read_text(), err=err.read_text())

    def close(self) -> None:
        self._forker.communicate()


def serve() -> None:
    """Fork for each command that is asked for: this process has no threads, which copies lack."""
    warm_up()
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in requests:
        command, here, out, err, dying = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                _become(command, Path(here), Path(out), Path(err), dying)
            finally:
                os._exit(99)
        print(_wait(pid), file=answers, flush=True)


def _wait(pid: int) -> int:
    end = time.monotonic() + LONGEST
    while (status := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return ENDLESS
        time.sleep(0.002)
    return os.waitstatus_to_exitcode(status[1])


def _become(command: Sequence[str], here: Path, out: Path, err: Path, dying: int) -> None:
    for path, number in (out, 1), (err, 2):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - for good
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(here)
    os.environ.update(running.SETTINGS, XDG_CACHE_HOME=str(here / "cache"), COLUMNS="200")
    sums.MOST_PARTS = 1  # so that the ledger has files of both kinds
    if dying:
        _die_after(dying)
    code = 98
    sys.argv = list(command)
    try:
        module = {"wq-run": "run", "wq-report": "report", "wq-status": "status"}[command[0]]
        importlib.import_module(f"wq_runner.cli.{module}").main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _die_after(count: int) -> None:
    record = Journal.record

    def recording(self: Journal, *events: Any, **more: Any) -> None:
        record(self, *events, **more)
        done = sum(isinstance(event, Accepted) for _, event in journal.read(self.path)) if self.path else 0
        if done >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.record = recording  # type: ignore[method-assign]


# -- damage --


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What was done to a file: `path` is relative to where the run is."""

    path: Path
    how: str
    place: int

    def __str__(self) -> str:
        return f"{self.how} at {self.place} of {self.path}"


def kind_of(path: Path) -> str:
    """Return what a file is, so that each kind gets its share, however many there are of it."""
    parts = path.parts
    if parts[0] != "out":
        return f"{parts[0]}/{path.name if len(parts) == 2 else 'files'}"
    return parts[1] if parts[1] in {"ledger", "files", "outputs"} else path.name


def damage(here: Path, chance: random.Random) -> Damage:
    """Flip a bit of a file, mostly; or do what disks and file systems do besides."""
    groups: dict[str, list[Path]] = collections.defaultdict(list)
    for path in sorted(here.rglob("*")):
        relative = path.relative_to(here)
        if path.is_file() and path.stat().st_size and relative.parts[0] != "other":
            groups[kind_of(relative)].append(path)
    weights = [3.0 if name in COUNTS else 0.3 if name in LIGHT else 1.0 for name in groups]
    path = chance.choice(groups[chance.choices(list(groups), weights)[0]])
    content = bytearray(path.read_bytes())
    near = chance.choice((64, 256, len(content)))  # headers count as much as all the rest
    place = min(chance.randrange(near), len(content) - 1)
    if chance.random() < 0.2:
        place = len(content) - 1 - place
    how = chance.choices(("bit", "zeros", "cut", "doubled line"), (20, 1, 1, 1))[0]
    if how == "zeros":
        content[place : place + 512] = bytes(len(content[place : place + 512]))
    elif how == "cut":
        del content[place:]
    elif how == "doubled line" and path.name == "journal.jsonl":
        lines = bytes(content).splitlines(keepends=True)
        place %= len(lines)
        lines.insert(place, lines[place])
        content = bytearray(b"".join(lines))
    else:
        how = f"bit {place % 8}"
        content[place] ^= 1 << place % 8
    write_behind(path, content)
    return Damage(path=path.relative_to(here), how=how, place=place)


def flip(path: Path, place: int, bit: int) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    write_behind(path, content)


def write_behind(path: Path, content: bytes | bytearray) -> None:
    """Write a file as a bad disk does: it does not tell."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


COUNTS = {"journal.jsonl", "ledger", "files", "run.json", "output.coffea"}
_HARMLESS = {"doubled line", "cut"}  # of a journal: it counts once, and a torn end is that of a crash
LIGHT = {"report.html", "status.html", "wq-run.log", ".lock"}


# -- what must come of it --


def right(here: Path, out: str = "out", datasets: Sequence[str] = DATASETS) -> str:
    """Say what is wrong with the result of a run; nothing if all is right."""
    path = here / out
    wanted = len(datasets) * FILES * EVENTS
    try:
        found = running.output(path)
        record = json.loads((path / "run.json").read_text())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    numbers = (found["entries"], found["sum"], found["chunks"], found["by dataset"])
    each = FILES * EVENTS
    chunks = wanted // CHUNK
    total = len(datasets) * FILES * sum(range(EVENTS))
    if numbers != (wanted, total, chunks, dict.fromkeys(datasets, each)):
        return f"the output has {numbers}"
    if not record["complete"] or {
        name: one["events_processed"] for name, one in record["datasets"].items()
    } != dict.fromkeys(datasets, each):
        return f"run.json has {record['datasets']}"
    return rows_wrong(sorted((path / "files").rglob("*.parquet")), datasets)


def rows_wrong(paths: Sequence[Path], datasets: Sequence[str] = DATASETS) -> str:
    """Say whether parquet files lack rows, or have some twice."""
    values = [value for path in paths for value in pyarrow.parquet.read_table(path)["x"].to_pylist()]
    wanted = sorted(list(map(float, range(EVENTS))) * (len(datasets) * FILES))
    return "" if sorted(values) == wanted else f"{len(values)} rows of {len(wanted)} in {len(paths)} files"


def joined_wrong(world: World, _: Said) -> str:
    return rows_wrong(sorted((world.here / "joined").rglob("*.parquet")))


def sum_wrong(world: World, _: Said) -> str:
    found = running.output(world.here / "sum")["by dataset"]
    wanted = {**dict.fromkeys(DATASETS, FILES * EVENTS), "three": EVENTS}
    return "" if found == wanted else f"the sum has {found}"


def as_before(world: World, said: Said) -> str:
    """Compare with what the command says of the whole run, unless it says that something is damaged."""
    before = world.reference[" ".join(said.command)]
    told = "being damaged" in said.out or "being damaged" in said.err
    same = sorted(said.out.splitlines()) == sorted(before.out.splitlines())  # datasets come as they are done
    return "" if told or same else f"it says\n{said.out}\nand said\n{before.out}"


def state_wrong(_: World, said: Said) -> str:
    return "" if said.out.startswith("complete ") or "being damaged" in said.out else "it is not complete"


def numbers_wrong(_: World, said: Said) -> str:
    found = json.loads(said.out)
    done = {one["name"]: one["done"] for one in found["datasets"]}
    if found["damaged_lines"]:
        return ""
    return "" if done == dict.fromkeys(DATASETS, FILES * EVENTS) else f"it has {done}"


def page_wrong(world: World, _: Said) -> str:
    text = (world.here / "out/report.html").read_text()
    if "being damaged" in text:
        return ""
    return "" if 'id="events_done">240' in text.replace(",", "") or ">240<" in text else "not 240 events"


READERS: dict[tuple[str, ...], Callable[[World, Said], str]] = {
    ("wq-report", "show", "--list", "out/output.coffea"): as_before,
    ("wq-report", "show", "--list", "out"): as_before,
    ("wq-report", "merge", "--kind", "parquet", "out", "-o", "joined"): joined_wrong,
    ("wq-report", "merge", "out", "other", "-o", "sum"): sum_wrong,
    ("wq-report", "diff", "out", "other"): as_before,
    ("wq-report", "out"): page_wrong,
    ("wq-status", "out"): state_wrong,
    ("wq-status", "out", "--json"): numbers_wrong,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What came of a seed: `wrong` is empty if all is as it must be."""

    seed: int
    kind: str
    damage: Damage
    wrong: str
    said: str = ""

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.kind}, {self.damage}: {self.wrong}\n{self.said}"


def play(world: World, seed: int) -> Case:
    """Damage a run, look at it, start it twice, and look again."""
    chance = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    world.put_back(kind)
    done = damage(world.here, chance)
    reader = chance.choice(list(READERS))
    steps = [
        lambda: look(world, reader, kind, done),
        lambda: again(world, kind, done),
        lambda: again(world, kind, None),
        lambda: look(world, reader, "finished", None),
    ]
    for number, step in enumerate(steps[: 4 if chance.random() < 0.3 else 3], 1):
        wrong, said = step()
        if wrong:
            text = said.text if said else ""
            return Case(seed=seed, kind=kind, damage=done, wrong=f"step {number}: {wrong}", said=text)
    return Case(seed=seed, kind=kind, damage=done, wrong="")


def look(world: World, reader: tuple[str, ...], kind: str, damaged: Damage | None) -> tuple[str, Said | None]:
    """Let a command read the run: it says what is right, or refuses and names what is damaged."""
    for name in ("sum", "joined"):
        shutil.rmtree(world.here / name, ignore_errors=True)
    said = world.run(*reader)
    if said.code == 0 and kind != "killed":
        return READERS[reader](world, said), said
    if said.code != 0 and not said.refused:
        return "it neither ends well nor refuses", said
    if damaged is None:
        return "it refuses", said
    named = said.code == 0 or kind == "killed" or damaged.path.name in said.err
    return "" if named else f"it does not name {damaged.path.name}", said


def again(world: World, kind: str, damaged: Damage | None) -> tuple[str, Said]:
    """Start the run again: it names what is damaged, and its result is right; then it is there already."""
    said = world.run(*world.command(kind))
    if said.code != 0:
        return "the run does not end well", said
    if "Traceback" in said.out + said.err:
        return "a traceback", said
    if wrong := right(world.here) or staged_wrong(world, kind):
        return wrong, said
    if damaged is None:
        well = "is there already" in said.out and "damaged" not in said.out
        return ("" if well else "it is not there already"), said
    matters = kind_of(damaged.path) in COUNTS and kind != "killed"
    matters = matters and not (damaged.path.name == "journal.jsonl" and damaged.how in _HARMLESS)
    named = not matters or damaged.path.name in said.out
    return ("" if named else f"it does not name {damaged.path.name}"), said


def staged_wrong(world: World, kind: str) -> str:
    """Compare what is staged out with what is here."""
    if kind != "staged out":
        return ""
    for path in (world.here / "out/output.coffea", *(world.here / "out/files").rglob("*.parquet")):
        copy = world.here / "staged" / path.relative_to(world.here / "out")
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            return f"{copy} is not what is in the run"
    return ""


if __name__ == "__main__":
    serve()
