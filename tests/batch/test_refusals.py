"""Workers that a run does not take, and strangers at its port: each said in a line, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import running
from batch.following import SIZE, SUMS, Follow, complete, password, port_of, ports, talking

OPTIONS = (*ports(), "--catalog", "none", "-o", "out")


def test_the_wrong_password(follow: Follow, samples: Path, tmp_path: Path) -> None:
    right, wrong = password(tmp_path, "right", "a" * 64), password(tmp_path, "wrong", "b" * 64)
    with follow("wq-run", *SUMS, *OPTIONS, "--password-file", right, samples) as run:
        port = port_of(run)
        with follow("work_queue_worker", *SIZE, "-P", wrong, "127.0.0.1", port):
            assert f"-P {right}" in run.says("127.0.0.1 was refused")
            with follow("work_queue_worker", *SIZE, "-P", right, "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")


def test_a_password_where_none_is_wanted(follow: Follow, samples: Path, tmp_path: Path) -> None:
    secret = password(tmp_path, "secret", "a" * 64)
    with follow("wq-run", *SUMS, *OPTIONS, samples) as run:
        port = port_of(run)
        with follow("work_queue_worker", *SIZE, "-P", secret, "127.0.0.1", port):
            run.says("a worker on 127.0.0.1 has a password and this run has none")
            with follow("work_queue_worker", *SIZE, "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")


def test_another_release(follow: Follow, samples: Path, tmp_path: Path) -> None:
    with follow("wq-run", *SUMS, *OPTIONS, samples) as run:
        port = port_of(run)
        with talking(port, b"workqueue 99 elsewhere Linux x86_64 99.1.2\n"):
            run.says("a worker on 127.0.0.1 is of another release of the engine (protocol 99")
            with follow("work_queue_worker", *SIZE, "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")


def test_too_small(follow: Follow, samples: Path, tmp_path: Path) -> None:
    with follow("wq-run", *SUMS, *OPTIONS, "--memory", "3GB", samples) as run:
        port = port_of(run)
        with follow("work_queue_worker", *SIZE, "127.0.0.1", port):
            run.says("no connected worker can hold a task: it asks for 1 core, 3.0 GB memory")
            larger = ("--cores", 1, "--memory", 4000, "--disk", 2000)
            with follow("work_queue_worker", *larger, "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")


def test_strangers(follow: Follow, samples: Path, tmp_path: Path) -> None:
    right = password(tmp_path, "right", "a" * 64)
    with follow("wq-run", *SUMS, *OPTIONS, "--password-file", right, samples) as run:
        port = port_of(run)
        with (
            talking(port, bytes(range(256)) * 50),
            talking(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            talking(port),
        ):
            run.says("127.0.0.1 was refused")
            with follow("work_queue_worker", *SIZE, "-P", right, "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")
    assert running.summary(tmp_path / "out")["complete"]
