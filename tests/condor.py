"""HTCondor's commands for tests: what is submitted goes through its real parser, then it is run here.

There are no daemons: each job is a process, in a directory that has just what the submit description
transfers, and its events are logged as `condor_shadow` does. In a pool with few slots, jobs wait for each
other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRACE = 10.0
CLEANING = 60.0  # for the directory of a job, with a whole environment in it
SLOTS = "slots"


@dataclass(frozen=True)
class Pool:
    directory: Path

    @property
    def programs(self) -> Path:
        return self.directory / "bin"

    def jobs(self) -> list[int]:
        """Return the process ids of jobs that run."""
        return [pid for path in self.directory.glob("*.pid") if _lives(pid := int(path.read_text()))]

    def descriptions(self) -> list[str]:
        """Return the submit descriptions, the last one last."""
        return [path.read_text() for path in sorted(self.directory.glob("*.submit"))]

    def remove_all(self) -> None:
        for number, _ in enumerate(self.descriptions(), 1):
            (self.directory / f"{number}.removed").touch()  # or one that waits takes the slot
        for path in self.directory.glob("*.pid"):
            _end(int(path.read_text()))
        end = time.monotonic() + CLEANING
        while any(self.directory.glob("job-*")) and time.monotonic() < end:
            time.sleep(0.05)


@contextlib.contextmanager
def pool(directory: Path, slots: int | None = None) -> Iterator[Pool]:
    """Make a pool, with as many slots as there are jobs, or with fewer."""
    made = Pool(directory)
    made.programs.mkdir(parents=True)
    if slots is not None:
        (directory / SLOTS).write_text(str(slots))
    for name in ("submit", "rm"):
        program = made.programs / f"condor_{name}"
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__, name])} "$@"\n')
        program.chmod(0o755)
    try:
        yield made
    finally:
        made.remove_all()


def submit(path: Path, directory: Path) -> None:
    """Be condor_submit."""
    import htcondor2

    text = path.read_text()
    parsed = htcondor2.Submit(text)  # raises what condor_submit would say
    items = _items(parsed)
    count = len(items)
    values = {key.lower(): value for key, value in dict(parsed).items()}
    for item in items:
        _check({key: _with_items(value, item) for key, value in values.items()})
    cluster = 1 + sum(1 for _ in directory.glob("*.submit"))
    (directory / f"{cluster:03}.submit").write_text(text)
    for process in range(count):
        subprocess.Popen(
            [sys.executable, __file__, "run", str(path.resolve()), str(cluster), str(process)],
            cwd=Path.cwd(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    print(f"Submitting job(s)...\n{count} job(s) submitted to cluster {cluster}.")


def _items(parsed: Any) -> list[Mapping[str, str]]:
    """Return the variables of each job: of the list behind `queue`, or none for each of a number."""
    arguments = parsed.getQArgs() or "1"
    if arguments.strip().isdecimal():
        return [{} for _ in range(max(1, int(arguments)))]
    return [dict(item) for item in parsed.itemdata()]


def _with_items(text: str, item: Mapping[str, str]) -> str:
    for key, value in item.items():
        text = re.sub(re.escape(f"$({key})"), str(value), text, flags=re.IGNORECASE)
    return text


def _check(values: Mapping[str, str]) -> None:
    """Refuse what a schedd would."""
    if not Path(values["executable"]).is_file():
        sys.exit(f"ERROR: Executable file {values['executable']} does not exist")
    for name in ("request_cpus", "request_memory", "request_disk"):
        if name in values and not re.match(r"\d|ifthenelse", values[name].strip().lower()):
            sys.exit(f"ERROR: {name} = {values[name]}")
    for name in _inputs(values):
        if not Path(name).exists():
            sys.exit(f"ERROR: input file {name} does not exist")


def _inputs(values: Mapping[str, str]) -> list[str]:
    return [name.strip() for name in values.get("transfer_input_files", "").split(",") if name.strip()]


def run(path: Path, cluster: int, process: int, directory: Path) -> None:
    """Run one job of a description, and log what becomes of it."""
    import htcondor2

    parsed = htcondor2.Submit(path.read_text())
    item = _items(parsed)[process]
    values = {key.lower(): _with_items(value, item) for key, value in dict(parsed).items()}
    slot = {
        "Cluster": cluster,
        "Process": process,
        "[TARGET.Cpus]": values.get("request_cpus", "1"),
        "[TARGET.Memory]": values.get("request_memory", "1000"),
        "[TARGET.Disk/1024]": int(re.sub(r"\D", "", values.get("request_disk", "1000000"))) // 1024,
    }

    def filled(name: str) -> str:
        text = values.get(name, "").replace("$$(", "$(")
        for key, value in slot.items():
            text = re.sub(re.escape(f"$({key})"), str(value), text, flags=re.IGNORECASE)
        return text

    log, scratch = Path(filled("log")), directory / f"job-{cluster}.{process}"

    def event(number: int, text: str) -> None:
        now = time.strftime("%m/%d %H:%M:%S")
        with log.open("a") as stream:
            stream.write(f"{number:03} ({cluster:03}.{process:03}.000) {now} {text}\n...\n")

    def is_removed() -> bool:
        return (directory / f"{cluster}.removed").exists()

    code = 0
    event(0, "Job submitted from host: <127.0.0.1:9618>")
    with _slot(directory, cluster + process):
        if not is_removed():
            scratch.mkdir()
            shutil.copy(values["executable"], scratch / "condor_exec.exe")
            for name in _inputs(values):
                shutil.copy(name, scratch)
            environ = {**os.environ, "_CONDOR_SCRATCH_DIR": str(scratch)}
            with (
                Path(filled("output") or "/dev/null").open("wb") as out,
                Path(filled("error") or "/dev/null").open("wb") as err,
            ):
                job = subprocess.Popen(
                    ["./condor_exec.exe", *_words(filled("arguments"))],
                    cwd=scratch, env=environ, stdout=out, stderr=err, start_new_session=True,
                )  # fmt: skip
            (directory / f"{cluster}.{process}.pid").write_text(str(job.pid))
            event(1, "Job executing on host: <127.0.0.1:9618>")
            if is_removed():  # before there was a process to end
                _end(job.pid)
            code = job.wait()
            place = Path(values.get("initialdir", "."))
            for name in filter(None, values.get("transfer_output_files", "").strip('"').split(",")):
                # what is missing would put the job on hold
                shutil.copytree(scratch / name, place / name, dirs_exist_ok=True)
            shutil.rmtree(scratch, ignore_errors=True)
    if is_removed():
        event(9, "Job was aborted by the user.\n\tvia condor_rm")
    else:
        how = "(1) Normal termination (return value" if code >= 0 else "(0) Abnormal termination (signal"
        event(5, f"Job terminated.\n\t{how} {abs(code)})")


@contextlib.contextmanager
def _slot(directory: Path, number: int) -> Iterator[None]:
    """Wait for a slot, if there are not as many as jobs."""
    limit = directory / SLOTS
    if not limit.exists():
        yield
        return
    with (directory / f"slot-{number % int(limit.read_text())}").open("w") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        yield


def _words(text: str) -> list[str]:
    """Split arguments as HTCondor does: in its new syntax they stand in double quotes."""
    text = text.strip()
    if not text.startswith('"'):
        return text.split()
    # single quotes group, two of them are one: as a shell does, if the two are escaped
    inner = text[1:-1].replace('""', '"')
    found: list[str] = []
    word, grouped, place = "", False, 0
    while place < len(inner):
        one = inner[place]
        if one == "'" and grouped and inner[place + 1 : place + 2] == "'":
            word, place = word + "'", place + 1
        elif one == "'":
            grouped = not grouped
        elif one == " " and not grouped:
            found, word = [*found, word], ""
        else:
            word += one
        place += 1
    return [word for word in [*found, word] if word]


def remove(cluster: str, directory: Path) -> None:
    """Be condor_rm."""
    (directory / f"{cluster}.removed").touch()
    for path in directory.glob(f"{cluster}.*.pid"):
        _end(int(path.read_text()))
    print(f"All jobs in cluster {cluster} have been marked for removal")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _end(pid: int) -> None:
    """End a job as a slot does: politely, then all of its processes for good."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while _lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    place = Path(os.environ["WQ_TESTS_CONDOR"])
    match sys.argv[1:]:
        case ["submit", *_, name]:
            submit(Path(name), place)
        case ["run", name, one, other]:
            run(Path(name), int(one), int(other), place)
        case ["rm", *clusters]:
            for one in clusters:
                remove(one, place)
        case others:
            sys.exit(f"not one of HTCondor's commands that tests need: {others}")
