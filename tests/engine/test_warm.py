"""The warm process of a worker: real processes, started as the engine starts them, without an engine."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dill
import pytest

from wq_runner.engine import answer
from wq_runner.engine.answer import Kind
from wq_runner.remote import functions, private, wire, work
from wq_runner.remote.bundle import write_bundle
from wq_runner.remote.pinned import Code

PATIENCE = 60.0

# Functions that tasks apply; workers import this file for them.


def who(item: Any) -> dict[str, list[int]]:
    """Tell the parent: the same for all tasks of one server."""
    return {"parents": [os.getppid()], "items": [item]}


def state(item: Any) -> dict[str, list[int]]:
    """Tell how many tasks this process remembers."""
    import coffea

    coffea.seen = [*getattr(coffea, "seen", []), item]
    return {"seen": [len(coffea.seen)]}


def read(path: str, item: int) -> dict[str, str]:
    import colorsys  # noqa: F401 - a module that was not there before

    return {"text": Path(path).read_text()}


def die(item: int) -> dict[str, list[int]]:
    if item == 1:
        os._exit(7)
    return who(item)


def wait_for(path: str) -> dict[str, list[int]]:
    """Say who we are, then never end."""
    Path(path).write_text(str(os.getpid()))
    signal.pause()
    return {}


class NeedsThread:
    """Starts a thread when it is unpickled, as some libraries do when they are imported."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_thread, ()

    def __call__(self, item: Any) -> dict[str, list[int]]:
        return who(item)


def _with_thread() -> Callable[[Any], Any]:
    import threading

    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return who


class Worker:
    """A directory such as a worker has, and tasks started in it."""

    def __init__(self, root: Path) -> None:
        self.sandbox = root / "worker"
        self.sandbox.mkdir()
        self.payload = write_bundle(root)
        self.tasks = 0

    def start(self, function: Any, items: list[Any], **environ: str) -> tuple[subprocess.Popen[bytes], Path]:
        self.tasks += 1
        directory = self.sandbox / f"t.{self.tasks}"
        directory.mkdir()
        preamble = functions.preamble(Code(paths=[str(Path(__file__).parent)]))
        (directory / "function").write_bytes(preamble + dill.dumps(function))
        (directory / "items").write_text(work.pack(items))
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(self.payload), "function", "items", "result"],
            cwd=directory,
            env={**os.environ, "WORK_QUEUE_SANDBOX": str(self.sandbox), "CORES": "1", **environ},
        )
        return process, directory / "result"

    def run(self, function: Any, items: list[Any], **environ: str) -> Path:
        process, result = self.start(function, items, **environ)
        assert process.wait(PATIENCE) == 0
        return result

    def servers(self) -> list[int]:
        return [pid for pid, command in _processes() if "--serve" in command and str(self.sandbox) in command]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker(tmp_path)
    yield made
    made.sandbox.rename(tmp_path / "gone")  # what a worker's end looks like from inside
    until(lambda: not made.servers(), "the server did not end with its worker")


def _processes() -> Iterator[tuple[int, str]]:
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(directory.name), (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def until(condition: Callable[[], Any], complaint: str) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail(complaint)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_tasks_of_a_function_are_forked_from_one_process(worker: Worker) -> None:
    parents = [answer.read_result(worker.run(who, [1, 2]))["parents"] for _ in range(3)]
    assert parents[0] == parents[1] == parents[2]
    assert parents[0][0] in worker.servers()


def test_tasks_that_come_at_once_start_one_server(worker: Worker) -> None:
    started = [worker.start(who, [number]) for number in range(4)]
    assert [process.wait(PATIENCE) for process, _ in started] == [0] * 4
    parents = {answer.read_result(result)["parents"][0] for _, result in started}
    assert len(parents) == len(worker.servers()) == 1


def test_state_of_one_task_does_not_reach_the_next(worker: Worker) -> None:
    for _ in range(3):
        assert answer.read_result(worker.run(state, [0]))["seen"] == [1]


def test_another_function_has_another_server(worker: Worker) -> None:
    worker.run(who, [1])
    worker.run(state, [1])
    assert len(worker.servers()) == 2


def test_what_is_ours_counts_for_nothing_that_was_read(worker: Worker, tmp_path: Path) -> None:
    """Each worker has a zip file and a function by names of its own: a result does not depend on them."""
    (tmp_path / "sf.json").write_text("1")
    reading = functools.partial(read, str(tmp_path / "sf.json"))
    results = [worker.run(reading, [1], **more) for more in ({}, {}, {"WQ_RUNNER_WARM": "0"})]
    for result in results:
        noted = answer.read_answer(result).read
        assert {name for name in noted if str(tmp_path) in name} == {f"file {tmp_path}/sf.json"}


def test_a_child_that_dies_is_answered_for_and_the_server_lives(worker: Worker) -> None:
    result = worker.run(die, [0, 1, 2])
    (failure,) = answer.read_answer(result).failures
    assert (failure.kind, failure.index) == (Kind.CRASH, 1)
    assert "exit code 7" in failure.message
    (server,) = worker.servers()
    assert answer.read_result(worker.run(die, [0]))["parents"] == [server]


def test_over_its_memory_a_child_is_ended(worker: Worker) -> None:
    result = worker.run(who, [1], MEMORY="20")
    (failure,) = answer.read_answer(result).failures
    assert failure.kind is Kind.MEMORY
    assert failure.memory > 20 * 2**20


def test_the_child_ends_with_its_task(worker: Worker, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    process, _ = worker.start(wait_for, [str(mark)])
    child = int(until(lambda: mark.exists() and mark.read_text(), "the task did not start"))
    process.kill()  # as the engine ends a task
    process.wait(PATIENCE)
    until(lambda: not alive(child), "the child outlived its task")
    assert len(worker.servers()) == 1


def test_children_end_with_the_server(worker: Worker, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    process, result = worker.start(wait_for, [str(mark)])
    child = int(until(lambda: mark.exists() and mark.read_text(), "the task did not start"))
    mark.unlink()
    os.kill(worker.servers()[0], signal.SIGKILL)
    until(lambda: not alive(child), "the child outlived the server")
    # the task goes on by itself, without a server
    until(mark.exists, "the task was not started again")
    process.kill()
    process.wait(PATIENCE)
    assert not result.exists()


def test_a_function_that_starts_threads_is_not_forked(worker: Worker) -> None:
    result = answer.read_result(worker.run(NeedsThread(), [1]))
    assert result["items"] == [1]
    assert not worker.servers()


def test_without_a_server_if_so_asked(worker: Worker) -> None:
    answer.read_result(worker.run(who, [1], WQ_RUNNER_WARM="0"))
    assert not worker.servers()


def test_deep_directories_have_servers_too(tmp_path: Path) -> None:
    root = tmp_path.joinpath(*["a-long-name-of-a-scratch-directory"] * 4)
    root.mkdir(parents=True)
    deep = Worker(root)
    (parent,) = answer.read_result(deep.run(who, [1]))["parents"]
    assert [parent] == deep.servers()
    deep.sandbox.rename(root / "gone")
    until(lambda: not deep.servers(), "the server did not end with its worker")


def test_standard_output_is_the_tasks(worker: Worker) -> None:
    def talk(item: Any) -> dict[str, int]:
        print(f"item {item}")
        return {"items": 1}

    process, _ = worker.start(talk, [5])
    process.wait(PATIENCE)
    directory = worker.sandbox / "t.9"
    directory.mkdir()
    for name in ("function", "items"):
        (directory / name).write_bytes((worker.sandbox / "t.1" / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(worker.payload), "function", "items", "result"],
        cwd=directory,
        env={**os.environ, "WORK_QUEUE_SANDBOX": str(worker.sandbox)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "item 5\n"


def test_answers_are_checked(worker: Worker) -> None:
    result = worker.run(who, [1])
    content = bytearray(result.read_bytes())
    content[-1] ^= 1
    result.write_bytes(content)
    with pytest.raises(wire.DamagedError):
        answer.read_answer(result)


def test_nobody_else_can_connect_or_read_whatever_the_umask(worker: Worker) -> None:
    before = os.umask(0)
    try:
        worker.run(who, [1])
    finally:
        os.umask(before)
    made = [path for path in worker.sandbox.iterdir() if path.name.startswith(("warm-", "function-"))]
    sockets = [path for path in made if path.is_socket()]
    assert sockets
    made.append(worker.sandbox)  # which the engine made as the umask says
    assert not {path.name: oct(path.stat().st_mode) for path in made if path.stat().st_mode & 0o077}


_SOMEBODY_ELSE = """
import os, socket, sys
other = socket.socket(socket.AF_UNIX)
os.setuid(65534)
other.connect(sys.argv[1])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_sent_away() -> None:
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        Path(directory).chmod(0o755)
        address = Path(directory, "socket")
        private.listen(listener, str(address), 2)
        command = [sys.executable, "-S", "-c", _SOMEBODY_ELSE, str(address)]
        assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode, (
            "it may not connect"
        )
        address.chmod(0o666)
        subprocess.run(command, check=True)
        assert private.accept(listener) is None
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(str(address))
            connection = private.accept(listener)
            assert connection is not None
            connection.close()
