"""What others cannot get at, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from wq_runner import system
from wq_runner.ledger import ledger
from wq_runner.remote import private
from wq_runner.terminal import printing
from wq_runner.workers import kit
from wq_runner.workers.kit import Kit

URL = "http://127.0.0.1:8787/?token=secret"


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_with_all_that_are_missing_above(tmp_path: Path) -> None:
    system.make_private(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o777)
    system.make_private(tmp_path / "shared")
    assert mode(tmp_path / "shared") == 0o777


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        system.make_private(tmp_path / "file" / "below")


def test_what_a_worker_runs(tmp_path: Path) -> None:
    (tmp_path / "worker").mkdir()
    private.close_to_others(tmp_path / "worker")
    assert mode(tmp_path / "worker") == 0o700


def test_what_is_unpickled_later(tmp_path: Path) -> None:
    (tmp_path / "result").write_bytes(b"x")
    (tmp_path / "result").chmod(0o777)  # as the engine writes it
    assert mode(ledger.keep(tmp_path / "result", tmp_path / "part-1")) == 0o755
    ledger.write_sum(tmp_path / "sum", {"n": 1})
    assert mode(tmp_path / "sum") == 0o644


def test_the_script_with_the_password(tmp_path: Path) -> None:
    kit.write(Kit(managers="h:1", password="secret"), tmp_path / "logs" / "script.sh")
    assert (mode(tmp_path / "logs"), mode(tmp_path / "logs" / "script.sh")) == (0o700, 0o700)


@pytest.mark.parametrize(("others", "printed"), [(0o644, False), (0o600, True)])
def test_the_token_is_not_printed_to_a_file_that_others_read(
    tmp_path: Path, others: int, printed: bool
) -> None:
    log, address = tmp_path / "log", tmp_path / "page.url"
    log.touch(others)
    with log.open("w") as stream:
        printing.page(Console(file=stream), URL, "ssh", secret_in=address)
    assert ("secret" in log.read_text()) is printed
    assert address.exists() is not printed
    if not printed:
        assert str(address) in log.read_text()
        assert (address.read_text().strip(), mode(address)) == (URL, 0o600)
