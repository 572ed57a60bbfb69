"""Names and catalogs: how `work_queue_worker -M NAME` finds a run."""

from __future__ import annotations

import uuid
from pathlib import Path

import running
from batch.following import SUMS, Follow, complete, ports

from wq_runner.workers import catalog
from wq_runner.workers.catalog import Address

SIZE = ("--cores", "1", "--memory", "2000", "--disk", "2000", "-t", "60")


def named(address: Address, name: str) -> bool:
    return any(one.name == name for one in catalog.managers(address))


def test_the_line_of_the_manual(follow: Follow, address: Address, samples: Path, tmp_path: Path) -> None:
    environ = {
        "CATALOG_HOST": address.host,
        "CATALOG_PORT": str(address.port),
        "USER": "tester",
        "LOGNAME": "tester",
    }
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    with follow("wq-run", *gated, *ports(), "-o", "out", samples, **environ) as run:
        run.says("waiting for workers as tester-workqueue-coffea")
        with follow("work_queue_worker", "-M", "tester-workqueue-coffea", *SIZE, **environ):
            run.says("the first came after")
            gate.touch()
            run.ends_well()
    complete(tmp_path / "out")


def test_the_catalog_hears_of_workers_at_once(
    follow: Follow, address: Address, samples: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gated = (*SUMS, "-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}")
    options = (*ports(), "--catalog", address, "--name", "mine", "-o", "out")
    with follow("wq-run", *gated, *options, samples) as run:
        line = "waiting for workers as mine, port "
        port = int(run.says(line).partition(line)[2].partition(".")[0])
        with follow("work_queue_worker", *SIZE, "127.0.0.1", port):

            def heard() -> bool:
                return [(one.workers, one.running) for one in catalog.managers(address)] == [(1, 1)]

            running.until(heard, "the catalog knows of the worker", patience=50)  # the engine takes 60
            assert [one.port for one in catalog.named(address, "mine")] == [port]
            gate.touch()
            run.ends_well()
    complete(tmp_path / "out")


def test_a_catalog_of_ones_own_ends_with_the_run(follow: Follow, samples: Path, tmp_path: Path) -> None:
    address = catalog.free_address()
    environ = {"CATALOG_PORT": str(address.port)}
    options = (*ports(), "--catalog", "local", "--name", "mine", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        assert f"-C {address} -M mine" in run.says("waiting for workers as mine")
        running.until(lambda: named(address, "mine"), "the catalog knows the name")
        with follow("work_queue_worker", "-C", address, "-M", "mine", *SIZE):
            run.ends_well()
    complete(tmp_path / "out")
    assert not catalog.PrivateCatalog(address, log=tmp_path / "log").answers()


def test_a_killed_run_leaves_no_catalog(follow: Follow, samples: Path, tmp_path: Path) -> None:
    address = catalog.free_address()
    environ = {"CATALOG_PORT": str(address.port), running.MARK: uuid.uuid4().hex}
    options = (*ports(), "--catalog", "local", "--name", "mine", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        run.says("waiting for workers as mine")
        assert any("catalog_server" in text for text in running.marked(environ[running.MARK]).values())
        running.kill(run.process.pid)
        running.until(lambda: not running.marked(environ[running.MARK]), "all its processes are gone")


def test_a_catalog_that_dies_is_started_again(follow: Follow, samples: Path, tmp_path: Path) -> None:
    address = catalog.free_address()
    environ = {"CATALOG_PORT": str(address.port), running.MARK: uuid.uuid4().hex}
    options = (*ports(), "--catalog", "local", "--name", "mine", "-o", "out")

    def catalogs() -> set[int]:
        return {
            pid
            for pid, text in running.marked(environ[running.MARK]).items()
            if text.split(" ")[0].endswith("catalog_server")
        }

    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        run.says("waiting for workers as mine")
        first = catalogs()
        for pid in first:
            running.kill(pid)
        running.until(lambda: catalogs() - first, "another catalog")


def test_without_a_catalog_workers_come_by_host_and_port(
    follow: Follow, address: Address, samples: Path, tmp_path: Path
) -> None:
    environ = {"CATALOG_HOST": address.host, "CATALOG_PORT": str(address.port)}
    options = (*ports(), "--catalog", "none", "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("note: no password is set")
        assert " -M " not in text
        port = text.partition("waiting for workers, port ")[2].partition(".")[0]
        with follow("work_queue_worker", *SIZE, "127.0.0.1", port):
            run.ends_well()
    assert catalog.managers(address) == []
    complete(tmp_path / "out")


def test_the_second_run_of_a_name_is_told(
    follow: Follow, address: Address, samples: Path, tmp_path: Path
) -> None:
    options = ("--catalog", address, "--name", "twice")
    with follow("wq-run", *SUMS, *options, *ports(), "-o", "one", samples) as first:
        assert "another run has the name" not in first.says("waiting for workers as twice")
        with follow("wq-run", *SUMS, *options, *ports(), "-o", "two", samples) as second:
            assert f"in {tmp_path / 'one'}" in second.says("another run has the name twice")
        # somebody else's, of which only the catalog knows
        elsewhere = {"XDG_CACHE_HOME": str(tmp_path)}
        with follow("wq-run", *SUMS, *options, *ports(), "-o", "three", samples, **elsewhere) as third:
            third.says("another run has the name twice")


def test_a_catalog_that_does_not_answer_is_named(follow: Follow, samples: Path) -> None:
    port = running.free_port()
    with follow("wq-workers", "doctor", "--catalog", f"127.0.0.1:{port}", "-M", "mine") as doctor:
        assert doctor.ends() == 5
        assert f"catalog 127.0.0.1:{port} does not answer" in doctor.said
        assert "--catalog HOST:PORT names another" in doctor.said


def test_workers_by_hand_know_the_run(
    follow: Follow, address: Address, samples: Path, tmp_path: Path
) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    options = (*ports(), "--name", "mine", "--password-file", "auto", "--catalog", address, "-o", "out")
    with follow("wq-run", *SUMS, *options, samples, **environ) as run:
        text = run.says("wq-workers local 4 -M mine")
        assert "no password is set" not in text
        password = tmp_path / "config" / "wq-runner" / "workers.password"
        assert password.stat().st_mode & 0o777 == 0o600
        size = ("--memory", "2GB", "--disk", "2GB")
        with follow("wq-workers", "local", 2, "-M", "mine", *size, **environ) as workers:
            run.ends_well()
            assert f"password {password}" in workers.said
    complete(tmp_path / "out")


def test_workers_by_hand_end_when_they_are_killed(follow: Follow, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    place = f"127.0.0.1:{running.free_port()}"
    with follow("wq-workers", "local", 2, "--manager", place, **{running.MARK: mark}) as workers:
        running.until(lambda: len(running.workers(mark)) == 2, "two workers")
        running.kill(workers.process.pid)
        running.until(lambda: not running.marked(mark), "no processes")


def test_others_may_not_read_a_password(follow: Follow, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o644)
    with follow("wq-run", *SUMS, "--password-file", "secret", samples) as run:
        assert run.ends() == 2
        assert "chmod 600 secret" in run.said
