"""The only place that starts processes, and the only one that knows how files get their names."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import logging
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wq_runner import formats
from wq_runner.errors import OutputError, UsageError, WqRunnerError

log = logging.getLogger(__name__)

_TOO_LATE = 124  # as the program `timeout` says it


class CommandError(WqRunnerError):
    """A command that ended with a code other than 0; holds the command, its code and its output."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"{shlex.join(command)}: exit code {code}\n{output.strip()}")
        self.command = tuple(command)
        self.code = code
        self.output = output


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    patience: float | None = None,
) -> str:
    """Run a command to its end and return what it printed, standard output only.

    Bytes that are no text, as in the names of files, survive as they do in `os.fsdecode`.

    Raises
    ------
    CommandError
        If it ends with a code other than 0, or not within so many seconds of `patience`.
    """
    log.debug("$ %s", shlex.join(command))
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(command, _TOO_LATE, f"no answer in {patience:.0f} s") from error
    if done.returncode != 0:
        raise CommandError(command, done.returncode, done.stdout + done.stderr)
    return done.stdout


def start(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: Path | IO[Any] | int | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command that goes on by itself, in a session of its own so that Ctrl-C is ours alone."""
    log.debug("$ %s &", shlex.join(command))
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(output.open("ab")) if isinstance(output, Path) else output
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT if stream is not None else None,
            start_new_session=True,
            pass_fds=pass_fds,
        )


def stop(process: subprocess.Popen[bytes], *, grace: float = 5.0) -> None:
    """End a process we started: politely first, then for good. Harmless if it is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def open_standard_streams() -> None:
    """Open those of the standard streams that are closed, to nowhere.

    The next file that is opened would be one of them, and get what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def refused(error: OSError, about: Path | str = "", *, page: str = "output") -> WqRunnerError:
    """Return what is said of an error of the system: what it is about is the file that it names.

    Where it names none, it is `about` that, as when a stream is written.
    """
    names = [os.fsdecode(one) for one in (error.filename, error.filename2) if isinstance(one, str | bytes)]
    if isinstance(error, FileNotFoundError) and not _here_exists():
        return UsageError(
            "the current directory does not exist any more",
            hint="go to one that does: cd DIRECTORY",
            page="surroundings",
        )
    name = " -> ".join(names) or str(about)
    text = error.strerror or str(error) or type(error).__name__
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "make room there, and start the same command again: what was done is kept"
    elif name and _is_of_home(name):
        hint = "XDG_CACHE_HOME and XDG_CONFIG_HOME name other places than those below the home directory"
    found = OutputError(f"{name}: {text}" if name else text, hint=hint)
    found.page = page
    return found


def _is_of_home(name: str) -> bool:
    """Whether something is the home directory, or what programs keep there."""
    home = os.path.expanduser("~")  # noqa: PTH111 - which raises nothing
    return name == home or name.startswith((f"{home}/.cache", f"{home}/.config"))


def _here_exists() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def uncollected(*, for_good: bool = False) -> Iterator[None]:
    """Look for no cycles while objects come that are going to stay: coffea is imported a quarter faster.

    With `for_good`, never among all that is there by then: not where Python is somebody else's, who may
    have cycles of their own that are to go.
    """
    before = gc.get_threshold()
    gc.set_threshold(0)  # not disabled: whether the analysis does that on import is to be seen
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*before)


@contextlib.contextmanager
def replacing(
    path: Path, mode: str = "wb", *, durable: bool = True, private: bool = False
) -> Iterator[IO[Any]]:
    """Open a temporary file that takes the name `path` when the block ends without an error.

    The content is on disk before the name changes: a reader never sees half of it. What is rewritten
    every few seconds need not be `durable`: after a power cut it may be empty. What is `private` only this
    user may read.
    """
    encoding = None if "b" in mode else "utf-8"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        error.filename = str(path)  # nobody knows the other one
        raise
    temporary = Path(name)
    try:
        with open(handle, mode, encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        if not private:
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, name):
            error.filename, error.filename2 = str(path), None
        raise


def make_private(path: Path, mode: int = 0o700) -> None:
    """Make a directory, and those above it that are missing, which only this user may enter.

    That is so whatever the umask: what lies in it is run or unpickled later, so whoever could write there
    could do what this user can. One that is there stays as it is.
    """
    try:
        path.mkdir(mode=mode, exist_ok=True)
    except FileNotFoundError:
        make_private(path.parent, mode)
        path.mkdir(mode=mode, exist_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON under its final name at once."""
    with replacing(path, "w") as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False, default=str)
        stream.write("\n")


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """Every path of a run's directory."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def output(self) -> Path:
        return self.root / formats.FILES_OF_ALL[0]

    @property
    def outputs(self) -> Path:
        """The files of `--outputs`, where they are several."""
        return self.root / "outputs"

    @property
    def results(self) -> tuple[Path, ...]:
        """All that a result may be written to."""
        return *(self.root / name for name in formats.FILES_OF_ALL), self.outputs

    @property
    def earlier(self) -> Path:
        """The result of the run before this one, until this one is complete."""
        return self.root / "earlier"

    @property
    def kept(self) -> Path:
        """Results of other code or other options, each the directory of a run."""
        return self.root / "results"

    @property
    def kept_record(self) -> Path:
        """What says of such a result what it is."""
        return self.root / "kept.json"

    @property
    def summary(self) -> Path:
        return self.root / "run.json"

    @property
    def lock(self) -> Path:
        """Held by the process that works in the directory."""
        return self.root / ".lock"

    @property
    def id_file(self) -> Path:
        """What the directory is known by, as in run.json."""
        return self.root / ".run.json"

    @property
    def address(self) -> Path:
        """The address of the page with its token, where others may read what is printed."""
        return self.root / "page.url"

    @property
    def status_json(self) -> Path:
        return self.root / "status.json"

    @property
    def status_page(self) -> Path:
        return self.root / "status.html"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def missing(self) -> Path:
        """Samples file of what is not in the output."""
        return self.root / "missing.json"

    @property
    def stats_log(self) -> Path:
        return self.root / "stats.log"

    @property
    def transactions_log(self) -> Path:
        return self.root / "transactions.log"

    @property
    def printed(self) -> Path:
        """What a detached run would have printed on the terminal."""
        return self.root / "wq-run.out"

    @property
    def debug_log(self) -> Path:
        return self.root / "wq-run.log"

    @property
    def ledger(self) -> Path:
        """Accepted results that are not in the output yet."""
        return self.root / "ledger"

    @property
    def files(self) -> Path:
        """What the processor wrote beside its results."""
        return self.root / "files"

    @property
    def damaged(self) -> Path:
        """What was found where the record is damaged, so that nobody knows whether it counts."""
        return self.root / "damaged"

    @property
    def staging(self) -> Path:
        """Inputs of tasks, and results that are not accepted yet."""
        return self.root / "staging"

    @property
    def workers(self) -> Path:
        """Scratch and logs of local workers."""
        return self.root / "workers"
