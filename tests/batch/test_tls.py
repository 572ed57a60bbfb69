"""Runs with TLS: workers of each kind come in, and strangers get nowhere."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import condor
import pytest
import releases
import running
from batch.following import SIZE, SUMS, Follow, complete, password, port_of, ports, talking

from wq_runner.workers.catalog import Address

SHAPE = ("--cores", 1, "--memory", "1GB", "--disk", "1GB")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return password(tmp_path, "secret", "a" * 64)


@pytest.fixture
def options(secret: Path) -> tuple[object, ...]:
    """Return those of a run that waits for workers."""
    return (*SUMS, "--tls", "--password-file", secret, *ports(), "--catalog", "none", "-o", "out")


@releases.needs_tls
def test_started_by_hand_and_strangers(
    follow: Follow, samples: Path, tmp_path: Path, secret: Path, options: tuple[object, ...]
) -> None:
    wrong = password(tmp_path, "wrong", "b" * 64)
    with follow("wq-run", *options, samples) as run:
        port = port_of(run)
        (line,) = (one for one in run.said.splitlines() if one.strip().startswith("by port"))
        assert f"-P {secret} --ssl " in line
        with talking(port), talking(port, b"GET / HTTP/1.1\r\n\r\n"):
            with follow("work_queue_worker", *SIZE, "-P", secret, "127.0.0.1", port):
                run.says("127.0.0.1 was refused: a worker without TLS")
            with follow("work_queue_worker", *SIZE, "-P", wrong, "--ssl", "127.0.0.1", port):
                run.says("127.0.0.1 was refused: a worker without the password")
            with follow("work_queue_worker", *SIZE, "-P", secret, "--ssl", "127.0.0.1", port):
                run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_of_wq_workers(
    follow: Follow, samples: Path, tmp_path: Path, secret: Path, options: tuple[object, ...]
) -> None:
    with follow("wq-run", *options, samples) as run:
        where = ("--manager", f"127.0.0.1:{port_of(run)}", "--password-file", secret, "--tls")
        with follow("wq-workers", "local", 1, *SHAPE, "--timeout", 60, *where):
            run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_of_a_script_for_jobs(
    follow: Follow, samples: Path, tmp_path: Path, secret: Path, options: tuple[object, ...]
) -> None:
    """Submitted where the batch system does nothing with it, and then run as a node would."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 1\n")
    (programs / "sbatch").chmod(0o755)
    with follow("wq-run", *options, samples) as run:
        where = ("--manager", f"127.0.0.1:{port_of(run)}", "--password-file", secret, "--tls")
        path = f"{programs}:{os.environ['PATH']}"
        with follow(
            "wq-workers", "submit", "slurm", 1, *SHAPE, "--timeout", 60, *where, PATH=path
        ) as submitted:
            submitted.ends_well()
        with follow("sh", tmp_path / "wq-workers" / "wq-worker.sh"):
            run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_of_a_factory(follow: Follow, samples: Path, tmp_path: Path, pool: condor.Pool) -> None:
    assert pool.directory.is_dir()
    with follow("wq-run", *SUMS, "--tls", "-w", "condor:1x1x1GBx1GB", "-o", "out", samples) as run:
        run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_that_ask_a_catalog(
    follow: Follow, samples: Path, tmp_path: Path, secret: Path, address: Address
) -> None:
    """The catalog tells that the run has TLS; a factory's workers ask it, too."""
    told = (*SUMS, "--tls", "--password-file", secret, *ports(), "-o", "out")
    with follow("wq-run", *told, "--name", "tls-of-tests", "--catalog", address, samples) as run:
        where = ("--catalog", address, "--password-file", secret, "-M", "tls-of-tests")
        with follow(
            "wq-workers", "local", 1, *SHAPE, "--timeout", 60, *where, XDG_CACHE_HOME=str(tmp_path / "other")
        ):
            run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_one_who_begins_and_stops(
    follow: Follow, samples: Path, tmp_path: Path, secret: Path, options: tuple[object, ...]
) -> None:
    """He holds the engine, which is replaced, and costs no more than 30 s."""
    with follow("wq-run", *options, samples) as run:
        port = port_of(run)
        begun = time.monotonic()
        worker = ("work_queue_worker", *SIZE, "-P", secret, "--ssl", "127.0.0.1", port)
        with talking(port, b"\x16\x03\x01"), follow(*worker):
            run.says("did nothing for 20 s")
            assert time.monotonic() - begun < 30
            run.ends_well()
    complete(tmp_path / "out")


@releases.needs_tls
def test_its_key_is_for_us_alone_and_for_the_time_of_the_run(
    follow: Follow, samples: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    with follow("wq-run", *options, samples, TMPDIR=str(place)) as run:
        port_of(run)
        (key,) = place.glob("wq-runner-tls-*/key.pem")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        text = key.read_text().splitlines()[1]
        run.process.terminate()
        run.ends()
    assert not key.exists()
    logs = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in logs if text.encode() in path.read_bytes()]


@pytest.mark.skipif(releases.HAS_TLS, reason=f"ndcctools {releases.RELEASE} has TLS")
def test_where_the_engine_has_none(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = ("--manager", f"127.0.0.1:{server.getsockname()[1]}", "--tls")
        ended = running.run("local", 1, *where, cwd=tmp_path, name="wq-workers")
    assert ended.code == 2
    assert "work_queue_worker has no TLS" in ended.error
