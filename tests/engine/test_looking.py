"""Whoever looks at a run changes nothing of it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import running

from wq_runner.engine.messages import QueueSettings
from wq_runner.engine.protocol import EngineStatus
from wq_runner.engine.work_queue import WorkQueueEngine

SIZE = ("--memory", "1GB", "--disk", "1GB", "--timeout", "60")


def test_the_doctor_disturbs_nothing_and_asks_the_run_first(
    tmp_path: Path, make_root: Callable[..., Path]
) -> None:
    data, gate, out = make_root("data.root", entries=40), tmp_path / "gate", tmp_path / "out"
    # nobody answers there: what is known is from the run alone
    catalog = ("--catalog", f"127.0.0.1:{running.free_port()}")
    where = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    gated = (
        "-p",
        f"{running.ANALYSIS}:Gated",
        "--processor-args",
        f"gate={gate}",
        "--processor-args",
        "free=0",
        "--schema",
        "BaseSchema",
    )
    command = (*gated, *catalog, "--port", 0, "--name", "mine", "--password-file", "auto", "-o", "out", data)

    def doctor() -> running.Ended:
        return running.run("doctor", "-M", "mine", cwd=tmp_path, name="wq-workers", **where)

    with running.running(*command, cwd=tmp_path, **where) as run:
        running.until(lambda: (out / "status.json").exists() and [*(tmp_path / "cache").glob("*/managers/*")])
        alone = doctor()
        assert alone.code == 5
        assert "mine has no workers, and none has come so far" in alone.out
        assert f"catalog {catalog[1]} does not answer" in alone.error
        workers = running.start("local", 1, "-M", "mine", *SIZE, cwd=tmp_path, name="wq-workers", **where)
        try:
            running.until(lambda: running.status(out)["workers"]["busy"] == 1)
            busy = doctor()
            assert busy.code == 0, busy.err
            assert "1 of 1 workers are busy" in busy.out
            gate.touch()
            ended = running.finish(run)
        finally:
            workers.terminate()
            workers.communicate()
    assert ended.code == 0, ended.err
    told = [line for line in ended.out.splitlines() if "--catalog" not in line]  # which does not answer
    assert "refused" not in "\n".join(told)
    assert "presented" not in (out / "workers" / "queue.log").read_text()
    assert running.status(out)["workers"]["lost"] == 0


def test_who_says_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    password, log = tmp_path / "password", tmp_path / "log"
    password.write_text("secret")
    engine = WorkQueueEngine(
        QueueSettings(payload=tmp_path, ports=(0, 0), password_file=password), child_log=log
    )
    engine.start()
    with contextlib.ExitStack() as stack:
        stack.callback(engine.close)
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", engine.port)))
        end = time.monotonic() + 7  # the engine would say after 5 that the first one has no password
        while time.monotonic() < end:
            engine.wait(0.5)
        assert "presented" not in log.read_text()
        speaks = stack.enter_context(socket.create_connection(("127.0.0.1", engine.port)))
        speaks.sendall(b"nonsense\n")
        running.until(lambda: engine.wait(0.5) or "presented" in log.read_text())


def test_who_knocks_and_leaves_is_no_worker_that_was_lost(tmp_path: Path) -> None:
    engine = WorkQueueEngine(QueueSettings(payload=tmp_path, ports=(0, 0)))
    engine.start()
    try:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", engine.port)) as stranger:
                stranger.shutdown(socket.SHUT_WR)
                while stranger.recv(1000):  # until the engine has seen that nobody is there
                    pass
        seen: list[EngineStatus] = []

        def reported() -> bool:
            engine.wait(0.5)
            seen.append(engine.status)
            return len(seen) > 6

        running.until(reported)
        assert {(one.workers_joined, one.workers_lost) for one in seen} == {(0, 0)}
    finally:
        engine.close()
